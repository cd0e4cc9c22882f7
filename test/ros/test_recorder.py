# SPDX-License-Identifier: Apache-2.0
"""Topics into a file: every QoS, late topics, unknown types."""

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String

from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.evaluation.bag_reader import BagReader
from depth_anything_ros.ros.recorder import Recorder


def image(value: int) -> Image:
    message = Image(height=4, width=6, encoding='rgb8', step=18)
    message.header.stamp.sec = value
    message.data = np.full(72, value, np.uint8).tobytes()
    return message


def finish(ros, recorder, node):
    ros.executor.remove_node(node)
    recorder.close()


@pytest.mark.parametrize('reliability', [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
def test_messages_are_written_as_they_came(ros, tmp_path, reliability):
    publisher = ros.node('talker').create_publisher(Image, '/image', QoSProfile(depth=10, reliability=reliability))
    node = ros.node('recorder')
    recorder = Recorder(node, ['/image'], tmp_path / 'out.mcap')
    assert ros.spin_until(lambda: publisher.get_subscription_count() == 1, 5.0)
    for value in range(4):
        publisher.publish(image(value))
        assert ros.spin_until(lambda expected=value + 1: recorder.counts.get('/image') == expected, 5.0)
    finish(ros, recorder, node)
    with BagReader(tmp_path / 'out.mcap') as reader:
        read = [reader.decode(m) for m in reader.messages()]
        assert reader.topics['/image'].qos[0].reliability.name == reliability.name
    assert [m.header.stamp.sec for m in read] == [0, 1, 2, 3]
    assert (read[3].data == 3).all() and read[3].encoding == 'rgb8'


def test_a_topic_that_appears_later_is_recorded(ros, tmp_path):
    node = ros.node('recorder')
    recorder = Recorder(node, ['/late', '/never'], tmp_path / 'out.mcap')
    ros.spin_for(0.3)
    assert recorder.missing == ['/late', '/never']
    publisher = ros.node('talker').create_publisher(String, '/late', 10)
    assert ros.spin_until(lambda: publisher.get_subscription_count() == 1, 5.0)
    publisher.publish(String(data='here'))
    assert ros.spin_until(lambda: recorder.counts.get('/late') == 1, 5.0)
    assert recorder.missing == ['/never']
    finish(ros, recorder, node)


def test_a_latched_message_from_before_the_start_is_recorded_as_latched(ros, tmp_path):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node('talker').create_publisher(String, '/latched', latched).publish(String(data='from before'))
    node = ros.node('recorder')
    recorder = Recorder(node, ['/latched'], tmp_path / 'out.mcap')
    assert ros.spin_until(lambda: recorder.counts.get('/latched') == 1, 5.0)
    finish(ros, recorder, node)
    with BagReader(tmp_path / 'out.mcap') as reader:
        assert reader.topics['/latched'].latched
        assert reader.decode(next(reader.messages())).data == 'from before'


def test_nothing_recorded_leaves_no_file(ros, tmp_path):
    node = ros.node('recorder')
    recorder = Recorder(node, ['/never'], tmp_path / 'out.mcap')
    finish(ros, recorder, node)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_told_when_the_file_is_closed(ros, tmp_path, monkeypatch):
    publisher = ros.node('talker').create_publisher(String, '/text', 10)
    node = ros.node('recorder')
    recorder = Recorder(node, ['/text'], tmp_path / 'out.mcap')
    assert ros.spin_until(lambda: publisher.get_subscription_count() == 1, 5.0)

    def no_space(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(recorder._writer._writer, 'write', no_space)
    publisher.publish(String(data='lost'))
    assert ros.spin_until(lambda: recorder.failure is not None, 5.0)
    with pytest.raises(RecordingError, match='No space left'):
        finish(ros, recorder, node)


def test_an_existing_file_and_an_empty_choice_are_refused(ros, tmp_path):
    (tmp_path / 'out.mcap').write_bytes(b'precious')
    with pytest.raises(RecordingError, match='exists already'):
        Recorder(ros.node('a'), ['/x'], tmp_path / 'out.mcap')
    with pytest.raises(RecordingError, match='at least one topic'):
        Recorder(ros.node('b'), [], tmp_path / 'other.mcap')
