# SPDX-License-Identifier: Apache-2.0
"""A recording read as a robot would have seen it, against the formula that made it."""

import dataclasses

import numpy as np
import pytest
import small_recording
from small_recording import CAMERA, CAMERA_INFO, IMAGE, POINTS, START_NS, TRUTH, depth_at, write_small_recording

from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.core.frames import RangeKind
from depth_anything_ros.evaluation import bag_messages
from depth_anything_ros.evaluation.bag_reader import BagReader
from depth_anything_ros.evaluation.bag_writer import BagWriter
from depth_anything_ros.evaluation.recording import Recording, RecordingConfig
from depth_anything_ros.evaluation.recording_case import ScoringConfig, recording_case
from depth_anything_ros.evaluation.recording_topics import find_topics
from depth_anything_ros.evaluation.reduction import HELD_OUT_SUFFIX, reduce_rings
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt


def rewritten(source, path, change):
    """A copy of a recording; change(writer, topic, message, log_ns) writes each decoded message, or doesn't."""
    with BagReader(source) as reader, BagWriter(path) as writer:
        for raw in reader.messages():
            message = writer.typestore.deserialize_cdr(raw.raw, raw.msgtype)
            change(writer, raw.topic, message, raw.log_ns)
    return path


@pytest.mark.parametrize('name', ['run.mcap', 'run.db3', 'run'])
def test_sweeps_are_where_the_camera_sees_them_though_it_moved_in_between(tmp_path, name):
    with Recording(write_small_recording(tmp_path / name)) as recording:
        frames = list(recording.frames())
    assert len(frames) == 6 and not recording.skipped
    for frame in frames:
        expected_m = depth_at(frame.observation.stamp_ns)
        prompt_m = build_prompt(frame.observation, PromptConfig()).depth_m
        known = np.isfinite(prompt_m)
        assert known.sum() > 500
        # 5 cm off without the ego motion of the 50 ms between sweep and image
        assert np.abs(prompt_m[known] - expected_m).max() < 1e-3
        assert np.allclose(frame.truth_m, expected_m)


def test_the_pose_of_the_camera_comes_along(tmp_path):
    with Recording(write_small_recording(tmp_path / 'run.mcap', frames=2)) as recording:
        second = list(recording.frames())[1]
    assert second.observation.map_from_camera.target == 'odom'
    assert second.observation.map_from_camera.translation_m[2] == pytest.approx(0.1)


def test_topics_are_found_by_type(tmp_path):
    with BagReader(write_small_recording(tmp_path / 'run.mcap', frames=1)) as reader:
        topics = find_topics(reader)
    assert (topics.image, topics.camera_info, topics.truth) == (IMAGE, CAMERA_INFO, TRUTH)
    assert topics.points == ((POINTS, RangeKind.LIDAR),)


def test_compressed_images_are_read(tmp_path):
    with Recording(write_small_recording(tmp_path / 'run.mcap', frames=2, jpeg=True)) as recording:
        assert recording.topics.image == IMAGE + '/compressed'
        assert len(list(recording.frames())) == 2


def test_a_kind_can_be_named_and_a_wrong_one_is_refused(tmp_path):
    with BagReader(write_small_recording(tmp_path / 'run.mcap', frames=1)) as reader:
        assert find_topics(reader, points=[f'{POINTS}:radar']).points == ((POINTS, RangeKind.RADAR),)
        with pytest.raises(RecordingError, match='lidar, radar, tof'):
            find_topics(reader, points=[f'{POINTS}:sonar'])
        with pytest.raises(RecordingError, match='no cloud on /nothing'):
            find_topics(reader, points=['/nothing'])
        with pytest.raises(RecordingError, match='no topic /nothing'):
            find_topics(reader, truth='/nothing')


def test_two_cameras_must_be_chosen_from(tmp_path):
    def twice(writer, topic, message, log_ns):
        writer.write(topic, message, log_ns)
        if topic in (IMAGE, CAMERA_INFO):
            writer.write(topic.replace('/camera/', '/rear/'), message, log_ns)

    path = rewritten(write_small_recording(tmp_path / 'one.mcap', frames=2), tmp_path / 'two.mcap', twice)
    with pytest.raises(RecordingError, match=r'/camera/image_raw, /rear/image_raw.*--image'):
        Recording(path)
    with Recording(path, {'image': '/rear/image_raw'}) as recording:
        assert recording.topics.camera_info == '/rear/camera_info'


def test_a_recording_without_camera_info_or_image_is_refused(tmp_path):
    source = write_small_recording(tmp_path / 'whole.mcap', frames=1)

    def without(left_out):
        return lambda writer, topic, message, log_ns: (
            writer.write(topic, message, log_ns) if topic != left_out else None
        )

    with pytest.raises(RecordingError, match='camera_info'):
        Recording(rewritten(source, tmp_path / 'a.mcap', without(CAMERA_INFO)))
    with pytest.raises(RecordingError, match='colour image'):
        Recording(rewritten(source, tmp_path / 'b.mcap', without(IMAGE)))


def test_an_image_without_camera_info_of_its_stamp_is_counted_not_guessed(tmp_path):
    def late_info(writer, topic, message, log_ns):
        if topic == CAMERA_INFO and message.header.stamp.nanosec == 100_000_000:
            message = dataclasses.replace(message, header=bag_messages.header(writer.typestore, START_NS + 1, 'x'))
        writer.write(topic, message, log_ns)

    path = rewritten(write_small_recording(tmp_path / 'a.mcap', frames=3), tmp_path / 'b.mcap', late_info)
    with Recording(path) as recording:
        assert len(list(recording.frames())) == 2
        assert dict(recording.skipped) == {'no camera_info with the stamp of the image': 1}


