# SPDX-License-Identifier: Apache-2.0
"""A handful of small shards."""

import numpy as np
import pytest


@pytest.fixture(scope='session')
def shards(tmp_path_factory):
    """A folder of two shards of four 64x96 slanted planes each."""
    pytest.importorskip('torch')
    from depth_anything_ros.training.shards import Sample, write_shard

    folder = tmp_path_factory.mktemp('shards')
    rng = np.random.default_rng(0)
    for name in ('a', 'b'):
        samples = []
        for _ in range(4):
            rows, columns = np.mgrid[0:64, 0:96]
            depth_m = (2 + rng.uniform(0, 0.02) * columns + rng.uniform(0, 0.02) * rows).astype(np.float32)
            depth_m[:4, :5] = np.nan
            image = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
            samples.append(Sample(image, depth_m, np.array([80, 80, 47.5, 31.5], np.float32)))
        write_shard(folder, name, samples)
    return folder
