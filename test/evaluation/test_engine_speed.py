# SPDX-License-Identifier: Apache-2.0
"""`benchmark engines`: contenders take turns, are compared with their reference, and end in table, JSON and plot."""

import json

import numpy as np
import pytest

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.evaluation import engine_speed
from depth_anything_ros.evaluation.engine_speed import Contender, race, random_images, relative_difference, requests_of


def contender(name, depth, calls, group='model', flops=None):
    def run(number):
        calls.append((name, number))
        return np.full((2, 3), depth, np.float32)

    return Contender(name, group, run, flops=flops)


def test_contenders_take_turns_on_the_same_images_and_the_first_one_rotates():
    calls = []
    speeds = race([contender(name, 1, calls) for name in 'abc'], rounds=2, warm_up=1)
    assert calls == [(name, number) for number, names in enumerate(('abc', 'bca', 'cab')) for name in names]
    assert [len(speed.laps_ms) for speed in speeds] == [2, 2, 2]


def test_speed_up_and_difference_are_to_the_reference(monkeypatch):
    clock = iter(np.cumsum([0, 0.010, 0, 0.005, 0, 0.020]))  # seconds: a starts, ends, b starts ...
    monkeypatch.setattr(engine_speed.time, 'perf_counter', lambda: next(clock))
    calls = []
    contenders = [contender('a', 2, calls, flops=1e9), contender('b', 2.02, calls), contender('c', 3, calls, 'other')]
    a, b, c = race(contenders, rounds=1, warm_up=0)
    assert (a.median_ms, b.median_ms, c.median_ms) == pytest.approx((10, 5, 20))
    assert (a.speed_up, b.speed_up, c.speed_up) == pytest.approx((1, 2, 0.5))
    assert (a.largest_difference, c.largest_difference) == (0, 0)  # each the first of its model
    assert b.mean_difference == pytest.approx(0.01, rel=1e-3)
    assert a.share_of(2e11) == pytest.approx(0.5) and b.share_of(2e11) is None


def test_depth_that_only_one_knows_counts_as_a_whole_difference():
    reference = np.array([1.0, 2.0, np.nan, np.nan, 0.0])
    found = relative_difference(np.array([1.1, np.nan, 3.0, np.nan, 0.0]), reference)
    np.testing.assert_allclose(found, [0.1, 1, 1, 0, 0], atol=1e-6)


def test_images_differ_and_requests_have_returns_and_a_camera():
    images = random_images(64, 48, 2)
    assert images[0].shape == (48, 64, 3) and not np.array_equal(*images)
    one, other = requests_of(images, 100)
    assert np.isfinite(one.prompt.sparse.depth_m).sum() > 50 and one.camera.width == 64
    assert not np.array_equal(np.isnan(one.prompt.sparse.depth_m), np.isnan(other.prompt.sparse.depth_m))


@pytest.fixture(scope='module')
def relative(tmp_path_factory):
    """The card of a tiny Depth Anything V2 that sees images of 518 px, where transformers and we agree on positions."""
    for package in ('torch', 'transformers', 'PIL'):
        pytest.importorskip(package)
    from tiny_model import build_tiny_system

    return build_tiny_system('depth_anything_v2_small', tmp_path_factory.mktemp('relative'), side_px=518)


def test_the_pipeline_gives_what_our_engine_gives_on_the_same_weights(relative):
    from depth_anything_ros.engines.factory import create_engine
    from depth_anything_ros.evaluation.transformers_pipeline import TransformersPipeline
    from depth_anything_ros.networks.card import load_card

    request = requests_of(random_images(518, 518, 1))[0]
    theirs = TransformersPipeline(load_card(str(relative))).depth(request.image_rgb)
    ours = create_engine(str(relative), 'torch').infer(*request).depth_m
    assert theirs.shape == ours.shape == (518, 518) and theirs.dtype == np.float32
    assert theirs.std() > 1e-3
    assert relative_difference(ours, theirs).max() < 1e-3


