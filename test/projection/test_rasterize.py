# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.projection.rasterize import axes_of, rasterize, scatter_nearest

PINHOLE = CameraModel(64, 48, 50, 50, 31.5, 23.5)
PLUMB_BOB = CameraModel(640, 480, 500, 510, 320.5, 238, 'c', 'plumb_bob', (-0.28, 0.09, 0.001, -0.0005, -0.01))
FISHEYE = CameraModel(640, 480, 300, 300, 319.5, 239.5, 'c', 'equidistant', (-0.01, 0.02, -0.01, 0.002))
WIDE_FISHEYE = CameraModel(640, 480, 150, 150, 319.5, 239.5, 'c', 'equidistant', (0.0, 0.0, 0.0, 0.0))
PANORAMA = CameraModel.equirectangular(64, 32)
ALL = [PINHOLE, PLUMB_BOB, FISHEYE, WIDE_FISHEYE, PANORAMA]


def sigma_for(points):
    return np.linspace(0.01, 0.02, len(points)).astype(np.float32)


def slow_raster(points, camera):
    """The same, one return after the other."""
    pixels, valid = camera.project(points)
    depth = camera.depth_of(points)
    image = np.full((camera.height, camera.width), np.nan, np.float32)
    index = np.full(image.shape, -1)
    for number in np.flatnonzero(valid):
        u, v = np.rint(pixels[number]).astype(int)
        if not image[v, u] <= depth[number]:
            image[v, u], index[v, u] = depth[number], number
    return image, index


@pytest.mark.parametrize('camera', ALL, ids=lambda c: f'{c.distortion_model}-{c.fx:.0f}')
def test_every_pixel_holds_its_nearest_return_whatever_the_camera(camera):
    points = np.random.default_rng(0).normal(size=(20000, 3)).astype(np.float32) * 5
    sigma = sigma_for(points)
    raster = rasterize(points, camera, sigma)
    depth, index = slow_raster(points, camera)
    assert np.array_equal(raster.depth_m, depth, equal_nan=True)
    assert np.array_equal(raster.index, index)
    assert np.array_equal(raster.sigma_m[index >= 0], sigma[index[index >= 0]])
    assert np.isnan(raster.sigma_m[index < 0]).all()
    assert raster.depth_m.dtype == raster.sigma_m.dtype == np.float32 and raster.index.dtype == np.int32
    assert raster.count + sum(raster.rejected.values()) == len(points)
    assert raster.count > 0 and raster.rejected['behind a nearer return'] > 0
    assert sorted(raster.pixel) == np.flatnonzero(index.ravel() >= 0).tolist()


@pytest.mark.parametrize('order', [1, -1])
def test_a_thousand_returns_in_one_pixel_leave_the_nearest(order):
    depth = np.linspace(1, 9, 1000)[::order].astype(np.float32)
    points = np.stack([np.zeros(1000), np.zeros(1000), depth], axis=1).astype(np.float32)
    raster = rasterize(points, PINHOLE, sigma_for(points))
    assert raster.count == 1 and np.nanmin(raster.depth_m) == 1


def test_no_return_is_lost_to_the_early_culling_at_the_border():
    camera = PLUMB_BOB
    u, v = np.meshgrid([-0.49, 0, camera.width - 0.51], np.arange(0, camera.height, 5.0))
    border = camera.unproject(np.stack([u.ravel(), v.ravel()], -1), np.full(u.size, 7.0)).astype(np.float32)
    raster = rasterize(border, camera, sigma_for(border))
    # float32 moves a return by less than a hundredth of a pixel, so that those half a pixel out may stay out
    assert raster.rejected['out of view'] == 0


def test_returns_out_of_range_cannot_take_a_pixel():
    points = np.array([[0, 0, 0.1], [0, 0, 5], [0.5, 0, 500]], np.float32)
    raster = rasterize(points, PINHOLE, sigma_for(points), min_depth_m=0.5, max_depth_m=100)
    assert raster.rejected['out of range'] == 2
    assert np.nanmax(raster.depth_m) == np.nanmin(raster.depth_m) == 5


