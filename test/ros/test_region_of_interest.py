# SPDX-License-Identifier: Apache-2.0
"""What depth_node leaves out of its outputs on request, over the real middleware."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_node_rig import CAMERA, SECOND, WALL_M, Rig
from rclpy.parameter import Parameter

from depth_anything_ros.projection.cloud import FlyingPixelConfig, remove_flying_pixels

# around the middle of the wall, in the LiDAR's frame (x forward, z up), which hangs 10 cm above the camera
WORKSPACE = (
    '-p', 'region.workspace.frame:=lidar',
    '-p', 'region.workspace.centre_m:=[4.0, 0.0, -0.1]',
    '-p', 'region.workspace.size_m:=[1.0, 2.0, 1.0]',
)  # fmt: skip
INSIDE = np.zeros((120, 160), bool)
INSIDE[45:75, 50:110] = True  # 1 m is 30 px at WALL_M


def values(message, kind=np.float32):
    return np.frombuffer(message.data, kind).reshape(message.height, message.width)


def xyz(message):
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width, 4)[..., :3]


@pytest.fixture
def rig(ros, tmp_path):
    return Rig(ros, tmp_path, *WORKSPACE).start()


def test_outside_the_workspace_depth_cloud_and_confidence_are_unknown(rig):
    rig.send(SECOND)
    depth, sigma, cloud = (rig.answered(SECOND, name) for name in ('depth', 'sigma', 'cloud'))
    for known in (np.isfinite(values(depth)), np.isfinite(values(sigma)), np.isfinite(xyz(cloud)).all(-1)):
        assert (known == INSIDE).all()
    assert np.abs(values(depth)[INSIDE] - WALL_M).max() < 0.05
    assert rig.ros.spin_until(lambda: rig.got['status'] and rig.got['status'][-1].values)
    told = {v.key: v.value for v in rig.got['status'][-1].values}
    assert told['region_px'] == str(INSIDE.sum())


def test_in_millimetres_unknown_is_zero(ros, tmp_path):
    rig = Rig(ros, tmp_path, *WORKSPACE, '-p', 'publish.depth_encoding:=16UC1').start()
    rig.send(SECOND)
    assert ((values(rig.answered(SECOND), np.uint16) > 0) == INSIDE).all()


def test_the_box_moves_while_running_also_given_in_whole_metres(rig):
    moved = [
        Parameter('region.workspace.centre_m', value=[4, 1, 0]),
        Parameter('region.pixels.height_px', value=60),
    ]
    assert all(result.successful for result in rig.node.set_parameters(moved))
    rig.send(SECOND)
    known = np.isfinite(values(rig.answered(SECOND)))
    assert known.any() and not known[60:].any(), 'the pixel box ends at row 60'
    assert not known[:, 85:].any(), 'y points to the left'
    refused = rig.node.set_parameters([Parameter('region.workspace.size_m', value=[1.0, -1.0, 1.0])])[0]
    assert not refused.successful and 'longer than 0 m' in refused.reason


def test_a_frame_that_tf_does_not_know_costs_the_frame_and_is_named(ros, tmp_path):
    rig = Rig(ros, tmp_path, '-p', 'region.workspace.frame:=table').start()
    rig.send(SECOND)
    assert rig.counted('dropped.no transform'), rig.counts()
    assert 'table' in rig.health.level()[1]


def test_a_box_with_nothing_in_it_is_told(ros, tmp_path):
    rig = Rig(ros, tmp_path, *WORKSPACE, '-p', 'region.workspace.centre_m:=[0.0, 0.0, 50.0]').start()
    rig.send(SECOND)
    assert np.isnan(values(rig.answered(SECOND))).all()
    assert rig.counted('warned.region is empty')


def test_a_pixel_box_beside_the_image_is_told(ros, tmp_path):
    rig = Rig(ros, tmp_path, '-p', 'region.pixels.top_px:=500').start()
    rig.send(SECOND)
    assert rig.counted('dropped.InvalidInput')
    assert 'outside the image of 160x120' in rig.health.level()[1]


RAMP = np.array([0.25, 0.5, 0.75])
SCENE_M = np.full((120, 160), 2.0, np.float32)  # a near wall on the left, a far one on the right, a soft edge between
SCENE_M[:, 80:] = WALL_M
SCENE_M[:, 78:81] = 1 / (1 / 2.0 + RAMP * (1 / WALL_M - 1 / 2.0))


def between_walls(rig):
    """What a network says that blurs the edge between two walls."""
    from depth_anything_ros.engines.base import Prediction

    return lambda image_rgb, prompt, camera: Prediction(SCENE_M.copy(), 0.05 * SCENE_M)


@pytest.mark.parametrize('clean', [False, True])
def test_depth_has_flying_pixels_unless_it_is_to_be_clean(ros, tmp_path, clean):
    rig = Rig(ros, tmp_path, '-p', f'publish.clean_depth:={clean}').start()
    rig.node.streams['']._estimator.engine.infer = between_walls(rig)
    rig.send(SECOND)
    depth_m, cloud = values(rig.answered(SECOND)), xyz(rig.answered(SECOND, 'cloud'))
    flying = (depth_m > 2.1) & (depth_m < WALL_M - 0.1)
    assert flying.any() != clean
    assert not ((cloud[..., 2] > 2.1) & (cloud[..., 2] < WALL_M - 0.1)).any(), 'never in the cloud'
    assert (np.isfinite(values(rig.answered(SECOND, 'sigma'))) == np.isfinite(depth_m)).all()


def test_flying_pixels_at_the_border_of_the_workspace_are_found_before_it_is_cut_out(ros, tmp_path):
    near = ('-p', 'region.workspace.centre_m:=[2.0, 0.0, 0.0]', '-p', 'region.workspace.size_m:=[2.4, 9.0, 9.0]')
    rig = Rig(ros, tmp_path, *WORKSPACE, *near).start()  # x from 0.8 to 3.2 m: the far wall is outside, a ramp inside
    rig.node.streams['']._estimator.engine.infer = between_walls(rig)
    rig.send(SECOND)
    depth_m = values(rig.answered(SECOND))
    assert np.nanmax(depth_m) < 2.1, 'no pixel of the ramp is left'
    cut_first = np.where(SCENE_M <= 3.2, SCENE_M, np.nan)
    assert np.nanmax(remove_flying_pixels(cut_first, CAMERA, FlyingPixelConfig())) > 2.1, 'the other order leaves some'


def test_what_the_confidence_gate_refuses_is_not_in_the_cloud(rig):
    rig.send(SECOND)
    sigma, depth = values(rig.answered(SECOND, 'sigma')), values(rig.answered(SECOND))
    limit = float(np.nanmedian(sigma / depth))
    assert rig.node.set_parameters([Parameter('estimator.output.max_relative_sigma', value=limit)])[0].successful
    rig.send(2 * SECOND)
    cloud = xyz(rig.answered(2 * SECOND, 'cloud'))
    known = np.isfinite(cloud).all(-1)
    with np.errstate(invalid='ignore'):
        assert (known <= (sigma <= limit * depth)).all()
    assert 0 < known.sum() < INSIDE.sum()
    assert (np.isfinite(values(rig.answered(2 * SECOND))) == known).all()
