# SPDX-License-Identifier: Apache-2.0
"""torch and ONNX Runtime run the same model from the same raw arrays; what can't be run is an error."""

import dataclasses
import shutil
import sys

import numpy as np
import pytest
import yaml

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CheckpointError, ConfigError, InvalidInput, MissingExtra
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.engines import factory
from depth_anything_ros.engines.factory import create_engine
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition

CAMERA = CameraModel(150, 110, 120, 120, 74.5, 54.5)


def frame(camera=CAMERA, count=200):
    rng = np.random.default_rng(0)
    image_rgb = rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
    sparse = np.full((camera.height, camera.width), np.nan, np.float32)
    at = rng.choice(sparse.size, count, replace=False)
    sparse.ravel()[at] = 2 + at % camera.width / camera.width
    prompt = SparsePrompt(sparse, sparse * np.float32(0.01), camera, stats=PromptStats(count, count / sparse.size))
    return image_rgb, condition(prompt, ConditioningConfig()), camera


@pytest.fixture
def copied(tiny_model, tmp_path):
    """A copy of the tiny model to break; its card's path."""
    shutil.copytree(tiny_model.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / 'tiny.yaml'


@pytest.mark.parametrize('count', [200, 0])
def test_torch_and_onnx_agree(tiny_model, count):
    predictions = [create_engine(str(tiny_model), name).infer(*frame(count=count)) for name in ('torch', 'onnx')]
    for prediction in predictions:
        assert prediction.metric
        assert prediction.depth_m.shape == prediction.sigma_m.shape == (110, 150)
        assert prediction.depth_m.dtype == prediction.sigma_m.dtype == np.float32
    np.testing.assert_allclose(predictions[0].depth_m, predictions[1].depth_m, rtol=1e-4)
    np.testing.assert_allclose(predictions[0].sigma_m, predictions[1].sigma_m, rtol=1e-4)


def test_auto_takes_the_graph_and_says_why_and_what_runs(tiny_model, monkeypatch):
    monkeypatch.setattr(factory, '_gpu', lambda: False)
    facts = create_engine(str(tiny_model)).describe()
    assert facts['engine'] == 'onnx'
    assert facts['model'] == 'tiny'
    assert facts['device'].endswith('ExecutionProvider')
    assert 'exported graph' in facts['reason']


def test_auto_without_a_graph_takes_torch(copied, monkeypatch):
    monkeypatch.setattr(factory, '_gpu', lambda: False)
    copied.write_text(yaml.safe_dump(yaml.safe_load(copied.read_text()) | {'onnx': None}))
    facts = create_engine(str(copied)).describe()
    assert facts['engine'] == 'torch'
    assert 'no exported graph' in facts['reason']


def test_auto_prefers_tensorrt_then_torch_on_a_gpu_then_onnx_then_torch(tiny_model, monkeypatch):
    from depth_anything_ros.networks.card import load_card

    card = load_card(str(tiny_model))

    def order(gpu, torch_uses_gpu=True, **options):
        monkeypatch.setattr(factory, '_gpu', lambda: gpu)
        monkeypatch.setattr(factory, '_torch_uses_gpu', lambda: torch_uses_gpu)
        monkeypatch.setattr(factory, 'find_spec', lambda name: name)  # everything is installed
        return [name for name, _ in factory.candidates(card, EngineOptions(**options))]

    assert order(gpu=True) == ['tensorrt', 'torch', 'onnx']
    assert order(gpu=True, torch_uses_gpu=False) == ['tensorrt', 'onnx', 'torch']
    assert order(gpu=False) == ['onnx', 'torch']
    assert order(gpu=True, precision='bf16') == ['torch']
    without_weights = dataclasses.replace(card, weights=dataclasses.replace(card.weights, file='gone.safetensors'))
    assert [name for name, _ in factory.candidates(without_weights, EngineOptions())] == ['tensorrt', 'onnx']
    without_graph = dataclasses.replace(card, onnx=None)
    assert [name for name, _ in factory.candidates(without_graph, EngineOptions())] == ['torch']


def test_auto_without_any_runtime_completes_classically_and_says_so(tiny_model, monkeypatch):
    monkeypatch.setattr(factory, 'find_spec', lambda name: None)
    facts = create_engine(str(tiny_model)).describe()
    assert facts['engine'] == 'classical'
    assert 'neither onnxruntime nor torch' in facts['reason']


def test_a_published_system_is_never_replaced_by_classical_completion(monkeypatch):
    monkeypatch.setattr(factory, 'find_spec', lambda name: None)
    with pytest.raises(MissingExtra, match=r'depth_anything_v2_small.*depth_anything_ros\[models\]'):
        create_engine('depth_anything_v2_small')


@pytest.mark.parametrize('engine', ['auto', 'torch', 'onnx'])
def test_corrupt_weights_are_an_error_and_never_random_ones(copied, engine):
    for name in ('tiny.safetensors', 'tiny.onnx'):
        path = copied.parent / name
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match='corrupt'):
        create_engine(str(copied), engine)


