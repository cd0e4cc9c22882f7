# SPDX-License-Identifier: Apache-2.0
"""Find stray returns: those that no other return around them backs.

A return belongs to a surface, and a surface gives more than one return. The image is cut into cells of about two
spacings, the logarithm of depth into steps that a slanted surface can cross within a cell; a return stands
if enough of the returns in the 3 x 3 cells around it lie in its own depth step or the next ones. Thin things in
front and gaps behind keep their own supporters, which a median over the neighbourhood would outvote.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.settings import setting, validate

FEWEST = 8  # below it no return can be called stray: all are kept
CELLS_A_SIDE = 80  # bounds the work on dense prompts


@dataclass(frozen=True)
class OutlierConfig:
    """When a return counts as stray."""

    enabled: bool = setting(True, 'reject returns that none of their neighbours back')
    step: float = setting(0.03, 'depth difference within a surface, of the depth', low=0.001, high=1.0)
    slant: float = setting(1.0, 'tangent of the slant of a surface that a neighbourhood may show', low=0.0, high=10.0)
    share: float = setting(0.04, 'least share of the neighbours that back a return', low=0.0, high=0.5)

    def __post_init__(self):
        validate(self)


def find_outliers(
    pixel: np.ndarray, depth_m: np.ndarray, sigma_m: np.ndarray, camera: CameraModel, config: OutlierConfig
) -> np.ndarray:
    """Flat pixel numbers, depths (> 0) and sigmas (N,) of the returns of a prompt -> (N,) bool, True for strays.

    Fewer than 8 returns: none is stray. A return with no neighbour at all is: cells are sized so that the mean
    return has dozens.
    """
    count = len(pixel)
    if count < FEWEST:
        return np.zeros(count, dtype=bool)
    height, width = camera.height, camera.width
    side_px = max(2 * math.sqrt(height * width / count), max(height, width) / CELLS_A_SIDE)
    columns, rows = max(1, round(width / side_px)), max(1, round(height / side_px))
    row, column = np.divmod(pixel.astype(np.int32), np.int32(width))
    cell_x, cell_y = column * columns // width, row * rows // height
    # what noise and slant can do to log depth between neighbouring cells
    some = slice(None, None, max(1, count // 2000))
    noise = float(np.median(np.nan_to_num(sigma_m[some] / depth_m[some])))  # an unknown sigma widens nothing
    step = config.step + config.slant * side_px / camera.fx + 2 * noise
    layer = np.log(depth_m)
    layer = ((layer - layer.min()) * np.float32(1 / step)).astype(np.int32)
    shape = (int(layer.max()) + 3, rows + 2, columns + 2)  # one more all round
    place = ((layer + 1) * np.int32(shape[1]) + cell_y + 1) * np.int32(shape[2]) + cell_x + 1
    grid = np.bincount(place, minlength=shape[0] * shape[1] * shape[2]).reshape(shape)
    grid = grid.astype(np.int16 if count < 2**15 else np.int32)  # half the memory, half the time
    if camera.is_equirectangular:
        grid[..., 0], grid[..., -1] = grid[..., -2], grid[..., 1]
    around = _sum_of_three(_sum_of_three(grid, 1), 2)
    cell = cell_y * np.int32(columns) + cell_x
    neighbours = around.sum(axis=0).ravel() - 1  # of a return in the cell, itself not counted
    backing = _sum_of_three(around, 0).ravel().take(layer * np.int32(rows * columns) + cell) - 1
    needed = np.maximum(1, np.ceil(config.share * neighbours)).astype(np.int32)
    return backing < needed.take(cell)


def _sum_of_three(values: np.ndarray, axis: int) -> np.ndarray:
    """Sums of three neighbours along an axis, which gets shorter by two."""
    size = values.shape[axis]
    index = [slice(None)] * values.ndim
    parts = []
    for start in range(3):
        index[axis] = slice(start, start + size - 2)
        parts.append(values[tuple(index)])
    return parts[0] + parts[1] + parts[2]
