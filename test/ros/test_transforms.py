# SPDX-License-Identifier: Apache-2.0
"""TransformSource: tf at the stamp over the real topics, a calibration that outranks it, and never a wait."""

import sys
import time

import numpy as np
import pytest

from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.core.transform_tree import TransformUnavailable

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_anything_ros.ros.transforms import TF_QOS, TF_STATIC_QOS, TransformSource

SECOND = 10**9


def mount(target, source, translation):
    return RigidTransform.from_quaternion(target, source, translation, (0, 0, 0, 1))


@pytest.fixture(params=['tf2_msgs', 'tf2_ros'])
def backend(request, monkeypatch):
    """Each way of hearing /tf that is installed here."""
    pytest.importorskip(request.param, reason=f'{request.param} is not installed')
    if request.param == 'tf2_msgs':
        monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    return request.param


class Broadcaster:
    """Publishes transforms as a robot does."""

    def __init__(self, ros):
        messages = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs is not installed')
        self._message = messages.TFMessage
        self.node = ros.node('robot')
        self._moving = self.node.create_publisher(self._message, '/tf', TF_QOS)
        self._static = self.node.create_publisher(self._message, '/tf_static', TF_STATIC_QOS)

    def send(self, parent, child, translation, stamp_ns=0, static=False, w=1.0):
        from geometry_msgs.msg import TransformStamped

        stamped = TransformStamped()
        stamped.header.frame_id, stamped.child_frame_id = parent, child
        stamped.header.stamp.sec, stamped.header.stamp.nanosec = divmod(stamp_ns, SECOND)
        t = stamped.transform.translation
        t.x, t.y, t.z = map(float, translation)
        stamped.transform.rotation.w = w
        (self._static if static else self._moving).publish(self._message(transforms=[stamped]))

    def heard(self, ros, source, sensors, fixed, camera='camera', image_stamp_ns=SECOND):
        return ros.spin_until(lambda: source.ready(camera, image_stamp_ns, sensors, fixed))


@pytest.fixture
def robot(ros, backend):
    return Broadcaster(ros)


