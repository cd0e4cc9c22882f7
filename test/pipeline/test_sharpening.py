# SPDX-License-Identifier: Apache-2.0
"""Blurred boundaries become sharp; everything else stays as it is to the last bit."""

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.evaluation.boundary import boundary_score
from depth_anything_ros.pipeline.sharpening import SharpConfig, sharpened

CONFIG = SharpConfig(enabled=True)
HEIGHT, WIDTH = 120, 160


def disc():
    """A near disc before a slanted wall, in colours of their own: (depth, image)."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    inside = (v - 60) ** 2 + (u - 70) ** 2 < 35**2
    depth_m = np.where(inside, np.float32(2), (5 + 0.01 * u).astype(np.float32))
    noise = np.random.default_rng(0).normal(0, 6, (HEIGHT, WIDTH, 3))
    image = np.where(inside[..., None], (190, 70, 60), (70, 90, 110)) + noise
    return depth_m, np.clip(image, 0, 255).astype(np.uint8)


def blurred(depth_m, sigma_px=2.0):
    return 1 / cv2.GaussianBlur(1 / depth_m, (0, 0), sigma_px)


GREY = np.full((HEIGHT, WIDTH, 3), 118, np.uint8)


@pytest.mark.parametrize('sigma_px', [1.0, 2.0])
def test_a_blurred_boundary_is_sharp_again(sigma_px):
    truth, image = disc()
    soft = blurred(truth, sigma_px)
    sharp = sharpened(soft, image, CONFIG)
    before, after = (boundary_score(depth, truth).f1 for depth in (soft, sharp))
    assert after > before + 0.2, (before, after)
    assert np.abs(sharp / truth - 1).mean() < 0.5 * np.abs(soft / truth - 1).mean()


def test_every_new_depth_was_there_before_close_by():
    truth, image = disc()
    soft = blurred(truth)
    sharp = sharpened(soft, image, CONFIG)
    window = np.ones((2 * (CONFIG.radius_px + 2) + 1,) * 2, np.uint8)
    assert (sharp <= cv2.dilate(soft, window) * (1 + 1e-6)).all()
    assert (sharp >= cv2.erode(soft, window) * (1 - 1e-6)).all()


@pytest.mark.parametrize('tilt_deg', [0, 45, 75, 82])
def test_planes_however_slanted_are_unchanged_and_so_is_the_crease_between_two(tilt_deg):
    rays = CameraModel(WIDTH, HEIGHT, 120, 120, 79.5, 59.5).rays()
    tilt = np.deg2rad(tilt_deg)
    plane = 3 / np.maximum(rays @ np.array([0, np.sin(tilt), np.cos(tilt)]), 0.03)
    crease = np.minimum(plane, 4 / np.maximum(rays @ np.array([np.sin(tilt), 0, np.cos(tilt)]), 0.03))
    for depth_m in (plane.astype(np.float32), crease.astype(np.float32)):
        np.testing.assert_array_equal(sharpened(depth_m, GREY, CONFIG), depth_m)


def test_a_boundary_that_is_sharp_already_stays_where_it_is():
    truth, image = disc()
    np.testing.assert_array_equal(sharpened(truth, image, CONFIG), truth)


def test_a_colour_edge_on_a_plane_draws_no_depth():
    depth_m = np.full((HEIGHT, WIDTH), 3, np.float32)
    image = GREY.copy()
    image[:, 80:] = (200, 30, 30)
    np.testing.assert_array_equal(sharpened(depth_m, image, CONFIG), depth_m)


def test_the_image_draws_the_boundary_where_the_depth_has_it_a_pixel_off():
    truth, image = disc()
    soft = blurred(np.roll(truth, 1, axis=1))
    colour, grey = (np.abs(sharpened(soft, guide, CONFIG) / truth - 1).mean() for guide in (image, GREY))
    assert colour < 0.8 * grey


def test_unknown_depth_stays_unknown_and_is_nobodys_surface():
    truth, image = disc()
    soft = blurred(truth)
    soft[50:70, 30:45] = np.nan
    sharp = sharpened(soft, image, CONFIG)
    assert (np.isnan(sharp) == np.isnan(soft)).all()
    assert np.nanmin(sharp) >= 1.99 and np.nanmax(sharp) <= 6.7
    assert np.isnan(sharpened(np.full_like(truth, np.nan), image, CONFIG)).all()


@pytest.mark.parametrize('frame', [0, 20])
def test_on_the_supplied_recording_boundaries_get_several_times_better(repository, frame):
    from depth_anything_ros.evaluation.bag_reader import BagReader

    pytest.importorskip('rosbags')
    pictures = {'/camera/image_raw/compressed': [], '/ground_truth/depth': []}
    with BagReader(repository / 'recordings' / 'room') as reader:
        for message in reader.messages():
            if message.topic in pictures:
                pictures[message.topic].append(message)
        image, depth = (
            cv2.imdecode(np.frombuffer(reader.decode(messages[frame]).data, np.uint8), cv2.IMREAD_UNCHANGED)
            for messages in pictures.values()
        )
    truth = np.where(depth == 0, np.nan, depth / np.float32(1000)).astype(np.float32)
    soft = blurred(np.nan_to_num(truth, nan=20.0))
    soft[np.isnan(truth)] = np.nan
    sharp = sharpened(soft, np.ascontiguousarray(image[..., ::-1]), CONFIG)
    before, after = (boundary_score(depth_m, truth).f1 for depth_m in (soft, sharp))
    assert after > 2.5 * before, (before, after)
