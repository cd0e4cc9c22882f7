# SPDX-License-Identifier: Apache-2.0
"""How far a depth map is from the truth, and whether its sigma says so.

With d the prediction, z the truth, over the n pixels where both are known (KITTI's and NYUv2's usual definitions):
    AbsRel   = mean |d - z| / z                         MAE  = mean |d - z|               [m]
    RMSE     = sqrt(mean (d - z)^2)              [m]    iRMSE = sqrt(mean (1/d - 1/z)^2)  [1/m]
    delta1   = share with max(d/z, z/d) < 1.25          delta05 = share with max(d/z, z/d) < 1.25^0.5
    within_sigma = share with |d - z| <= sigma (0.68 for a Gaussian sigma that is honest)
    coverage = n / pixels with truth: a pixel without prediction has no error, but it is never silently left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput

RANGE_EDGES_M = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, np.inf)


@dataclass(frozen=True)
class Score:
    """Errors of one map or of several together. NaN where nothing could be scored (pixels 0 or coverage 0)."""

    abs_rel: float
    mae_m: float
    rmse_m: float
    irmse_per_m: float
    delta1: float
    delta05: float
    within_sigma: float
    coverage: float
    pixels: int


@dataclass(frozen=True)
class RangeScore:
    """The score of the pixels whose truth lies in [low_m, high_m)."""

    low_m: float
    high_m: float
    score: Score


def score(depth_m: np.ndarray, truth_m: np.ndarray, sigma_m: np.ndarray | None = None) -> Score:
    """All maps (H, W), NaN = unknown. Raises InvalidInput on shapes that differ."""
    return _score(_sums(*_pixels(depth_m, truth_m, sigma_m)))


def score_by_range(
    depth_m: np.ndarray, truth_m: np.ndarray, sigma_m: np.ndarray | None = None, edges_m=RANGE_EDGES_M
) -> list[RangeScore]:
    """The score per bin of true depth, empty bins included so that lists of several frames line up."""
    depth, truth, sigma = _pixels(depth_m, truth_m, sigma_m)
    which = np.digitize(truth, edges_m[1:-1])
    return [
        RangeScore(low, high, _score(_sums(depth[mine], truth[mine], sigma[mine])))
        for index, (low, high) in enumerate(itertools.pairwise(edges_m))
        for mine in [which == index]
    ]


def mean_score(scores: Iterable[Score]) -> Score:
    """The mean of per-frame scores, as the KITTI and NYUv2 tables give it; `pixels` are added up.

    A frame with nothing to score does not count; a frame without any prediction lowers only the coverage.
    """
    scored = [s for s in scores if s.pixels]
    if not scored:
        return _score(_sums(*(np.empty(0),) * 3))
    return Score(
        *(_nanmean([getattr(s, name) for s in scored]) for name in list(Score.__dataclass_fields__)[:-1]),
        sum(s.pixels for s in scored),
    )


def mean_by_range(frames: Iterable[list[RangeScore]]) -> list[RangeScore]:
    """Per bin, the frames' scores weighted by their pixels; bins that no frame reached are left out."""
    bins: dict[tuple[float, float], list[Score]] = {}
    for frame in frames:
        for item in frame:
            if item.score.pixels:
                bins.setdefault((item.low_m, item.high_m), []).append(item.score)
    return [RangeScore(*bounds, _weighted(scores)) for bounds, scores in sorted(bins.items())]


def as_dict(score_: Score) -> Mapping[str, float]:
    """For JSON; NaN becomes None, since JSON has none."""
    values = {name: getattr(score_, name) for name in Score.__dataclass_fields__}
    return {name: None if isinstance(v, float) and np.isnan(v) else v for name, v in values.items()}


def _pixels(depth_m, truth_m, sigma_m):
    if depth_m.shape != truth_m.shape or (sigma_m is not None and sigma_m.shape != truth_m.shape):
        sizes = [m.shape for m in (depth_m, truth_m, sigma_m) if m is not None]
        raise InvalidInput(f'depth, truth and sigma must have one shape, got {sizes}')
    known = np.isfinite(truth_m) & (truth_m > 0)
    depth = depth_m[known].astype(np.float64)
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    truth = truth_m[known].astype(np.float64)
    sigma = np.full_like(truth, np.nan) if sigma_m is None else sigma_m[known].astype(np.float64)
    return depth, truth, sigma


def _sums(depth, truth, sigma) -> dict[str, float]:
    both = ~np.isnan(depth)
    total = len(truth)
    depth, truth, sigma = depth[both], truth[both], sigma[both]
    error = np.abs(depth - truth)
    ratio = np.maximum(depth / truth, truth / depth)
    with np.errstate(invalid='ignore'):
        within = error <= sigma
    return {
        'total': total,
        'known': len(truth),
        'relative': float((error / truth).sum()),
        'absolute': float(error.sum()),
        'squared': float((error**2).sum()),
        'inverse_squared': float(((1 / depth - 1 / truth) ** 2).sum()),
        'delta1': int((ratio < 1.25).sum()),
        'delta05': int((ratio < 1.25**0.5).sum()),
        'sigma_known': int(np.isfinite(sigma).sum()),
        'within_sigma': int(within.sum()),
    }


def _score(s: dict[str, float]) -> Score:
    def share(part, whole):
        return part / whole if whole else float('nan')

    n = s['known']
    return Score(
        share(s['relative'], n),
        share(s['absolute'], n),
        share(s['squared'], n) ** 0.5,
        share(s['inverse_squared'], n) ** 0.5,
        share(s['delta1'], n),
        share(s['delta05'], n),
        share(s['within_sigma'], s['sigma_known']),
        share(n, s['total']),
        s['total'],
    )


def _weighted(scores: list[Score]) -> Score:
    """Pooling over frames: every error is a mean over known pixels, so pixels * coverage weighs it exactly."""
    total = sum(s.pixels for s in scores)
    known = np.array([s.pixels * s.coverage for s in scores])

    def pooled(name, power=1):
        values = np.array([getattr(s, name) for s in scores])
        use = known > 0
        if not use.any() or np.isnan(values[use]).all():
            return float('nan')
        use &= ~np.isnan(values)
        return float((values[use] ** power @ known[use] / known[use].sum()) ** (1 / power))

    return Score(
        pooled('abs_rel'),
        pooled('mae_m'),
        pooled('rmse_m', 2),
        pooled('irmse_per_m', 2),
        pooled('delta1'),
        pooled('delta05'),
        pooled('within_sigma'),
        float(known.sum() / total),
        total,
    )


def _nanmean(values: list[float]) -> float:
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float('nan')
