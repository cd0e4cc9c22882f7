# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from wall_scene import pose

from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.mapping.pose_gate import PoseGate, PoseGateConfig, PoseJump

TENTH = 10**8


def test_a_moving_robot_passes():
    gate = PoseGate(PoseGateConfig(max_speed_mps=2.0))
    assert [gate.check(n * TENTH, pose(x_m=0.15 * n)) for n in range(20)] == [''] * 20


def test_a_jump_is_refused_with_its_size_and_the_robot_goes_on_where_it_was():
    gate = PoseGate(PoseGateConfig(max_speed_mps=2.0))
    gate.check(0, pose())
    with pytest.raises(PoseJump, match=r'jumped by 4\.00 m in 0\.100 s'):
        gate.check(TENTH, pose(x_m=4.0))
    assert gate.check(2 * TENTH, pose(x_m=0.1)) == ''


def test_a_turn_on_the_spot_is_refused_too():
    gate = PoseGate(PoseGateConfig(max_turn_dps=90.0))
    gate.check(0, pose())
    turned = RigidTransform.from_quaternion('map', 'camera', (0, 0, 0), (0, 1, 0, 0))
    with pytest.raises(PoseJump, match='turned by 180 degrees'):
        gate.check(TENTH, turned)


def test_poses_that_agree_elsewhere_are_believed_after_a_while_and_told_of():
    gate = PoseGate(PoseGateConfig(settle_frames=3))
    gate.check(0, pose())
    told = []
    for n in range(1, 5):
        try:
            told.append(gate.check(n * TENTH, pose(x_m=9.0 + 0.01 * n)))
        except PoseJump:
            told.append(None)
    assert told[:2] == [None, None]
    assert '3 poses agree' in told[2] and 'reset' in told[2]
    assert told[3] == ''


def test_poses_that_jump_about_are_never_believed():
    gate = PoseGate(PoseGateConfig(settle_frames=3))
    gate.check(0, pose())
    for n in range(1, 12):
        with pytest.raises(PoseJump):
            gate.check(n * TENTH, pose(x_m=100.0 * n * (-1) ** n))


def test_the_same_stamp_at_the_same_place_passes_and_a_reset_forgets():
    gate = PoseGate(PoseGateConfig())
    gate.check(0, pose())
    assert gate.check(0, pose(x_m=0.01)) == ''
    gate.reset()
    assert gate.check(TENTH, pose(x_m=50.0)) == ''


def test_without_limits_everything_passes():
    gate = PoseGate(PoseGateConfig(max_speed_mps=0.0, max_turn_dps=0.0))
    rng = np.random.default_rng(0)
    assert {gate.check(n, pose(*rng.normal(0, 50, 3))) for n in range(9)} == {''}
