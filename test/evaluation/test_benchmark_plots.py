# SPDX-License-Identifier: Apache-2.0
"""Plots of benchmarks are drawn from the figures alone."""

import pytest

pytest.importorskip('matplotlib', reason='matplotlib is not installed')
from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.evaluation.benchmark_plots import plot_load, plot_soak, plot_stages

STAGES = {'project': {'p50': 3.0, 'p99': 3.4}, 'all': {'p50': 9.0, 'p99': 12.0}}
STEPS = [
    {'offered_hz': 5.0, 'answered_hz': 5.0, 'latency_ms': {'p50': 80.0, 'p99': 90.0}},
    {'offered_hz': 10.0, 'answered_hz': 8.0, 'latency_ms': {'p50': float('nan'), 'p99': float('nan')}},
]
SAMPLES = {name: [1.0, 2.0] for name in ('frames', 'own_mb', 'shared_mb', 'p50_ms', 'p99_ms')}


def test_each_is_written_as_an_image(tmp_path):
    plot_stages(STAGES, 'frame', tmp_path / 'new' / 'frame.png')
    plot_load({'classical': STEPS, 'network': STEPS[:1]}, 'load', tmp_path / 'load.png')
    plot_soak(SAMPLES, 1, 'soak', tmp_path / 'soak.svg')
    for name in ('new/frame.png', 'load.png'):
        assert (tmp_path / name).read_bytes().startswith(b'\x89PNG')
    assert '<svg' in (tmp_path / 'soak.svg').read_text()


def test_a_name_that_is_no_picture_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf; got 'frame\.json'"):
        plot_stages(STAGES, 'frame', tmp_path / 'frame.json')
