# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from rclpy.serialization import deserialize_message

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.encoding import encode_depth
from depth_anything_ros.ros import conversions, wire

STAMP_NS, LATER_NS = 1_700_000_000_123_456_789, 1_700_000_009_000_000_001
HEADER = conversions.header_message(STAMP_NS, 'cam')
CAMERA = CameraModel(8, 6, 5, 6, 3.5, 2.5, 'camera_optical_frame', 'plumb_bob', (-0.1, 0.02, 0.001, 0.0, 0.0))
DEPTH = np.random.default_rng(0).uniform(0.5, 60, (6, 8)).astype(np.float32)
CLOUD = np.random.default_rng(1).uniform(-9, 9, (6, 8, 4)).astype(np.float32)


@pytest.fixture(params=['rcl', 'rclpy'])
def way(request, monkeypatch):
    """Both ways out: rcl's function, which this installation has, and rclpy's own publish()."""
    if request.param == 'rclpy':
        monkeypatch.setattr(wire, '_send', lambda: None)
    else:
        assert wire._send() is not None


def kept_messages(frame_id='cam'):
    """Topic -> (a kept message filled with the values above, the same with a later stamp as an ordinary message)."""
    header, later = (conversions.header_message(stamp_ns, frame_id) for stamp_ns in (STAMP_NS, LATER_NS))
    filled = {
        'metres': conversions.depth_wire((6, 8), '32FC1', header),
        'millimetres': conversions.depth_wire((6, 8), '16UC1', header),
        'points': conversions.cloud_wire((6, 8), header),
        'camera_info': conversions.camera_info_wire(CAMERA, header),
    }
    encode_depth(DEPTH, '32FC1', filled['metres'].array)
    encode_depth(DEPTH, '16UC1', filled['millimetres'].array)
    filled['points'].array[...] = CLOUD
    ordinary = {
        'metres': conversions.depth_message(DEPTH, later),
        'millimetres': conversions.depth_message(DEPTH, later, '16UC1'),
        'points': conversions.cloud_message(CLOUD, later),
        'camera_info': conversions.camera_info_message(CAMERA, later),
    }
    return {topic: (filled[topic], ordinary[topic]) for topic in filled}


def fields_of(message):
    """Field -> value, with the arrays as lists."""
    values = {name: getattr(message, name) for name in message.get_fields_and_field_types()}
    return {name: bytes(v) if name == 'data' else list(v) if hasattr(v, 'tolist') else v for name, v in values.items()}


@pytest.mark.parametrize('frame_id', ['c', 'cam', 'camera_optical_frame'])  # moves every later field
def test_a_kept_message_arrives_like_an_ordinary_one_with_the_stamp_it_is_sent_with(ros, way, frame_id):
    received, talker, listener = {}, ros.node('talker'), ros.node('listener')
    messages = kept_messages(frame_id)
    publishers = {}
    for topic, (_, ordinary) in messages.items():
        publishers[topic] = talker.create_publisher(type(ordinary), topic, 1)
        listener.create_subscription(type(ordinary), topic, lambda m, topic=topic: received.update({topic: m}), 1)
    assert ros.spin_until(lambda: all(publisher.get_subscription_count() for publisher in publishers.values()))
    for topic, (kept, _) in messages.items():
        kept.publish(publishers[topic], conversions.stamp_message(LATER_NS))
    assert ros.spin_until(lambda: len(received) == len(messages)), f'only {sorted(received)} arrived'
    for topic, (_, ordinary) in messages.items():
        assert fields_of(received[topic]) == fields_of(ordinary), topic


def test_what_was_sent_stays_when_the_next_frame_is_written(ros, way):
    received, talker, listener = [], ros.node('talker'), ros.node('listener')
    kept, ordinary = kept_messages()['metres']
    publisher = talker.create_publisher(type(ordinary), 'depth', 9)
    listener.create_subscription(type(ordinary), 'depth', received.append, 9)
    assert ros.spin_until(lambda: publisher.get_subscription_count() > 0)
    for number in range(1, 6):
        kept.array[...] = number
        kept.publish(publisher, conversions.stamp_message(number))
    kept.array[...] = -1
    assert ros.spin_until(lambda: len(received) == 5)
    assert [m.header.stamp.nanosec for m in received] == [1, 2, 3, 4, 5]
    assert [set(np.frombuffer(m.data, np.float32)) for m in received] == [{1.0}, {2.0}, {3.0}, {4.0}, {5.0}]


def test_a_lifecycle_publisher_that_is_not_active_stays_silent(ros, way):
    from rclpy.lifecycle import LifecycleNode

    received, talker, listener = [], ros.node('talker', kind=LifecycleNode), ros.node('listener')
    kept, ordinary = kept_messages()['metres']
    publisher = talker.create_lifecycle_publisher(type(ordinary), 'depth', 9)
    listener.create_subscription(type(ordinary), 'depth', received.append, 9)
    assert ros.spin_until(lambda: publisher.get_subscription_count() > 0)
    kept.publish(publisher, conversions.stamp_message(1))
    publisher.on_activate(None)
    kept.publish(publisher, conversions.stamp_message(2))
    assert ros.spin_until(lambda: received)
    assert [m.header.stamp.nanosec for m in received] == [2]


def test_a_publisher_that_is_gone_is_no_crash(ros, way):
    talker = ros.node('talker')
    kept, ordinary = kept_messages()['metres']
    publisher = talker.create_publisher(type(ordinary), 'depth', 1)
    talker.destroy_publisher(publisher)
    with pytest.raises(Exception, match='destr'):
        kept.publish(publisher, conversions.stamp_message(1))


def test_the_array_of_a_kept_message_is_the_data_in_its_bytes():
    kept = conversions.cloud_wire((6, 8), HEADER)
    assert kept.array.ctypes.data % wire.CACHE_LINE_BYTES == 0
    kept.array[...] = CLOUD
    message = deserialize_message(kept._bytes.tobytes(), type(conversions.cloud_message(CLOUD, HEADER)))
    assert np.array_equal(np.frombuffer(message.data, np.float32).reshape(6, 8, 4), CLOUD)


def test_a_message_that_does_not_hold_its_array_is_refused():
    with pytest.raises(ValueError, match='Image: not serialised as'):
        wire.WireMessage(conversions.depth_message(DEPTH, HEADER), wire.pattern((6, 8), np.float32))