def test_the_pipeline_refuses_networks_it_does_not_know(tiny_model_card):
    pytest.importorskip('transformers')
    from depth_anything_ros.evaluation.transformers_pipeline import TransformersPipeline

    with pytest.raises(ConfigError, match='Depth Anything V1 and V2 only'):
        TransformersPipeline(tiny_model_card)


@pytest.fixture(scope='module')
def tiny_model_path(tmp_path_factory):
    for package in ('torch', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package)
    from tiny_model import build_tiny_model

    return build_tiny_model(tmp_path_factory.getbasetemp() / 'tiny_model')


@pytest.fixture(scope='module')
def tiny_model_card(tiny_model_path):
    from depth_anything_ros.networks.card import load_card

    return load_card(str(tiny_model_path))


def test_the_command_runs_several_models_and_writes_everything(tiny_model_path, relative, tmp_path, capsys):
    from depth_anything_ros.cli.main import main

    pytest.importorskip('matplotlib')
    given = ['benchmark', 'engines', '--models', str(tiny_model_path), str(relative), '--engines', 'onnx', 'torch']
    files = ['--output', str(tmp_path / 'engines.json'), '--plot', str(tmp_path / 'engines.png')]
    how = ['--precisions', 'fp32', '--size', '64x64', '--rounds', '2', '--warm-up', '0', '--path']
    assert main([*given, *how, *files]) == 0
    said = capsys.readouterr().out
    assert 'exported a graph for 64x64' in said and 'GFLOP/s' in said
    figures = json.loads((tmp_path / 'engines.json').read_text())
    rows = figures['comparisons'][0]['rows']
    names = [(row['model'], row['name']) for row in rows]
    assert ('tiny', 'onnx fp32') in names and ('tiny', 'torch fp32') in names
    assert ('tiny, path', 'torch fp32, whole frame path') in names
    assert sum(model == 'tiny_depth_anything_v2_small' for model, _ in names) == 2
    assert all(len(row['laps_ms']) == 2 and row['p50_ms'] > 0 for row in rows)
    assert all(row['largest_difference'] < 1e-2 for row in rows)
    assert all(row['flops'] and row['roofline'] > 0 for row in rows if 'path' not in row['model'])
    assert (tmp_path / 'engines.png').read_bytes().startswith(b'\x89PNG')


def test_random_weights_stand_in_for_a_missing_checkpoint_and_are_always_the_same(relative, tmp_path):
    import dataclasses

    from depth_anything_ros.evaluation.random_weights import has_weights, stand_in
    from depth_anything_ros.networks.card import load_card
    from depth_anything_ros.networks.loading import load_network

    card = load_card(str(relative))
    missing = dataclasses.replace(card, weights=dataclasses.replace(card.weights, file='none.safetensors'))
    assert has_weights(card) and not has_weights(missing)
    states = []
    for name in 'ab':
        (tmp_path / name).mkdir()
        found = stand_in(missing, tmp_path / name)
        assert has_weights(found)
        states.append(load_network(found).state_dict())
    first, second = states
    assert all((first[key] == second[key]).all() for key in first)
    assert all(value.std() > 0 for value in first.values() if value.numel() > 1)


def test_the_work_of_depth_anything_v2_small_is_as_published():
    pytest.importorskip('transformers')
    from depth_anything_ros.evaluation.roofline import network_flops
    from depth_anything_ros.networks.card import load_card

    tokens, width, layers = 37 * 37 + 1, 384, 12
    attention = 4 * layers * tokens**2 * width  # which the published 80.7 GFLOP leave out
    found = network_flops(load_card('depth_anything_v2_small'), 518, 518)
    assert found - attention == pytest.approx(80.7e9, rel=0.02)


def test_the_measured_rate_of_matrix_products_is_a_rate(monkeypatch):
    pytest.importorskip('torch')
    from depth_anything_ros.evaluation import roofline

    monkeypatch.setattr(roofline, 'SIDE', {'cpu': 64, 'cuda': 64})
    assert roofline.matmul_rate('fp32') > 1e6
