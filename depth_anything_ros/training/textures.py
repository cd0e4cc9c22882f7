# SPDX-License-Identifier: Apache-2.0
"""Tileable surface textures with mip levels: noise, stripes, checker, bricks, wood, spots, letters, real crops."""

from __future__ import annotations

import cv2
import numpy as np

SIZE_PX = 256
LEVELS = 8


class TextureBank:
    """`count` random textures and (K, SIZE, SIZE) cut-out masks for foliage-like outlines.

    photos: (H, W, 3) uint8 RGB images whose crops, mirrored to tile, are surfaces with natural statistics.
    """

    def __init__(self, rng: np.random.Generator, count: int = 96, photos: list[np.ndarray] | None = None):
        painters = [_noise, _stripes, _checker, _bricks, _wood, _spots, _letters, _plain, _noise]
        images = []
        for i in range(count):
            if photos and i % 3 == 0:
                images.append(_photo(rng, photos[int(rng.integers(len(photos)))]))
            else:
                images.append(painters[int(rng.integers(len(painters)))](rng))
        self.count = count
        self._sizes = [SIZE_PX >> level for level in range(LEVELS)]
        self._offsets = np.cumsum([0] + [size * size for size in self._sizes[:-1]])
        self._texels = np.stack([self._mips(image) for image in images])  # (count, texels, 3) uint8
        self.masks = np.stack([_outline(rng) for _ in range(12)])

    def _mips(self, image: np.ndarray) -> np.ndarray:
        levels = [cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for size in self._sizes]
        return np.concatenate([level.reshape(-1, 3) for level in levels])

    def picture(self, texture: int) -> np.ndarray:
        """A texture at full size, (SIZE, SIZE, 3) uint8."""
        return self._texels[texture][: SIZE_PX * SIZE_PX].reshape(SIZE_PX, SIZE_PX, 3)

    def sample(self, texture: int, tiles: np.ndarray, tiles_per_pixel: np.ndarray) -> np.ndarray:
        """Bilinear look-up: tiles (N, 2) in tile units (wrapping), footprint (N,) -> (N, 3) float32 colours 0..255."""
        level = np.clip(np.log2(np.maximum(tiles_per_pixel * SIZE_PX, 1e-6)), 0, LEVELS - 1).astype(np.int32)
        size = (SIZE_PX >> level).astype(np.int32)
        offset = self._offsets[level]
        place = tiles * size[:, None] - 0.5
        corner = np.floor(place)
        fraction = (place - corner).astype(np.float32)
        corner = corner.astype(np.int64)
        u0, v0 = corner[:, 0] & (size - 1), corner[:, 1] & (size - 1)
        u1, v1 = (u0 + 1) & (size - 1), (v0 + 1) & (size - 1)
        texels, (fu, fv) = self._texels[texture], fraction.T[:, :, None]
        top = texels[offset + v0 * size + u0] * (1 - fu) + texels[offset + v0 * size + u1] * fu
        bottom = texels[offset + v1 * size + u0] * (1 - fu) + texels[offset + v1 * size + u1] * fu
        return top * (1 - fv) + bottom * fv


def fractal(rng: np.random.Generator, octaves: int = 6, roughness: float = 0.55) -> np.ndarray:
    """Tileable value noise in [0, 1], (SIZE, SIZE) float32."""
    total = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    for octave in range(octaves):
        cells = 4 << octave
        grid = rng.random((cells, cells), dtype=np.float32)
        grid = np.pad(grid, 1, mode='wrap')
        scale = SIZE_PX // cells
        large = cv2.resize(grid, ((cells + 2) * scale,) * 2, interpolation=cv2.INTER_CUBIC)
        total += roughness**octave * large[scale : scale + SIZE_PX, scale : scale + SIZE_PX]
    low, high = np.percentile(total, [1, 99])
    return np.clip((total - low) / (high - low), 0, 1)


def _colour(rng: np.random.Generator) -> np.ndarray:
    grey = rng.uniform(25, 235)
    return np.clip(grey + rng.normal(0, 35, 3) * rng.uniform(0, 1), 5, 250).astype(np.float32)


