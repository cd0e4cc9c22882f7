# SPDX-License-Identifier: Apache-2.0
"""One Observation becomes one DepthFrame: the algorithm, readable from top to bottom."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import cv2
import numpy as np

from depth_anything_ros.core.frames import DepthFrame, Mode, Observation
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.engines.base import Engine, Prediction, Request
from depth_anything_ros.pipeline.panorama import PanoramaConfig, engine_for
from depth_anything_ros.pipeline.refinement import RefinementConfig, refine, residual_sigma
from depth_anything_ros.pipeline.scale import ScaleConfig, Scaled, ScaleMemory
from depth_anything_ros.pipeline.sharpening import SharpConfig, sharpened
from depth_anything_ros.pipeline.tiling import TilingConfig, infer_in_tiles, takes_tiles
from depth_anything_ros.projection.conditioning import ConditionedPrompt, ConditioningConfig, condition
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt, with_systematic


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
    tiling: TilingConfig = field(default_factory=TilingConfig)
    panorama: PanoramaConfig = field(default_factory=PanoramaConfig)
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    refinement: RefinementConfig = field(default_factory=RefinementConfig)
    sharp: SharpConfig = field(default_factory=SharpConfig)
    output: OutputConfig = field(default_factory=OutputConfig)


@dataclass(frozen=True, eq=False)
class Prepared:
    """An observation with its conditioned prompt: what is there before the network runs."""

    observation: Observation
    prompt: ConditionedPrompt
    timings_ms: dict[str, float]


class DepthEstimator:
    """Runs one camera's stream; its only state is the last good scale. Those of several cameras may share an engine.

    `estimate` is `prepare`, `infer`, `finish`; they are there one by one for frames of several cameras that go through
    the network together (pipeline/batch.py). Raises InvalidInput for an observation no depth can be told from: no
    returns, and an engine that needs them or a relative one that never had a scale; an image or camera that the
    engine's model is not for.
    """

    def __init__(self, engine: Engine, config: EstimatorConfig | None = None):
        self.engine = engine
        self.config = config or EstimatorConfig()
        self._memory = ScaleMemory()

    def reset(self) -> None:
        """Forget the last scale: after a time jump it belongs to another scene."""
        self._memory = ScaleMemory()

    def estimate(self, observation: Observation) -> DepthFrame:
        prepared = self.prepare(observation)
        clock = StageClock()
        prediction = self.infer(prepared.observation, prepared.prompt)
        clock.lap('infer')
        return self.finish(prepared, prediction, clock.laps_ms['infer'])

    def prepare(self, observation: Observation) -> Prepared:
        clock = StageClock()
        prompt = build_prompt(observation, self.config.prompt)
        clock.lap('project')
        prompt = condition(prompt, self.config.conditioning)
        clock.lap('condition')
        return Prepared(observation, prompt, clock.laps_ms)

    def infer(self, observation: Observation, prompt: ConditionedPrompt) -> Prediction:
        """The engine's answer, from tiles of a large image or views of a panorama where it has to be."""
        config, engine = self.config, self._engine_for(observation)
        return infer_in_tiles(engine, observation.image_rgb, prompt, observation.network_camera, config.tiling)

    def request(self, prepared: Prepared) -> Request | None:
        """What the engine is to be asked for this frame in one go; None where it takes tiles or views."""
        observation = prepared.observation
        tiled = takes_tiles(observation.image_rgb, self.config.tiling)
        if tiled or self._engine_for(observation) is not self.engine:
            return None
        return Request(observation.image_rgb, prepared.prompt, observation.network_camera)

    def finish(self, prepared: Prepared, prediction: Prediction, infer_ms: float) -> DepthFrame:
        """Metric scale, edges and gate; infer_ms: how long the prediction took, for the frame's timings."""
        config, observation, clock = self.config, prepared.observation, StageClock()
        depth_m, sigma_m, mode, report = self._scaled(observation, prepared.prompt, prediction)
        if mode is Mode.PROMPTED:
            sigma_m = with_systematic(depth_m, sigma_m, prepared.prompt.sparse.kind, config.prompt)
        if config.sharp.enabled:
            depth_m = sharpened(depth_m, observation.image_rgb, config.sharp)
        depth_m, sigma_m = gate(depth_m, sigma_m, observation.seen, config.output)
        clock.lap('post')
        return DepthFrame(
            depth_m,
            sigma_m,
            observation.camera,
            observation.stamp_ns,
            mode,
            prepared.prompt.sparse,
            prepared.timings_ms | {'infer': infer_ms} | clock.laps_ms,
            report | self._engine_for(observation).describe(),
        )

    def _engine_for(self, observation: Observation) -> Engine:
        return engine_for(self.engine, observation.camera, self.config.panorama)

    def _scaled(self, observation: Observation, prompt: ConditionedPrompt, prediction: Prediction) -> Scaled:
        """Metric depth and its sigma: as the network says where it was given the returns, else brought onto them."""
        config, sparse_m = self.config, prompt.sparse.depth_m
        wrap = observation.camera.is_equirectangular
        if not (prediction.metric and prediction.prompted):
            scaled = self._memory.scale_unseen(observation, prompt, prediction, config.scale)
            if scaled.mode is Mode.PROMPTED and config.refinement.enabled:
                scaled = _refined(scaled, sparse_m, config.refinement, wrap)
            return scaled
        if prompt.sparse.stats.count < config.scale.min_returns:
            return self._memory.scale_unprompted(observation, prediction, config.scale, self.infer)
        self._memory.remember(observation, prediction.depth_m)
        sigma_m = prediction.sigma_m
        if prediction.relative_sigma is not None:
            sigma_m = residual_sigma(prediction.depth_m, sparse_m, prediction.relative_sigma, wrap)
        return Scaled(prediction.depth_m, sigma_m, Mode.PROMPTED, {})


def _refined(scaled: Scaled, sparse_m: np.ndarray, config: RefinementConfig, wrap: bool) -> Scaled:
    refined = refine(scaled.depth_m, sparse_m, config, wrap)
    if refined is None:
        return scaled
    report = scaled.report | {'refined': f'{refined.before:.4f} -> {refined.after:.4f}'}
    return Scaled(refined.depth_m, refined.sigma_m, scaled.mode, report)


def gate(depth_m, sigma_m, seen, config: OutputConfig) -> tuple[np.ndarray, np.ndarray]:
    """NaN in both (H, W) maps where depth is out of range, sigma too large or the lens saw nothing."""
    # most frames have nothing to hide, which two reductions tell; NaN is in no range
    all_count = seen is None and config.max_relative_sigma == 0 and depth_m.size > 0
    if all_count and depth_m.min() >= config.min_depth_m and depth_m.max() <= config.max_depth_m:
        return depth_m, sigma_m
    with np.errstate(invalid='ignore'):
        known = (depth_m >= config.min_depth_m) & (depth_m <= config.max_depth_m)
        if config.max_relative_sigma > 0:
            known &= sigma_m <= config.max_relative_sigma * depth_m
        if seen is not None:
            known &= seen
    if known.all():
        return depth_m, sigma_m
    return _where(known, depth_m), _where(known, sigma_m)


def _where(known: np.ndarray, image: np.ndarray) -> np.ndarray:
    """A copy with NaN where it isn't known; three times faster than numpy's where."""
    return cv2.copyTo(image, known.view(np.uint8), np.full(image.shape, np.nan, image.dtype))


class StageClock:
    """Wall time between laps, in milliseconds by stage."""

    def __init__(self):
        self.laps_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps_ms[stage] = (now - self._last) * 1e3
        self._last = now
