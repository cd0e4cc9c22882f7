# SPDX-License-Identifier: Apache-2.0
"""How far apart the returns of a prompt lie on the image, along rows and along columns.

A LiDAR's lattice is anisotropic (fine in azimuth, coarse between rings), so one number does not do.
"""

from __future__ import annotations

import math

import numpy as np

FEWEST = 8  # below this many returns gaps are chance
ENOUGH = 2000  # a mean over this many is settled; more would only cost time


def spacing_px(pixel: np.ndarray, height: int, width: int) -> tuple[float, float]:
    """Flat pixel numbers (N,), in any order, of the returns -> typical gap (along rows, along columns) in pixels, >= 1.

    Along rows: the middle gap inside bands of rows as high as the mean spacing, which is between the two for a
    lattice; along columns: the same in bands as wide as the gap just found, so that a ring falls into each about
    once. Fewer than 8 returns: the mean spacing for both.
    """
    if len(pixel) == 0:
        return float(width), float(height)
    mean = max(1.0, math.sqrt(height * width / len(pixel)))
    if len(pixel) < FEWEST:
        return mean, mean
    pixel = pixel.astype(np.int32, copy=False)
    row = pixel // width  # numpy divides by one number with vector instructions, but not in divmod or %
    column = pixel - row * np.int32(width)
    along_row = _middle_gap(row, column, mean, width, 0)
    along_column = _middle_gap(column, row, along_row or mean, height, 1)
    # a single line of returns says nothing of the other direction
    return along_row or along_column or mean, along_column or along_row or mean


def _middle_gap(across: np.ndarray, along: np.ndarray, band: float, length: int, least: int) -> float:
    """Mean of the middle half of the gaps above `least` between neighbours along a band; 0 where no band holds two.

    A median of whole pixels would jump between neighbouring numbers.
    """
    bands = (across * np.float32(1 / band)).astype(np.int32)
    every = len(bands) // ENOUGH
    if every > 1:
        chosen = np.flatnonzero(bands == bands // every * every)
        bands, along = bands.take(chosen), along.take(chosen)
    order = np.sort(bands * length + along)
    gaps = np.diff(order)[np.diff(order // length) == 0]
    gaps = np.sort(gaps[gaps > least])
    middle = gaps[len(gaps) // 4 : len(gaps) - len(gaps) // 4]
    return float(max(1.0, middle.mean())) if len(gaps) else 0.0