def test_returns_behind_and_beside_the_camera_are_out_of_view():
    points = np.array([[0, 0, -5], [9, 0, 1], [0, -9, 1], [0, 0, 0]], np.float32)
    raster = rasterize(points, PINHOLE, sigma_for(points))
    assert raster.count == 0 and raster.rejected['out of view'] == 4
    assert np.isnan(raster.depth_m).all()


def test_a_panorama_holds_the_range_and_sees_behind():
    raster = rasterize(np.array([[0, 0, -4], [3, 0, 4]], np.float32), PANORAMA, np.ones(2, np.float32))
    assert sorted(raster.depth_m[raster.index >= 0]) == [4, 5]


def test_no_points_give_an_empty_raster():
    raster = rasterize(np.empty((0, 3), np.float32), PINHOLE, np.empty(0, np.float32))
    assert raster.count == 0 and raster.depth_m.shape == (48, 64) and np.isnan(raster.depth_m).all()


def test_shapes_that_disagree_are_refused():
    with pytest.raises(InvalidInput, match=r'\(5, 3\) and \(4,\)'):
        rasterize(np.ones((5, 3), np.float32), PINHOLE, np.ones(4, np.float32))


def test_dropping_returns_empties_their_pixels_and_counts_the_reason():
    points = np.array([[0, 0, 2], [0.5, 0, 3], [-0.5, 0, 4]], np.float32)
    raster = rasterize(points, PINHOLE, sigma_for(points))
    fewer = raster.without(raster.depth_m.ravel()[raster.pixel] > 2.5, 'far')
    assert fewer.count == 1 and fewer.rejected['far'] == 2
    assert np.nanmax(fewer.depth_m) == 2 and np.isfinite(fewer.sigma_m).sum() == (fewer.index >= 0).sum() == 1
    assert raster.count == 3 and np.isfinite(raster.depth_m).sum() == 3


@pytest.mark.parametrize('number', [0, 13])
def test_a_real_sweep_lands_on_the_image(kitti_frame, number):
    frame = kitti_frame(number)
    points = frame.sweep.camera_from_sensor.apply(frame.sweep.points.xyz_m)
    raster = rasterize(points, frame.camera, sigma_for(points))
    assert 15_000 < raster.count < 18_000
    depth, _ = slow_raster(points, frame.camera)
    assert np.array_equal(raster.depth_m, depth, equal_nan=True)


@pytest.mark.parametrize('pixels', [1, 40, 3000])
def test_contested_pixels_go_to_one_of_their_nearest_returns(pixels):
    rng = np.random.default_rng(0)
    pixel = rng.integers(0, pixels, 5000).astype(np.int32)
    depth = rng.integers(1, 30, 5000).astype(np.float32)  # many are equally near
    sigma, index = rng.random(5000).astype(np.float32), rng.permutation(5000)
    raster = scatter_nearest(pixel, depth, sigma, index, 50, 60)
    nearest = np.full(3000, np.inf, np.float32)
    for place, value in zip(pixel, depth, strict=True):
        nearest[place] = min(nearest[place], value)
    assert len(np.unique(raster.pixel)) == raster.count == np.isfinite(nearest).sum()
    assert raster.count + raster.rejected['behind a nearer return'] == 5000
    assert np.array_equal(raster.pixel_depth_m, nearest[raster.pixel])
    came_from = np.argsort(index)[raster.pixel_index]  # every list speaks of the same return
    assert np.array_equal(pixel[came_from], raster.pixel)
    assert np.array_equal(depth[came_from], raster.pixel_depth_m)
    assert np.array_equal(sigma[came_from], raster.pixel_sigma_m)


@pytest.mark.parametrize('count', [0, 1, 2, 1000])
def test_points_become_axes_whatever_their_type_and_order(count):
    points = np.random.default_rng(0).normal(size=(count, 3))
    for given in (points.astype(np.float32), points, np.asfortranarray(points, np.float32), points[::-1][::-1]):
        planes = axes_of(given)
        assert planes.dtype == np.float32 and planes.shape == (3, count) and planes.flags.c_contiguous
        assert np.array_equal(planes, points.T.astype(np.float32))