def drive(ros, robot, source_node, speed_mps=10.0):
    """Mounts on /tf_static, odom -> base on /tf at 0.9, 1.0 and 1.1 s."""
    robot.send('base', 'camera', (1, 0, 0), static=True)
    robot.send('base', 'lidar', (0, 0, 2), static=True)
    assert ros.spin_until(lambda: source_node.count_publishers('/tf') > 0)
    assert ros.spin_until(lambda: robot.node.count_subscribers('/tf') > 0)
    for tenth in (9, 10, 11):
        robot.send('odom', 'base', (speed_mps * tenth / 10, 0, 0), tenth * SECOND // 10)


def test_a_mount_sent_before_the_node_started_is_heard(ros, robot, backend):
    robot.send('base', 'camera', (1, 0, 0), static=True)
    ros.spin_for(0.1)
    source = TransformSource(ros.node('under_test'))
    assert robot.heard(ros, source, [('base', 0)], None)
    got = source.camera_from_sensor('camera', 5, 'base', 7, None)
    np.testing.assert_allclose(got.translation_m, (-1, 0, 0))
    assert source.backend == backend


def test_ego_motion_is_undone_through_the_fixed_frame(ros, robot):
    node = ros.node('under_test')
    source = TransformSource(node)
    drive(ros, robot, node)
    assert robot.heard(ros, source, [('lidar', SECOND * 11 // 10)], 'odom')
    got = source.camera_from_sensor('camera', SECOND, 'lidar', SECOND * 95 // 100, 'odom')
    np.testing.assert_allclose(got.translation_m, (-1 - 0.5, 0, 2), atol=1e-9)  # 10 m/s for 50 ms
    mounted = source.camera_from_sensor('camera', SECOND, 'lidar', SECOND * 95 // 100, None)
    np.testing.assert_allclose(mounted.translation_m, (-1, 0, 2), atol=1e-9)


def test_a_transform_that_is_not_there_yet_is_not_ready_and_nobody_waits(ros, robot):
    node = ros.node('under_test')
    source = TransformSource(node)
    drive(ros, robot, node)
    assert robot.heard(ros, source, [('lidar', SECOND * 11 // 10)], 'odom')
    later = SECOND * 12 // 10
    start = time.monotonic()
    assert not source.ready('camera', SECOND, [('lidar', later)], 'odom')
    with pytest.raises(TransformUnavailable, match='base') as caught:
        source.camera_from_sensor('camera', SECOND, 'lidar', later, 'odom')
    assert time.monotonic() - start < 0.5
    assert caught.value.late_ns == SECOND // 10
    robot.send('odom', 'base', (12, 0, 0), later)
    assert robot.heard(ros, source, [('lidar', later)], 'odom')


def test_after_clear_the_motion_is_forgotten_and_the_mounts_are_not(ros, robot):
    node = ros.node('under_test')
    source = TransformSource(node)
    drive(ros, robot, node)
    assert robot.heard(ros, source, [('lidar', SECOND * 95 // 100)], 'odom')
    source.clear()
    assert source.ready('camera', SECOND, [('lidar', SECOND)], None)
    assert not source.ready('camera', SECOND, [('lidar', SECOND * 95 // 100)], 'odom')


def test_a_broken_transform_is_ignored_and_the_good_ones_still_count(ros, robot):
    warnings = []
    source = TransformSource(ros.node('under_test'), warn=lambda cause, detail: warnings.append(detail))
    robot.send('base', 'camera', (1, 0, 0), static=True, w=0.0)  # no rotation at all
    robot.send('camera', 'camera', (1, 0, 0), static=True)
    robot.send('base', 'lidar', (0, 0, 2), static=True)
    assert robot.heard(ros, source, [('lidar', 0)], None, camera='base')
    assert not source.ready('camera', 0, [('base', 0)], None)
    if source.backend == 'tf2_msgs':  # tf2_ros logs on its own
        assert 'base_from_camera: expected a unit quaternion' in warnings[0]
        assert "'camera' -> 'camera'" in warnings[1]


def test_after_close_nothing_more_is_heard(ros, robot):
    node = ros.node('under_test')
    source = TransformSource(node)
    source.close()
    assert not [s for s in node.subscriptions if s.topic_name.startswith('/tf')]


CALIBRATION = (mount('camera', 'lidar', (5, 0, 0)),)


def test_a_calibration_alone_is_enough_for_a_mount(ros_node):
    source = TransformSource(ros_node, CALIBRATION)
    np.testing.assert_allclose(source.camera_from_sensor('camera', 1, 'lidar', 2, None).translation_m, (5, 0, 0))
    np.testing.assert_allclose(source.lookup('lidar', 'camera', 1).translation_m, (-5, 0, 0))
    got = source.camera_from_sensor('/camera', 1, 'lidar', 2, '')
    assert (got.target, got.source) == ('/camera', 'lidar')
    np.testing.assert_allclose(got.translation_m, (5, 0, 0))


def test_without_tf2_messages_the_calibration_serves_and_the_lack_is_told(ros, ros_node, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', None)
    source = TransformSource(ros_node, CALIBRATION)
    assert source.backend == 'calibration only'
    np.testing.assert_allclose(source.lookup('camera', 'lidar', 5).translation_m, (5, 0, 0))
    with pytest.raises(TransformUnavailable, match=r'camera <- radar.*/tf is not heard here'):
        source.camera_from_sensor('camera', 1, 'radar', 1, None)
    source.clear()
    source.close()


def test_a_calibration_reaches_through_several_frames(ros_node):
    source = TransformSource(
        ros_node,
        (mount('body', 'camera', (1, 0, 0)), mount('body', 'mast', (0, 1, 0)), mount('mast', 'tof', (0, 0, 1))),
    )
    np.testing.assert_allclose(source.lookup('camera', 'tof', 0).translation_m, (-1, 1, 1))


def test_without_tf_ego_motion_is_unavailable_and_the_fixed_frame_is_named(ros_node):
    source = TransformSource(ros_node, CALIBRATION)
    with pytest.raises(TransformUnavailable, match='odom'):
        source.camera_from_sensor('camera', 1, 'lidar', 2, 'odom')


def test_the_calibration_outranks_tf_and_tf_gives_the_motion(ros, robot):
    node = ros.node('under_test')
    source = TransformSource(node, CALIBRATION)  # tf says (-1, 0, 2)
    drive(ros, robot, node)
    assert robot.heard(ros, source, [('lidar', SECOND * 95 // 100)], 'odom')
    got = source.camera_from_sensor('camera', SECOND, 'lidar', SECOND * 95 // 100, 'odom')
    np.testing.assert_allclose(got.translation_m, (5 - 0.5, 0, 0), atol=1e-9)


def test_a_camera_that_tf_does_not_know_moves_with_the_lidar_it_is_calibrated_to(ros, robot):
    node = ros.node('under_test')
    source = TransformSource(node, (mount('lens', 'lidar', (5, 0, 0)),))
    drive(ros, robot, node)
    assert robot.heard(ros, source, [('lidar', SECOND * 95 // 100)], 'odom', camera='lens')
    got = source.camera_from_sensor('lens', SECOND, 'lidar', SECOND * 95 // 100, 'odom')
    np.testing.assert_allclose(got.translation_m, (5 - 0.5, 0, 0), atol=1e-9)


def test_tf_and_calibration_are_chained_where_neither_reaches_alone(ros, robot):
    node = ros.node('under_test')
    source = TransformSource(node, (mount('camera', 'lens', (0, 0, 0.1)), mount('lidar', 'head', (0, 0, 0.5))))
    drive(ros, robot, node)
    assert robot.heard(ros, source, [('head', SECOND * 95 // 100)], 'odom', camera='lens')
    got = source.camera_from_sensor('lens', SECOND, 'head', SECOND * 95 // 100, 'odom')
    np.testing.assert_allclose(got.translation_m, (-1.5, 0, 2 + 0.5 - 0.1), atol=1e-9)
