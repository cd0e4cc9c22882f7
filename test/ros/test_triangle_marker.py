# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from rclpy.serialization import deserialize_message
from visualization_msgs.msg import Marker

from depth_anything_ros.ros import conversions, triangle_marker

CORNERS_M = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
RGB = np.random.default_rng(1).integers(0, 255, (9, 3), dtype=np.uint8)


@pytest.mark.parametrize('frame', ['', 'm', 'map', 'odom', 'a_longer_name'])
def test_the_bytes_are_the_message_that_rclpy_would_write(frame, monkeypatch):
    header = conversions.header_message(1_234_567_890, frame)
    fast = triangle_marker.triangle_marker(CORNERS_M, RGB, header)
    assert isinstance(fast, bytes), 'the fast way works with this rclpy'
    monkeypatch.setattr(triangle_marker, '_splicing_works', lambda: False)
    slow = triangle_marker.triangle_marker(CORNERS_M, RGB, header)
    back = deserialize_message(fast, Marker)
    assert back.points == slow.points
    assert np.allclose([(c.r, c.g, c.b, c.a) for c in back.colors], [(c.r, c.g, c.b, c.a) for c in slow.colors])
    assert (back.header, back.pose, back.scale, back.type) == (slow.header, slow.pose, slow.scale, slow.type)


def test_without_triangles_the_marker_deletes_the_one_before():
    marker = triangle_marker.triangle_marker(CORNERS_M[:0], RGB[:0], conversions.header_message(0, 'map'))
    assert marker.action == Marker.DELETE
