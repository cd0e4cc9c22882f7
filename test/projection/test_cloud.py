# SPDX-License-Identifier: Apache-2.0
import dataclasses

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError, InvalidInput
from depth_anything_ros.projection import cloud as cloud_module
from depth_anything_ros.projection.cloud import FlyingPixelConfig, organised_cloud, remove_flying_pixels

PINHOLE = CameraModel(64, 48, 50, 52, 30.5, 23.0)
PLUMB_BOB = CameraModel(64, 48, 50, 51, 32.05, 23.8, 'c', 'plumb_bob', (-0.28, 0.09, 0.001, -0.0005, -0.01))
PANORAMA = CameraModel.equirectangular(64, 32)
# a lens whose image circle ends inside the image: its corners see nothing
TIGHT_FISHEYE = CameraModel(64, 48, 20, 20, 31.5, 23.5, 'c', 'equidistant', (0.0, 0.0, 0.0, 0.0))
VGA = CameraModel(640, 480, 500, 500, 319.5, 239.5)
CONFIG = FlyingPixelConfig()


def image_for(camera):
    return np.random.default_rng(1).integers(0, 256, (camera.height, camera.width, 3)).astype(np.uint8)


def depth_for(camera):
    depth = np.random.default_rng(0).uniform(1, 9, (camera.height, camera.width)).astype(np.float32)
    depth[5:9, 5:9] = np.nan
    return depth


@pytest.mark.parametrize('camera', [PINHOLE, PLUMB_BOB, PANORAMA], ids=lambda c: c.distortion_model)
def test_points_project_back_onto_their_pixels_at_their_depth(camera):
    depth = depth_for(camera)
    cloud = organised_cloud(depth, camera, image_for(camera))
    assert cloud.shape == (camera.height, camera.width, 4) and cloud.dtype == np.float32 and cloud.flags.c_contiguous
    known = np.isfinite(depth)
    assert np.isnan(cloud[~known][:, :3]).all()
    xyz = cloud[known][:, :3].astype(float)
    pixels, valid = camera.project(xyz)
    row, column = np.nonzero(known)
    assert valid.all() and np.allclose(camera.depth_of(xyz), depth[known], rtol=1e-5)
    assert np.abs(pixels - np.stack([column, row], -1)).max() < 1e-2


def test_colours_are_packed_as_pcl_reads_them():
    image = np.zeros((48, 64, 3), np.uint8)
    image[0, 0], image[1, 1] = (255, 128, 7), (255, 255, 255)
    cloud = organised_cloud(np.ones((48, 64), np.float32), PINHOLE, image)
    bits = cloud.view(np.uint32)[..., 3]
    assert bits[0, 0] == 0xFF8007 and bits[1, 1] == 0xFFFFFF and bits[2, 2] == 0
    assert not np.isnan(cloud[..., 3]).any()


def test_a_pixel_without_a_ray_is_no_point_at_all():
    cloud = organised_cloud(np.ones((48, 64), np.float32), TIGHT_FISHEYE, image_for(TIGHT_FISHEYE))
    blind = np.isnan(TIGHT_FISHEYE.rays()[..., 0])
    assert blind.any() and not blind.all()
    assert np.isnan(cloud[blind][:, :3]).all() and np.isfinite(cloud[~blind][:, :3]).all()


def test_the_buffer_given_is_filled_and_returned():
    out = np.full((48, 64, 4), 7, np.float32)
    depth, image = depth_for(PINHOLE), image_for(PINHOLE)
    assert organised_cloud(depth, PINHOLE, image, out) is out
    assert np.array_equal(out.view(np.uint32), organised_cloud(depth, PINHOLE, image).view(np.uint32))


def test_shapes_that_disagree_are_refused():
    depth, image = np.ones((48, 64), np.float32), np.zeros((48, 64, 3), np.uint8)
    with pytest.raises(InvalidInput, match='depth and image'):
        organised_cloud(depth[:-1], PINHOLE, image)
    with pytest.raises(InvalidInput, match='contiguous'):
        organised_cloud(depth, PINHOLE, image, np.empty((48, 64, 3), np.float32))


