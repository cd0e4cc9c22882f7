# SPDX-License-Identifier: Apache-2.0
"""Bring a relative or uncalibrated depth onto metric returns, robustly.

A relative network gives disparity up to scale and shift: 1/z = scale * disparity + shift. A metric network that
sees no prompt is off by a factor only: z = scale * z'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput

ENOUGH_RETURNS = 8
FITTED_RETURNS = 1024  # more say nothing new about two numbers
CANDIDATES = 400  # pairs of returns tried: enough to hit a pair of inliers among half strays many times


@dataclass(frozen=True)
class DisparityAlignment:
    """1/z = scale * disparity + shift, in 1/m; residual: median |log depth ratio| on the returns it was fitted to."""

    scale: float
    shift: float
    residual: float

    def depth_m(self, disparity: np.ndarray) -> np.ndarray:
        """(H, W) disparity -> (H, W) float32 z-depth; NaN where the fit puts the surface at or behind infinity."""
        inverse = self.scale * disparity + self.shift
        with np.errstate(divide='ignore'):
            return np.where(inverse > 1e-6, 1.0 / inverse, np.nan).astype(np.float32)


def align_disparity(disparity: np.ndarray, sparse_depth_m: np.ndarray) -> DisparityAlignment:
    """Fit scale and shift to the returns: least median of squares, then least squares on the inliers.

    Least median of squares (Rousseeuw 1984) stands up to half of the returns being stray. The error is
    |log(z' / z)|, so that near and far returns weigh the same.
    disparity (H, W), sparse_depth_m (H, W) with NaN where empty. The scale is kept positive: where every fit would
    swap near and far, disparity says nothing and the returns' median inverse depth is used.
    Raises InvalidInput below 8 usable returns.
    """
    at = np.flatnonzero(np.isfinite(sparse_depth_m) & (sparse_depth_m > 0) & np.isfinite(disparity))
    if len(at) < ENOUGH_RETURNS:
        raise InvalidInput(f'alignment needs at least {ENOUGH_RETURNS} returns on the image, got {len(at)}')
    at = at[:: -(-len(at) // FITTED_RETURNS)]
    x, inverse = disparity.ravel()[at].astype(np.float64), 1.0 / sparse_depth_m.ravel()[at].astype(np.float64)

    first, second = np.random.default_rng(0).integers(0, len(at), (2, CANDIDATES))
    with np.errstate(divide='ignore', invalid='ignore'):
        scales = (inverse[first] - inverse[second]) / (x[first] - x[second])
    shifts = inverse[first] - scales * x[first]
    rising = np.isfinite(scales) & (scales > 0)
    scales, shifts = scales[rising], shifts[rising]
    if not len(scales):
        scales, shifts = np.zeros(1), np.median(inverse, keepdims=True)

    medians = np.median(_log_error(scales[:, None] * x + shifts[:, None], inverse), axis=1)
    best = int(np.argmin(medians))
    scale, shift = float(scales[best]), float(shifts[best])
    inlier = _log_error(scale * x + shift, inverse) <= 3 * 1.4826 * medians[best] + 1e-6
    if scale > 0 and np.ptp(x[inlier]) > 0:
        refined = np.polyfit(x[inlier], inverse[inlier], 1, w=1 / inverse[inlier])
        if refined[0] > 0:
            scale, shift = map(float, refined)
    return DisparityAlignment(scale, shift, float(np.median(_log_error(scale * x + shift, inverse))))


def _log_error(fitted: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    return np.abs(np.log(np.maximum(fitted, 1e-9) / inverse))


def depth_ratio(reference_m: np.ndarray, depth_m: np.ndarray) -> float:
    """The factor that brings `depth_m` onto `reference_m`: the median ratio over pixels known in both, or NaN."""
    known = np.isfinite(reference_m) & np.isfinite(depth_m) & (depth_m > 0)
    return float(np.median(reference_m[known] / depth_m[known])) if known.any() else float('nan')
