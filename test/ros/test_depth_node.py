# SPDX-License-Identifier: Apache-2.0
"""depth_node over the real middleware: what it answers, and what it says of input it can't answer."""

import dataclasses

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_node_rig import CAMERA, SECOND, WALL_M, Rig, wall_returns
from sensor_msgs.msg import CompressedImage

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.depth_node import DepthNode


@pytest.fixture
def rig(ros, tmp_path):
    return Rig(ros, tmp_path).start()


def values(message):
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def test_every_image_is_answered_by_depth_info_and_cloud_with_its_own_header(rig):
    stamps = [SECOND + i * 50_000_000 for i in range(5)]
    for stamp in stamps:
        rig.send(stamp)
        assert rig.answered(stamp) is not None
    for name in ('depth', 'info', 'cloud', 'sigma'):
        assert rig.answered(stamps[-1], name) is not None
        assert [messages.stamp_ns(m.header.stamp) for m in rig.got[name]] == stamps
        assert {m.header.frame_id for m in rig.got[name]} == {'camera'}
    depth, info, cloud = (rig.got[name][-1] for name in ('depth', 'info', 'cloud'))
    assert depth.encoding == '32FC1'
    assert np.abs(values(depth) - WALL_M).max() < 0.05
    assert (info.width, info.height, info.k[0]) == (160, 120, 120.0)
    assert (cloud.height, cloud.width) == (120, 160), 'the cloud is organised'
    assert rig.counts() == {'published': 5}


def test_status_tells_mode_returns_and_time_per_stage(rig):
    rig.send(SECOND)
    assert rig.ros.spin_until(lambda: rig.got['status'] and rig.got['status'][-1].values)
    told = {v.key: v.value for v in rig.got['status'][-1].values}
    assert told['mode'] == 'prompted'
    assert int(told['prompt_count']) > 100
    assert told['engine'] == 'classical'
    assert {'latency.decode_ms', 'latency.project_ms', 'latency.infer_ms', 'latency.total_ms'} <= set(told)


def test_depth_in_millimetres_when_asked_for_while_running(rig):
    from rclpy.parameter import Parameter

    assert rig.node.set_parameters([Parameter('publish.depth_encoding', value='16UC1')])[0].successful
    rig.send(SECOND)
    message = rig.answered(SECOND)
    assert message.encoding == '16UC1'
    assert np.abs(np.frombuffer(message.data, np.uint16).astype(float) - 1000 * WALL_M).max() < 50


def test_a_bad_parameter_value_is_rejected_with_the_reason(rig):
    from rclpy.parameter import Parameter

    result = rig.node.set_parameters([Parameter('publish.depth_encoding', value='8UC1')])[0]
    assert not result.successful
    assert '16UC1' in result.reason


