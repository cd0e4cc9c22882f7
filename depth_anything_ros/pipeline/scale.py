# SPDX-License-Identifier: Apache-2.0
"""Where metric scale comes from: the returns of this frame or, without any, the last good scale, with its age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import Mode, Observation, SparsePrompt
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.pipeline.alignment import (
    ENOUGH_RETURNS,
    DisparityAlignment,
    LogAlignment,
    align_depth,
    align_disparity,
    depth_ratio,
)
from depth_anything_ros.projection.conditioning import ConditionedPrompt, ConditioningConfig, condition

Infer = Callable[[Observation, ConditionedPrompt], Prediction]
BLIND_SIGMA = 0.5  # of the depth
SIGMA_OF_MEDIAN = 1.4826  # standard deviation of a Gaussian, in median absolute errors


@dataclass(frozen=True)
class ScaleConfig:
    """What happens when returns are few or gone."""

    min_returns: int = setting(ENOUGH_RETURNS, 'fewer returns in view than this count as no prompt', low=1, high=100000)
    max_age_s: float = setting(2.0, 'how long the last good scale is used after the prompt is lost', unit='s', low=0.0)
    drift_per_s: float = setting(
        0.05, 'relative uncertainty that a remembered scale gains with its age', unit='1/s', low=0.0, high=10.0
    )

    def __post_init__(self):
        validate(self)


class Scaled(NamedTuple):
    """depth_m, sigma_m (H, W) float32 in metres, where their scale comes from, and facts for ~/status."""

    depth_m: np.ndarray
    sigma_m: np.ndarray
    mode: Mode
    report: dict[str, str]


class ScaleMemory:
    """The last good alignment of a network that sees no returns, or the last prompted frame of one that does."""

    def __init__(self):
        self._alignment: DisparityAlignment | LogAlignment | None = None
        self._prompted: tuple[Observation, np.ndarray] | None = None
        self._ratio: float | None = None
        self._stamp_ns = 0

    def remember(self, observation: Observation, depth_m: np.ndarray) -> None:
        """A prompted frame of a metric network; its bias without a prompt is worked out only if the prompt is lost."""
        self._prompted, self._ratio, self._stamp_ns = (observation, depth_m), None, observation.stamp_ns

    def scale_unseen(
        self, observation: Observation, prompt: ConditionedPrompt, prediction: Prediction, config: ScaleConfig
    ) -> Scaled:
        """What a network says that was not given the returns: aligned to them, or by the last good alignment.

        Without either a metric prediction is taken as it is. Raises InvalidInput for a relative one.
        """
        aligned = self._aligned(observation, prompt, prediction, config)
        age_s = self._age_s(observation)
        if self._alignment is None or age_s > config.max_age_s:
            if prediction.metric:
                return Scaled(prediction.depth_m, own_sigma(prediction), Mode.MONO, {})
            last = 'there was none before' if self._alignment is None else f'the last good scale is {age_s:.1f} s old'
            raise InvalidInput(
                f'a relative network needs returns for its scale: expected at least {config.min_returns} where it knows'
                f' disparity, got {prompt.sparse.stats.count} on the image; {last}'
            )
        depth_m = self._alignment.depth_m(prediction.depth_m)
        sigma_m = depth_m * np.float32(self._alignment.residual * SIGMA_OF_MEDIAN + age_s * config.drift_per_s)
        report = {
            'alignment': self._alignment.kind,
            'alignment_residual': f'{self._alignment.residual:.4f}',
            'scale_age_s': f'{age_s:.2f}',
        }
        return Scaled(depth_m, sigma_m, Mode.PROMPTED if aligned else Mode.SCALED, report)

    def scale_unprompted(
        self, observation: Observation, prediction: Prediction, config: ScaleConfig, infer: Infer
    ) -> Scaled:
        """A prompt network's answer without returns: corrected by what it was off on the last prompted image."""
        age_s = self._age_s(observation)
        sigma_m = own_sigma(prediction)
        if self._prompted is None or age_s > config.max_age_s:
            return Scaled(prediction.depth_m, sigma_m, Mode.MONO, {})
        if self._ratio is None:
            last, depth_m = self._prompted
            nothing = condition(SparsePrompt.none(last.camera), ConditioningConfig())
            self._ratio = depth_ratio(depth_m, infer(last, nothing).depth_m)
        if not np.isfinite(self._ratio):
            return Scaled(prediction.depth_m, sigma_m, Mode.MONO, {})
        depth_m = prediction.depth_m * np.float32(self._ratio)
        sigma_m = np.hypot(sigma_m * np.float32(self._ratio), depth_m * np.float32(age_s * config.drift_per_s))
        return Scaled(depth_m, sigma_m, Mode.SCALED, {'scale_age_s': f'{age_s:.2f}', 'scale': f'{self._ratio:.3f}'})

    def _aligned(self, observation, prompt, prediction, config) -> bool:
        """Whether the returns of this frame gave an alignment, which is then the last good one."""
        if prompt.sparse.stats.count < config.min_returns:
            return False
        align = align_depth if prediction.metric else align_disparity
        try:
            self._alignment = align(prediction.depth_m, prompt.sparse.depth_m)
        except InvalidInput:  # the returns lie where the network knows nothing: in the sky, or in a glass front
            return False
        self._stamp_ns = observation.stamp_ns
        return True

    def _age_s(self, observation: Observation) -> float:
        return abs(observation.stamp_ns - self._stamp_ns) * 1e-9


def own_sigma(prediction: Prediction) -> np.ndarray:
    """(H, W) float32: the network's sigma without returns: its own, or its typical share of depth.

    A prompt network's typical error is that with a prompt; without one it is good for the order of magnitude only.
    """
    if prediction.relative_sigma is None:
        return prediction.sigma_m
    share = max(prediction.relative_sigma, BLIND_SIGMA) if prediction.prompted else prediction.relative_sigma
    return prediction.depth_m * np.float32(share)
