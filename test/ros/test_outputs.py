# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import DepthFrame, Mode, SparsePrompt
from depth_anything_ros.projection.cloud import organised_cloud
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.depth_node_config import DepthNodeConfig
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.outputs import TOPICS, Outputs

OUTPUTS = ('depth', 'camera_info', 'confidence', 'points')
CONFIG = DepthNodeConfig().publish


def frame_of(camera, seed):
    depth_m = np.random.default_rng(seed).uniform(1, 9, (camera.height, camera.width)).astype(np.float32)
    depth_m[:3] = np.nan
    return DepthFrame(depth_m, depth_m * np.float32(0.1), camera, seed, Mode.MONO, SparsePrompt.none(camera))


def image_of(camera, seed):
    return np.random.default_rng(seed).integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)


def listening_outputs(ros, name, received, topics=OUTPUTS):
    """Outputs of a node, and a listener to some of them that files (output, message)."""
    node, listener = ros.node(name), ros.node(f'{name}_listener')
    outputs = Outputs(node, Health(node))
    for output in topics:
        kind, topic = TOPICS[output]
        full = topic.replace('~', f'/{name}')
        listener.create_subscription(kind, full, lambda m, output=output: received.append((output, m)), 50)
    assert ros.spin_until(lambda: all(outputs.wanted(output) for output in topics))
    return outputs


def check(got, frame, image_rgb, header):
    """All four outputs say what the frame says."""
    assert {output for output, _ in got} == set(OUTPUTS)
    for output, message in got:
        assert message.header == header
        if output == 'camera_info':
            assert messages.camera_from_message(message, rectified=True) == frame.camera
        elif output == 'points':
            kept = np.frombuffer(message.data, np.float32).reshape(*frame.depth_m.shape, 4)
            expected = organised_cloud(frame.depth_m, frame.camera, image_rgb)
            known = ~np.isnan(kept[..., 2])
            assert known.mean() > 0.3  # random depth flies in many places
            assert np.array_equal(kept[known], expected[known])
            assert np.array_equal(kept.view(np.uint32)[..., 3], expected.view(np.uint32)[..., 3])
        else:
            expected = frame.depth_m if output == 'depth' else frame.sigma_m
            assert np.array_equal(messages.depth_from_message(message), expected, equal_nan=True)


def test_size_camera_and_frame_id_may_change_from_frame_to_frame(ros):
    received = []
    outputs = listening_outputs(ros, 'changing', received)
    small = CameraModel(64, 48, 50, 50, 31.5, 23.5, 'cam')
    large, longer = CameraModel(96, 64, 70, 70, 47.5, 31.5, 'cam'), dataclasses.replace(small, fx=60.0, fy=60.0)
    cameras = [small, large, small, longer, dataclasses.replace(small, frame_id='another_frame')]
    sent = []
    for number, camera in enumerate(cameras):
        frame, image_rgb = frame_of(camera, number), image_of(camera, number)
        header = conversions.header_message(10**9 + number, camera.frame_id)
        before = frame.depth_m.copy(), frame.sigma_m.copy()
        outputs.publish(frame, image_rgb, header, CONFIG)
        assert np.array_equal(frame.depth_m, before[0], equal_nan=True)  # a frame is its receiver's, not ours
        assert np.array_equal(frame.sigma_m, before[1], equal_nan=True)
        sent.append((frame, image_rgb, header))
    assert ros.spin_until(lambda: len(received) == 4 * len(cameras)), len(received)
    for frame, image_rgb, header in sent:
        check([(o, m) for o, m in received if m.header.stamp == header.stamp], frame, image_rgb, header)


def test_two_cameras_of_one_process_keep_apart(ros):
    received = {'left': [], 'right': []}
    cameras = {name: CameraModel(64, 48, 50, 50, 31.5, 23.5, name) for name in received}
    outputs = {name: listening_outputs(ros, name, got) for name, got in received.items()}
    for number, name in enumerate(['left', 'right', 'left', 'right']):
        header = conversions.header_message(10**9 + number, name)
        outputs[name].publish(frame_of(cameras[name], number), image_of(cameras[name], number), header, CONFIG)
    assert ros.spin_until(lambda: len(received['left']) == len(received['right']) == 8)
    for number, name in enumerate(['left', 'right', 'left', 'right']):
        got = [(o, m) for o, m in received[name] if m.header.stamp.nanosec == number]
        header = conversions.header_message(10**9 + number, name)
        check(got, frame_of(cameras[name], number), image_of(cameras[name], number), header)


def test_depth_in_millimetres_is_published_on_request_and_metres_again_after(ros):
    received = []
    outputs = listening_outputs(ros, 'units', received, ('depth',))
    camera = CameraModel(64, 48, 50, 50, 31.5, 23.5, 'cam')
    for number, encoding in enumerate(['32FC1', '16UC1', '32FC1']):
        config = dataclasses.replace(CONFIG, depth_encoding=encoding)
        outputs.publish(frame_of(camera, 0), image_of(camera, 0), conversions.header_message(number, 'cam'), config)
    assert ros.spin_until(lambda: len(received) == 3)
    for (_, message), encoding in zip(received, ['32FC1', '16UC1', '32FC1'], strict=True):
        assert message.encoding == encoding
        tolerance_m = 0 if encoding == '32FC1' else 0.00051
        depth_m = messages.depth_from_message(message)
        assert np.allclose(depth_m, frame_of(camera, 0).depth_m, atol=tolerance_m, rtol=0, equal_nan=True)


def test_nothing_is_made_for_nobody(ros):
    node = ros.node('lonely')
    outputs = Outputs(node, Health(node))
    camera = CameraModel(64, 48, 50, 50, 31.5, 23.5, 'cam')
    outputs.publish(frame_of(camera, 0), image_of(camera, 0), conversions.header_message(1, 'cam'), CONFIG)
    assert not outputs._wires
