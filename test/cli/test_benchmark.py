# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark`: every kind measures something real and says so; how fast is not tested."""

import json
import math

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
pytest.importorskip('matplotlib', reason='matplotlib is not installed')
from small_recording import write_small_recording

from depth_anything_ros.cli.main import main

SMALL = ('--size', '64x48', '--points', '640')


@pytest.fixture
def files(tmp_path):
    """(arguments that write them, JSON file, plot)"""
    figures, plot = tmp_path / 'figures.json', tmp_path / 'plot.png'
    return ['--output', str(figures), '--plot', str(plot)], figures, plot


@pytest.mark.parametrize('what', ['frame', 'mapping', 'engines', 'load', 'soak'])
def test_each_has_help_with_an_example(what, capsys):
    assert main(['benchmark', what, '--help']) == 0
    out = capsys.readouterr().out
    assert 'examples:' in out and f'depth_anything_ros benchmark {what}' in out


@pytest.mark.parametrize('what', [[], ['frame']], ids=['without a word', 'frame'])
def test_frame_times_every_stage(what, files):
    arguments, figures, plot = files
    assert main(['benchmark', *what, *SMALL, '--sweep', '640', '--frames', '3', *arguments]) == 0
    written = json.loads(figures.read_text())
    assert {'project', 'condition', 'all', 'rasterize one turn'} <= set(written['stages_ms'])
    assert any(stage.startswith('publish') for stage in written['stages_ms'])
    assert all(row['p50'] <= row['p99'] for row in written['stages_ms'].values())
    assert written['page_faults_per_frame'] >= 0
    assert plot.stat().st_size > 0


def test_load_tells_latency_and_what_was_answered_at_every_rate(files):
    arguments, figures, plot = files
    shares = ['--shares', '0.5', '0.8', '--seconds', '0.1']
    assert main(['benchmark', 'load', 'classical', *SMALL, *shares, '--rate', '10', *arguments]) == 0
    system = json.loads(figures.read_text())['systems']['classical']
    assert system['facts']['engine'] == 'classical'
    assert [step['share'] for step in system['steps']] == [0.5, 0.8]
    for step in system['steps']:
        assert step['frames'] == 20
        assert step['answered'] > 0
        assert step['offered_hz'] == pytest.approx(10 * step['share'], rel=0.5)
        assert 0 < step['latency_ms']['p50'] <= step['latency_ms']['p99'] < math.inf
        assert step['stages_ms']['infer']['p50'] > 0
        assert step['cpu_ms_per_frame'] > 0
    assert plot.stat().st_size > 0


def test_load_of_a_recording_goes_through_the_node(tmp_path, files):
    pytest.importorskip('rosbags', reason='rosbags is not installed')
    arguments, figures, _ = files
    bag = write_small_recording(tmp_path / 'small.mcap')
    once = ['--shares', '1', '--rate', '10', '--seconds', '0.1']
    assert main(['benchmark', 'load', 'classical', '--bag', str(bag), *once, *arguments]) == 0
    (step,) = json.loads(figures.read_text())['systems']['classical']['steps']
    assert step['answered'] > 0


def test_soak_passes_or_fails_by_the_growth_it_is_allowed(files):
    arguments, figures, plot = files
    soak = ['benchmark', 'soak', 'classical', *SMALL, '--frames', '700', '--warm-up', '100', *arguments]
    assert main([*soak, '--max-growth', '10']) == 0
    written = json.loads(figures.read_text())
    assert written['samples']['frames'] == [100, 200, 300, 400, 500, 600, 700]
    assert all(own_mb > 10 for own_mb in written['samples']['own_mb'])
    assert written['counts']['published'] > 350
    assert plot.stat().st_size > 0
    assert main([*soak, '--max-growth', '-1']) == 1


def test_a_node_that_cannot_start_is_one_line(capsys):
    assert main(['benchmark', 'load', 'no_such_model']) == 1
    err = capsys.readouterr().err
    assert 'the depth node did not start' in err and 'no_such_model' in err


def test_a_soak_too_short_to_judge_is_refused_before_it_starts(capsys):
    assert main(['benchmark', 'soak', 'classical', '--frames', '700']) == 1
    assert '600 frames after --warm-up 2000' in capsys.readouterr().err
