# SPDX-License-Identifier: Apache-2.0
"""What a load test feeds the node with: real messages, stamped anew without being decoded."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from rclpy.serialization import deserialize_message
from small_recording import CAMERA, CAMERA_INFO, IMAGE, POINTS, write_small_recording

from depth_anything_ros.core.errors import ConfigError, RecordingError
from depth_anything_ros.core.messages import camera_from_message, image_from_message, points_from_message, stamp_ns
from depth_anything_ros.ros.feed import FeedConfig, make_feed, stamped
from depth_anything_ros.ros.player import load_message

NOW_NS = 1_795_000_000_123_456_789
SMALL = FeedConfig(width=64, height=48, points=640)


def opened(packet):
    return deserialize_message(stamped(packet, NOW_NS), load_message(packet.msgtype))


def test_every_message_of_a_frame_has_the_new_stamp_and_is_otherwise_whole():
    feed = make_feed(SMALL)
    for frame in feed.frames:
        cloud, info, image = map(opened, frame)
        assert {stamp_ns(message.header.stamp) for message in (cloud, info, image)} == {NOW_NS}
        assert image_from_message(image).shape == (48, 64, 3)
        assert camera_from_message(info).width == 64
        assert len(points_from_message(cloud)[0]) == 640


def test_every_return_of_the_synthetic_sweep_lands_in_the_image():
    cloud, info, _ = map(opened, make_feed(SMALL).frames[0])
    place = make_feed(SMALL).calibration.transform('camera_optical_frame', 'lidar')
    _, valid = camera_from_message(info).project(place.apply(points_from_message(cloud)[0].xyz_m))
    assert valid.mean() > 0.9


@pytest.mark.parametrize('jpeg', [False, True], ids=['raw', 'jpeg'])
def test_a_recording_gives_its_own_messages_and_parameters(tmp_path, jpeg):
    pytest.importorskip('rosbags', reason='rosbags is not installed')
    feed = make_feed(FeedConfig(write_small_recording(tmp_path / 'small.mcap', jpeg=jpeg)))
    image = f'{IMAGE}/compressed' if jpeg else IMAGE
    assert set(feed.topics) == {POINTS, CAMERA_INFO, image}
    assert all(frame[-1].topic == image for frame in feed.frames)
    assert image_from_message(opened(feed.frames[0][-1])).shape == (CAMERA.height, CAMERA.width, 3)
    assert feed.parameters['input.lidar_topics'] == [POINTS]
    assert feed.parameters['input.image_transport'] == ('compressed' if jpeg else 'raw')
    assert feed.remaps == {'image': IMAGE, 'camera_info': CAMERA_INFO}
    assert feed.calibration.transform(CAMERA.frame_id, 'lidar')


def test_what_cannot_be_fed_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='at least 16x16'):
        FeedConfig(width=8, height=8)
    with pytest.raises(RecordingError, match='no such recording'):
        make_feed(FeedConfig(tmp_path / 'missing.mcap'))