@pytest.mark.parametrize(('engine', 'name'), [('torch', 'tiny.safetensors'), ('onnx', 'tiny.onnx')])
def test_missing_weights_are_an_error_that_names_the_file(copied, engine, name):
    (copied.parent / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        create_engine(str(copied), engine)


def test_weights_of_another_network_are_an_error(copied):
    card = yaml.safe_load(copied.read_text())
    card['network_config']['blocks'] = [2, 1, 1, 1]
    copied.write_text(yaml.safe_dump(card))
    with pytest.raises(CheckpointError, match='missing keys'):
        create_engine(str(copied), 'torch')
    card['network_config'] = {'depth': 3}
    copied.write_text(yaml.safe_dump(card))
    with pytest.raises(CheckpointError, match="unknown 'depth'"):
        create_engine(str(copied), 'torch')


def test_an_unknown_engine_or_model_is_an_error(tiny_model):
    with pytest.raises(ConfigError, match='expected one of auto, tensorrt, torch, onnx, classical'):
        create_engine(str(tiny_model), 'openvino')
    with pytest.raises(CheckpointError, match='nonesuch'):
        create_engine('nonesuch')


def test_an_image_that_is_not_the_prompts_is_refused(tiny_model):
    engine = create_engine(str(tiny_model), 'onnx')
    image_rgb, prompt, camera = frame()
    with pytest.raises(InvalidInput, match='of one size'):
        engine.infer(image_rgb[:100], prompt, camera)


@pytest.mark.parametrize('size', [(20, 40), (97, 33), (96, 128)])
def test_any_image_size_comes_back_at_its_own_size(tiny_model, size):
    height, width = size
    camera = CameraModel(width, height, 50, 50, width / 2, height / 2)
    predictions = [create_engine(str(tiny_model), name).infer(*frame(camera, 50)) for name in ('torch', 'onnx')]
    for prediction in predictions:
        assert prediction.depth_m.shape == prediction.sigma_m.shape == size
        assert prediction.depth_m.flags.c_contiguous and np.isfinite(prediction.depth_m).all()
    np.testing.assert_allclose(predictions[0].depth_m, predictions[1].depth_m, rtol=1e-4)


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    """The card of a tiny Depth Anything V2 (metric), with a graph for images of 96x64 px."""
    pytest.importorskip('transformers')
    from tiny_model import build_tiny_system

    from depth_anything_ros.networks.card import load_card, save_card, weight_file
    from depth_anything_ros.networks.export import export_onnx
    from depth_anything_ros.networks.loading import load_network

    path = build_tiny_system('depth_anything_v2_metric_hypersim_small', tmp_path_factory.mktemp('published'))
    graph = path.with_suffix('.onnx')
    export_onnx(load_network(load_card(str(path))), graph, (64, 96))
    save_card(dataclasses.replace(load_card(str(path)), onnx=weight_file(graph)), path)
    return path


def test_a_graph_of_one_size_gives_what_torch_gives_and_takes_images_of_another(published):
    torch, onnx = (create_engine(str(published), name) for name in ('torch', 'onnx'))
    assert onnx.describe()['graph_size'].startswith('96x64')
    fits = CameraModel(96, 64, 80, 80, 47.5, 31.5)
    ours, theirs = (engine.infer(*frame(fits)) for engine in (torch, onnx))
    np.testing.assert_allclose(ours.depth_m, theirs.depth_m, rtol=1e-3)
    assert not theirs.prompted and theirs.relative_sigma > 0
    other = onnx.infer(*frame())
    assert other.depth_m.shape == (110, 150) and np.isfinite(other.depth_m).all()


def test_without_transformers_the_error_names_the_extra_that_brings_it(published, monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    for name in ('depth_anything', 'dinov2', 'dpt_config'):
        monkeypatch.delitem(sys.modules, f'depth_anything_ros.networks.{name}', raising=False)
    with pytest.raises(MissingExtra, match=r"'transformers.*depth_anything_ros\[models\]"):
        create_engine(str(published), 'torch')
