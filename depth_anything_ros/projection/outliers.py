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
    pixel = pixel.astype(np.int32, copy=False)
    row = pixel // width  # numpy divides by one number with vector instructions, but not in divmod or %
    column = pixel - row * np.int32(width)
    # what noise and slant can do to log depth between neighbouring cells
    some = slice(None, None, count // 2000 | 1)  # odd: every sixteenth may be one line of a sensor's sixteen
    noise = np.sort(np.nan_to_num(sigma_m[some] / depth_m[some]))  # an unknown sigma widens nothing
    noise = float(noise[(len(noise) - 1) // 2] + noise[len(noise) // 2]) / 2  # np.median takes four times as long
    step = config.step + config.slant * side_px / camera.fx + 2 * noise
    layer = np.log(depth_m)
    layer = ((layer - layer.min()) * np.float32(1 / step)).astype(np.int32)
    # counts of the returns by layer, row and column of cells, with one more all round, as one flat array: a
    # neighbour is a constant offset away, and what runs over the end of a row lands in the margin
    across, plane = columns + 2, (rows + 2) * (columns + 2)
    cell = (row * rows // height + 1) * np.int32(across) + column * columns // width + 1
    place = ((layer + 1) * np.int32(plane) + cell).astype(np.intp)
    grid = np.bincount(place, minlength=(int(layer.max()) + 3) * plane)
    grid = grid.astype(np.int16 if count < 2**15 else np.int32)  # half the memory, half the time
    if camera.is_equirectangular:
        lines = grid.reshape(-1, across)
        lines[:, 0], lines[:, -1] = lines[:, -2], lines[:, 1]
    around = _sum_of_three(_sum_of_three(grid, 1), across)
    neighbours = (
        around.reshape(-1, plane).sum(axis=0, dtype=np.int32) - 1
    )  # of a return in the cell, itself not counted
    needed = np.maximum(1, np.ceil(config.share * neighbours)).astype(np.int32)
    backing = _sum_of_three(around, plane).take(place) - 1
    return backing < needed.take(cell)


def _sum_of_three(values: np.ndarray, step: int) -> np.ndarray:
    """Each value of a flat array with those `step` before and behind it; the ends, which have but one, stay 0."""
    sums = np.zeros_like(values)
    inner = sums[step:-step]
    np.add(values[: -2 * step], values[2 * step :], out=inner)
    inner += values[step:-step]
    return sums
