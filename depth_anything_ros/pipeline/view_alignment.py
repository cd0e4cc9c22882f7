# SPDX-License-Identifier: Apache-2.0
"""Relative disparity of several views of a panorama -> metric depth of each, on one common scale.

Each view's 1/z = scale * disparity + shift. A view alone may have too few returns for its two numbers (the ceiling
above a LiDAR has none), but it shares its borders with four others, so all are solved for together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import SparsePrompt
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.pipeline.alignment import ENOUGH_RETURNS
from depth_anything_ros.pipeline.view_fusion import placement
from depth_anything_ros.projection.views import View

RETURNS_A_VIEW, SHARED_PIXELS = 512, 256  # more say nothing new about two numbers
SHARED_WEIGHT = 0.3  # of a shared pixel beside a return: two predictions differ more than one and the truth
ROUNDS = 12  # of reweighting; the numbers settle within a few
SMALLEST_ERROR = 1e-3  # relative: below it all errors count alike
RIDGE = 1e-6  # keeps a view whose disparity is flat from having any scale at all

Seen = tuple[View, SparsePrompt, Prediction]


def metric_views(seen: Sequence[Seen]) -> list[Seen]:
    """The views with metric z-depth in place of disparity; NaN where the fit puts a surface at or behind infinity.

    Least absolute relative errors, by iteratively reweighted least squares, over the returns of every view and pixels
    that two views share. Raises InvalidInput where the views together have fewer than 8 returns.
    """
    disparities = [prediction.depth_m for _, _, prediction in seen]
    unit = max(float(np.nanmedian(np.abs(disparity))) for disparity in disparities) or 1.0
    rows, wanted = _returns(seen, unit)
    if len(rows) < ENOUGH_RETURNS:
        raise InvalidInput(
            f'a relative network needs returns for its scale: expected at least {ENOUGH_RETURNS} on the panorama,'
            f' got {len(rows)}'
        )
    shared, typical = _shared(seen, unit), float(np.median(wanted))
    matrix = np.concatenate([rows / wanted[:, None], SHARED_WEIGHT * shared / typical])
    target = np.concatenate([np.ones(len(rows)), np.zeros(len(shared))])
    weight = np.ones(len(target))
    ridge = RIDGE * len(target) * np.eye(matrix.shape[1])
    for _ in range(ROUNDS):
        weighted = matrix * weight[:, None]
        numbers = np.linalg.solve(weighted.T @ matrix + ridge, weighted.T @ target)
        weight = 1 / np.maximum(np.abs(matrix @ numbers - target), SMALLEST_ERROR)
    return [
        (view, prompt, dataclasses.replace(prediction, depth_m=_depth(disparity, *pair), metric=True, prompted=False))
        for (view, prompt, prediction), disparity, pair in zip(
            seen, disparities, numbers.reshape(-1, 2) / (unit, 1), strict=True
        )
    ]


def _returns(seen: Sequence[Seen], unit: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2 views) coefficients of scale and shift, and the 1/z (N,) that they should give."""
    blocks, wanted = [], []
    for index, (_, prompt, prediction) in enumerate(seen):
        at = np.flatnonzero((prompt.depth_m > 0) & np.isfinite(prediction.depth_m))
        at = at[:: max(1, -(-len(at) // RETURNS_A_VIEW))]
        blocks.append(_block(prediction.depth_m.ravel()[at] / unit, np.ones(len(at)), index, len(seen)))
        wanted.append(1 / prompt.depth_m.ravel()[at].astype(np.float64))
    return np.concatenate(blocks), np.concatenate(wanted)


def _shared(seen: Sequence[Seen], unit: float) -> np.ndarray:
    """(M, 2 views) coefficients of the difference of two views' 1/range where both see; it should be 0."""
    size = seen[0][0].panorama.width * seen[0][0].panorama.height
    looked, values = [], []
    for view, _, prediction in seen:
        place = placement(view)
        disparity = np.full(size, np.nan, np.float32)
        disparity[place.pixel] = place.folded(place.lookup.values(prediction.depth_m))
        per_range = np.full(size, np.nan, np.float32)
        per_range[place.pixel] = 1 / place.stretch
        looked.append(per_range)
        values.append(disparity / unit)
    blocks = []
    for first, second in combinations(range(len(seen)), 2):
        at = np.flatnonzero(np.isfinite(values[first]) & np.isfinite(values[second]))
        at = at[:: max(1, -(-len(at) // SHARED_PIXELS))]
        one = _block(values[first][at], looked[first][at], first, len(seen))
        blocks.append(one - _block(values[second][at], looked[second][at], second, len(seen)))
    return np.concatenate(blocks)


def _block(disparity: np.ndarray, per_range: np.ndarray, index: int, count: int) -> np.ndarray:
    block = np.zeros((len(disparity), 2 * count))
    block[:, 2 * index], block[:, 2 * index + 1] = disparity * per_range, per_range
    return block


def _depth(disparity: np.ndarray, scale: float, shift: float) -> np.ndarray:
    inverse = np.float32(scale) * disparity + np.float32(shift)
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(inverse > 1e-6, 1 / inverse, np.nan).astype(np.float32)
