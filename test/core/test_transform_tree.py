# SPDX-License-Identifier: Apache-2.0
"""TransformTree: interpolated look-ups that never extrapolate and say what is missing."""

import threading

import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.core.transform_tree import TransformTree, TransformUnavailable

SECOND = 10**9


def yaw(target, source, degrees, translation=(0.0, 0.0, 0.0)):
    half = np.radians(degrees) / 2
    return RigidTransform.from_quaternion(target, source, translation, (0, 0, np.sin(half), np.cos(half)))


def random_transform(rng, target, source):
    quaternion = rng.normal(size=4)
    return RigidTransform.from_quaternion(target, source, rng.normal(size=3), quaternion / np.linalg.norm(quaternion))


def driving(speed_mps=10.0, **options):
    """odom -> base driving along x, 11 samples over 1 s; base -> camera and base -> lidar fixed."""
    tree = TransformTree(**options)
    tree.add(RigidTransform.from_quaternion('base', 'camera', (1, 0, 0), (0, 0, 0, 1)), 0, static=True)
    tree.add(RigidTransform.from_quaternion('base', 'lidar', (0, 0, 2), (0, 0, 0, 1)), 0, static=True)
    for i in range(11):
        tree.add(yaw('odom', 'base', 0, (speed_mps * i / 10, 0, 0)), i * SECOND // 10)
    return tree


def test_a_chain_of_random_edges_matches_matrix_products():
    rng = np.random.default_rng(1)
    tree, edges = TransformTree(), {}
    for parent, child in (('map', 'odom'), ('odom', 'base'), ('base', 'mast'), ('mast', 'camera'), ('base', 'lidar')):
        edges[child] = random_transform(rng, parent, child)
        tree.add(edges[child], 5, static=child == 'mast')
    expected = edges['camera'].inverse() @ edges['mast'].inverse() @ edges['lidar']
    np.testing.assert_allclose(tree.lookup('camera', 'lidar', 5).matrix, expected.matrix, atol=1e-12)
    expected = edges['odom'] @ edges['base'] @ edges['mast'] @ edges['camera']
    got = tree.lookup('map', 'camera', 5)
    assert (got.target, got.source) == ('map', 'camera')
    np.testing.assert_allclose(got.matrix, expected.matrix, atol=1e-12)
    np.testing.assert_allclose(tree.lookup('camera', 'map', 5).matrix, expected.inverse().matrix, atol=1e-12)


def test_between_two_samples_it_interpolates_like_rigid_transform():
    rng = np.random.default_rng(2)
    for _ in range(20):
        first, second = random_transform(rng, 'odom', 'base'), random_transform(rng, 'odom', 'base')
        tree = TransformTree()
        tree.add(second, SECOND)
        tree.add(first, 0)  # out of order
        got = tree.lookup('odom', 'base', SECOND * 3 // 10)
        np.testing.assert_allclose(got.matrix, first.interpolated(second, 0.3).matrix, atol=1e-9)


def test_half_turns_about_each_axis_survive():
    for axis in np.eye(3):
        turn = RigidTransform.from_quaternion('a', 'b', (1, 2, 3), (*axis, 0.0))
        tree = TransformTree()
        tree.add(turn, 0, static=True)
        np.testing.assert_allclose(tree.lookup('a', 'b', 7).matrix, turn.matrix, atol=1e-12)


def test_ego_motion_between_two_stamps_goes_through_the_fixed_frame():
    tree = driving(speed_mps=10.0)
    got = tree.lookup_through('camera', SECOND * 8 // 10, 'lidar', SECOND * 5 // 10, 'odom')
    # 0.3 s at 10 m/s: what the lidar saw at its own place is 3 m further back for the camera, less the 1 m mount
    np.testing.assert_allclose(got.translation_m, (-3 - 1, 0, 2), atol=1e-12)
    same = tree.lookup_through('camera', SECOND // 2, 'lidar', SECOND // 2, 'odom')
    np.testing.assert_allclose(same.matrix, tree.lookup('camera', 'lidar', 0).matrix, atol=1e-12)


def test_a_stamp_after_the_newest_sample_is_refused_and_says_by_how_much():
    with pytest.raises(TransformUnavailable, match=r'odom -> base .*0\.250 s after its newest') as caught:
        driving().lookup('odom', 'lidar', SECOND * 125 // 100)
    assert caught.value.late_ns == SECOND // 4


def test_a_stamp_before_the_oldest_sample_is_refused_and_waiting_is_no_use():
    tree = driving(max_age_s=0.5)
    with pytest.raises(TransformUnavailable, match=r'0\.400 s before its oldest') as caught:
        tree.lookup('odom', 'lidar', SECOND // 10)
    assert caught.value.late_ns == 0
    tree.lookup('odom', 'lidar', SECOND // 2)  # all of max_age is there


def test_an_unknown_frame_is_named_with_those_known():
    with pytest.raises(TransformUnavailable, match=r"'radar'; known: base, camera, lidar, odom"):
        driving().lookup('camera', 'radar', 0)


def test_two_separate_trees_are_named_with_their_roots():
    tree = driving()
    tree.add(yaw('truck', 'radar', 0), 0, static=True)
    with pytest.raises(TransformUnavailable, match=r"'camera' hangs under 'odom', 'radar' under 'truck'"):
        tree.lookup('camera', 'radar', 0)


def test_newest_stamp_is_that_of_the_slowest_edge_and_none_for_static_mounts():
    tree = driving()
    tree.add(yaw('map', 'odom', 0), SECOND * 7 // 10)
    assert tree.newest_ns('map', 'camera') == SECOND * 7 // 10
    assert tree.newest_ns('odom', 'camera') == SECOND
    assert tree.newest_ns('camera', 'lidar') is None


@pytest.mark.parametrize(
    ('transform', 'message'),
    [
        (yaw('base', 'base', 0), 'two different'),
        (yaw('', 'base', 0), 'named'),
        (yaw('camera', 'odom', 0), 'loop'),
    ],
)
def test_a_transform_that_makes_no_tree_is_refused(transform, message):
    tree = driving()
    with pytest.raises(InvalidInput, match=message):
        tree.add(transform, 0)
    tree.lookup('odom', 'camera', SECOND)  # and changed nothing


def test_a_sample_older_than_the_history_is_refused_until_time_is_cleared():
    tree = driving(max_age_s=0.5)
    with pytest.raises(InvalidInput, match=r'0\.900 s older'):
        tree.add(yaw('odom', 'base', 0), SECOND // 10)
    tree.clear()
    tree.add(yaw('odom', 'base', 0), SECOND // 10)
    tree.lookup('odom', 'camera', SECOND // 10)


def test_clear_keeps_the_static_mounts_and_forgets_the_motion():
    tree = driving()
    tree.clear()
    tree.lookup('camera', 'lidar', 0)
    with pytest.raises(TransformUnavailable):
        tree.lookup('odom', 'lidar', SECOND)


def test_a_new_parent_replaces_the_old_one():
    tree = driving()
    tree.add(yaw('mast', 'camera', 90), 0, static=True)
    tree.lookup('mast', 'camera', 0)
    with pytest.raises(TransformUnavailable, match='not connected'):
        tree.lookup('base', 'camera', 0)


def test_history_is_bounded():
    tree = TransformTree(max_age_s=1.0)
    for i in range(5000):
        tree.add(yaw('odom', 'base', 0), i * SECOND // 100)
    assert len(tree._edges['base'].stamps) <= 102


def test_names_with_a_leading_slash_are_the_same_frames():
    tree = driving()
    got = tree.lookup('/camera', 'lidar', 0)
    assert got.target == '/camera'
    np.testing.assert_allclose(got.matrix, tree.lookup('camera', 'lidar', 0).matrix)


def test_writers_and_readers_share_it():
    tree, failures = driving(max_age_s=0.2), []

    def read():
        try:
            for _ in range(300):
                newest = tree.newest_ns('odom', 'camera')
                tree.lookup('odom', 'camera', newest)
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in readers:
        thread.start()
    for i in range(11, 500):
        tree.add(yaw('odom', 'base', i), i * SECOND // 1000 + SECOND)
    for thread in readers:
        thread.join()
    assert not failures