def _blend(rng: np.random.Generator, share: np.ndarray) -> np.ndarray:
    share = share[..., None]
    image = share * _colour(rng) + (1 - share) * _colour(rng)
    grain = rng.normal(0, rng.uniform(0, 8), image.shape[:2])[..., None]
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def _noise(rng):
    share = fractal(rng, octaves=int(rng.integers(2, 7)), roughness=rng.uniform(0.4, 0.8))
    return _blend(rng, share if rng.random() < 0.6 else (share > rng.uniform(0.3, 0.7)).astype(np.float32))


def _plain(rng):
    return _blend(rng, 0.5 + 0.15 * (fractal(rng, octaves=3) - 0.5))


def _stripes(rng):
    u, v = np.meshgrid(np.arange(SIZE_PX), np.arange(SIZE_PX))
    across, along = rng.integers(0, 6), rng.integers(1, 16)
    wave = np.sin(2 * np.pi * (across * u + along * v) / SIZE_PX + rng.uniform(0, 1) * fractal(rng))
    return _blend(rng, np.clip(wave * rng.choice([0.6, 5.0]) + 0.5, 0, 1).astype(np.float32))


def _checker(rng):
    cell = SIZE_PX // int(rng.choice([2, 4, 8, 16]))
    u, v = np.meshgrid(np.arange(SIZE_PX) // cell, np.arange(SIZE_PX) // cell)
    return _blend(rng, ((u + v) % 2).astype(np.float32) * 0.9 + 0.1 * fractal(rng))


def _bricks(rng):
    image = _noise(rng).astype(np.float32)
    height = SIZE_PX // int(rng.choice([4, 8, 16]))
    width = height * int(rng.choice([1, 2]))
    joint = _colour(rng)
    for row in range(SIZE_PX // height):
        image[row * height : row * height + max(1, height // 12)] = joint
        for column in range(SIZE_PX // width):
            x = (column * width + (row % 2) * width // 2) % SIZE_PX
            block = image[row * height + height // 12 + 1 : (row + 1) * height, x : x + width]
            block *= rng.uniform(0.85, 1.15)
            block[:, : max(1, height // 12)] = joint
    return np.clip(image, 0, 255).astype(np.uint8)


def _wood(rng):
    u = np.arange(SIZE_PX)[None, :] / SIZE_PX
    rings = np.sin(2 * np.pi * (rng.integers(4, 16) * u + rng.uniform(0.3, 1.5) * fractal(rng, octaves=3)))
    return _blend(rng, (0.5 + 0.35 * rings + 0.15 * fractal(rng)).astype(np.float32))


def _spots(rng):
    share = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    for _ in range(int(rng.integers(5, 120))):
        centre = tuple(int(c) for c in rng.integers(0, SIZE_PX, 2))
        cv2.circle(share, centre, int(rng.integers(2, 24)), float(rng.uniform(0.2, 1)), -1, cv2.LINE_AA)
    return _blend(rng, share)


def _letters(rng):
    image = _plain(rng)
    for _ in range(int(rng.integers(3, 24))):
        text = ''.join(chr(int(c)) for c in rng.integers(48, 91, int(rng.integers(1, 8))))
        place = (int(rng.integers(0, SIZE_PX - 40)), int(rng.integers(20, SIZE_PX)))
        colour = tuple(float(c) for c in _colour(rng))
        cv2.putText(image, text, place, int(rng.integers(0, 7)), rng.uniform(0.4, 2), colour, int(rng.integers(1, 4)))
    return image


def _photo(rng, photo):
    side = int(rng.integers(48, min(photo.shape[:2])))
    y, x = rng.integers(0, photo.shape[0] - side + 1), rng.integers(0, photo.shape[1] - side + 1)
    half = cv2.resize(photo[y : y + side, x : x + side], (SIZE_PX // 2,) * 2, interpolation=cv2.INTER_AREA)
    half = np.concatenate([half, half[:, ::-1]], axis=1)
    return np.concatenate([half, half[::-1]], axis=0)


def _outline(rng):
    v, u = np.mgrid[-1 : 1 : SIZE_PX * 1j, -1 : 1 : SIZE_PX * 1j]
    bump = fractal(rng, octaves=int(rng.integers(2, 7)), roughness=rng.uniform(0.5, 0.9))
    return (bump - rng.uniform(0.5, 0.9) * (u * u + v * v) ** rng.uniform(0.6, 2)) > rng.uniform(-0.2, 0.1)
