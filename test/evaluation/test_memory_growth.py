# SPDX-License-Identifier: Apache-2.0
"""Growth of a process's memory: a leak is found, what levels off or merely varies is not taken for one."""

import numpy as np
import pytest

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.evaluation.memory_growth import memory_growth

FRAMES = np.arange(100, 20001, 100)


def memory_mb(leak_bytes_per_frame=0.0, filled_at=1000):
    """A process of 300 MB that fills its buffers within some frames, with peaks where a sample meets a busy frame."""
    rng = np.random.default_rng(0)
    peaks = np.where(rng.random(len(FRAMES)) < 0.2, 8.0, 0.0)
    return 300 + 40 * np.minimum(FRAMES / filled_at, 1) + peaks + FRAMES * leak_bytes_per_frame / 1e6


def test_what_levels_off_within_the_warm_up_is_flat():
    assert abs(memory_growth(FRAMES, memory_mb(), 2000).share) < 0.001


def test_half_a_kilobyte_a_frame_is_found_in_a_soak():
    assert memory_growth(FRAMES, memory_mb(leak_bytes_per_frame=512), 2000).share > 0.01


def test_a_leak_in_one_step_is_found():
    memory = memory_mb() + np.where(FRAMES > 15000, 10.0, 0.0)
    assert memory_growth(FRAMES, memory, 2000).share == pytest.approx(10 / 340, rel=0.1)


def test_what_fills_up_later_than_the_warm_up_counts_as_growth():
    assert memory_growth(FRAMES, memory_mb(filled_at=8000), 2000).share > 0.02


def test_shrinking_is_negative():
    assert memory_growth(FRAMES, memory_mb(leak_bytes_per_frame=-512), 2000).share < -0.01


def test_too_few_samples_are_refused():
    with pytest.raises(ConfigError, match='at least 6 samples after a warm-up of 19600'):
        memory_growth(FRAMES, memory_mb(), 19600)
