# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.errors import FrameMismatch, InvalidInput
from depth_anything_ros.core.frames import PointSet, Sweep
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.projection.accumulate import deskew, middle_ns, stack, stamped_at_first_return


def pose(translation, quaternion=(0, 0, 0, 1), target='camera'):
    quaternion = np.array(quaternion, float)
    return RigidTransform.from_quaternion(target, 'lidar', translation, quaternion / np.linalg.norm(quaternion))


START = pose([0.1, -0.2, 0.3], (0.5, -0.5, 0.5, 0.5))
END = pose([0.3, -0.1, 1.8], (0.56, -0.44, 0.5, 0.47))


def sweep(xyz_m, offsets_ns=None, start=START, end=END, stamp_ns=0):
    offsets = None if offsets_ns is None else np.asarray(offsets_ns, np.int64)
    return Sweep(PointSet(np.asarray(xyz_m, np.float32), 'lidar', stamp_ns, time_offset_ns=offsets), start, end)


def some_points(count=500):
    return np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32) * 30


def test_each_point_moves_with_the_pose_at_its_own_time():
    points = some_points()
    offsets = np.random.default_rng(1).integers(0, 10**8, len(points))
    offsets[0] = 10**8
    moved = deskew(sweep(points, offsets))
    assert moved.dtype == np.float32 and moved.shape == points.shape
    for number in range(0, len(points), 7):
        exact = START.interpolated(END, offsets[number] / 1e8).apply(points[number : number + 1].astype(float))[0]
        assert np.abs(moved[number] - exact).max() < 1e-4


def test_a_still_world_seen_on_the_move_comes_out_still():
    world = some_points().astype(float)
    offsets = np.linspace(0, 10**8, len(world)).astype(np.int64)
    seen = np.concatenate(
        [
            START.interpolated(END, offset / 1e8).inverse().apply(point[None])
            for point, offset in zip(world, offsets, strict=True)
        ]
    )
    assert np.abs(deskew(sweep(seen, offsets)) - world).max() < 1e-3
    assert np.abs(deskew(sweep(seen, offsets, end=None)) - world).max() > 1  # what deskewing is worth


@pytest.mark.parametrize('offsets', [None, 'zero'])
def test_without_times_a_sweep_is_rigid(offsets):
    points = some_points(50)
    offsets = None if offsets is None else np.zeros(50)
    assert np.allclose(deskew(sweep(points, offsets)), START.apply(points), atol=1e-4)


def test_a_standing_sensor_moves_no_point():
    points = some_points(50)
    moved = deskew(sweep(points, np.arange(50) * 10**6, end=START))
    assert np.allclose(moved, START.apply(points), atol=1e-4)


def test_times_before_the_stamp_are_refused_and_can_be_put_right():
    returns = PointSet(some_points(3), 'lidar', 10**9, time_offset_ns=np.array([-(10**8), -5 * 10**7, 0]))
    with pytest.raises(InvalidInput, match=r'-100\.0 to 0\.0 ms'):
        deskew(Sweep(returns, START, END))
    shifted = stamped_at_first_return(returns)
    assert shifted.stamp_ns == 9 * 10**8 and shifted.time_offset_ns.tolist() == [0, 5 * 10**7, 10**8]
    assert deskew(Sweep(shifted, START, END)).shape == (3, 3)
    untimed = PointSet(some_points(3), 'lidar', 5)
    assert stamped_at_first_return(untimed) is untimed


def test_poses_that_lead_to_different_frames_are_refused():
    with pytest.raises(FrameMismatch, match='two target frames'):
        deskew(sweep(some_points(2), [0, 5], end=pose([0, 0, 0], target='map')))


def test_sweeps_stack_in_order_and_remember_where_their_ranger_stood():
    first, second = some_points(10), some_points(4)
    before = pose([0, 0, -2])
    stacked = stack([sweep(first, end=None), sweep(second, start=before, end=None), sweep(np.empty((0, 3)))])
    assert stacked.sweep.tolist() == [0] * 10 + [1] * 4
    assert np.allclose(stacked.xyz_m[10:], second + np.array([0, 0, -2]), atol=1e-5)
    assert np.allclose(stacked.origin_m[:2], [[0.1, -0.2, 0.3], [0, 0, -2]])
    assert np.allclose(stacked.origin_m[2], (START.translation_m + END.translation_m) / 2)


def test_no_sweeps_stack_to_nothing():
    stacked = stack([])
    assert stacked.xyz_m.shape == (0, 3) and stacked.origin_m.shape == (0, 3)


def test_the_middle_of_a_sweep_lies_half_way_to_its_last_return():
    xyz_m = np.ones((3, 3), np.float32)
    timed = PointSet(xyz_m, frame_id='lidar', stamp_ns=1000, time_offset_ns=np.array([0, 40, 100], np.int64))
    assert middle_ns(timed) == 1050
    assert middle_ns(PointSet(xyz_m, frame_id='lidar', stamp_ns=1000)) == 1000
