# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.projection.occlusion import OcclusionConfig, find_occluded
from depth_anything_ros.projection.rasterize import rasterize

CAMERA = CameraModel(640, 480, 500, 500, 319.5, 239.5)


def rejected(points, camera, origin, config=None):
    """(N,) bool over all returns: which were found occluded; and which hold a pixel."""
    points = np.asarray(points, np.float32)
    raster = rasterize(points, camera, np.full(len(points), 0.02, np.float32))
    hidden = find_occluded(
        raster, camera, np.array([origin], np.float32), np.zeros(len(points), np.uint8), config or OcclusionConfig()
    )
    flags, holds = np.zeros(len(points), bool), np.zeros(len(points), bool)
    flags[raster.index.ravel()[raster.pixel[hidden]]] = True
    holds[raster.index[raster.index >= 0]] = True
    return flags, holds


@pytest.mark.parametrize(
    ('origin', 'lidar', 'recall'),
    [
        ((0, -0.5, 0), dict(rings=64), 0.8),
        ((0.3, -0.3, -0.3), dict(rings=64), 0.9),
        ((-0.5, 0, 0), dict(rings=64), 0.9),
        ((0, -0.5, -1), dict(rings=32, lowest_deg=-30, highest_deg=10, step_deg=0.33), 0.9),
        ((0, -0.5, 0), dict(rings=16, lowest_deg=-15, highest_deg=15, step_deg=0.2), 0.9),
    ],
    ids=['64 above', '64 off all axes', '64 beside', '32 above and behind', '16 above'],
)
def test_see_through_returns_go_and_visible_ones_stay(wall_behind_poles, origin, lidar, recall):
    points = wall_behind_poles.scan(origin, **lidar)
    hidden = wall_behind_poles.hidden(points)
    found, holds = rejected(points, CAMERA, origin)
    assert (hidden & holds).sum() > 50
    assert (found & hidden).sum() > recall * (hidden & holds).sum()
    assert (found & ~hidden).sum() < 0.03 * (holds & ~hidden).sum()


def test_background_beside_an_edge_stays(wall_behind_poles):
    # what lies within three spacings of the poles' outline, where a plain minimum filter eats whole strips
    origin = (0, -0.5, 0)
    points = wall_behind_poles.scan(origin)
    hidden = wall_behind_poles.hidden(points)
    found, holds = rejected(points, CAMERA, origin)
    pixels, _ = CAMERA.project(points)
    outline = (np.abs(pixels[:, 0] - 377) < 6) | (np.abs(pixels[:, 0] - 400) < 6)  # the tall pole's two sides
    beside = outline & (points[:, 2] > 20) & holds & ~hidden
    assert beside.sum() > 100
    assert (found & beside).sum() < 0.35 * beside.sum()


def test_a_ranger_at_the_camera_sees_nothing_that_the_camera_does_not(wall_behind_poles):
    points = wall_behind_poles.scan((0, 0, 0))
    assert not rejected(points, CAMERA, (0, 0, 0))[0].any()


def test_slanted_ground_up_to_the_horizon_stays(wall_behind_poles):
    ground = type(wall_behind_poles)((((-200, 1.5, 0.5), (200, 2.5, 400)),))
    for origin, lidar in (((0, -0.5, 0), {}), ((0.2, -0.4, -1), dict(rings=32, lowest_deg=-30, highest_deg=0))):
        points = ground.scan(origin, **lidar)
        found, holds = rejected(points, CAMERA, origin)
        assert found.sum() < 0.005 * holds.sum()


def test_occlusion_works_across_the_seam_of_a_panorama():
    camera = CameraModel.equirectangular(720, 360)
    # a near plate straight behind the camera, seen by a ranger 0.4 m above it, which also sees the far wall through
    # the plate's top edge; the plate's lattice lies on both sides of the seam
    x, y = np.meshgrid(np.arange(-0.5, 0.5, 0.04), np.arange(-0.2, 1.0, 0.04))
    plate = np.stack([x.ravel(), y.ravel(), np.full(x.size, -2.0)], -1)
    wall = np.stack([np.linspace(-1.0, 1.0, 60), np.full(60, 1.5), np.full(60, -12.0)], -1)
    points = np.concatenate([plate, wall])
    found, holds = rejected(points, camera, (0, -3.0, 0))
    assert not found[: len(plate)].any()
    assert (found[len(plate) :] & holds[len(plate) :]).sum() > 0.9 * holds[len(plate) :].sum()
    # the same scene turned to the front, where there is no seam, gives the same answer
    front = points * (-1, 1, -1)
    assert np.array_equal(rejected(front, camera, (0, -3.0, 0))[0][len(plate) :], found[len(plate) :])


def test_few_returns_and_none_are_no_reason_to_fail():
    for points in (np.empty((0, 3)), [[0, 0, 3]], [[0, 0, 3], [0.01, 0, 9]]):
        rejected(np.asarray(points, np.float32).reshape(-1, 3), CAMERA, (0, -0.5, 0))


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match='reach'):
        OcclusionConfig(reach=-1.0)


@pytest.mark.parametrize('number', [0, 13])
def test_a_few_percent_of_a_real_kitti_sweep_are_see_through(kitti_frame, number):
    frame = kitti_frame(number)
    points = frame.sweep.camera_from_sensor.apply(frame.sweep.points.xyz_m)
    found, holds = rejected(points, frame.camera, frame.sweep.camera_from_sensor.translation_m)
    assert 0.01 < found.sum() / holds.sum() < 0.07


@pytest.mark.parametrize('name', ['CAM_FRONT', 'CAM_BACK_LEFT'])
def test_the_road_in_nuscenes_stays(nuscenes_frame, name):
    frame = nuscenes_frame(name)
    points = frame.sweep.camera_from_sensor.apply(frame.sweep.points.xyz_m)
    found, holds = rejected(points, frame.camera, frame.sweep.camera_from_sensor.translation_m)
    assert 0.01 < found.sum() / holds.sum() < 0.06
    road = holds & (np.abs(points[:, 1] - 1.5) < 0.15) & (points[:, 2] < 30)  # the camera is 1.5 m above the road
    assert road.sum() > 250
    assert (found & road).sum() < 0.01 * road.sum()
