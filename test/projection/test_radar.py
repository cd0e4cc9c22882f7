# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.frames import PointSet, RangeKind
from depth_anything_ros.projection.occlusion import OcclusionConfig, find_occluded
from depth_anything_ros.projection.radar import RadarConfig, radar_sigma, speed_over_ground
from depth_anything_ros.projection.rasterize import rasterize

CONFIG = RadarConfig()


def returns(xyz_m, **more):
    return PointSet(np.asarray(xyz_m, np.float32), 'radar', 0, RangeKind.RADAR, **more)


def fan(count=60, seed=0):
    rng = np.random.default_rng(seed)
    azimuth, range_m = rng.uniform(-1, 1, count), rng.uniform(5, 60, count)
    return np.stack([range_m * np.cos(azimuth), range_m * np.sin(azimuth), rng.uniform(-1, 2, count)], axis=1)


def test_sigma_grows_with_the_square_of_range_and_then_with_range():
    sigma = radar_sigma(returns([[0.5, 0, 0.1], [10, 0, 0.1], [80, 0, 0.1]]), CONFIG)
    slope = np.radians(CONFIG.elevation_sigma_deg) / CONFIG.height_above_ground_m
    assert sigma[0] == pytest.approx(CONFIG.range_sigma_m, rel=0.01)
    assert sigma[1] == pytest.approx(np.hypot(0.25, 100 * slope), rel=0.01)
    assert sigma[2] == pytest.approx(40, rel=0.01)
    assert sigma.dtype == np.float32


def test_a_radar_that_scans_a_plane_is_less_sure():
    measured, flat = returns([[12, 0, 0.3], [9, 1, 0.1]]), returns([[12, 0, 0], [9, 1, 0]])
    assert (radar_sigma(flat, CONFIG) > 1.5 * radar_sigma(measured, CONFIG)).all()


def test_strong_returns_are_trusted_more():
    xyz = [[15, 0, 0.3], [15, 0, 0.3]]
    sigma = radar_sigma(returns(xyz, rcs_dbsm=np.array([-10, 12], np.float32)), CONFIG)
    assert sigma[1] < 0.8 * sigma[0]


def test_moving_returns_are_found_and_trusted_more_however_fast_the_robot_is():
    xyz = fan()
    direction = xyz / np.linalg.norm(xyz, axis=1, keepdims=True)
    moving = np.arange(len(xyz)) % 5 == 0
    for robot_mps in ([0, 0, 0], [12, 0.5, 0]):
        speed = (-direction @ np.array(robot_mps) + np.where(moving, 4.0, 0)).astype(np.float32)
        points = returns(xyz, velocity_mps=speed)
        assert np.allclose(speed_over_ground(points)[moving], 4, atol=0.3)
        assert np.abs(speed_over_ground(points)[~moving]).max() < 0.3
        plain, with_speed = radar_sigma(returns(xyz), CONFIG), radar_sigma(points, CONFIG)
        assert (with_speed[moving] < plain[moving]).all() and np.array_equal(with_speed[~moving], plain[~moving])


def test_few_returns_tell_nothing_of_motion():
    few = returns(fan(5), velocity_mps=np.ones(5, np.float32))
    assert speed_over_ground(few) is None
    assert np.array_equal(radar_sigma(few, CONFIG), radar_sigma(returns(fan(5)), CONFIG))
    assert speed_over_ground(returns(fan(50))) is None


def test_no_returns_are_no_reason_to_fail():
    assert radar_sigma(returns(np.empty((0, 3))), CONFIG).shape == (0,)


@pytest.mark.parametrize('number', ['00549', '01047'])
def test_motion_found_in_a_real_sweep_agrees_with_its_driver(vod_frame, number):
    frame = vod_frame(number)
    ours = speed_over_ground(frame.radar.points)
    theirs = frame.radar_speed_over_ground_mps
    assert (np.abs(theirs) > 1).sum() > 20
    assert np.abs(ours - theirs).max() < 0.2


@pytest.mark.parametrize('number', ['00549', '01047'])
def test_sigma_of_a_real_radar_covers_its_error_against_lidar(vod_frame, number):
    frame = vod_frame(number)
    camera, sweep = frame.camera, frame.sweep
    points = sweep.camera_from_sensor.apply(sweep.points.xyz_m)
    raster = rasterize(points, camera, np.full(len(points), 0.02, np.float32))
    origin = sweep.camera_from_sensor.translation_m[None].astype(np.float32)
    hidden = find_occluded(raster, camera, origin, np.zeros(len(points), np.uint8), OcclusionConfig())
    raster = raster.without(hidden, 'occluded')
    row, column = np.divmod(raster.pixel, camera.width)
    lidar_m = raster.depth_m.ravel()[raster.pixel]

    seen = frame.radar.camera_from_sensor.apply(frame.radar.points.xyz_m)
    pixels, valid = camera.project(seen)
    sigma = radar_sigma(frame.radar.points, CONFIG)
    errors = []
    for number_ in np.flatnonzero(valid):
        distance = np.hypot(column - pixels[number_, 0], row - pixels[number_, 1])
        nearest = np.argpartition(distance, 5)[:5]
        if distance[nearest].min() < 15:
            errors.append(abs(seen[number_, 2] - np.median(lidar_m[nearest])) / sigma[number_])
    errors = np.array(errors)
    assert len(errors) > 150
    assert 0.55 < (errors < 1).mean() < 0.8  # 0.68 of a normal distribution
    assert (errors < 2).mean() > 0.88
