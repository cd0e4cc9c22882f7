# SPDX-License-Identifier: Apache-2.0
"""A user's recording as a case: scored on its truth, or on returns held out of the prompt."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.core.frames import RangeKind
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.evaluation.case import Case
from depth_anything_ros.evaluation.holdout import hold_out_rings, random_points
from depth_anything_ros.evaluation.recording import RecordedFrame, Recording, RecordingConfig
from depth_anything_ros.evaluation.sample import Sample


@dataclasses.dataclass(frozen=True)
class ScoringConfig:
    """What prompts and what scores."""

    keep_ring_every: int = setting(0, 'prompt with every n-th ring and score on the others; 0: score on the truth')
    sample_points: int = setting(0, 'prompt with this many random pixels of the truth; 0: with the sensors', low=0)

    def __post_init__(self):
        validate(self)
        if self.keep_ring_every < 0 or self.keep_ring_every == 1:
            raise InvalidInput(f'keep_ring_every: expected 0 (off) or 2 and more, got {self.keep_ring_every}')


DEFAULT_KEEP_RING_EVERY, DEFAULT_SAMPLE_POINTS = 4, 500


@dataclasses.dataclass(frozen=True)
class RecordingCase(Case):
    """keep_ring_every: which rings prompt, 0 where the truth scores."""

    keep_ring_every: int = 0


def recording_case(recording: Recording, config: ScoringConfig, limit: int = 0) -> RecordingCase:
    """The recording's frames as samples; limit: at most this many of them, evenly spread (0: all).

    Where nothing is asked for: with a truth the sensors prompt (random points of the truth where there are no
    sensors), without one every 4th ring prompts. Raises RecordingError where neither truth nor rings are there.
    """
    topics = recording.topics
    lidar = [topic for topic, kind in topics.points if kind == RangeKind.LIDAR]
    if not config.keep_ring_every and topics.truth is None:
        if not lidar:
            raise RecordingError(
                f'{recording.reader.path}: nothing to score on: neither a depth image or cloud as truth (name one with'
                ' --truth) nor a LiDAR whose rings could be held out'
            )
        config = dataclasses.replace(config, keep_ring_every=DEFAULT_KEEP_RING_EVERY)
    prompts = bool(topics.points or topics.depth_prompts)
    if topics.truth is not None and not prompts and not config.sample_points:
        config = dataclasses.replace(config, sample_points=DEFAULT_SAMPLE_POINTS)
    step = max(1, -(-recording.count // limit)) if limit else 1

    def samples() -> Iterator[Sample]:
        for index, frame in enumerate(recording.frames()):
            if index % step == 0:
                sample = _sample(frame, config, index)
                if sample is not None:
                    yield sample

    return RecordingCase(
        Path(recording.reader.path).name,
        _describe(topics, config),
        -(-recording.count // step),
        samples,
        keep_ring_every=config.keep_ring_every,
    )


def _sample(frame: RecordedFrame, config: ScoringConfig, index: int) -> Sample | None:
    name = f'frame {index}'
    if config.keep_ring_every:
        # a sweep may be missing near one image; that image has nothing to score
        if not any(sweep.points.kind == RangeKind.LIDAR for sweep in frame.observation.sweeps):
            return None
        return Sample(name, *hold_out_rings(frame.observation, config.keep_ring_every))
    sample = frame.sample(name)
    if sample is None or not config.sample_points:
        return sample
    observation = sample.observation
    sweep = random_points(sample.truth_m, observation.camera, config.sample_points, observation.stamp_ns, index)
    observation = dataclasses.replace(observation, sweeps=(sweep,), depth_prompts=())
    return dataclasses.replace(sample, observation=observation)


def _describe(topics, config: ScoringConfig) -> str:
    if config.sample_points:
        return f'{config.sample_points} random points of {topics.truth} prompt, all of it scores.'
    prompt = ', '.join([*(f'{topic} ({kind.value})' for topic, kind in topics.points), *topics.depth_prompts])
    if config.keep_ring_every:
        return f'One ring in {config.keep_ring_every} of {prompt} prompts, the others score.'
    return f'{prompt or "nothing"} prompts, {topics.truth} scores.'


def open_recording(path: Path, image=None, points=None, depth_prompts=None, truth=None, **config) -> Recording:
    """A Recording with the topics that were named on the command line."""
    topics = {'image': image, 'points': points, 'depth_prompts': depth_prompts, 'truth': truth}
    return Recording(path, topics, RecordingConfig(**{k: v for k, v in config.items() if v is not None}))
