# SPDX-License-Identifier: Apache-2.0
"""A prompt network on images larger than it sees at once: overlapping tiles, blended without seams.

The whole image is run once at the size of a tile. Every tile is then run on its own pixels with its own returns and
principal point; where it has no returns, that overview's depth stands in for them, so that all tiles are of one scale.
Tiles are blended in log depth. Memory is that of one tile and of a few maps of the image, however many tiles there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.engines.arrays import resized_prompt
from depth_anything_ros.engines.base import Engine, Prediction
from depth_anything_ros.projection.conditioning import ConditionedPrompt, ConditioningConfig, condition
from depth_anything_ros.projection.outliers import OutlierConfig

UNGATED = ConditioningConfig(outliers=OutlierConfig(enabled=False))  # the whole prompt went through the gate
OVERLAP = 0.25  # of a tile's side, at least
LENT_CELLS = 12  # along a tile's side: a cell without a return is lent one from the overview
LENT_SIGMA = 0.05  # of the depth: the overview's word is worth less than a return


@dataclass(frozen=True)
class TilingConfig:
    """How images are run that are larger than the network was made for."""

    tile_px: int = setting(
        0, 'side of the tiles that larger images are run in, for networks that take a prompt; 0: no tiles',
        unit='px', low=0, high=8192,
    )  # fmt: skip

    def __post_init__(self):
        validate(self)


def takes_tiles(image_rgb: np.ndarray, config: TilingConfig) -> bool:
    """Whether such an image, (H, W, 3), is larger than a tile."""
    return 0 < config.tile_px < max(image_rgb.shape[:2])


def infer_in_tiles(
    engine: Engine,
    image_rgb: np.ndarray,
    prompt: ConditionedPrompt,
    camera: CameraModel | None,
    config: TilingConfig,
) -> Prediction:
    """As `engine.infer`, in tiles of tile_px where the image is larger than one.

    Raises InvalidInput where tiles make no sense: the engine isn't given the returns, so that every tile would get a
    scale of its own, or the image is a panorama, whose tiles aren't pinhole images.
    """
    height, width = image_rgb.shape[:2]
    if not takes_tiles(image_rgb, config):
        return engine.infer(image_rgb, prompt, camera)
    if prompt.sparse.camera.is_equirectangular:
        raise InvalidInput('tiles of a panorama are not pinhole images: set estimator.tiling.tile_px to 0')
    overview = _overview(engine, image_rgb, prompt, camera, config.tile_px)
    if not (overview.metric and overview.prompted):
        raise InvalidInput(
            f'{engine.model} is not given the returns, so every tile would get a scale of its own:'
            ' set estimator.tiling.tile_px to 0'
        )
    blend = _Blend(height, width)
    for tile in tiles(height, width, config.tile_px):
        own = _lent(_cropped(prompt.sparse, tile), overview.depth_m, tile, (height, width))
        blend.add(
            tile,
            engine.infer(
                np.ascontiguousarray(image_rgb[tile.pixels]),
                condition(own, UNGATED),
                None if camera is None else own.camera,
            ),
        )
    return blend.result(overview.relative_sigma)


@dataclass(frozen=True)
class Tile:
    """A part of an image; weights_y, weights_x: how much it counts, falling to 0 towards tiles beside it."""

    top: int
    left: int
    weights_y: np.ndarray
    weights_x: np.ndarray

    @property
    def pixels(self) -> tuple[slice, slice]:
        return np.s_[self.top : self.top + len(self.weights_y), self.left : self.left + len(self.weights_x)]


def tiles(height: int, width: int, tile_px: int) -> list[Tile]:
    """Evenly spaced, overlapping by at least a quarter; their weights sum to one at every pixel."""
    rows, columns = _spans(height, tile_px), _spans(width, tile_px)
    return [Tile(top, left, down, across) for (top, down), (left, across) in product(rows, columns)]


def _spans(side: int, tile_px: int) -> list[tuple[int, np.ndarray]]:
    """Start of every tile along one side, and its weights."""
    tile_px = min(side, tile_px)
    overlap = int(tile_px * OVERLAP)
    count = 1 if side == tile_px else -(-(side - overlap) // (tile_px - overlap))
    starts = np.linspace(0, side - tile_px, count).round().astype(int).tolist()
    at = np.arange(tile_px, dtype=np.float32) + 0.5
    weights = [np.ones(tile_px, np.float32) for _ in starts]
    for number in range(count - 1):
        shared = starts[number] + tile_px - starts[number + 1]
        share = np.clip(at / shared, 0, 1)
        share = share * share * (3 - 2 * share)  # no kink where a tile begins
        weights[number + 1] *= share
        weights[number][-shared:] *= 1 - share[:shared]
    return list(zip(starts, weights, strict=True))


def _overview(engine, image_rgb, prompt: ConditionedPrompt, camera, tile_px: int) -> Prediction:
    height, width = image_rgb.shape[:2]
    scale = tile_px / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    small = cv2.resize(image_rgb, (columns, rows), interpolation=cv2.INTER_AREA)
    given = condition(resized_prompt(prompt.sparse, rows, columns), UNGATED)
    return engine.infer(small, given, None if camera is None else camera.resized(columns, rows))


def _cropped(prompt: SparsePrompt, tile: Tile) -> SparsePrompt:
    depth_m, sigma_m = prompt.depth_m[tile.pixels], prompt.sigma_m[tile.pixels]
    count = int(np.count_nonzero(~np.isnan(depth_m)))
    camera = prompt.camera.cropped(tile.left, tile.top, len(tile.weights_x), len(tile.weights_y))
    return SparsePrompt(depth_m, sigma_m, camera, prompt.kind, PromptStats(count, count / depth_m.size))


def _lent(own: SparsePrompt, overview_m: np.ndarray, tile: Tile, size: tuple[int, int]) -> SparsePrompt:
    """The tile's returns and, in the middle of every cell that has none, the depth that the overview gives it."""
    height, width = own.depth_m.shape
    row, column = np.divmod(np.flatnonzero(~np.isnan(own.depth_m)), width)
    empty = np.ones((LENT_CELLS, LENT_CELLS), bool)
    empty[row * LENT_CELLS // height, column * LENT_CELLS // width] = False
    row, column = np.nonzero(empty)
    row, column = (2 * row + 1) * height // (2 * LENT_CELLS), (2 * column + 1) * width // (2 * LENT_CELLS)
    rows, columns = overview_m.shape
    depth_m = overview_m[(tile.top + row) * rows // size[0], (tile.left + column) * columns // size[1]]
    known = ~np.isnan(depth_m)
    if not known.any():
        return own
    row, column, depth_m = row[known], column[known], depth_m[known]
    given_m, sigma_m = own.depth_m.copy(), own.sigma_m.copy()
    given_m[row, column], sigma_m[row, column] = depth_m, LENT_SIGMA * depth_m
    count = own.stats.count + len(row)
    return SparsePrompt(given_m, sigma_m, own.camera, own.kind, PromptStats(count, count / given_m.size))


class _Blend:
    """Weighted mean of log depth and of relative sigma over tiles that come in one by one."""

    def __init__(self, height: int, width: int):
        self._known, self._log, self._sigma = (np.zeros((height, width), np.float32) for _ in range(3))

    def add(self, tile: Tile, prediction: Prediction) -> None:
        with np.errstate(invalid='ignore', divide='ignore'):
            log, sigma = np.log(prediction.depth_m), prediction.sigma_m / prediction.depth_m
        known = np.isfinite(log)
        weight = tile.weights_y[:, None] * tile.weights_x * known
        self._known[tile.pixels] += weight
        self._log[tile.pixels] += weight * np.where(known, log, 0)
        self._sigma[tile.pixels] += weight * np.where(known, sigma, 0)

    def result(self, relative_sigma: float | None) -> Prediction:
        """Unknown where less than half of the tiles' say is known."""
        weight = np.where(self._known >= 0.5, self._known, np.float32(np.nan))
        depth_m = np.exp(self._log / weight)
        return Prediction(depth_m, depth_m * (self._sigma / weight), relative_sigma=relative_sigma)
