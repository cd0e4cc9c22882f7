# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.errors import FrameMismatch, InvalidInput
from depth_anything_ros.core.transform import RigidTransform


def turned(target='a', source='b', angle=0.5, translation=(1.0, 2.0, 3.0)):
    return RigidTransform.from_quaternion(target, source, translation, (0, 0, np.sin(angle / 2), np.cos(angle / 2)))


def test_inverse_undoes_apply():
    points = np.random.default_rng(0).normal(size=(50, 3))
    transform = turned()
    assert np.allclose(transform.inverse().apply(transform.apply(points)), points)
    assert (transform.inverse().target, transform.inverse().source) == ('b', 'a')


def test_chaining_applies_right_to_left_and_refuses_frames_that_do_not_meet():
    ab, bc = turned('a', 'b', 0.3), turned('b', 'c', -1.1, (0, 1, 0))
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert np.allclose((ab @ bc).apply(points), ab.apply(bc.apply(points)))
    with pytest.raises(FrameMismatch, match="'b' is not 'a'"):
        ab @ ab


def test_quaternion_survives_the_round_trip_for_every_half_turn():
    for quaternion in (
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0.5, 0.5, 0.5, 0.5],
        [0.1, -0.7, 0.2, 0.68],
    ):
        quaternion = np.array(quaternion) / np.linalg.norm(quaternion)
        back = RigidTransform.from_quaternion('a', 'b', (0, 0, 0), quaternion).quaternion_xyzw()
        assert min(np.abs(back - quaternion).max(), np.abs(back + quaternion).max()) < 1e-9


def test_interpolation_is_halfway_in_angle_and_place():
    half = turned(angle=0.0, translation=(0, 0, 0)).interpolated(turned(angle=1.0, translation=(2, 0, 0)), 0.5)
    assert np.allclose(half.matrix, turned(angle=0.5, translation=(1, 0, 0)).matrix)


def test_float32_points_stay_float32():
    assert turned().apply(np.zeros((2, 3), np.float32)).dtype == np.float32


@pytest.mark.parametrize('quaternion', [(0, 0, 0, 0), (0, 0, 0, 2), (np.nan, 0, 0, 1)])
def test_bad_quaternions_are_refused(quaternion):
    with pytest.raises(InvalidInput, match='unit quaternion'):
        RigidTransform.from_quaternion('a', 'b', (0, 0, 0), quaternion)


def test_a_mirror_is_not_a_rotation():
    with pytest.raises(InvalidInput, match='not a rotation'):
        RigidTransform('a', 'b', np.diag([1, 1, -1, 1]))