def test_without_transforms_every_image_is_left_out_and_the_frames_are_named(tmp_path):
    def no_tf(writer, topic, message, log_ns):
        if not topic.startswith('/tf'):
            writer.write(topic, message, log_ns)

    path = rewritten(write_small_recording(tmp_path / 'a.mcap', frames=3), tmp_path / 'b.mcap', no_tf)
    with Recording(path) as recording:
        assert list(recording.frames()) == []
        ((reason, count),) = recording.skipped.items()
    assert count == 3 and 'lidar' in reason


def test_a_damaged_cloud_costs_the_cloud_and_not_the_image(tmp_path):
    def truncated_cloud(writer, topic, message, log_ns):
        if topic == POINTS:
            message = dataclasses.replace(message, data=message.data[:100])
        writer.write(topic, message, log_ns)

    path = rewritten(write_small_recording(tmp_path / 'a.mcap', frames=2), tmp_path / 'b.mcap', truncated_cloud)
    with Recording(path) as recording:
        frames = list(recording.frames())
    assert len(frames) == 2 and all(frame.observation.sweeps == () for frame in frames)
    assert sum(recording.skipped.values()) == 2 and POINTS in next(iter(recording.skipped))


def test_truth_of_another_size_is_refused(tmp_path):
    def halved(writer, topic, message, log_ns):
        if topic == TRUTH:
            message = bag_messages.depth_image(writer.typestore, np.ones((8, 8), np.float32), START_NS, 'x')
        writer.write(topic, message, log_ns)

    path = rewritten(write_small_recording(tmp_path / 'a.mcap', frames=1), tmp_path / 'b.mcap', halved)
    with Recording(path) as recording, pytest.raises(RecordingError, match=r'96x64.*8x8'):
        list(recording.frames())


def test_a_distorted_camera_is_rectified_with_its_truth(tmp_path, monkeypatch):
    bent = dataclasses.replace(CAMERA, coefficients=(-0.3, 0.1, 0.0, 0.0, 0.0))
    monkeypatch.setattr(small_recording, 'CAMERA', bent)
    with Recording(write_small_recording(tmp_path / 'run.mcap', frames=1)) as recording:
        (frame,) = recording.frames()
    assert not frame.observation.camera.is_distorted
    assert frame.observation.seen is not None
    known = np.isfinite(frame.truth_m)
    assert 0.5 < known.mean() <= 1 and np.allclose(frame.truth_m[known], depth_at(START_NS))


def test_several_sweeps_are_put_together(tmp_path):
    path = write_small_recording(tmp_path / 'run.mcap')
    with Recording(path, config=RecordingConfig(sweeps=3, sweep_window_s=0.3)) as recording:
        frames = list(recording.frames())
    assert len(frames[3].observation.sweeps) == 3
    prompt_m = build_prompt(frames[3].observation, PromptConfig()).depth_m
    known = np.isfinite(prompt_m)
    assert np.abs(prompt_m[known] - depth_at(frames[3].observation.stamp_ns)).max() < 1e-3


def test_a_case_with_truth_is_scored_on_it(tmp_path):
    with Recording(write_small_recording(tmp_path / 'run.mcap', frames=4)) as recording:
        case = recording_case(recording, ScoringConfig())
        samples = list(case.samples())
    assert case.count == len(samples) == 4 and case.keep_ring_every == 0
    assert np.isfinite(samples[0].truth_m).all()


def test_a_case_without_truth_holds_rings_out(tmp_path):
    with Recording(write_small_recording(tmp_path / 'run.mcap', frames=2, truth=False)) as recording:
        case = recording_case(recording, ScoringConfig())
        sample = next(iter(case.samples()))
    assert case.keep_ring_every == 4
    assert set(np.unique(sample.observation.sweeps[0].points.ring)) == {0, 4, 8, 12}
    assert np.isfinite(sample.truth_m).sum() > 200


def test_a_case_limited_to_some_frames_spreads_them(tmp_path):
    with Recording(write_small_recording(tmp_path / 'run.mcap', frames=6)) as recording:
        case = recording_case(recording, ScoringConfig(), limit=3)
        names = [sample.name for sample in case.samples()]
    assert names == ['frame 0', 'frame 2', 'frame 4'] and case.count == 3


def test_random_points_of_the_truth_can_prompt(tmp_path):
    with Recording(write_small_recording(tmp_path / 'run.mcap', frames=1)) as recording:
        (sample,) = recording_case(recording, ScoringConfig(sample_points=50)).samples()
    assert build_prompt(sample.observation, PromptConfig()).stats.count == 50


def test_nothing_to_score_on_is_said(tmp_path):
    def image_only(writer, topic, message, log_ns):
        if topic in (IMAGE, CAMERA_INFO):
            writer.write(topic, message, log_ns)

    path = rewritten(write_small_recording(tmp_path / 'a.mcap', frames=1), tmp_path / 'b.mcap', image_only)
    with Recording(path) as recording, pytest.raises(RecordingError, match='--truth'):
        recording_case(recording, ScoringConfig())


def test_a_reduced_recording_plays_the_kept_rings_and_keeps_the_rest_aside(tmp_path):
    source = write_small_recording(tmp_path / 'full.mcap', frames=2)
    for _ in reduce_rings(source, [POINTS], 4, tmp_path / 'reduced.mcap'):
        pass
    with Recording(tmp_path / 'reduced.mcap') as recording:
        assert recording.topics.points == ((POINTS, RangeKind.LIDAR),)  # what is held out does not prompt
        frame = next(iter(recording.frames()))
        assert set(np.unique(frame.observation.sweeps[0].points.ring)) == {0, 4, 8, 12}
        assert recording.reader.topics[POINTS + HELD_OUT_SUFFIX].count == 2
        assert recording.reader.topics['/tf_static'].latched
