# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CalibrationError, InvalidInput

PINHOLE = CameraModel(640, 480, 500, 510, 320.5, 238)
PLUMB_BOB = CameraModel(640, 480, 500, 510, 320.5, 238, 'c', 'plumb_bob', (-0.28, 0.09, 0.001, -0.0005, -0.01))
RATIONAL = CameraModel(
    640, 480, 500, 510, 320.5, 238, 'c', 'rational_polynomial', (0.4, 0.05, 5e-4, 2e-4, 0.01, 0.7, 0.1, 0.02)
)
FISHEYE = CameraModel(640, 480, 300, 300, 319.5, 239.5, 'c', 'equidistant', (-0.01, 0.02, -0.01, 0.002))
PANORAMA = CameraModel.equirectangular(640, 320)
ALL = [PINHOLE, PLUMB_BOB, RATIONAL, FISHEYE, PANORAMA]


@pytest.mark.parametrize('camera', ALL, ids=lambda c: c.distortion_model)
def test_unproject_inverts_project_over_the_whole_image(camera):
    v, u = np.mgrid[0 : camera.height : 7, 0 : camera.width : 7].reshape(2, -1)
    pixels = np.stack([u, v], -1).astype(float)
    depth = np.random.default_rng(0).uniform(0.5, 30, len(pixels))
    xyz = camera.unproject(pixels, depth)
    assert np.isfinite(xyz).all()
    back, valid = camera.project(xyz)
    assert valid.all()
    assert np.abs(back - pixels).max() < 1e-3
    assert np.allclose(camera.depth_of(xyz), depth)


@pytest.mark.parametrize('camera', [PLUMB_BOB, RATIONAL], ids=lambda c: c.distortion_model)
def test_projection_agrees_with_opencv(camera):
    xyz = np.random.default_rng(1).uniform((-1, -0.7, 2), (1, 0.7, 6), (500, 3))
    ours, valid = camera.project(xyz)
    theirs = cv2.projectPoints(xyz, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.coefficients))[0][:, 0]
    assert valid.sum() > 300
    assert np.abs(ours - theirs)[valid].max() < 1e-6


def test_fisheye_agrees_with_opencv():
    xyz = np.random.default_rng(1).uniform((-2, -1.5, 1), (2, 1.5, 4), (500, 3))
    ours, valid = FISHEYE.project(xyz)
    theirs = cv2.fisheye.projectPoints(
        xyz[:, None], np.zeros(3), np.zeros(3), FISHEYE.matrix, np.array(FISHEYE.coefficients)
    )[0][:, 0]
    assert valid.sum() > 300
    assert np.abs(ours - theirs)[valid].max() < 1e-6


def test_points_far_off_axis_do_not_fold_back_into_a_distorted_image():
    # at tan 1.7 this lens' polynomial has turned around and lands inside the image again
    _, valid = PLUMB_BOB.project(np.array([[0.0, 0.0, 1.0], [3.0, 0.0, 1.0], [1.7, 0.0, 1.0]]))
    assert valid.tolist() == [True, False, False]


def test_points_behind_the_camera_are_not_valid():
    for camera in (PINHOLE, FISHEYE):
        assert not camera.project(np.array([[0.0, 0.0, -2.0], [0.1, 0.0, 0.0]]))[1].any()


def test_panorama_looks_along_z_in_the_middle_and_closes_at_the_seam():
    pixels, valid = PANORAMA.project(
        np.array([[0, 0, 2.0], [2.0, 0, 0], [0, -2.0, 0], [1e-9, 0, -2.0], [-1e-9, 0, -2]])
    )
    assert valid.all()
    assert np.allclose(pixels[0], (319.5, 159.5))
    assert np.allclose(pixels[1], (479.5, 159.5))
    assert pixels[2, 1] == 0
    assert np.allclose((pixels[3:, 0] + 0.5) % PANORAMA.width % (PANORAMA.width - 1e-6), 0, atol=1e-6)


@pytest.mark.parametrize('size', [(1280, 720), (1600, 400), (800, 800)])
def test_an_image_that_is_no_full_panorama_is_refused(size):
    with pytest.raises(CalibrationError, match=f'twice as wide as high, got {size[0]}x{size[1]}'):
        CameraModel.equirectangular(*size)


def test_a_panorama_may_be_rounded_to_a_codecs_blocks():
    assert CameraModel.equirectangular(1920, 976).height == 976


def test_resizing_keeps_rays():
    small = PINHOLE.resized(160, 120)
    xyz = np.array([[0.3, -0.2, 2.0]])
    full, quarter = PINHOLE.project(xyz)[0], small.project(xyz)[0]
    assert np.allclose((full + 0.5) / 4, quarter + 0.5)


def test_cropping_shifts_the_centre_and_refuses_to_leave_the_image():
    xyz = np.array([[0.3, -0.2, 2.0]])
    moved = PINHOLE.cropped(100, 50, 300, 200).project(xyz)[0]
    assert np.allclose(moved, PINHOLE.project(xyz)[0] - (100, 50))
    with pytest.raises(InvalidInput, match='not inside'):
        PINHOLE.cropped(500, 0, 200, 100)
    with pytest.raises(InvalidInput, match='panorama'):
        PANORAMA.cropped(0, 0, 10, 10)


def test_rectification_maps_agree_with_opencv():
    ours = PLUMB_BOB.rectification_maps(PLUMB_BOB.rectified())
    theirs = cv2.initUndistortRectifyMap(
        PLUMB_BOB.matrix, np.array(PLUMB_BOB.coefficients), None, PLUMB_BOB.matrix, (640, 480), cv2.CV_32FC1
    )
    inside = ours[0] >= 0
    assert inside.mean() > 0.9
    for mine, reference in zip(ours, theirs, strict=True):
        assert np.abs(mine - reference)[inside].max() < 1e-2


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'fx': 0.0}, 'positive focal'),
        ({'fy': float('nan')}, 'positive focal'),
        ({'width': 0}, 'px a side'),
        ({'distortion_model': 'banana'}, 'expected a model of'),
        ({'coefficients': (1.0, 2.0)}, '0 or 4 or 5'),
        ({'coefficients': (float('nan'),) * 5}, 'finite'),
    ],
)
def test_impossible_cameras_are_refused(change, message):
    values = dict(width=640, height=480, fx=500, fy=500, cx=320, cy=240) | change
    with pytest.raises(CalibrationError, match=message):
        CameraModel(**values)
