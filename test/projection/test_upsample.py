# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.projection.upsample import upsample_depth


def source_neighbourhood(depth, height, width):
    """(4, height, width): the four depths around each output pixel, from the definition of the pixel grids."""
    rows, columns = depth.shape
    v = np.clip((np.arange(height) + 0.5) * rows / height - 0.5, 0, rows - 1)
    u = np.clip((np.arange(width) + 0.5) * columns / width - 0.5, 0, columns - 1)
    top, left = np.floor(v).astype(int), np.floor(u).astype(int)
    bottom, right = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    return np.stack([depth[y][:, x] for y in (top, bottom) for x in (left, right)])


def disc(height, width, near=2.0, far=6.0):
    v, u = np.mgrid[:height, :width]
    inside = ((v + 0.5) / height - 0.5) ** 2 * 9 / 16 + ((u + 0.5) / width - 0.5) ** 2 < 0.04
    return np.where(inside, near, far + u / width).astype(np.float32), inside


@pytest.mark.parametrize('size', [(480, 640), (100, 133), (37, 53), (48, 64), (20, 30)])
@pytest.mark.parametrize('guided', [False, True])
def test_no_output_leaves_the_range_of_its_four_sources(size, guided):
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.5, 30, (48, 64)).astype(np.float32)
    depth[:, 20:40] = 5 + rng.normal(size=(48, 20)) * 0.02
    image = rng.integers(0, 256, (*size, 3)).astype(np.uint8) if guided else None
    result = upsample_depth(depth, *size, image)
    around = source_neighbourhood(depth, *size)
    assert result.shape == size and result.dtype == np.float32
    assert (result >= around.min(axis=0) * (1 - 1e-5)).all() and (result <= around.max(axis=0) * (1 + 1e-5)).all()


def test_between_two_surfaces_nothing_is_invented():
    small, _ = disc(60, 80)
    result = upsample_depth(small, 480, 640)
    assert not ((result > 2.001) & (result < 5.99)).any()
    assert ((cv2.resize(small, (640, 480)) > 2.1) & (cv2.resize(small, (640, 480)) < 5.9)).sum() > 1000


def test_smooth_surfaces_are_bilinear():
    v, u = np.mgrid[:60, :80]
    small = (3 + 0.01 * u + 0.005 * v).astype(np.float32)
    assert np.allclose(upsample_depth(small, 480, 640), cv2.resize(small, (640, 480)), rtol=1e-6)


def test_the_image_decides_on_which_side_of_the_edge_a_pixel_is():
    truth, inside = disc(480, 640)
    small = truth[4::8, 4::8]
    noise = np.random.default_rng(0).normal(size=(480, 640, 3)) * 8
    image = np.clip(np.where(inside[..., None], (200, 60, 60), (60, 80, 90)) + noise, 0, 255).astype(np.uint8)
    wrong = [(np.abs(upsample_depth(small, 480, 640, guide) - truth) > 1).sum() for guide in (None, image)]
    nearest = (np.abs(cv2.resize(small, (640, 480), interpolation=cv2.INTER_NEAREST) - truth) > 1).sum()
    assert wrong[1] < 0.2 * wrong[0]
    assert wrong[0] <= nearest


def test_unknown_stays_unknown_and_does_not_eat_the_known():
    small = np.full((6, 8), 3, np.float32)
    small[:, :4] = np.nan
    result = upsample_depth(small, 48, 64)
    assert np.isnan(result[:, :32]).all() and (result[:, 32:] == 3).all()
    assert np.isnan(upsample_depth(np.full((6, 8), np.nan, np.float32), 48, 64)).all()


def test_one_pixel_and_the_same_size_pass_through():
    assert (upsample_depth(np.array([[2.5]], np.float32), 4, 5) == 2.5).all()
    depth = np.random.default_rng(0).uniform(1, 9, (30, 40)).astype(np.float32)
    assert np.allclose(upsample_depth(depth, 30, 40), depth)


def test_a_guide_of_another_size_is_refused():
    with pytest.raises(InvalidInput, match='guide'):
        upsample_depth(np.ones((6, 8), np.float32), 48, 64, np.zeros((6, 8, 3), np.uint8))
