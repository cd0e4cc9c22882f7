# SPDX-License-Identifier: Apache-2.0
"""Every depth system through the real depth_node, at a tiny size with random weights: the same topics, the same
contract, whatever the network gives and takes.
"""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
for package in ('torch', 'transformers', 'safetensors'):
    pytest.importorskip(package)
from depth_node_rig import CAMERA, SECOND, WALL_M, Rig, wall_returns  # noqa: E402
from tiny_model import SIZES, SYSTEMS, build_tiny_system  # noqa: E402

from depth_anything_ros.core import messages  # noqa: E402
from depth_anything_ros.core.camera import CameraModel  # noqa: E402
from depth_anything_ros.networks.card import load_card  # noqa: E402
from depth_anything_ros.networks.registry import NETWORKS  # noqa: E402

PANORAMA = CameraModel.equirectangular(160, 80, 'camera')
PINHOLE_SYSTEMS = [name for name in SYSTEMS if name != 'dap']


@pytest.fixture(scope='session')
def cards(tmp_path_factory):
    """cards(name) -> the path of the tiny card of a published system, made once."""
    folder, made = tmp_path_factory.mktemp('systems'), {}

    def card(name):
        if name not in made:
            made[name] = build_tiny_system(name, folder)
        return made[name]

    return card


def ball_returns(radius_m):
    """(N, 3) in the LiDAR's frame, all around the camera, which hangs 10 cm below the LiDAR."""
    azimuth, elevation = (a.ravel() for a in np.meshgrid(np.linspace(-np.pi, np.pi, 120), np.linspace(-1.2, 1.2, 40)))
    ball = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    return radius_m * np.stack(ball, -1) - (0, 0, 0.1)


def values(message):
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def started(ros, folder, card, *arguments):
    rig = Rig(ros, folder, '-p', f'model:={card}', '-p', 'engine:=torch', *arguments).start()
    outputs = ('depth', 'camera_info', 'points', 'confidence')
    assert ros.spin_until(lambda: all(rig.stream.outputs.wanted(name) for name in outputs))
    assert ros.spin_until(lambda: rig.health._status.get_subscription_count() > 0)
    return rig


def told(rig, stamp_ns):
    """~/status of the frame of this stamp."""

    def find():
        statuses = ({v.key: v.value for v in m.values} for m in rig.got['status'])
        return next((facts for facts in statuses if facts.get('stamp_ns') == str(stamp_ns)), None)

    assert rig.ros.spin_until(lambda: find() is not None)
    return find()


def test_every_network_of_the_registry_is_among_them():
    assert {load_card(name).network for name in SYSTEMS} == set(NETWORKS) == set(SIZES)


@pytest.mark.parametrize('name', PINHOLE_SYSTEMS)
def test_image_and_returns_become_metric_depth(ros, tmp_path, cards, name):
    rig = started(ros, tmp_path, cards(name))
    rig.send(SECOND)
    depth = rig.answered(SECOND)
    assert depth is not None, rig.counts()
    for output in ('info', 'sigma', 'cloud'):
        message = rig.answered(SECOND, output)
        assert messages.stamp_ns(message.header.stamp) == SECOND and message.header.frame_id == 'camera'
    info, depth_m, sigma_m = rig.answered(SECOND, 'info'), values(depth), values(rig.answered(SECOND, 'sigma'))
    assert (info.width, info.height, info.k[0]) == (CAMERA.width, CAMERA.height, CAMERA.fx)
    assert depth.encoding == '32FC1' and depth_m.shape == (CAMERA.height, CAMERA.width)
    known = np.isfinite(depth_m)
    assert known.mean() > (0.5 if name == 'depth_anything_3_metric_large' else 0.95), 'only a sky may be unknown'
    assert (depth_m[known] > 0).all() and (np.isfinite(sigma_m) == known).all() and (sigma_m[known] > 0).all()
    facts = told(rig, SECOND)
    assert facts['mode'] == 'prompted'
    assert facts['model'] == f'tiny_{name}'
    if load_card(name).prompt == 'none':
        assert np.abs(np.log(np.median(depth_m[known]) / WALL_M)) < 0.1, 'aligned to the returns, on the wall'
        assert facts['alignment'].startswith('scale') and 'refined' in facts
    else:
        assert 'alignment' not in facts, 'a network that was given the returns is believed'


@pytest.mark.parametrize('name', PINHOLE_SYSTEMS)
def test_without_returns_metric_systems_answer_and_relative_ones_say_what_they_need(ros, tmp_path, cards, name):
    rig = started(ros, tmp_path, cards(name))
    rig.send(SECOND, xyz_m=np.zeros((0, 3)))
    if load_card(name).metric:
        depth = rig.answered(SECOND)
        assert depth is not None, rig.counts()
        known = np.isfinite(values(depth))
        assert known.any() or name == 'depth_anything_3_metric_large', 'its random metres may all be too near'
        assert told(rig, SECOND)['mode'] == 'mono'
    else:
        assert rig.counted('dropped.InvalidInput'), rig.counts()
        assert 'needs returns for its scale' in rig.health.level()[1]


def test_a_panorama_becomes_radial_depth_drawn_to_the_returns_around(ros, tmp_path, cards):
    rig = started(ros, tmp_path, cards('dap'), '-p', 'input.camera_model:=equirectangular')
    rig.send(SECOND, camera=PANORAMA, xyz_m=ball_returns(3), info=False)
    depth_m = values(rig.answered(SECOND))
    known = np.isfinite(depth_m)
    assert 0.1 < known.mean() < 1, 'what its mask calls sky is unknown'
    assert np.abs(np.log(np.median(depth_m[known]) / 3)) < 0.1
    assert told(rig, SECOND)['mode'] == 'prompted'


@pytest.mark.parametrize(
    ('name', 'camera', 'arguments', 'said'),
    [
        ('dap', CAMERA, (), 'is for 360 x 180 degree panoramas'),
        (
            'depth_anything_v2_metric_hypersim_small',
            PANORAMA,
            ('-p', 'input.camera_model:=equirectangular', '-p', 'estimator.panorama.method:=direct'),
            'is for pinhole images',
        ),
        ('depth_anything_v2_small', CAMERA, ('-p', 'estimator.tiling.tile_px:=128'), 'is not given the returns'),
    ],
)
def test_what_a_system_is_not_for_is_told_in_one_line_at_the_first_frame(
    ros, tmp_path, cards, name, camera, arguments, said
):
    rig = started(ros, tmp_path, cards(name), *arguments)
    rig.send(SECOND, camera=camera, xyz_m=wall_returns(), info=camera is CAMERA)
    assert rig.counted('dropped.InvalidInput'), rig.counts()
    line = rig.health.level()[1]
    assert said in line and '\n' not in line


def test_boundaries_are_sharpened_and_tiles_are_run_when_asked_for_while_running(ros, tmp_path, cards):
    from rclpy.parameter import Parameter

    rig = started(ros, tmp_path, cards('prompt_depth_anything_small'))
    rig.send(SECOND)
    assert rig.answered(SECOND) is not None
    changes = [Parameter('estimator.sharp.enabled', value=True), Parameter('estimator.tiling.tile_px', value=128)]
    assert all(result.successful for result in rig.node.set_parameters(changes))
    rig.send(2 * SECOND)
    assert np.isfinite(values(rig.answered(2 * SECOND))).all()
