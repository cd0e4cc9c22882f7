# SPDX-License-Identifier: Apache-2.0
"""Simulated prompts look like their sensors and don't know what their sensors can't."""

import numpy as np
import pytest

from depth_anything_ros.projection.prompt import PromptConfig
from depth_anything_ros.training import patterns, sensors
from depth_anything_ros.training.patterns import ELEVATIONS_DEG, Frame
from depth_anything_ros.training.sensors import SensorShares, simulate

INTRINSICS = np.array([200, 200, 128, 96], np.float32)
PERFECT = sensors.Faults(noise=0.0, floor_m=0.0, dropout=0.0, strays=0.0, usual=False)


def frame():
    rows, columns = np.mgrid[0:192, 0:256]
    depth_m = (2 + 0.01 * rows + 0.004 * columns).astype(np.float32)
    depth_m[60:120, 80:140] = 1.2
    depth_m[:20] = np.nan
    return Frame(depth_m, INTRINSICS)


@pytest.fixture
def perfect(monkeypatch):
    monkeypatch.setattr(sensors, '_draw_faults', lambda rng, kind: PERFECT)


def prompts(kind, count=12):
    return [simulate(np.random.default_rng(seed), frame(), SensorShares(), kind) for seed in range(count)]


@pytest.mark.parametrize('kind', list(vars(SensorShares())))
def test_depth_is_positive_and_has_a_sigma_wherever_it_is(kind):
    for prompt in prompts(kind):
        known = ~np.isnan(prompt.depth_m)
        assert prompt.kind == kind
        assert prompt.depth_m.dtype == prompt.sigma_m.dtype == np.float32
        assert (prompt.depth_m[known] > 0).all() and (prompt.sigma_m[known] > 0).all()
        assert np.isnan(prompt.sigma_m[~known]).all()
        assert known.any() == (kind != 'nothing') or kind == 'beam', 'a beam may meet nothing'


@pytest.mark.parametrize('kind', ['points', 'lidar', 'rows', 'dense', 'beam'])
def test_a_perfect_sensor_returns_the_depth_of_its_pixel(perfect, kind):
    for prompt in prompts(kind):
        known = ~np.isnan(prompt.depth_m)
        np.testing.assert_array_equal(prompt.depth_m[known], frame().depth_m[known])


def test_density_spans_orders_of_magnitude(perfect):
    counts = [np.isfinite(prompt.depth_m).sum() for prompt in prompts('points', 60)]
    assert min(counts) < 60
    assert max(counts) > 10_000


def test_lidar_returns_lie_on_the_rings_of_a_real_table(perfect):
    for name, beams in ELEVATIONS_DEG.items():
        assert (np.diff(beams) < 0).all(), name
    for prompt in prompts('lidar'):
        rows_with_returns = np.isfinite(prompt.depth_m).any(axis=1).mean()
        assert np.isfinite(prompt.depth_m).mean() < 0.4
        assert rows_with_returns > 0.01


def test_rows_of_structured_light_are_far_apart_but_dense_along(perfect):
    known = np.isfinite(prompts('rows', 1)[0].depth_m)[30:]
    assert known.any(axis=1).mean() > 0
    assert known.any(axis=0).mean() > 0.2
    assert known.mean() < 0.3


def test_a_low_resolution_camera_has_one_value_a_cell(perfect):
    for prompt in prompts('grid'):
        rows, columns = np.nonzero(np.isfinite(prompt.depth_m))
        assert len(np.unique(np.diff(np.unique(columns)))) == 1, 'evenly spaced'
        assert np.isfinite(prompt.depth_m).mean() <= 1 / 9
        assert len(rows)


def test_radar_is_few_and_vague_and_says_so():
    for prompt in prompts('radar'):
        known = np.isfinite(prompt.depth_m)
        assert known.sum() <= 300
        assert (prompt.sigma_m[known] / prompt.depth_m[known]).min() > 0.02


def test_strays_dropout_and_noise_are_there_when_asked_for(monkeypatch):
    faults = sensors.Faults(noise=0.02, floor_m=0.0, dropout=0.4, strays=0.05)
    monkeypatch.setattr(sensors, '_draw_faults', lambda rng, kind: faults)
    monkeypatch.setitem(patterns.MASKS, 'points', lambda rng, frame: np.isfinite(frame.depth_m))
    prompt = prompts('points', 1)[0]
    truth_m = frame().depth_m
    known = np.isfinite(prompt.depth_m)
    assert known.sum() == pytest.approx(0.6 * np.isfinite(truth_m).sum(), rel=0.15), 'lost at random or in regions'
    error = np.abs(prompt.depth_m[known] / truth_m[known] - 1)
    assert 0.01 < np.median(error) < 0.02
    assert 0.02 < (error > 0.1).mean() < 0.06


def test_a_sensor_that_tells_nothing_gets_the_sigma_it_would_get_at_run_time(monkeypatch):
    faults = sensors.Faults(noise=0.0, floor_m=0.0, dropout=0.0, strays=0.0, usual=True)
    monkeypatch.setattr(sensors, '_draw_faults', lambda rng, kind: faults)
    usual = PromptConfig()
    for kind, constant_m, relative in (
        ('lidar', usual.lidar_sigma_m, usual.lidar_sigma_relative),
        ('grid', usual.tof_sigma_m, usual.tof_sigma_relative),
    ):
        prompt = prompts(kind, 1)[0]
        known = np.isfinite(prompt.depth_m)
        np.testing.assert_allclose(prompt.sigma_m[known], constant_m + relative * prompt.depth_m[known], rtol=1e-5)


