# SPDX-License-Identifier: Apache-2.0
"""Bring a prediction that never saw the returns onto them, robustly.

A relative network gives disparity up to scale and shift: 1/z = scale * disparity + shift. A metric network is off by
a factor, z = scale * z', or its range is compressed or stretched too: log z = exponent * log z' + log scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput

ENOUGH_RETURNS = 8
FITTED_RETURNS = 512  # more say nothing new about two numbers
CANDIDATES = 200  # pairs of returns tried: enough to hit a pair of inliers among half strays many times
SURE_RETURNS = 50  # below it a second number in log depth is more likely to fit noise
SPREAD_LOG = 0.7  # of log depth between the 10th and 90th percentile of the returns: a factor of two
BETTER = 0.85  # a second number has to bring the residual below this share
EXPONENTS = (0.5, 2.0)  # beyond it no network compresses or stretches its range


@dataclass(frozen=True)
class DisparityAlignment:
    """1/z = scale * disparity + shift, in 1/m; residual: median |log depth ratio| on the returns it was fitted to."""

    scale: float
    shift: float
    residual: float
    kind = 'scale and shift in disparity'

    def depth_m(self, disparity: np.ndarray) -> np.ndarray:
        """(H, W) disparity -> (H, W) float32 z-depth; NaN where the fit puts the surface at or behind infinity."""
        inverse = np.float32(self.scale) * disparity + np.float32(self.shift)
        with np.errstate(divide='ignore', invalid='ignore'):
            return np.where(inverse > 1e-6, 1.0 / inverse, np.nan).astype(np.float32)


@dataclass(frozen=True)
class LogAlignment:
    """log z = exponent * log z' + log scale; residual: median |log depth ratio| on the returns it was fitted to."""

    scale: float
    exponent: float
    residual: float

    @property
    def kind(self) -> str:
        return 'scale' if self.exponent == 1 else 'scale and shift in log depth'

    def depth_m(self, depth_m: np.ndarray) -> np.ndarray:
        """(H, W) depth of the network -> (H, W) float32 depth; NaN stays NaN."""
        if self.exponent == 1:
            return depth_m * np.float32(self.scale)
        return np.float32(self.scale) * depth_m ** np.float32(self.exponent)


def align_disparity(disparity: np.ndarray, sparse_depth_m: np.ndarray) -> DisparityAlignment:
    """Fit scale and shift to the returns: least median of squares, then least squares on the inliers.

    Least median of squares (Rousseeuw 1984) stands up to half of the returns being stray. The error is
    |log(z' / z)|, so that near and far returns weigh the same.
    disparity (H, W), sparse_depth_m (H, W) with NaN where empty. The scale is kept positive: where every fit would
    swap near and far, disparity says nothing and the returns' median inverse depth is used.
    Raises InvalidInput below 8 usable returns.
    """
    x, depth_m = _pairs(disparity, sparse_depth_m)
    inverse = 1.0 / depth_m

    scales, shifts = _lines(x, inverse)
    if not len(scales):
        scales, shifts = np.zeros(1), np.median(inverse, keepdims=True)
    medians = np.median(_log_error(scales[:, None] * x + shifts[:, None], inverse), axis=1)
    best = int(np.argmin(medians))
    scale, shift = float(scales[best]), float(shifts[best])
    inlier = _log_error(scale * x + shift, inverse) <= _inlier_limit(medians[best])
    if scale > 0 and np.ptp(x[inlier]) > 0:
        refined = np.polyfit(x[inlier], inverse[inlier], 1, w=1 / inverse[inlier])
        if refined[0] > 0:
            scale, shift = map(float, refined)
    return DisparityAlignment(scale, shift, float(np.median(_log_error(scale * x + shift, inverse))))


def align_depth(depth_m: np.ndarray, sparse_depth_m: np.ndarray) -> LogAlignment:
    """Fit a metric prediction to the returns: the median factor or, where the returns support it, an exponent too.

    Both arrays (H, W), NaN where unknown or empty. The exponent (least median of squares, then least squares on the
    inliers) is taken only from 50 returns on whose depths spread over a factor of two, where it is between 0.5 and 2
    and brings the median residual down to 85 % of the factor's; otherwise it is 1.
    Raises InvalidInput below 8 usable returns.
    """
    x, truth_m = _pairs(depth_m, sparse_depth_m, positive=True)
    x, y = np.log(x), np.log(truth_m)
    shift = float(np.median(y - x))
    factor = LogAlignment(float(np.exp(shift)), 1.0, float(np.median(np.abs(y - x - shift))))
    low, high = np.percentile(y, (10, 90))
    if len(x) < SURE_RETURNS or high - low < SPREAD_LOG:
        return factor
    exponents, shifts = _lines(x, y)
    if not len(exponents):
        return factor
    medians = np.median(np.abs(exponents[:, None] * x + shifts[:, None] - y), axis=1)
    best = int(np.argmin(medians))
    inlier = np.abs(exponents[best] * x + shifts[best] - y) <= _inlier_limit(medians[best])
    if np.ptp(x[inlier]) == 0:
        return factor
    exponent, shift = map(float, np.polyfit(x[inlier], y[inlier], 1))
    residual = float(np.median(np.abs(exponent * x + shift - y)))
    if not EXPONENTS[0] <= exponent <= EXPONENTS[1] or residual > BETTER * factor.residual:
        return factor
    return LogAlignment(float(np.exp(shift)), exponent, residual)


def depth_ratio(reference_m: np.ndarray, depth_m: np.ndarray) -> float:
    """The factor that brings `depth_m` onto `reference_m`: the median ratio over pixels known in both, or NaN."""
    known = np.isfinite(reference_m) & np.isfinite(depth_m) & (depth_m > 0)
    return float(np.median(reference_m[known] / depth_m[known])) if known.any() else float('nan')


def _pairs(prediction: np.ndarray, sparse_depth_m: np.ndarray, positive=False) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and depth (N,) float64 at the returns where both are known, thinned evenly to about 512."""
    at = np.flatnonzero(sparse_depth_m > 0)
    known = np.isfinite(prediction.ravel()[at])
    if positive:
        known &= prediction.ravel()[at] > 0
    at = at[known]
    if len(at) < ENOUGH_RETURNS:
        raise InvalidInput(f'alignment needs at least {ENOUGH_RETURNS} returns on the image, got {len(at)}')
    at = at[:: -(-len(at) // FITTED_RETURNS)]
    return prediction.ravel()[at].astype(np.float64), sparse_depth_m.ravel()[at].astype(np.float64)


def _lines(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and intercepts of rising lines through random pairs of the points."""
    first, second = np.random.default_rng(0).integers(0, len(x), (2, CANDIDATES))
    with np.errstate(divide='ignore', invalid='ignore'):
        slopes = (y[first] - y[second]) / (x[first] - x[second])
    rising = np.isfinite(slopes) & (slopes > 0)
    slopes, at = slopes[rising], first[rising]
    return slopes, y[at] - slopes * x[at]


def _inlier_limit(median: float) -> float:
    return 3 * 1.4826 * median + 1e-6


def _log_error(fitted: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    return np.abs(np.log(np.maximum(fitted, 1e-9) / inverse))
