# SPDX-License-Identifier: Apache-2.0
"""The search for the rate that a node keeps up with, on nodes whose capacity is known."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_anything_ros.core.errors import ConfigError, EngineError
from depth_anything_ros.ros.load import NEVER_ARRIVED, LoadConfig, Step, find_sustainable_hz


class KnownNode:
    """Answers `busy_hz` a second when it always has a frame, every frame of a camera up to `capacity_hz`."""

    def __init__(self, busy_hz, capacity_hz):
        self.busy_hz, self.capacity_hz = busy_hz, capacity_hz

    def offer(self, frames, rate_hz=0.0):
        answered_hz = min(rate_hz or self.busy_hz, self.capacity_hz)
        lost = 0 if rate_hz <= self.capacity_hz else frames // 5
        latencies_ms = np.where(np.arange(frames) < lost, np.nan, 10.0)
        return Step(rate_hz, answered_hz, latencies_ms, {NEVER_ARRIVED: lost}, {}, 0.0, 0)


@pytest.mark.parametrize(('busy_hz', 'capacity_hz'), [(10.0, 10.0), (10.0, 14.0), (10.0, 7.0)])
def test_the_rate_found_is_kept_up_with_and_the_next_one_is_not(busy_hz, capacity_hz):
    found_hz = find_sustainable_hz(KnownNode(busy_hz, capacity_hz), 40)
    assert capacity_hz / 1.1 <= found_hz <= capacity_hz


def test_a_node_that_loses_frames_at_every_rate_is_told_of():
    node = KnownNode(10.0, 20.0)
    node.offer = lambda frames, rate_hz=0.0: Step(
        rate_hz, 10.0, np.full(frames, 10.0 if rate_hz == 0 else np.nan), {}, {}, 0.0, 0
    )
    with pytest.raises(EngineError, match='busy with something else'):
        find_sustainable_hz(node, 40)


def test_percentiles_are_of_the_answered_frames():
    step = Step(1.0, 1.0, np.array([np.nan, 10.0, 20.0, 30.0]), {}, {}, 0.0, 0)
    assert (step.frames, step.answered) == (4, 3)
    assert step.percentiles_ms()['p50'] == 20.0


def test_an_output_that_is_none_is_refused():
    with pytest.raises(ConfigError, match='camera_info, points, confidence; got depht'):
        LoadConfig('classical', outputs=('depht',))
