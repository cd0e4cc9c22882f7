# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.grasping.voxels import connected, thinned


def test_thinning_leaves_one_point_in_each_cube():
    points = np.random.default_rng(0).uniform(0, 0.1, (5000, 3))
    kept = points[thinned(points, 0.01)]
    cells = np.unique(np.floor((points - points.min(axis=0)) / 0.01).astype(int), axis=0)
    assert len(kept) == len(cells)
    assert len(np.unique(np.floor((kept - points.min(axis=0)) / 0.01).astype(int), axis=0)) == len(kept)


@pytest.mark.parametrize('direction', [(1, 0, 0), (0, -1, 0), (1, 1, 1), (1, -1, 0), (-1, 1, -1)])
def test_what_is_near_is_one_and_what_is_far_is_not(direction):
    direction = np.array(direction) / np.linalg.norm(direction)
    chain = np.arange(20)[:, None] * 0.009 * direction
    apart = chain + 0.2 * np.cross(direction, (0.3, 0.5, 0.8)) / np.linalg.norm(np.cross(direction, (0.3, 0.5, 0.8)))
    label = connected(np.concatenate([chain, apart]), 0.01)
    assert len(set(label[:20])) == len(set(label[20:])) == 1
    assert label[0] != label[20]


def test_nothing_stays_nothing():
    assert len(thinned(np.zeros((0, 3)), 0.01)) == len(connected(np.zeros((0, 3)), 0.01)) == 0


def test_a_cloud_too_wide_for_its_cubes_is_refused_with_what_to_do():
    with pytest.raises(InvalidInput, match='crop it, or raise the resolution'):
        thinned(np.array([[0, 0, 0], [1e5, 0, 0]]), 0.001)