def interpolated_disc(factor, near_m, far_m):
    """A disc before a wall at 1 / factor of VGA, upsampled bilinearly: depth, and what hangs well between."""
    y, x = np.mgrid[: 480 // factor, : 640 // factor]
    disc = (y - 240 / factor) ** 2 + (x - 320 / factor) ** 2 < (120 / factor) ** 2
    depth = cv2.resize(np.where(disc, near_m, far_m).astype(np.float32), (640, 480), interpolation=cv2.INTER_LINEAR)
    share = (1 / depth - 1 / far_m) / (1 / near_m - 1 / far_m)
    return depth, (share > 0.12) & (share < 0.88), (share < 1e-4) | (share > 1 - 1e-4)


@pytest.mark.parametrize(('near_m', 'far_m'), [(1.0, 1.2), (2.0, 4.0), (5.0, 40.0)])
@pytest.mark.parametrize('factor', [2, 4])
def test_interpolated_pixels_go_and_both_surfaces_stay(factor, near_m, far_m):
    depth, between, surfaces = interpolated_disc(factor, near_m, far_m)
    cleaned = remove_flying_pixels(depth, VGA, CONFIG)
    gone = np.isnan(cleaned)
    assert between.sum() > 500
    assert gone[between].mean() > 0.9
    assert gone[surfaces].mean() < 0.0005
    assert np.array_equal(cleaned[~gone], depth[~gone]) and not np.isnan(depth).any()


def plane(normal, distance_m, camera=VGA):
    """Depth of the plane n.x = d, NaN where it is not before the camera or beyond 200 m."""
    along = camera.rays() @ np.asarray(normal, np.float32)
    depth = np.where(along > 1e-6, distance_m / np.maximum(along, 1e-6), np.nan)
    return np.where(depth < 200, depth, np.nan).astype(np.float32)


@pytest.mark.parametrize('height_m', [0.2, 1.5])
def test_planes_stay_however_grazing(height_m):
    ground = plane((0, 1, 0), height_m)
    assert np.isfinite(ground).sum() > 100_000
    assert np.array_equal(remove_flying_pixels(ground, VGA, CONFIG), ground, equal_nan=True)
    side = plane((1, 0.1, 0.02), height_m)
    assert np.array_equal(remove_flying_pixels(side, VGA, CONFIG), side, equal_nan=True)


def test_a_corner_of_two_planes_stays():
    ground = np.fmin(plane((0, 1, 0), 1.5), np.float32(20))
    assert np.array_equal(remove_flying_pixels(ground, VGA, CONFIG), ground)


def test_a_slanted_table_before_a_slanted_floor_loses_only_its_ramp():
    table, floor = plane((0, 1, 0.3), 0.5), np.fmin(plane((0, 1, 0.1), 1.5), np.float32(12))
    v, u = np.mgrid[:480, :640]
    on_table = (v > 300) & (u > 150) & (u < 500)
    crisp = np.where(on_table, table, floor)
    blurred = crisp.copy()
    mixed = on_table & ~cv2.erode(on_table.astype(np.uint8), np.ones((3, 3))).astype(bool)
    blurred[mixed] = (crisp + np.where(on_table, floor, table))[mixed] / 2
    gone = np.isnan(remove_flying_pixels(blurred, VGA, CONFIG))
    assert gone[mixed].mean() > 0.9
    assert gone[~mixed].mean() < 0.0005


def test_smooth_noise_and_half_a_percent_of_white_noise_cost_next_to_nothing():
    rng = np.random.default_rng(0)
    ground = np.fmin(plane((0, 1, 0), 1.5), np.float32(20))
    noisy = (ground * (1 + 0.005 * rng.normal(size=ground.shape))).astype(np.float32)
    assert np.isnan(remove_flying_pixels(noisy, VGA, CONFIG)).mean() < 0.01


def test_ramps_on_the_seam_of_a_panorama_go_too():
    camera = CameraModel.equirectangular(128, 64)
    depth = np.full((64, 128), 6.0, np.float32)
    depth[:, :20] = 2
    depth[:, 0] = 3.5  # the ramp is the first column: its far side lies beyond the seam
    assert np.isnan(remove_flying_pixels(depth, camera, CONFIG)[:, 0]).all()
    flat = CameraModel(128, 64, 50, 50, 63.5, 31.5)
    assert not np.isnan(remove_flying_pixels(depth, flat, CONFIG)).any()


def test_unknown_depth_stays_unknown_and_spoils_nothing():
    depth = np.full((480, 640), 3, np.float32)
    depth[100:200, 100:200] = np.nan
    assert np.array_equal(remove_flying_pixels(depth, VGA, CONFIG), depth, equal_nan=True)


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match='width_px'):
        dataclasses.replace(CONFIG, width_px=0)


