# SPDX-License-Identifier: Apache-2.0
"""Run an estimator over samples and score it beside classical completion of the very same prompts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.core.frames import DepthFrame
from depth_anything_ros.engines.classical import dilation_fill, linear_fill, nearest_fill
from depth_anything_ros.evaluation.metrics import (
    RangeScore,
    Score,
    mean_by_range,
    mean_score,
    score,
    score_by_range,
)
from depth_anything_ros.evaluation.sample import Sample
from depth_anything_ros.pipeline.estimator import DepthEstimator

OURS = 'ours'
BASELINES = {'nearest': nearest_fill, 'linear': linear_fill, 'dilation': dilation_fill}


@dataclass(frozen=True)
class MethodResult:
    """score: mean over frames; ranges: pooled over frames by bin of true depth."""

    method: str
    score: Score
    ranges: list[RangeScore]


@dataclass(frozen=True)
class StageLatency:
    """Milliseconds of one stage over all frames."""

    stage: str
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, eq=False)
class Example:
    """One scored frame with what is needed to show it; nearest_m is the nearest-return completion of its prompt."""

    sample: Sample
    frame: DepthFrame
    nearest_m: np.ndarray


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What came out of one case; methods begin with ours."""

    case: str
    description: str
    frames: int
    prompt_returns: float
    methods: list[MethodResult]
    latency: list[StageLatency]
    engine: dict[str, str]
    example: Example
    notes: list[str] = field(default_factory=list)

    @property
    def ours(self) -> MethodResult:
        return self.methods[0]

    @property
    def against_best_classical(self) -> float:
        """Our AbsRel over that of the best baseline; below 1 is better. NaN where that one has no error at all."""
        best = min(m.score.abs_rel for m in self.methods[1:])
        return self.ours.score.abs_rel / best if best else float('nan')


class Scorer:
    """Collects frames of one case, whoever computed them."""

    def __init__(self, case: str, description: str = '', keep_example: int = 0):
        """keep_example: index of the frame to show in the report."""
        self.case, self.description, self.keep_example = case, description, keep_example
        self.frames = 0
        self.notes: list[str] = []
        self._scores: dict[str, list[Score]] = {}
        self._ranges: dict[str, list[list[RangeScore]]] = {}
        self._latency: dict[str, list[float]] = {}
        self._returns: list[int] = []
        self._example: Example | None = None
        self._engine: dict[str, str] = {}

    def add(self, sample: Sample, frame: DepthFrame) -> None:
        """Score one frame on its sample's truth, and the baselines on the frame's own prompt."""
        if frame.depth_m.shape != sample.truth_m.shape:
            raise InvalidInput(f'{sample.name}: depth {frame.depth_m.shape} does not fit truth {sample.truth_m.shape}')
        self._note(OURS, frame.depth_m, sample.truth_m, frame.sigma_m)
        filled = {name: fill(frame.prompt) for name, fill in BASELINES.items()}
        for name, depth_m in filled.items():
            self._note(name, depth_m, sample.truth_m)
        for stage, elapsed_ms in frame.timings_ms.items():
            self._latency.setdefault(stage, []).append(elapsed_ms)
        self._returns.append(int(np.isfinite(frame.prompt.depth_m).sum()))
        if self._example is None or self.frames == self.keep_example:
            self._example = Example(sample, frame, filled['nearest'])
            self._engine = dict(frame.report)
        self.frames += 1

    def result(self) -> CaseResult:
        """Raises RecordingError where nothing was scored."""
        if not self.frames:
            raise RecordingError(f'{self.case}: no frame could be scored')
        methods = [
            MethodResult(name, mean_score(scores), mean_by_range(self._ranges[name]))
            for name, scores in self._scores.items()
        ]
        return CaseResult(
            self.case,
            self.description,
            self.frames,
            float(np.mean(self._returns)),
            methods,
            latency_table(with_total(self._latency)),
            self._engine,
            self._example,
            self.notes,
        )

    def _note(self, method: str, depth_m, truth_m, sigma_m=None) -> None:
        self._scores.setdefault(method, []).append(score(depth_m, truth_m, sigma_m))
        self._ranges.setdefault(method, []).append(score_by_range(depth_m, truth_m, sigma_m))


def evaluate(samples: Iterable[Sample], estimator: DepthEstimator, scorer: Scorer) -> Iterator[int]:
    """Estimate and score every sample; yields the number done after each, so that the caller can show progress."""
    for sample in samples:
        scorer.add(sample, estimator.estimate(sample.observation))
        yield scorer.frames


def latency_table(stages_ms: dict[str, list[float]]) -> list[StageLatency]:
    """Median and 95th percentile per stage, in the order of the stages; NaN, where a frame lacks one, is left out."""
    known = {stage: [value for value in values if not math.isnan(value)] for stage, values in stages_ms.items()}
    return [StageLatency(stage, *_percentiles(values)) for stage, values in known.items() if values]


def with_total(stages_ms: dict[str, list[float]]) -> dict[str, list[float]]:
    """The stages and, where every frame has all of them, their sum per frame as 'total'."""
    if len(stages_ms) < 2 or len({len(values) for values in stages_ms.values()}) != 1:
        return stages_ms
    return {**stages_ms, 'total': np.sum(list(stages_ms.values()), axis=0).tolist()}


def geometric_mean_ratio(results: Iterable[CaseResult]) -> float:
    """Geometric mean over cases of our AbsRel against the best classical completion's; NaN without a ratio."""
    ratios = [result.against_best_classical for result in results]
    logs = [math.log(ratio) for ratio in ratios if ratio > 0]
    return math.exp(sum(logs) / len(logs)) if logs else float('nan')


def _percentiles(values) -> tuple[float, float]:
    median, p95 = np.percentile(values, (50, 95))
    return float(median), float(p95)
