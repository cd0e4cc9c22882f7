# SPDX-License-Identifier: Apache-2.0
"""Rings told from the order of a file, from elevation, or not at all."""

import numpy as np
import pytest
from small_recording import RINGS, START_NS, sweep_columns

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.evaluation.rings import estimate_rings, rings_by_elevation, rings_by_order
from depth_anything_ros.evaluation.source import read_floats


def spinning_cloud(rings=16, columns=360, seed=0):
    """A full revolution per ring between walls of varying distance, lowest ring first."""
    generator = np.random.default_rng(seed)
    azimuth = np.linspace(0, 2 * np.pi, columns, endpoint=False) + 0.001
    elevation = np.radians(np.linspace(-15, 15, rings))
    ring, azimuth = np.meshgrid(np.arange(rings), azimuth, indexing='ij')
    flat_m = generator.uniform(3, 30, azimuth.shape)
    xyz = np.stack([flat_m * np.cos(azimuth), flat_m * np.sin(azimuth), flat_m * np.tan(elevation[ring])], axis=-1)
    return xyz.reshape(-1, 3).astype(np.float32), ring.reshape(-1)


def test_rings_of_a_file_in_firing_order():
    xyz, ring = spinning_cloud()
    assert np.array_equal(rings_by_order(xyz), ring)


def test_rings_with_missing_returns():
    xyz, ring = spinning_cloud()
    keep = np.random.default_rng(1).random(len(xyz)) < 0.7
    assert np.array_equal(rings_by_order(xyz[keep]), ring[keep])


def test_rings_of_a_shuffled_cloud_come_from_elevation():
    xyz, ring = spinning_cloud()
    order = np.random.default_rng(2).permutation(len(xyz))
    assert rings_by_order(xyz[order]) is None
    assert np.array_equal(rings_by_elevation(xyz[order]), ring[order])
    assert np.array_equal(estimate_rings(xyz[order]), ring[order])


def test_a_partial_field_of_view_comes_from_elevation():
    columns = sweep_columns(START_NS)
    xyz = np.stack([columns['x'], columns['y'], columns['z']], axis=1)
    ring = estimate_rings(xyz)
    assert ring.max() == RINGS - 1 and np.array_equal(ring, columns['ring'])


@pytest.mark.parametrize('count', [0, 3, 5000])
def test_a_cloud_without_rings_is_refused(count):
    xyz = np.random.default_rng(3).normal(0, 5, (count, 3)).astype(np.float32)
    with pytest.raises(InvalidInput, match='no scan rings'):
        estimate_rings(xyz)


def test_every_kitti_sweep_has_its_64_rings(shared_data):
    for path in sorted((shared_data('kitti_raw_seq') / 'velodyne').glob('*.bin')):
        columns = read_floats(path, ('x', 'y', 'z', 'intensity'))
        ring = estimate_rings(np.stack([columns['x'], columns['y'], columns['z']], axis=1))
        assert ring.max() == 63, path.name
        assert np.bincount(ring).min() > 500, path.name
