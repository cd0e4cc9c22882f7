# SPDX-License-Identifier: Apache-2.0
"""Prompts of panoramas: nothing happens at the seam or a pole that would not happen elsewhere."""

import box_room
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.engines.classical import ClassicalEngine, dilation_fill, linear_fill
from depth_anything_ros.projection.cloud import FlyingPixelConfig, remove_flying_pixels
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition
from depth_anything_ros.projection.occlusion import OcclusionConfig, find_occluded
from depth_anything_ros.projection.outliers import OutlierConfig, find_outliers
from depth_anything_ros.projection.rasterize import rasterize
from depth_anything_ros.projection.spacing import spacing_px
from depth_anything_ros.projection.sphere import nearest_on_sphere

PANORAMA = CameraModel.equirectangular(512, 256)
LINES = tuple(range(-15, 16, 2))


def prompt_of(xyz_m):
    raster = rasterize(xyz_m, PANORAMA, np.full(len(xyz_m), 0.02, np.float32))
    return SparsePrompt(raster.depth_m, raster.sigma_m, PANORAMA, stats=PromptStats(raster.count, 0.1))


def on_sphere(count, seed=0):
    """(N, 3) returns of the room in directions that are even over the whole sphere."""
    directions = np.random.default_rng(seed).normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (directions * box_room.range_m(directions, crate=False)[:, None]).astype(np.float32)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_no_direction_is_lost_at_the_seam_or_at_a_pole(dtype):
    angles = np.concatenate([np.linspace(-1e-6, 1e-6, 41), [-0.0, 0.0]])
    behind = np.stack([angles, np.zeros_like(angles), -np.ones_like(angles)], -1)
    poles = np.array([[0, 1, 0], [0, -1, 0], [1e-7, -1, -1e-7], [-1e-7, 1, 1e-7]])
    xyz_m = np.concatenate([2 * behind, 3 * poles]).astype(dtype)
    raster = rasterize(xyz_m, PANORAMA, np.full(len(xyz_m), 0.02, np.float32))
    assert raster.rejected['out of view'] == 0
    rows, columns = np.divmod(raster.pixel, PANORAMA.width)
    assert set(columns[rows == 128]) | set(columns[rows == 127]) <= {0, 511}
    assert {0, 255} <= set(rows.tolist())


def test_depth_of_a_raster_is_range():
    xyz_m = box_room.lidar_m(LINES)
    depth_m = prompt_of(xyz_m).depth_m
    truth_m = box_room.panorama_m(PANORAMA)
    known = np.isfinite(depth_m)
    assert known.any(axis=0).all(), 'every column has a return'
    assert np.median(np.abs(depth_m / truth_m - 1)[known]) < 0.01


def test_nearest_on_the_sphere_is_the_nearest_in_space():
    depth_m = prompt_of(on_sphere(300)).depth_m
    v, u = np.nonzero(np.isfinite(depth_m))
    rays = PANORAMA.rays().astype(np.float64)
    cosine = rays.reshape(-1, 3) @ rays[v, u].T
    truly = np.arccos(np.clip(cosine.max(axis=1), -1, 1)).reshape(256, 512) * PANORAMA.fy
    filled_m, distance_px = nearest_on_sphere(depth_m)
    # how much farther the one that was found is than the nearest, in pixels of the equator
    which = {depth_m[row, column]: index for index, (row, column) in enumerate(zip(v, u, strict=True))}
    found = np.vectorize(which.get)(filled_m)
    away = np.arccos(np.clip(np.take_along_axis(cosine, found.reshape(-1, 1), 1)[:, 0], -1, 1)) * PANORAMA.fy
    extra = away.reshape(256, 512) - truly
    assert extra[:40].max() < 4 and extra[-40:].max() < 4, 'at the poles'
    assert np.percentile(extra, 99) < 3
    assert np.abs(distance_px - truly)[:40].max() < 4
    # by distance on the image alone a pole's rows are off by far more
    assert np.ptp(filled_m[0]) < np.ptp(filled_m[64])


@pytest.mark.parametrize('turn', [1, 100, 256, 511])
def test_turning_the_panorama_turns_the_filled_prompt(turn):
    depth_m = prompt_of(on_sphere(400, seed=1)).depth_m
    filled_m, distance_px = nearest_on_sphere(depth_m)
    turned_m, turned_px = nearest_on_sphere(np.roll(depth_m, turn, axis=1))
    # charts are rounded to pixels and ties are broken by place: a few pixels between two returns may swap
    assert (turned_m != np.roll(filled_m, turn, axis=1)).mean() < 0.05
    assert np.abs(turned_px - np.roll(distance_px, turn, axis=1)).max() < 2.5


@pytest.mark.parametrize('fill', [lambda p: condition(p, ConditioningConfig()).filled_m, linear_fill, dilation_fill])
def test_a_completion_goes_on_across_the_seam(fill):
    pytest.importorskip('scipy', reason='linear interpolation needs scipy')
    filled_m = fill(prompt_of(box_room.lidar_m(LINES, azimuths=90, crate=False)))
    band = filled_m[100:156]
    assert np.abs(np.log(band[:, 0] / band[:, -1])).max() < 0.15
    turned = np.roll(band, 256, axis=1)
    assert np.median(np.abs(np.diff(np.log(turned[:, 240:272])))) < 0.02


