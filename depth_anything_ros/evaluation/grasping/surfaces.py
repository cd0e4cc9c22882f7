# SPDX-License-Identifier: Apache-2.0
"""Pictures that the simulated room is papered with: table tops, floors, walls and printed packages."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from depth_anything_ros.training.textures import fractal

SIZE_PX = 512
LETTERS = np.array(list('ABCDEFGHIKLMNOPRSTUVWXYZ'))


def table_top(rng: np.random.Generator) -> np.ndarray:
    """(SIZE_PX, SIZE_PX, 3) uint8 RGB, as all here: wood, laminate or cloth."""
    return (_wood, _wood, _laminate, _cloth)[int(rng.integers(4))](rng)


def floor(rng: np.random.Generator) -> np.ndarray:
    return (_wood, _laminate)[int(rng.integers(2))](rng)


def wall(rng: np.random.Generator) -> np.ndarray:
    """Plaster, now and then with stripes of wallpaper."""
    share = 0.5 + 0.06 * (_noise(rng, 6) - 0.5)
    if rng.random() < 0.4:
        columns = np.arange(SIZE_PX) * 2 * np.pi / SIZE_PX
        share = share + 0.06 * np.sign(np.sin(columns * int(rng.integers(6, 20))))[None]
    return _tinted(share * 2, _muted(rng, 0.25, 0.75, 0.95))


def package(rng: np.random.Generator) -> np.ndarray:
    """A printed package: ground, bands and a few letters."""
    image = np.empty((SIZE_PX, SIZE_PX, 3), np.uint8)
    image[:] = _vivid(rng)
    for _ in range(int(rng.integers(1, 4))):
        start = int(rng.integers(SIZE_PX))
        image[start : start + int(rng.integers(20, 160))] = _vivid(rng)
    for _ in range(int(rng.integers(1, 3))):
        text = ''.join(rng.choice(LETTERS, int(rng.integers(3, 8))))
        place = (int(rng.integers(0, SIZE_PX // 3)), int(rng.integers(80, SIZE_PX - 20)))
        cv2.putText(
            image, text, place, cv2.FONT_HERSHEY_DUPLEX, rng.uniform(1.5, 3.5), _vivid(rng).tolist(),
            int(rng.integers(3, 9)), cv2.LINE_AA,
        )  # fmt: skip
    return np.clip(image * (0.94 + 0.12 * _noise(rng, 5)[..., None]), 0, 255).astype(np.uint8)


def _wood(rng: np.random.Generator) -> np.ndarray:
    grain = cv2.resize(_noise(rng, 6)[: SIZE_PX // 16], (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (grain.T * rng.uniform(3, 8)))
    share = 0.72 + 0.16 * rings + 0.2 * (_noise(rng, 7) - 0.5) * grain.T
    boards = int(rng.choice([2, 4, 8]))
    wide = SIZE_PX // boards
    for board in range(boards):
        at = slice(board * wide, (board + 1) * wide)
        share[:, at] = np.roll(share[:, at], int(rng.integers(SIZE_PX)), axis=0) * rng.uniform(0.86, 1.08)
        share[:, board * wide : board * wide + 2] *= 0.6
    return _tinted(share, np.array(colorsys.hsv_to_rgb(rng.uniform(0.05, 0.1), rng.uniform(0.3, 0.6), 1)))


def _laminate(rng: np.random.Generator) -> np.ndarray:
    speckles = (rng.random((SIZE_PX, SIZE_PX)) < 0.03).astype(np.float32)
    speckles = cv2.GaussianBlur(speckles, (0, 0), rng.uniform(0.8, 2)) * rng.uniform(0.5, 3)
    share = 0.9 + 0.15 * (_noise(rng, 6) - 0.5) - np.clip(speckles, 0, 0.5)
    return _tinted(share, _muted(rng, 0.15, 0.4, 0.95))


def _cloth(rng: np.random.Generator) -> np.ndarray:
    step = SIZE_PX // int(rng.choice([4, 8, 16]))
    stripes = (np.arange(SIZE_PX) // step) % 2
    pattern = (stripes[:, None] + (stripes[None] if rng.random() < 0.6 else 0)) / 2
    weave = 0.04 * rng.standard_normal((SIZE_PX, SIZE_PX))
    light, dark = _muted(rng, 0.1, 0.75, 0.95), _muted(rng, 0.6, 0.35, 0.8)
    colour = pattern[..., None] * dark + (1 - pattern[..., None]) * light
    return _tinted((0.97 + weave + 0.08 * (_noise(rng, 4) - 0.5)), colour)


def _noise(rng: np.random.Generator, octaves: int) -> np.ndarray:
    return cv2.resize(fractal(rng, octaves), (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC)


def _muted(rng: np.random.Generator, most_saturation: float, darkest: float, brightest: float) -> np.ndarray:
    """(3,) RGB in 0..1."""
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, most_saturation), rng.uniform(darkest, brightest)))


def _vivid(rng: np.random.Generator) -> np.ndarray:
    """(3,) RGB in 0..255."""
    return 255 * _muted(rng, 0.85, 0.25, 0.97)


def _tinted(share: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return np.clip(255 * share[..., None] * colour, 0, 255).astype(np.uint8)
