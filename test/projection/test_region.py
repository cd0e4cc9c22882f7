# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError, InvalidInput
from depth_anything_ros.core.frames import DepthFrame, Mode, SparsePrompt
from depth_anything_ros.core.settings import replaced
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.projection.cloud import FlyingPixelConfig, remove_flying_pixels
from depth_anything_ros.projection.region import RegionConfig, confined, inside_box

CAMERA = CameraModel(160, 120, 130, 125, 75.5, 61.5, 'camera')
PANORAMA = CameraModel.equirectangular(160, 80, 'camera')
LENS = CameraModel(160, 120, 130, 125, 75.5, 61.5, 'camera', 'plumb_bob', (-0.2, 0.05, 0.0, 0.0, 0.0))
# a camera at (0.4, 0, 1.2) in base that looks down and forward
QUATERNION = np.array([0.653, -0.653, 0.271, -0.271]) / np.linalg.norm([0.653, 0.653, 0.271, 0.271])
BASE_FROM_CAMERA = RigidTransform.from_quaternion('base', 'camera', (0.4, 0.0, 1.2), QUATERNION)
OFF = FlyingPixelConfig(enabled=False)


def depths(camera, seed=0):
    rng = np.random.default_rng(seed)
    depth_m = rng.uniform(0.3, 2.5, (camera.height, camera.width)).astype(np.float32)
    depth_m[rng.random(depth_m.shape) < 0.1] = np.nan
    return depth_m


def frame(camera=CAMERA):
    depth_m = depths(camera)
    return DepthFrame(depth_m, 0.1 * depth_m, camera, 0, Mode.PROMPTED, SparsePrompt.none(camera), report={'a': 'b'})


def region(**values):
    return replaced(RegionConfig(), {name.replace('__', '.'): value for name, value in values.items()})


@pytest.mark.parametrize('camera', [CAMERA, PANORAMA, LENS], ids=['pinhole', 'panorama', 'distorted'])
def test_a_pixel_is_inside_where_its_point_is(camera):
    depth_m, centre, size = depths(camera), np.array([0.8, 0.1, 0.3]), np.array([1.5, 1.0, 1.2])
    points = (camera.rays() * depth_m[..., None]).reshape(-1, 3).astype(np.float64)
    apart = np.abs(BASE_FROM_CAMERA.apply(points) - centre) - size / 2
    expected = (apart <= 0).all(-1).reshape(depth_m.shape)
    clear = (np.abs(apart) > 1e-5).all(-1).reshape(depth_m.shape)  # single precision decides the rest
    inside = inside_box(depth_m, camera, BASE_FROM_CAMERA, centre, size)
    assert (inside == expected)[clear].all()
    assert 0.02 < expected.mean() < 0.6
    assert not inside[np.isnan(depth_m)].any()
    part = inside_box(depth_m, camera, BASE_FROM_CAMERA, centre, size, 7, 70)
    assert (part == inside[7:70]).all()


def test_outside_the_pixel_box_depth_and_sigma_are_unknown_and_inside_untouched():
    given = frame()
    cut = confined(given, region(pixels__left_px=20, pixels__top_px=10, pixels__width_px=50), None, OFF)
    outside = np.ones((120, 160), bool)
    outside[10:, 20:70] = False
    for before, after in ((given.depth_m, cut.depth_m), (given.sigma_m, cut.sigma_m)):
        assert np.isnan(after[outside]).all()
        np.testing.assert_array_equal(after[~outside], before[~outside])
        assert np.isfinite(before[outside]).any(), 'the frame that came in is not written on'
    assert cut.report == {'a': 'b', 'region_px': str(np.isfinite(cut.depth_m).sum())}


def test_pixel_box_and_workspace_both_count():
    config = region(
        pixels__top_px=30, pixels__height_px=50, workspace__frame='base',
        workspace__centre_m=[0.8, 0.1, 0.3], workspace__size_m=[1.5, 1.0, 1.2],
    )  # fmt: skip
    given = frame()
    known = np.isfinite(confined(given, config, BASE_FROM_CAMERA, OFF).depth_m)
    box = inside_box(given.depth_m, CAMERA, BASE_FROM_CAMERA, (0.8, 0.1, 0.3), (1.5, 1.0, 1.2))
    assert (known[30:80] == box[30:80]).all() and known.any()
    assert not known[:30].any() and not known[80:].any()


@pytest.mark.parametrize('camera', [CAMERA, PANORAMA], ids=['pinhole', 'panorama'])
def test_flying_pixels_are_those_of_the_whole_image_however_small_the_region(camera):
    depth_m = np.full((camera.height, camera.width), 4.0, np.float32)
    depth_m[20:50, 30:70], depth_m[30:60, :12] = 1.5, 2.0
    depth_m = 1 / cv2.blur(1 / depth_m, (3, 3))  # soft edges, which fly
    given = DepthFrame(depth_m, 0.1 * depth_m, camera, 0, Mode.PROMPTED, SparsePrompt.none(camera))
    clean = remove_flying_pixels(depth_m, camera, FlyingPixelConfig())
    assert 50 < np.isnan(clean).sum() < 1000
    for left, width in ((28, 20), (0, 12), (60, 0)):
        config = region(pixels__left_px=left, pixels__width_px=width, pixels__top_px=25, pixels__height_px=20)
        part = (slice(25, 45), slice(left, left + width if width else None))
        kept = confined(given, config, None, FlyingPixelConfig()).depth_m
        np.testing.assert_array_equal(kept[part], clean[part])
        assert np.isnan(kept).sum() == kept.size - np.isfinite(clean[part]).sum()


def test_a_pixel_box_beside_the_image_is_told():
    with pytest.raises(InvalidInput, match=r'begins at column 500, row 0: outside the image of 160x120'):
        confined(frame(), region(pixels__left_px=500), None, OFF)


@pytest.mark.parametrize(
    ('name', 'value', 'says'),
    [
        ('workspace__size_m', [1.0, 0.0, 1.0], 'longer than 0 m'),
        ('workspace__size_m', [1.0, 1.0], 'three finite numbers'),
        ('workspace__centre_m', [0.0, float('nan'), 0.0], 'three finite numbers'),
        ('pixels__width_px', -1, 'width_px: expected 0 to inf px; got -1'),
    ],
)
def test_a_box_that_is_none_is_refused(name, value, says):
    with pytest.raises(ConfigError, match=says):
        region(**{name: value})


def test_without_boxes_everything_is_in():
    assert RegionConfig().everything
    assert not region(pixels__top_px=1).everything
    assert not region(workspace__frame='base').everything