def test_a_cloud_made_in_bands_of_rows_is_the_product_of_rays_and_depth(monkeypatch):
    monkeypatch.setattr(cloud_module, 'BAND_PIXELS', 64 * 7 + 5)  # seven rows, and six in the last band
    for camera in (PINHOLE, PLUMB_BOB, PANORAMA, TIGHT_FISHEYE):
        depth, image = depth_for(camera), image_for(camera)
        cloud = organised_cloud(depth, camera, image)
        expected = camera.rays() * depth[..., None]
        expected[np.isnan(expected).any(axis=-1)] = np.nan
        assert np.array_equal(cloud[..., :3], expected, equal_nan=True)
        red, green, blue = np.moveaxis(image.astype(np.uint32), -1, 0)
        assert np.array_equal(cloud.view(np.uint32)[..., 3], red << 16 | green << 8 | blue)


def test_an_image_that_is_part_of_another_and_read_only_is_packed_as_well():
    depth, image = depth_for(PINHOLE), image_for(PINHOLE)
    wider, framed = np.zeros((48, 80, 3), np.uint8), np.ones((60, 80), np.float32)
    wider[:, 9:73], framed[3:51, 7:71] = image, depth
    wider.flags.writeable = framed.flags.writeable = False
    cloud = organised_cloud(framed[3:51, 7:71], PINHOLE, wider[:, 9:73])
    assert np.array_equal(cloud.view(np.uint32), organised_cloud(depth, PINHOLE, image).view(np.uint32))


def slow_flying(depth_m, wraps, config):
    """(H, W) bool: the pixels that hang between two surfaces, one after the other as the definition says."""
    height, width = depth_m.shape
    inverse = np.float32(1) / depth_m
    margin = 2 * config.width_px

    def at(row, column):
        row = np.clip(row, 0, height - 1)
        if wraps and -margin <= column < width + margin:
            return inverse[row, column % width]
        return inverse[row, np.clip(column, 0, width - 1)]

    flying = np.zeros(depth_m.shape, bool)
    for row, column in np.ndindex(height, width):
        for down, right in ((0, 1), (1, 0)):
            for reach in range(1, config.width_px + 1):
                before, one, here, other, after = (
                    at(row + k * reach * down, column + k * reach * right) for k in (-2, -1, 0, 1, 2)
                )
                jump = abs(one - other)
                flying[row, column] |= (
                    jump > np.float32(config.jump) * min(one, other)
                    and min(abs(one - here), abs(other - here)) > np.float32(config.margin) * jump
                    and (one < here) == (here < other)
                    and abs(before - one) + abs(after - other) < np.float32(config.flatness) * jump
                )
    return flying


@pytest.mark.parametrize('camera', [PINHOLE, PANORAMA], ids=lambda c: c.distortion_model)
@pytest.mark.parametrize('width_px', [1, 3])
def test_what_flies_is_what_the_definition_says(camera, width_px):
    rng, config = np.random.default_rng(2), FlyingPixelConfig(width_px=width_px)
    coarse = np.where(rng.random((camera.height // 8, 8)) < 0.4, 2, 7).astype(np.float32)
    depth = cv2.resize(coarse, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)
    depth *= rng.uniform(0.99, 1.01, depth.shape).astype(np.float32)
    depth[10:14, 20:23] = np.nan
    expected = slow_flying(depth, camera.is_equirectangular, config)
    assert expected.sum() > 10
    gone = np.isnan(remove_flying_pixels(depth, camera, config)) & ~np.isnan(depth)
    assert np.array_equal(gone, expected)