def test_the_classical_engine_leaves_no_step_at_the_seam():
    prompt = condition(prompt_of(box_room.lidar_m(LINES, azimuths=60, crate=False)), ConditioningConfig())
    depth_m = ClassicalEngine().infer(box_room.picture(PANORAMA), prompt, PANORAMA).depth_m
    steps = np.abs(np.diff(np.log(np.concatenate([depth_m, depth_m[:, :1]], axis=1)), axis=1))
    assert np.median(steps[:, -1]) < 0.02
    assert np.median(steps[:, -1]) <= 2 * np.percentile(np.median(steps, axis=0), 95) + 1e-4


def test_spacing_does_not_depend_on_where_the_panorama_begins():
    pixel = np.flatnonzero(np.isfinite(prompt_of(box_room.lidar_m(LINES)).depth_m))
    row, column = np.divmod(pixel, 512)
    across, down = spacing_px(pixel, 256, 512)
    for turn in (1, 77, 256):
        turned = spacing_px(row * 512 + (column + turn) % 512, 256, 512)
        assert turned == pytest.approx((across, down), rel=0.02)
    assert across == pytest.approx(1, abs=0.2) and down == pytest.approx(2 / 180 * 256, rel=0.1)


def test_a_return_at_the_seam_is_backed_by_those_beyond_it():
    # a pole behind the robot, half of it on either side of the seam, and one stray there
    behind = np.array([[x, y, -1.5] for x in (-0.03, -0.01, 0.01, 0.03) for y in np.linspace(-0.4, 0.4, 12)])
    xyz_m = np.concatenate([box_room.lidar_m(LINES, 180, crate=False), behind, [[0.005, 0.02, -0.4]]]).astype(
        np.float32
    )
    raster = rasterize(xyz_m, PANORAMA, np.full(len(xyz_m), 0.02, np.float32))
    depth_m = raster.depth_m.ravel()[raster.pixel]
    stray = find_outliers(raster.pixel, depth_m, np.full(len(depth_m), 0.02, np.float32), PANORAMA, OutlierConfig())
    assert stray[depth_m < 0.5].all()
    assert not stray[(depth_m > 1.4) & (depth_m < 1.7)].any()


def test_what_stands_behind_the_crate_is_hidden_from_the_camera_on_both_sides_of_the_seam():
    # a scanner half a metre above the camera looks over the crate, which stands across the seam
    origin = np.array([0.0, -0.5, 0.0])
    elevation, azimuth = np.meshgrid(np.radians(np.arange(-30, 16, 1.0)), np.radians(np.arange(0, 360, 0.5)))
    directions = np.stack(
        [np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], -1
    ).reshape(-1, 3)
    with np.errstate(divide='ignore', invalid='ignore'):
        planes = np.where(
            directions > 0, (box_room.HIGH_M - origin) / directions, (box_room.LOW_M - origin) / directions
        )
        one, other = ((corner - origin) / directions for corner in (box_room.CRATE_LOW_M, box_room.CRATE_HIGH_M))
        enters, leaves = np.minimum(one, other).max(axis=1), np.maximum(one, other).min(axis=1)
    reach = np.where(
        (enters <= leaves) & (enters > 0), enters, np.where(np.isfinite(planes), planes, np.inf).min(axis=1)
    )
    xyz_m = (origin + directions * reach[:, None]).astype(np.float32)
    raster = rasterize(xyz_m, PANORAMA, np.full(len(xyz_m), 0.02, np.float32))
    found = find_occluded(
        raster, PANORAMA, origin[None].astype(np.float32), np.zeros(len(xyz_m), np.uint8), OcclusionConfig()
    )
    seen = xyz_m[raster.index.ravel()[raster.pixel]]
    hidden = box_room.range_m(seen) < 0.93  # something stands nearer on the line of sight
    assert hidden.sum() > 30
    for side in (seen[:, 0] < 0, seen[:, 0] >= 0):
        assert found[hidden & side].mean() > 0.8
    assert found[~hidden].mean() < 0.02


def test_flying_pixels_at_the_seam_go_too():
    room_m = box_room.panorama_m(PANORAMA)
    ramp_m = room_m.copy()
    edge = np.flatnonzero(np.abs(np.diff(np.log(room_m[128]))) > 0.4)  # the crate's sides, near the seam
    turn = 511 - edge[0]  # bring one side of it exactly to the seam
    ramp_m = np.roll(ramp_m, turn, axis=1)
    rows = slice(120, 140)
    ramp_m[rows, 511] = (ramp_m[rows, 510] * ramp_m[rows, 0]) ** 0.5
    kept_m = remove_flying_pixels(ramp_m, PANORAMA, FlyingPixelConfig())
    assert np.isnan(kept_m[123:137, 511]).all()
    assert np.isfinite(kept_m[123:137, 508]).all() and np.isfinite(kept_m[123:137, 2]).all()
