# SPDX-License-Identifier: Apache-2.0
"""Prompts made from what is known, and truth that never overlaps with them."""

import dataclasses

import numpy as np
import pytest
from small_recording import CAMERA, CAMERA_FROM_LIDAR, START_NS, sweep_columns

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import Observation, PointSet, RangeKind, Sweep
from depth_anything_ros.evaluation.holdout import hold_out_rings, low_resolution, random_points, scan_lines
from depth_anything_ros.evaluation.source import point_set
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt

IMAGE_RGB = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)


def observation(points: PointSet) -> Observation:
    return Observation(IMAGE_RGB, CAMERA, START_NS, (Sweep(points, CAMERA_FROM_LIDAR),))


def slanted_truth():
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    return (3 + 0.02 * u + 0.01 * v).astype(np.float32)


def test_kept_rings_prompt_and_the_others_score():
    points = point_set(sweep_columns(START_NS), 'lidar', START_NS)
    reduced, truth_m = hold_out_rings(observation(points), 4)
    prompt_m = build_prompt(reduced, PromptConfig()).depth_m
    assert set(np.unique(reduced.sweeps[0].points.ring)) == {0, 4, 8, 12}
    assert not (np.isfinite(truth_m) & np.isfinite(prompt_m)).any()
    assert np.isfinite(truth_m).sum() > 2 * np.isfinite(prompt_m).sum()
    assert np.nanmax(np.abs(truth_m - 6.0)) < 1e-3


def test_rings_are_estimated_where_the_cloud_has_none():
    columns = sweep_columns(START_NS)
    with_ring = hold_out_rings(observation(point_set(columns, 'lidar', START_NS)), 4)[1]
    columns.pop('ring')
    without = hold_out_rings(observation(point_set(columns, 'lidar', START_NS)), 4)[1]
    assert np.array_equal(with_ring, without, equal_nan=True)


def test_a_return_that_the_camera_cannot_see_is_not_truth():
    # a board close to the camera hides a part of the wall from it, but not from the LiDAR on a mast 1 m higher
    columns = sweep_columns(START_NS)
    high = dataclasses.replace(CAMERA_FROM_LIDAR, matrix=CAMERA_FROM_LIDAR.matrix + shift_up(1.0))
    y, z = np.meshgrid(np.linspace(-0.5, 0.5, 60), np.linspace(-1.1, -0.6, 60))
    board = {
        'x': np.full(3600, 2.0, np.float32), 'y': y.ravel().astype(np.float32), 'z': z.ravel().astype(np.float32),
        'ring': np.full(3600, 1, np.uint16),
    }  # fmt: skip
    both = {name: np.concatenate([columns[name], board[name]]) for name in columns}
    sweep = Sweep(point_set(both, 'lidar', START_NS), high)
    _, truth_m = hold_out_rings(Observation(IMAGE_RGB, CAMERA, START_NS, (sweep,)), 4)
    rows, cols = np.nonzero(np.abs(truth_m - 2.0) < 0.01)
    inside = truth_m[rows.min() + 2 : rows.max() - 1, cols.min() + 2 : cols.max() - 1]
    assert len(rows) > 50 and not (inside > 5).any()


def shift_up(metres):
    matrix = np.zeros((4, 4))
    matrix[1, 3] = -metres
    return matrix


def test_holding_out_needs_a_lidar_and_leaves_something():
    radar = dataclasses.replace(point_set(sweep_columns(START_NS), 'lidar', START_NS), kind=RangeKind.RADAR)
    with pytest.raises(InvalidInput, match='LiDAR'):
        hold_out_rings(observation(radar), 4)
    with pytest.raises(InvalidInput, match='keep_every'):
        hold_out_rings(observation(point_set(sweep_columns(START_NS), 'lidar', START_NS)), 1)


def test_random_points_are_as_many_as_asked_exact_and_repeatable():
    truth_m = slanted_truth()
    truth_m[:20] = np.nan
    sweep = random_points(truth_m, CAMERA, 200, START_NS, seed=3)
    prompt_m = build_prompt(Observation(IMAGE_RGB, CAMERA, START_NS, (sweep,)), PromptConfig()).depth_m
    known = np.isfinite(prompt_m)
    assert known.sum() == 200 and np.allclose(prompt_m[known], truth_m[known], atol=1e-5)
    again = random_points(truth_m, CAMERA, 200, START_NS, seed=3)
    assert np.array_equal(sweep.points.xyz_m, again.points.xyz_m)
    assert len(random_points(truth_m, CAMERA, 10**6, START_NS).points) == np.isfinite(truth_m).sum()


@pytest.mark.parametrize('lines', [4, 16])
def test_scan_lines_are_lines_of_constant_elevation(lines):
    sweep = scan_lines(slanted_truth(), CAMERA, lines, START_NS)
    x, y, z = sweep.points.xyz_m.T.astype(np.float64)
    elevation_deg = np.degrees(np.arctan2(-y, np.hypot(x, z)))
    assert np.array_equal(np.unique(sweep.points.ring), np.arange(lines))
    for ring in range(lines):
        mine = elevation_deg[sweep.points.ring == ring]
        assert len(mine) > 0.7 * CAMERA.width
        assert np.ptp(mine) < 1.5  # pixels are 0.7 degrees high


def test_low_resolution_takes_the_depth_at_the_cells_centres():
    truth_m = slanted_truth()
    prompt = low_resolution(truth_m, 8, START_NS)
    assert prompt.depth_m.shape == (CAMERA.height // 8, CAMERA.width // 8)
    seen = build_prompt(Observation(IMAGE_RGB, CAMERA, START_NS, depth_prompts=(prompt,)), PromptConfig()).depth_m
    known = np.isfinite(seen)
    assert known.sum() == prompt.depth_m.size
    assert np.allclose(seen[known], truth_m[known], atol=1e-5)