def test_compressed_images_are_taken_where_asked_for(ros, tmp_path):
    rig = Rig(ros, tmp_path, '-p', 'input.image_transport:=compressed').start()
    picture = CompressedImage(header=rig.header(SECOND), format='jpeg')
    picture.data = cv2.imencode('.jpg', np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
    rig.points.publish(rig.cloud(SECOND, wall_returns()))
    rig.info.publish(conversions.camera_info_message(CAMERA, rig.header(SECOND)))
    rig.compressed.publish(picture)
    assert rig.answered(SECOND) is not None


def test_a_distorted_camera_gives_rectified_depth_with_a_camera_info_that_says_so(rig):
    lens = dataclasses.replace(CAMERA, coefficients=(-0.3, 0.1, 0.0, 0.0, 0.0))
    rig.send(SECOND, camera=lens)
    depth, info = rig.answered(SECOND), rig.answered(SECOND, 'info')
    assert not np.any(info.d)
    assert np.nanmax(np.abs(values(depth) - WALL_M)) < 0.05


def test_a_tof_image_alone_prompts_depth(ros, tmp_path):
    rig = Rig(ros, tmp_path, '-p', 'input.depth_prompt_topics:=[tof]', '-p', "input.lidar_topics:=['']").start()
    low = np.full((24, 32), 2500, np.uint16)
    rig.depth_prompt.publish(conversions._image_message(low, '16UC1', rig.header(SECOND)))
    rig.send(SECOND, cloud=False)
    assert np.abs(values(rig.answered(SECOND)) - 2.5).max() < 0.01


def test_a_radar_prompts_too_and_is_less_sure_than_a_lidar(ros, rig, tmp_path):
    rig.send(SECOND)
    lidar_sigma = values(rig.answered(SECOND, 'sigma'))
    rig.node.trigger_deactivate()
    radar = Rig(ros, tmp_path, '-p', 'input.radar_topics:=[points]', '-p', "input.lidar_topics:=['']").start()
    radar.send(2 * SECOND)
    assert np.abs(values(radar.answered(2 * SECOND)) - WALL_M).max() < 0.05
    assert values(radar.answered(2 * SECOND, 'sigma')).mean() > 1.5 * lidar_sigma.mean()


def test_a_panorama_gets_radial_depth_all_around(ros, tmp_path):
    panorama = CameraModel.equirectangular(160, 80, 'camera')
    rig = Rig(ros, tmp_path, '-p', 'input.camera_model:=equirectangular').start()
    azimuth, elevation = (a.ravel() for a in np.meshgrid(np.linspace(-np.pi, np.pi, 120), np.linspace(-1.2, 1.2, 40)))
    ball = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    rig.send(SECOND, camera=panorama, xyz_m=3 * np.stack(ball, -1) + (0, 0, -0.1), info=False)
    depth, cloud = values(rig.answered(SECOND)), rig.answered(SECOND, 'cloud')
    assert depth.shape == (80, 160)
    assert np.abs(depth - 3).max() < 0.05
    xyz = np.frombuffer(cloud.data, np.float32).reshape(80, 160, 4)[..., :3]
    assert np.allclose(np.linalg.norm(xyz, axis=-1), 3, atol=0.05), 'the cloud is a ball around the camera'
    assert xyz[40, 80, 2] > 2.9
    assert xyz[40, 0, 2] < -2.9


def test_nobody_listens_nothing_is_computed(ros, tmp_path):
    rig = Rig(ros, tmp_path, subscribe=()).start()
    rig.send(SECOND)
    rig.ros.spin_for(0.5)
    assert rig.counts().get('published', 0) == 0
    assert not any(key.startswith('dropped') for key in rig.counts())


BAD = {
    'unknown encoding': (lambda m: setattr(m, 'encoding', 'holographic'), 'dropped.InvalidInput'),
    'step too small': (lambda m: setattr(m, 'step', 7), 'dropped.InvalidInput'),
    'data cut short': (lambda m: setattr(m, 'data', bytes(m.data[:1000])), 'dropped.InvalidInput'),
    'another size than its camera_info': (lambda m: setattr(m, 'height', 60), 'dropped.InvalidInput'),
}


@pytest.mark.parametrize('fault', BAD)
def test_a_bad_image_is_dropped_counted_and_survived(rig, fault):
    spoil, reason = BAD[fault]
    image = rig.picture(SECOND)
    spoil(image)
    rig.send(SECOND, image=image)
    assert rig.counted(reason), rig.counts()
    rig.send(2 * SECOND)
    assert rig.answered(2 * SECOND) is not None


def test_an_uncalibrated_camera_is_named_as_the_cause(rig):
    info = conversions.camera_info_message(CAMERA, rig.header(SECOND))
    info.k = np.zeros(9)
    rig.send(SECOND, info=info)
    assert rig.counted('dropped.CalibrationError')
    assert 'camera' in rig.health.level()[1]


def test_camera_info_that_never_comes_is_told(rig):
    rig.send(SECOND, info=False)
    assert rig.counted('dropped.no camera_info')


@pytest.mark.parametrize('xyz_m', [np.zeros((0, 3)), np.full((50, 3), np.nan)], ids=['empty', 'all NaN'])
def test_a_cloud_without_returns_leaves_the_classical_engine_nothing_to_complete(rig, xyz_m):
    rig.send(SECOND, xyz_m=xyz_m)
    assert rig.counted('dropped.InvalidInput'), rig.counts()
    rig.send(2 * SECOND)
    assert rig.answered(2 * SECOND) is not None


def test_a_cloud_that_lies_about_its_size_costs_only_itself(rig):
    cloud = rig.cloud(SECOND, wall_returns())
    cloud.width = 10**9
    cloud.row_step = 12 * 10**9 % 2**32
    rig.send(SECOND, cloud=cloud)
    assert rig.counted('warned.bad point cloud'), rig.counts()
    rig.send(2 * SECOND)
    assert rig.answered(2 * SECOND) is not None


def test_a_lidar_whose_place_is_unknown_is_named(rig):
    rig.send(SECOND, cloud=rig.cloud(SECOND, wall_returns(), frame='somewhere'))
    assert rig.counted('dropped.no transform')
    assert 'somewhere' in rig.health.level()[1]


def test_time_that_is_turned_back_clears_the_queues_and_goes_on(rig):
    rig.send(100 * SECOND)
    assert rig.answered(100 * SECOND) is not None
    rig.send(10 * SECOND)
    assert rig.answered(10 * SECOND) is not None
    assert rig.counts()['warned.time jump'] >= 1


def test_a_misspelt_parameter_stops_the_node_with_a_suggestion(ros):
    with pytest.raises(ConfigError, match=r'did you mean input\.fixed_frame'):
        ros.node('depth_node', kind=DepthNode, arguments=('-p', 'fixed_frame:=odom'))


def test_a_model_that_is_not_there_fails_to_configure(ros, tmp_path):
    rig = Rig(ros, tmp_path, '-p', 'model:=no_such_model')
    assert rig.node.trigger_configure().name == 'FAILURE'


def test_how_the_network_is_run_is_handed_to_the_engine(ros, tmp_path, monkeypatch):
    from depth_anything_ros.engines.options import EngineOptions
    from depth_anything_ros.ros import depth_node

    made, create = [], depth_node.create_engine
    monkeypatch.setattr(depth_node, 'create_engine', lambda *given: made.append(given) or create(*given))
    options = ('-p', 'engine_options.precision:=fp32', '-p', 'engine_options.auto_build:=false')
    Rig(ros, tmp_path, *options).start()
    assert made == [('classical', 'auto', EngineOptions(precision='fp32', auto_build=False))]
    with pytest.raises(ConfigError, match=r'engine_options\.precision: expected one of auto, fp32'):
        ros.node('other', kind=DepthNode, arguments=('-p', 'engine_options.precision:=int4'))


def test_a_fault_of_ours_while_configuring_is_logged_and_undone(ros, tmp_path, monkeypatch, capfd):
    from depth_anything_ros.ros import camera_stream

    rig = Rig(ros, tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(camera_stream, 'CloudService', lambda *_: 1 / 0)
        assert rig.node.trigger_configure().name == 'FAILURE'
    assert 'cannot configure, internal error' in capfd.readouterr().err
    rig.start()
    rig.send(SECOND)
    assert rig.answered(SECOND) is not None


def test_an_activation_that_fails_half_way_leaves_nothing_open(ros, tmp_path):
    rig = Rig(ros, tmp_path, '-p', 'qos_overrides./points.subscription.reliability:=holographic')
    assert rig.node.trigger_configure().name == 'SUCCESS'
    assert rig.node.trigger_activate().name == 'FAILURE'
    assert not rig.node._worker._thread.is_alive()
    assert not any(rig.node.count_subscribers(topic) for topic in ('/image', '/camera_info', '/points'))
    assert rig.health.level()[1] == 'inactive'


def test_deactivated_it_is_silent_and_activated_it_answers_again(rig):
    assert rig.node.trigger_deactivate().name == 'SUCCESS'
    rig.send(SECOND)
    rig.ros.spin_for(0.3)
    assert not rig.got['depth']
    assert rig.node.trigger_activate().name == 'SUCCESS'
    assert rig.heard()
    rig.ros.spin_for(0.3)
    rig.send(2 * SECOND)
    assert rig.answered(2 * SECOND) is not None
