# SPDX-License-Identifier: Apache-2.0
"""Where metric scale comes from when the returns don't give it: the last good one, with its age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import Mode, Observation, SparsePrompt
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.engines.base import Engine, Prediction
from depth_anything_ros.pipeline.alignment import (
    ENOUGH_RETURNS,
    DisparityAlignment,
    align_disparity,
    depth_ratio,
)
from depth_anything_ros.projection.conditioning import ConditionedPrompt, ConditioningConfig, condition


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


class ScaleMemory:
    """The last good alignment of a relative network, or the last prompted frame of a metric one."""

    def __init__(self):
        self._alignment: DisparityAlignment | None = None
        self._prompted: tuple[Observation, np.ndarray] | None = None
        self._ratio: float | None = None
        self._stamp_ns = 0

    def remember(self, observation: Observation, depth_m: np.ndarray) -> None:
        """A prompted frame of a metric network; its bias without a prompt is worked out only if the prompt is lost."""
        self._prompted, self._ratio, self._stamp_ns = (observation, depth_m), None, observation.stamp_ns

    def scale_relative(
        self, observation: Observation, prompt: ConditionedPrompt, prediction: Prediction, config: ScaleConfig, enough
    ):
        """Disparity -> (depth_m, sigma_m, mode, report): aligned to the returns, or by the last good alignment."""
        if enough:
            self._alignment = align_disparity(prediction.depth_m, prompt.sparse.depth_m)
            self._stamp_ns = observation.stamp_ns
        age_s = self._age_s(observation)
        if self._alignment is None or age_s > config.max_age_s:
            raise InvalidInput(
                'a relative network needs returns for its scale: '
                + ('none came so far' if self._alignment is None else f'the last good scale is {age_s:.1f} s old')
            )
        depth_m = self._alignment.depth_m(prediction.depth_m)
        sigma_m = depth_m * np.float32(self._alignment.residual * 1.48 + age_s * config.drift_per_s)
        return depth_m, sigma_m, Mode.SCALED, {'scale_age_s': f'{age_s:.2f}'}

    def scale_unprompted(self, observation: Observation, prediction: Prediction, config: ScaleConfig, engine: Engine):
        """A metric prediction without returns: corrected by what the network was off on the last prompted image."""
        age_s = self._age_s(observation)
        if self._prompted is None or age_s > config.max_age_s:
            return prediction.depth_m, prediction.sigma_m, Mode.MONO, {}
        if self._ratio is None:
            last, depth_m = self._prompted
            nothing = condition(SparsePrompt.none(last.camera), ConditioningConfig())
            self._ratio = depth_ratio(depth_m, engine.infer(last.image_rgb, nothing, last.camera).depth_m)
        if not np.isfinite(self._ratio):
            return prediction.depth_m, prediction.sigma_m, Mode.MONO, {}
        depth_m = prediction.depth_m * np.float32(self._ratio)
        sigma_m = np.hypot(
            prediction.sigma_m * np.float32(self._ratio), depth_m * np.float32(age_s * config.drift_per_s)
        )
        return depth_m, sigma_m, Mode.SCALED, {'scale_age_s': f'{age_s:.2f}', 'scale': f'{self._ratio:.3f}'}

    def _age_s(self, observation: Observation) -> float:
        return abs(observation.stamp_ns - self._stamp_ns) * 1e-9
