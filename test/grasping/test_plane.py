# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.grasping.plane import Plane, find_plane


def points_on(normal, offset_m, count=2000, noise_m=0.002, seed=0):
    rng = np.random.default_rng(seed)
    axes = Plane(normal, offset_m).axes
    flat = rng.uniform(-0.5, 0.5, (count, 2))
    return flat @ axes[:, :2].T + (offset_m + rng.normal(0, noise_m, (count, 1))) * axes[:, 2]


def rng():
    return np.random.default_rng(1)


def test_a_leaning_plane_is_found_among_clutter():
    normal = np.array([0.3, -0.8, -0.5]) / np.linalg.norm([0.3, -0.8, -0.5])
    clutter = np.random.default_rng(2).uniform(-0.5, 0.5, (1500, 3))
    found = find_plane(np.concatenate([points_on(normal, -0.6), clutter]), rng())
    assert np.degrees(np.arccos(found.normal @ normal)) < 0.5
    assert found.offset_m == pytest.approx(-0.6, abs=0.002)


def test_without_up_the_upper_side_is_the_one_that_the_viewpoint_sees():
    points = points_on((0, 0, 1), 0.7)
    assert find_plane(points, rng()).normal[2] == pytest.approx(-1, abs=1e-3)
    assert find_plane(points, rng(), viewpoint_m=(0, 0, 2)).normal[2] == pytest.approx(1, abs=1e-3)


def test_up_chooses_the_table_before_a_larger_wall():
    wall, table = points_on((1, 0, 0), 0.6, 5000), points_on((0, 0, 1), 0.0, 2000)
    points = np.concatenate([wall, table])
    assert abs(find_plane(points, rng()).normal[0]) > 0.99
    assert find_plane(points, rng(), up=np.array([0.2, 0, 1.0])).normal[2] > 0.99
    assert find_plane(wall, rng(), up=np.array([0, 0, 1.0])) is None


@pytest.mark.parametrize('points', [np.zeros((0, 3)), np.zeros((1, 3)), np.zeros((50, 3)), np.eye(3)[:2]])
def test_too_little_for_a_plane_is_none(points):
    assert find_plane(points, rng()) is None


def test_a_cloud_without_a_plane_has_none():
    points = np.random.default_rng(3).uniform(-1, 1, (3000, 3))
    assert find_plane(points, rng()) is None


def test_height_is_measured_along_the_normal_and_axes_are_right_handed():
    plane = Plane((0, 3.0, 4.0), 10.0)  # made to unit length together
    assert plane.height_m(np.array([[0, 1.2, 1.6], [0, 1.8, 2.4]])) == pytest.approx([0.0, 1.0])
    assert np.linalg.det(plane.axes) == pytest.approx(1)
    assert plane.axes[:, 2] == pytest.approx([0, 0.6, 0.8])


@pytest.mark.parametrize('normal', [(0, 0, 0), (np.nan, 0, 1), (0, 1)])
def test_a_plane_without_a_direction_is_refused(normal):
    with pytest.raises(InvalidInput, match='plane: expected a normal'):
        Plane(normal, 0.0)
