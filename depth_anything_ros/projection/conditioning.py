# SPDX-License-Identifier: Apache-2.0
"""A prompt made safe for a network: without strays, with a range that one return can't set, filled on request."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import Returns, SparsePrompt
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.projection.outliers import OutlierConfig, find_outliers
from depth_anything_ros.projection.sphere import nearest_in_image, nearest_on_sphere

NARROWEST = 1.02  # high / low of a prompt whose returns all lie at one depth
SAMPLE = 512  # values that tell where about a percentile is, within MARGIN of the count
MARGIN = 0.03


@dataclass(frozen=True)
class ConditioningConfig:
    """Outlier gate and depth range of a prompt."""

    outliers: OutlierConfig = field(default_factory=OutlierConfig)
    low_percentile: float = setting(2.0, 'percentile of the returns that is the near end', unit='%', low=0.0, high=49.0)
    high_percentile: float = setting(
        98.0, 'percentile of the returns that is the far end', unit='%', low=51.0, high=100.0
    )

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True, eq=False)
class ConditionedPrompt:
    """What an engine is given.

    sparse: the prompt without strays. low_m < high_m: robust range of its returns; NaN when it is empty.
    """

    sparse: SparsePrompt
    low_m: float
    high_m: float

    @cached_property
    def filled_m(self) -> np.ndarray:
        """(H, W) float32 depth of the nearest return on the image (a panorama: the sphere); NaN only when empty."""
        return self._nearest[0]

    @cached_property
    def distance_px(self) -> np.ndarray:
        """(H, W) float32 distance to the nearest return; inf when the prompt is empty."""
        return self._nearest[1]

    @cached_property
    def _nearest(self) -> tuple[np.ndarray, np.ndarray]:
        depth_m = self.sparse.depth_m
        if np.isnan(depth_m).all():
            return np.full_like(depth_m, np.nan), np.full_like(depth_m, np.inf)
        if self.sparse.camera.is_equirectangular:  # the nearest return may lie beyond the seam or a pole
            return nearest_on_sphere(depth_m)
        return nearest_in_image(depth_m)


def condition(prompt: SparsePrompt, config: ConditioningConfig) -> ConditionedPrompt:
    """Reject strays and measure the range of what is left; `stats.rejected['outlier']` counts the strays.

    A prompt of fewer than 8 returns keeps them all. The range is between two percentiles, so that a stray that
    passed the gate can't set it; a prompt at one depth gets a range of 2 % around it.
    Raises InvalidInput on depths that are zero, negative or infinite.
    """
    pixel, depth_m, sigma_m = prompt.returns
    if len(pixel) and not (depth_m.min() > 0 and depth_m.max() < np.inf):
        raise InvalidInput(
            f'prompt: expected depths above 0 m and NaN where empty, got {depth_m.min():g} to {depth_m.max():g} m'
        )
    if config.outliers.enabled:
        prompt = _without(prompt, find_outliers(pixel, depth_m, sigma_m, prompt.camera, config.outliers))
        depth_m = prompt.returns.depth_m
    if len(depth_m) == 0:
        return ConditionedPrompt(prompt, np.nan, np.nan)
    low_m, high_m = percentiles(depth_m, config.low_percentile, config.high_percentile)
    if high_m < low_m * NARROWEST:
        middle_m = (low_m * high_m) ** 0.5
        low_m, high_m = middle_m / NARROWEST**0.5, middle_m * NARROWEST**0.5
    return ConditionedPrompt(prompt, low_m, high_m)


def percentiles(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Those of numpy, of finite values (N,), N > 0: only the two ends are sorted where there are many values."""
    every = len(values) // SAMPLE
    if every < 2:
        return tuple(np.percentile(values, (low, high)).tolist())
    some = np.sort(values[::every])
    return _percentile(values, low, some), -_percentile(-values, 100 - high, -some[::-1])


def _percentile(values: np.ndarray, percentile: float, some: np.ndarray) -> float:
    """some: a sorted sample, which tells below what value enough of them lie to hold the percentile."""
    place = (len(values) - 1) * percentile / 100
    first = int(place)
    enough = some[min(len(some) - 1, int(len(some) * (percentile / 100 + MARGIN)))]
    end = np.sort(values.compress(values <= enough))
    if len(end) < first + 2:  # the sample was not like the rest
        end = np.sort(values)
    one, other = end[first : first + 2].tolist()
    return one + (other - one) * (place - first)


def _without(prompt: SparsePrompt, stray: np.ndarray) -> SparsePrompt:
    """The prompt less those of its returns where `stray` is True, which count as outliers."""
    number = int(np.count_nonzero(stray))
    left = len(stray) - number
    rejected = {**prompt.stats.rejected, 'outlier': prompt.stats.rejected.get('outlier', 0) + number}
    stats = dataclasses.replace(prompt.stats, count=left, coverage=left / prompt.depth_m.size, rejected=rejected)
    if not number:
        return dataclasses.replace(prompt, stats=stats, listed=prompt.returns)
    depth_m, sigma_m = prompt.depth_m.copy(), prompt.sigma_m.copy()
    for image in (depth_m, sigma_m):
        image.ravel()[prompt.returns.pixel[stray]] = np.nan
    kept = np.flatnonzero(~stray)
    listed = Returns(*(values.take(kept) for values in prompt.returns))
    return SparsePrompt(depth_m, sigma_m, prompt.camera, prompt.kind, stats, listed)
