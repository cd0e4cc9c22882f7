# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from wall_scene import CAMERA, WALL_M, pose

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.mapping.mesh import Mesh, sample_points
from depth_anything_ros.mapping.metrics import evenly_spaced, score_mesh, score_points, visible_points

pytest.importorskip('scipy', reason='scipy is not installed (extra: mapping)')


def square(side_m=1.0, z_m=0.0) -> Mesh:
    corners = np.array([[0, 0, z_m], [side_m, 0, z_m], [side_m, side_m, z_m], [0, side_m, z_m]], np.float32)
    normals = np.tile(np.array([[0, 0, 1]], np.float32), (4, 1))
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), normals, np.full((4, 3), 100, np.uint8))


def grid(side_m=1.0, z_m=0.0, step_m=0.01):
    x, y = np.meshgrid(np.arange(0.005, side_m, step_m), np.arange(0.005, side_m, step_m))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, z_m)], -1)


def test_a_shifted_plane_scores_by_the_definitions():
    score = score_points(grid(z_m=0.03), grid())
    assert (score.acc_m, score.comp_m) == (pytest.approx(0.03), pytest.approx(0.03))
    assert (score.precision, score.recall, score.f_score) == (1.0, 1.0, 1.0)
    assert score_points(grid(z_m=0.03), grid(), threshold_m=0.02).f_score == 0.0


def test_half_of_the_reference_missing_costs_recall_and_an_extra_plane_costs_precision():
    half = grid()[grid()[:, 0] < 0.5]
    score = score_points(half, grid())
    assert score.precision == 1.0
    assert score.recall == pytest.approx(0.5 + 0.045, abs=0.006), 'points within 5 cm of the rim are found'
    double = score_points(np.concatenate([grid(), grid(z_m=1.0)]), grid())
    assert (double.precision, double.recall) == (pytest.approx(0.5), 1.0)
    assert double.f_score == pytest.approx(2 / 3)
    assert double.acc_m == pytest.approx(0.5)


def test_density_does_not_weigh():
    crowded = np.concatenate([grid(), np.tile([[0.5, 0.5, 0.9]], (50_000, 1))])
    assert score_points(crowded, grid()).precision == pytest.approx(10_000 / 10_001)


def test_a_mesh_scores_as_its_surface():
    score = score_mesh(square(z_m=0.02), grid())
    assert score.acc_m == pytest.approx(0.02, abs=0.001)
    assert score.recall == 1.0


def test_nothing_reconstructed_scores_zero_and_no_reference_is_refused():
    score = score_mesh(Mesh.none(), grid())
    assert score.f_score == 0.0 and np.isnan(score.acc_m)
    with pytest.raises(InvalidInput, match='reference'):
        score_points(grid(), np.zeros((0, 3)))
    with pytest.raises(InvalidInput, match='threshold_m'):
        score_points(grid(), grid(), threshold_m=0.0)


def test_samples_are_even_over_triangles_of_any_size():
    points_m = sample_points(square(), 40_000)
    assert len(points_m) == 40_000
    counts, _, _ = np.histogram2d(points_m[:, 0], points_m[:, 1], bins=4, range=((0, 1), (0, 1)))
    assert counts.min() > 2200 and counts.max() < 2800


def test_one_point_stays_per_cell():
    points_m = np.array([[0.001, 0, 0], [0.002, 0, 0], [0.011, 0, 0], [-0.001, 0, 0]])
    assert len(evenly_spaced(points_m, 0.01)) == 3


def test_only_what_the_camera_saw_is_asked_for(open3d):
    wide = square(20.0, WALL_M)
    wide = Mesh(wide.vertices_m - np.float32([10, 10, 0]), wide.triangles, wide.normals, wide.rgb)
    seen_m = visible_points(wide, CAMERA, [pose(), pose(x_m=0.5)], 5.0)
    edge_m = WALL_M * 79.5 / CAMERA.fx
    assert seen_m[:, 0].min() == pytest.approx(-edge_m, abs=0.02)
    assert seen_m[:, 0].max() == pytest.approx(edge_m + 0.5, abs=0.02)
    assert np.abs(seen_m[:, 2] - WALL_M).max() < 1e-4
    assert len(visible_points(wide, CAMERA, [pose()], 1.0)) == 0
