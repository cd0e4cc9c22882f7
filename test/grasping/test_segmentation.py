# SPDX-License-Identifier: Apache-2.0
"""Segmentation of rendered tables, whose truth is known, and of real ones."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from tabletop import View, ball, box, can, cup

from depth_anything_ros.core.errors import ConfigError, InvalidInput
from depth_anything_ros.grasping.box import upright_box
from depth_anything_ros.grasping.plane import Plane
from depth_anything_ros.grasping.segmentation import segment
from depth_anything_ros.grasping.settings import SegmentationConfig

SOLIDS = (box((0.0, 0.12), (0.06, 0.08, 0.1), 0.4), can((0.02, -0.05), 0.035, 0.12), ball((-0.1, -0.18), 0.04))
CONFIG = SegmentationConfig()


@pytest.fixture(scope='module')
def view():
    return View(SOLIDS, noise_m=0.001)


def intersection_over_union(cluster, truth, height_m):
    """Of point numbers; what is lower than the segmentation tells from the table does not count."""
    ours = np.zeros(truth.shape, bool)
    ours[cluster] = True
    high = height_m > CONFIG.min_height_m + 0.003
    return (ours & truth & high).sum() / ((ours | truth) & high).sum()


@pytest.mark.parametrize('frame', ['world, up known', 'camera, up unknown'])
def test_every_object_becomes_one_cluster(view, frame):
    in_world = frame.startswith('world')
    points = (view.xyz_m if in_world else view.camera_xyz_m).reshape(-1, 3)
    workspace = (
        segment(points, np.array([0, 0, 1.0]), CONFIG, view.position_m) if in_world else segment(points, None, CONFIG)
    )
    assert len(workspace.clusters) == len(SOLIDS)
    up = (0, 0, 1) if in_world else view.pose[2, :3]
    assert np.degrees(np.arccos(workspace.support.normal @ up)) < 0.5
    which = view.which.ravel()
    best = [
        max(intersection_over_union(c, which == k, view.xyz_m[..., 2].ravel()) for c in workspace.clusters)
        for k in range(len(SOLIDS))
    ]
    assert min(best) > 0.92, best


def test_noise_and_bumps_of_a_depth_network_make_no_objects(view):
    rows, columns = np.indices(view.shape)
    bump = 0.006 * np.sin(rows / 31) * np.sin(columns / 23)
    rays = view.camera_xyz_m / view.depth_m[..., None]
    points = rays * (view.depth_m + bump + np.random.default_rng(5).normal(0, 0.002, view.shape))[..., None]
    workspace = segment(points.reshape(-1, 3), None, CONFIG)
    assert len(workspace.clusters) == len(SOLIDS)


def test_the_upright_box_has_the_objects_size_and_heading():
    view = View([SOLIDS[0]], noise_m=0.0005)
    workspace = segment(view.cloud(), np.array([0, 0, 1.0]), CONFIG, view.position_m)
    found = upright_box(view.cloud()[workspace.clusters[0]], workspace.support)
    assert found.size_m == pytest.approx([0.08, 0.06, 0.1], abs=0.006)
    assert found.center_m == pytest.approx([0.0, 0.12, 0.05], abs=0.006)
    assert abs(found.axes[:, 0] @ (-np.sin(0.4), np.cos(0.4), 0)) > 0.99
    assert np.linalg.det(found.axes) == pytest.approx(1)
    assert found.corners_m[:, 2].min() == pytest.approx(0, abs=0.005)


def test_what_stands_beside_the_table_is_no_object_on_it():
    beside = box((0.85, 0.0), (0.1, 0.1, 0.2))
    view = View([SOLIDS[0], beside])
    points = np.concatenate([view.cloud(), view.xyz_m[view.which == 1], View([beside], table_m=9).cloud(0)])
    assert len(segment(points, np.array([0, 0, 1.0]), CONFIG, view.position_m).clusters) == 1
    wide = SegmentationConfig(border_m=0.5)
    assert len(segment(points, np.array([0, 0, 1.0]), wide, view.position_m).clusters) == 2


@pytest.mark.parametrize(
    'points',
    [
        np.zeros((0, 3), np.float32),
        np.full((500, 3), np.nan, np.float32),
        np.ones((1, 3), np.float32),
        np.random.default_rng(0).uniform(-1, 1, (3000, 3)).astype(np.float32),
    ],
    ids=['empty', 'all NaN', 'one point', 'no plane'],
)
def test_a_cloud_without_a_support_has_no_objects(points):
    workspace = segment(points, None, CONFIG)
    assert workspace.support is None and workspace.clusters == [] and workspace.border_m.shape == (0, 3)


def test_a_bare_table_is_a_support_without_objects():
    view = View([], noise_m=0.001)
    workspace = segment(view.cloud(), None, CONFIG, view.position_m)
    assert workspace.support is not None and workspace.clusters == []
    assert np.ptp(workspace.border_m, axis=0)[:2] == pytest.approx([0.8, 0.85], abs=0.1), 'as far as it is seen'


def test_numbers_of_a_cluster_count_the_points_that_came_with_those_that_are_not_finite(view):
    points = view.cloud()
    workspace = segment(points, None, CONFIG, view.position_m)
    shuffled = np.random.default_rng(4).permutation(len(points))
    for cluster in workspace.clusters:
        assert np.isfinite(points[cluster]).all()
    again = segment(points[shuffled], None, CONFIG, view.position_m)
    assert [len(c) for c in again.clusters] == pytest.approx([len(c) for c in workspace.clusters], rel=0.03)


def test_depth_smeared_between_two_things_does_not_join_them():
    near, far = box((-0.04, -0.02), (0.04, 0.06, 0.08)), box((0.1, 0.0), (0.04, 0.14, 0.12))
    view = View([near, far], noise_m=0.0005)
    smeared_m = cv2.blur(np.nan_to_num(view.depth_m, nan=2.0), (7, 7))
    points = (view.camera_xyz_m / view.depth_m[..., None] * smeared_m[..., None]).reshape(-1, 3)
    joined = segment(points, None, replace(CONFIG, veil_deg=0.0))
    workspace = segment(points, None, CONFIG)
    assert (len(joined.clusters), len(workspace.clusters)) == (1, 2)
    assert len(workspace.veils) and not set(workspace.veils) & set(np.concatenate(workspace.clusters))


def test_a_rim_in_two_parts_is_one_bowl_and_two_cans_stay_two():
    bowl = View([cup((0, 0), 0.07, 0.06)], position_m=(-0.6, 0, 0.35))
    cans = View([can((0, -0.045), 0.033, 0.12), can((0, 0.045), 0.033, 0.12)])
    assert [len(segment(v.camera_xyz_m.reshape(-1, 3), None, CONFIG).clusters) for v in (bowl, cans)] == [1, 2]


def test_the_same_cloud_gives_the_same_workspace(view):
    one, two = (segment(view.cloud(), None, CONFIG, view.position_m) for _ in range(2))
    assert np.array_equal(one.support.normal, two.support.normal)
    assert all(np.array_equal(a, b) for a, b in zip(one.clusters, two.clusters, strict=True))


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(InvalidInput, match=r'expected \(N, 3\)'):
        segment(np.zeros((4, 4, 3), np.float32), None, CONFIG)
    with pytest.raises(InvalidInput, match='at least one finite'):
        upright_box(np.full((3, 3), np.nan), Plane((0, 0, 1), 0.0))


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match='gap_m of at least resolution_m'):
        SegmentationConfig(gap_m=0.003)
    with pytest.raises(ConfigError, match='min_height_m < max_height_m'):
        SegmentationConfig(min_height_m=0.1, max_height_m=0.05)