def test_a_bias_varies_slowly(monkeypatch):
    faults = sensors.Faults(noise=0.0, floor_m=0.0, dropout=0.0, strays=0.0, bias=0.02)
    monkeypatch.setattr(sensors, '_draw_faults', lambda rng, kind: faults)
    monkeypatch.setitem(patterns.MASKS, 'dense', lambda rng, frame: np.isfinite(frame.depth_m))
    error = prompts('dense', 1)[0].depth_m / frame().depth_m - 1
    assert 0.005 < np.nanstd(error) < 0.05
    assert np.nanmax(np.abs(np.diff(error, axis=1))) < 0.003


@pytest.mark.parametrize('kind', ['points', 'rows', 'dense'])
def test_surfaces_that_return_nothing_have_no_returns(perfect, kind):
    glass = np.zeros((192, 256), np.float32)
    glass[60:120, 80:140] = 1
    seen = frame()
    for seed in range(4):
        given = Frame(seen.depth_m, INTRINSICS, glass)
        prompt = simulate(np.random.default_rng(seed), given, SensorShares(), kind)
        assert np.isnan(prompt.depth_m[glass == 1]).all()
        assert np.isfinite(prompt.depth_m[glass == 0]).any()


def test_a_sensor_above_the_camera_sees_over_near_edges(monkeypatch):
    faults = sensors.Faults(noise=0.0, floor_m=0.0, dropout=0.0, strays=0.0, see_through_px=6)
    monkeypatch.setattr(sensors, '_draw_faults', lambda rng, kind: faults)
    monkeypatch.setitem(patterns.MASKS, 'points', lambda rng, frame: np.isfinite(frame.depth_m))
    truth_m = frame().depth_m
    prompt = prompts('points', 1)[0]
    wrong = np.isfinite(truth_m) & (prompt.depth_m > 1.1 * truth_m)
    assert wrong[60:120, 80:140].any(), 'behind the near block'
    inside = np.zeros_like(wrong)
    inside[60:120, 80:140] = True
    assert not wrong[~inside].any()


def test_glass_lets_some_returns_through_to_what_lies_around_it(perfect, monkeypatch):
    monkeypatch.setitem(patterns.MASKS, 'points', lambda rng, frame: np.isfinite(frame.depth_m))
    glass = np.zeros((192, 256), np.float32)
    glass[60:120, 80:140] = 0.5
    truth_m = frame().depth_m
    shares = []
    for seed in range(20):
        given = Frame(truth_m, INTRINSICS, glass)
        depth_m = simulate(np.random.default_rng(seed), given, SensorShares(), 'points').depth_m
        returned = np.isfinite(depth_m)
        np.testing.assert_array_equal(depth_m[returned & (glass == 0)], truth_m[returned & (glass == 0)])
        inside = depth_m[returned & (glass > 0)]
        passed = inside > 1.2 + 1e-6
        assert inside.min() >= np.float32(1.2) and (inside[passed] > 2).all(), 'on the pane or on what is around it'
        shares.append(passed.mean())
    assert min(shares) == 0 and max(shares) > 0.5


def test_some_prompts_have_no_fault_at_all():
    faults = [sensors._draw_faults(np.random.default_rng(seed), 'grid') for seed in range(200)]
    exact = [f for f in faults if not (f.noise or f.floor_m or f.dropout or f.strays or f.bias or any(f.shift_px))]
    assert 0.2 < len(exact) / len(faults) < 0.5


def test_a_depth_image_that_was_smoothed_over_its_cells_errs_slowly_and_is_never_exact():
    faults = [sensors._draw_faults(np.random.default_rng(seed), 'grid') for seed in range(300)]
    smoothed = [f for f in faults if f.smoothed_cells]
    assert 0.1 < len(smoothed) / len(faults) < 0.3
    assert all(f.bias > 0 and not f.strays for f in smoothed)
    edge = np.tile(np.where(np.arange(96) < 48, 1.0, 3.0).astype(np.float32), (96, 1))
    between = [
        np.isfinite(grid) & (grid > 1.05) & (grid < 2.95)
        for cells in (1, 3)
        for grid in [patterns.grid(np.random.default_rng(1), edge, cells)]
    ]
    assert between[1].sum() > between[0].sum(), 'the wider, the more values lie between the surfaces of an edge'


def test_some_sensors_see_only_a_part_of_the_image(perfect):
    spans = []
    for prompt in prompts('points', 60):
        rows, columns = np.nonzero(np.isfinite(prompt.depth_m))
        if len(rows) > 1000:
            spans.append((np.ptp(rows) / 171, np.ptp(columns) / 255))
    part = [min(span) < 0.9 for span in spans]
    assert 0.02 < np.mean(part) < 0.4
    framed = patterns.framed(np.random.default_rng(3), frame().depth_m)
    known = np.isfinite(framed)
    np.testing.assert_array_equal(framed[known], frame().depth_m[known])
