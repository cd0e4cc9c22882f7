# SPDX-License-Identifier: Apache-2.0
"""How sharply and truly depth boundaries are drawn: boundary F1 of Depth Pro (Bochkovskii et al. 2024, section 3.3).

Between two neighbouring pixels lies an occluding contour where the ratio of their depths exceeds t; its direction,
left, right, up or down, is that of the farther one. Precision: contours of the prediction that are contours of the
truth, recall: the reverse, both averaged over the four directions; F1 is averaged over ten thresholds from 5 to 25 %,
weighted by t. A contour one pixel off counts as wrong twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput

THRESHOLDS = np.linspace(1.05, 1.25, 10)


@dataclass(frozen=True)
class BoundaryScore:
    """Weighted means over the thresholds, in [0, 1]; NaN where the truth has no contour."""

    f1: float
    precision: float
    recall: float


def boundary_score(depth_m: np.ndarray, truth_m: np.ndarray) -> BoundaryScore:
    """(H, W) maps, NaN = unknown; pairs of pixels of which the truth doesn't know both are not scored.

    Unknown depth beside known is no contour: what isn't drawn can only be missed. Raises InvalidInput on shapes that
    differ.
    """
    if depth_m.shape != truth_m.shape:
        raise InvalidInput(f'depth and truth must have one shape, got {depth_m.shape} and {truth_m.shape}')
    steps = [_log_steps(depth_m, truth_m, axis) for axis in (0, 1)]
    directions = [(sign * ours, sign * true) for ours, true in steps for sign in (1, -1)]
    scores = np.array([_at_threshold(directions, np.log(threshold)) for threshold in THRESHOLDS])
    weight = THRESHOLDS / THRESHOLDS.sum()
    return BoundaryScore(*(float(value) for value in weight @ scores))


def _log_steps(depth_m: np.ndarray, truth_m: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """(N,) log ratios of neighbours along an axis where the truth knows both; 0 where the prediction doesn't."""
    with np.errstate(divide='ignore', invalid='ignore'):
        ours, true = (np.diff(np.log(np.where(m > 0, m, np.nan)), axis=axis) for m in (depth_m, truth_m))
    scored = ~np.isnan(true)
    return np.nan_to_num(ours[scored], nan=0.0), true[scored]


def _at_threshold(directions, log_threshold: float) -> tuple[float, float, float]:
    """(F1, precision, recall), precision and recall as means over the directions that have any contour."""
    precisions, recalls = [], []
    for ours, true in directions:
        drawn, there = ours > log_threshold, true > log_threshold
        both = np.count_nonzero(drawn & there)
        if there.any():
            recalls.append(both / np.count_nonzero(there))
            precisions.append(both / max(np.count_nonzero(drawn), 1))
    if not recalls:
        return (float('nan'),) * 3
    precision, recall = float(np.mean(precisions)), float(np.mean(recalls))
    return 2 * precision * recall / max(precision + recall, 1e-12), precision, recall
