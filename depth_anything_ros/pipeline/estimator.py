# SPDX-License-Identifier: Apache-2.0
"""One Observation becomes one DepthFrame: the algorithm, readable from top to bottom."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from depth_anything_ros.core.frames import DepthFrame, Mode, Observation
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.engines.base import Engine, Prediction
from depth_anything_ros.pipeline.scale import ScaleConfig, ScaleMemory
from depth_anything_ros.projection.conditioning import ConditionedPrompt, ConditioningConfig, condition
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt


@dataclass(frozen=True)
class OutputConfig:
    """What of the prediction is published as known."""

    min_depth_m: float = setting(0.05, 'nearer depths are unknown', unit='m', low=0.0)
    max_depth_m: float = setting(100.0, 'farther depths are unknown', unit='m', low=0.1)
    max_relative_sigma: float = setting(
        0.0, 'pixels whose sigma exceeds this share of their depth are unknown; 0 keeps all', low=0.0, high=10.0
    )

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class EstimatorConfig:
    prompt: PromptConfig = field(default_factory=PromptConfig)
    conditioning: ConditioningConfig = field(default_factory=ConditioningConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    output: OutputConfig = field(default_factory=OutputConfig)


class DepthEstimator:
    """Runs one camera's stream; its only state is the last good scale.

    Raises InvalidInput from `estimate` for an observation no depth can be told from (no returns, and an engine
    that needs them or a relative one that never had a scale).
    """

    def __init__(self, engine: Engine, config: EstimatorConfig | None = None):
        self.engine = engine
        self.config = config or EstimatorConfig()
        self._memory = ScaleMemory()

    def reset(self) -> None:
        """Forget the last scale: after a time jump it belongs to another scene."""
        self._memory = ScaleMemory()

    def estimate(self, observation: Observation) -> DepthFrame:
        clock = StageClock()
        prompt = build_prompt(observation, self.config.prompt)
        clock.lap('project')
        prompt = condition(prompt, self.config.conditioning)
        clock.lap('condition')
        prediction = self.engine.infer(observation.image_rgb, prompt, observation.camera)
        clock.lap('infer')
        depth_m, sigma_m, mode, report = self._metric(observation, prompt, prediction)
        depth_m, sigma_m = gate(depth_m, sigma_m, observation.seen, self.config.output)
        clock.lap('post')
        return DepthFrame(
            depth_m,
            sigma_m,
            observation.camera,
            observation.stamp_ns,
            mode,
            prompt.sparse,
            clock.laps_ms,
            report | self.engine.describe(),
        )

    def _metric(self, observation: Observation, prompt: ConditionedPrompt, prediction: Prediction):
        """Relative or unprompted predictions get their scale here: (depth_m, sigma_m, mode, report)."""
        enough = prompt.sparse.stats.count >= self.config.scale.min_returns
        if not prediction.metric:
            return self._memory.scale_relative(observation, prompt, prediction, self.config.scale, enough)
        if enough:
            self._memory.remember(observation, prediction.depth_m)
            return prediction.depth_m, prediction.sigma_m, Mode.PROMPTED, {}
        return self._memory.scale_unprompted(observation, prediction, self.config.scale, self.engine)


def gate(depth_m, sigma_m, seen, config: OutputConfig) -> tuple[np.ndarray, np.ndarray]:
    """NaN in both (H, W) maps where depth is out of range, sigma too large or the lens saw nothing."""
    with np.errstate(invalid='ignore'):
        known = (depth_m >= config.min_depth_m) & (depth_m <= config.max_depth_m)
        if config.max_relative_sigma > 0:
            known &= sigma_m <= config.max_relative_sigma * depth_m
        if seen is not None:
            known &= seen
    if known.all():
        return depth_m, sigma_m
    nan = np.float32(np.nan)
    return np.where(known, depth_m, nan), np.where(known, sigma_m, nan)


class StageClock:
    """Wall time between laps, in milliseconds by stage."""

    def __init__(self):
        self.laps_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps_ms[stage] = (now - self._last) * 1e3
        self._last = now
