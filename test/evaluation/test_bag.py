# SPDX-License-Identifier: Apache-2.0
"""Recordings written and read without ROS, whole and damaged."""

import shutil

import numpy as np
import pytest
from small_recording import CAMERA, CAMERA_INFO, IMAGE, POINTS, START_NS, write_small_recording

from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.core.messages import camera_from_message, image_from_message, points_from_message
from depth_anything_ros.evaluation.bag_reader import BagReader, header_stamp_ns
from depth_anything_ros.evaluation.bag_writer import BagWriter


@pytest.mark.parametrize('name', ['run.mcap', 'run.db3', 'run'])
def test_what_was_written_is_read_back(tmp_path, name):
    path = write_small_recording(tmp_path / name, frames=3)
    with BagReader(path) as reader:
        assert {topic.name: topic.count for topic in reader.topics.values()}[IMAGE] == 3
        assert reader.topics['/tf_static'].latched and not reader.topics[IMAGE].latched
        messages = list(reader.messages([IMAGE, CAMERA_INFO]))
        assert [m.log_ns for m in messages] == sorted(m.log_ns for m in messages)
        image = next(m for m in messages if m.topic == IMAGE)
        assert header_stamp_ns(image) == START_NS
        assert image_from_message(reader.decode(image)).shape == (CAMERA.height, CAMERA.width, 3)
        info = next(m for m in messages if m.topic == CAMERA_INFO)
        assert camera_from_message(reader.decode(info)).rectified() == CAMERA
    assert sorted(p.name for p in tmp_path.iterdir()) == [name]  # no partial folder is left


def test_a_point_cloud_keeps_its_columns(tmp_path):
    with BagReader(write_small_recording(tmp_path / 'run.mcap', frames=1)) as reader:
        points, _ = points_from_message(reader.decode(next(reader.messages([POINTS]))))
    assert np.array_equal(np.unique(points.ring), np.arange(16))
    assert points.frame_id == 'lidar'


@pytest.mark.parametrize('name', ['run.mcap', 'run.db3'])
@pytest.mark.parametrize('share', [0.0, 0.001, 0.5, 0.9])
def test_a_truncated_recording_is_one_clear_error(tmp_path, name, share):
    path = write_small_recording(tmp_path / name, frames=2)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RecordingError, match=name) as error, BagReader(path) as reader:
        list(reader.messages())
    assert '\n' not in str(error.value)


def test_a_truncated_recording_in_its_folder_is_one_clear_error(tmp_path):
    path = write_small_recording(tmp_path / 'run', frames=2)
    storage = path / 'run.mcap'
    storage.write_bytes(storage.read_bytes()[:2000])
    with pytest.raises(RecordingError, match='truncated'):
        BagReader(path)


def test_damaged_message_bytes_are_an_error_that_names_the_file(tmp_path):
    path = write_small_recording(tmp_path / 'run.mcap', frames=1)
    with BagReader(path) as reader:
        message = next(reader.messages([IMAGE]))
        with pytest.raises(RecordingError, match=r'run\.mcap'):
            reader.decode(message._replace(raw=message.raw[:40]))


def test_a_folder_whose_recorder_was_killed_is_read_without_metadata(tmp_path):
    path = write_small_recording(tmp_path / 'run', frames=2)
    (path / 'metadata.yaml').unlink()
    with BagReader(path) as reader:
        assert reader.topics[IMAGE].count == 2


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda path: None, 'no such recording'),
        (lambda path: path.mkdir(), 'metadata.yaml or one .mcap'),
        (lambda path: path.with_suffix('.bag').write_bytes(b'#ROSBAG V2.0'), '.bag'),
    ],
)
def test_what_is_no_recording_is_said_so(tmp_path, make, message):
    path = tmp_path / 'run'
    make(path)
    with pytest.raises(RecordingError, match=message):
        BagReader(path if path.exists() or not path.with_suffix('.bag').exists() else path.with_suffix('.bag'))


def test_an_unknown_topic_is_named_with_those_there_are(tmp_path):
    reader = BagReader(write_small_recording(tmp_path / 'run.mcap', frames=1))
    with reader, pytest.raises(RecordingError, match=r'/no/such.*it has .*/camera/image_raw'):
        list(reader.messages(['/no/such']))


def test_an_existing_file_is_never_overwritten(tmp_path):
    path = tmp_path / 'run.mcap'
    path.write_bytes(b'precious')
    with pytest.raises(RecordingError, match='exists already'):
        BagWriter(path)
    assert path.read_bytes() == b'precious'


def test_an_error_while_writing_leaves_nothing_at_the_path(tmp_path):
    path = tmp_path / 'run.mcap'
    with pytest.raises(ZeroDivisionError), BagWriter(path):
        raise ZeroDivisionError
    assert not path.exists()
    write_small_recording(path, frames=1)  # what the first attempt left does not stand in the way
    assert path.exists()


def test_an_unknown_message_type_is_refused(tmp_path):
    with pytest.raises(RecordingError, match='my_msgs/msg/Thing'), BagWriter(tmp_path / 'run.mcap') as writer:
        writer.add_topic('/thing', 'my_msgs/msg/Thing')


def test_a_folder_can_be_moved(tmp_path):
    path = write_small_recording(tmp_path / 'run', frames=1)
    moved = shutil.move(path, tmp_path / 'elsewhere')
    with BagReader(moved) as reader:
        assert reader.topics[IMAGE].count == 1
