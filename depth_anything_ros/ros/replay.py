# SPDX-License-Identifier: Apache-2.0
"""A recording through the real depth node: node and player as processes of their own, we listen."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.errors import EngineError, RecordingError
from depth_anything_ros.core.frames import RangeKind
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.evaluation.bag_reader import TRANSFORMS
from depth_anything_ros.evaluation.recording import Recording
from depth_anything_ros.ros.collector import Collector
from depth_anything_ros.ros.processes import (
    child_process,
    depth_node_command,
    enter_own_domain,
    last_line,
    wait_until_active,
)
from depth_anything_ros.ros.spinning import interruptible_node

NODE = '/depth_node'
LAST_ANSWER_S = 5.0  # after the player has ended, an answer this late isn't waited for
DISCOVERY_S = 20.0


@dataclass(frozen=True)
class ReplayConfig:
    """bag: what is played (its topics are those of the recording); rate as in PlayConfig; model None: the default."""

    bag: Path
    rate: float = 1.0
    model: str | None = None
    engine: str = 'auto'
    options: EngineOptions = field(default_factory=EngineOptions)


def replay(
    recording: Recording,
    config: ReplayConfig,
    folder: Path,
    expected: set[int],
    on_progress: Callable[[int], None] = lambda answered: None,
) -> Collector:
    """Play and collect until every stamp of `expected` is answered or nothing comes any more.

    folder: depth maps and the processes' logs. In a ROS domain of its own, on this machine only.
    Raises EngineError where the node doesn't come up or dies, RecordingError where the player fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    enter_own_domain()
    with contextlib.ExitStack() as stack:
        node, stop = stack.enter_context(interruptible_node('collector'))
        collector = Collector(node, NODE, recording.topics.camera_info, folder)
        depth_node = stack.enter_context(child_process('depth_node', _node_command(recording, config, folder), folder))
        wait_until_active(lambda: _listening(node, collector, recording), stop, depth_node, folder)
        player = stack.enter_context(child_process('player', _player_command(recording, config), folder))
        while not stop.wait(0.1):
            answered = len(collector.complete(expected))
            on_progress(answered)
            if depth_node.poll() is not None:
                raise EngineError(f'the depth node ended by itself: {last_line(folder / "depth_node.log")}')
            ended = player.poll()
            if ended:
                raise RecordingError(f'the player failed: {last_line(folder / "player.log")}')
            if answered == len(expected) or (ended == 0 and collector.silent_s() > LAST_ANSWER_S):
                break
    if stop.is_set():
        raise KeyboardInterrupt
    return collector


def node_parameters(
    recording: Recording, model: str | None, engine: str, calibration: Path | None
) -> dict[str, object]:
    """Parameters of depth_node that make it listen to this recording."""
    topics = recording.topics
    by_kind = {kind: [topic for topic, k in topics.points if k == kind] for kind in RangeKind}
    parameters: dict[str, object] = {
        'use_sim_time': True,
        'engine': engine,
        'max_age_s': 0.0,  # nothing is too old here: every image is to be answered
        'input.image_transport': 'compressed' if topics.image.endswith('/compressed') else 'raw',
        'input.lidar_topics': by_kind[RangeKind.LIDAR],
        'input.radar_topics': by_kind[RangeKind.RADAR],
        'input.tof_topics': by_kind[RangeKind.TOF],
        'input.depth_prompt_topics': list(topics.depth_prompts),
        'input.image_is_rectified': recording.config.image_is_rectified,
        'sync.sweep_window_s': recording.config.sweep_window_s,
        'sync.sweeps': recording.config.sweeps,
    }
    if model:
        parameters['model'] = model
    if calibration is None:
        parameters['input.fixed_frame'] = recording.fixed_frame
    else:
        parameters['input.calibration'] = str(calibration)
    return parameters


def _node_command(recording: Recording, config: ReplayConfig, folder: Path) -> list[str]:
    calibration = None
    if not _hears_tf():
        # without its messages the node hears no tf: what never moves is given as a file instead
        calibration = folder / 'calibration.yaml'
        Calibration(transforms=tuple(recording.statics.values())).save(calibration)
    parameters = node_parameters(recording, config.model, config.engine, calibration)
    parameters |= {f'engine_options.{name}': value for name, value in vars(config.options).items()}
    remaps = {
        'image': recording.topics.image.removesuffix('/compressed'),
        'camera_info': recording.topics.camera_info,
    }
    return depth_node_command(parameters, remaps, [])


def _player_command(recording: Recording, config: ReplayConfig) -> list[str]:
    topics = recording.topics
    # camera_info has two listeners: the node, and we, to know when an image was sent
    awaited = [topics.image, f'{topics.camera_info}:2', *(topic for topic, _ in topics.points), *topics.depth_prompts]
    if _hears_tf():
        awaited += [topic for topic in recording.reader.of_type(TRANSFORMS) if not topic.endswith('_static')]
    options = ['--rate', str(config.rate), '--wait-for', str(DISCOVERY_S), '--wait-topics', *awaited, '--quiet']
    return [sys.executable, '-m', 'depth_anything_ros.cli.main', 'play', str(config.bag), *options]


def _hears_tf() -> bool:
    return importlib.util.find_spec('tf2_msgs') is not None


def _listening(node, collector: Collector, recording: Recording) -> bool:
    """Whether the depth node is active: its outputs and subscriptions are there."""
    topics = [recording.topics.image, *(topic for topic, _ in recording.topics.points)]
    return collector.node_ready() and all(node.count_subscribers(topic) for topic in topics)
