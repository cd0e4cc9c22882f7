# SPDX-License-Identifier: Apache-2.0
"""The TensorRT engine against its model: what drifts is built more carefully, or not used."""

import dataclasses
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from small_graph import build_small_graph
from test_network_engines import frame

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import EngineError
from depth_anything_ros.engines.plan_manifest import manifest_path, read_manifest, write_manifest

FITS = CameraModel(96, 64, 80, 80, 47.5, 31.5)  # images of the engine's own size


def drifts_with(pattern):
    """An engine that is 5 % off as long as a layer of this name computes in half precision."""
    from fake_gpu import half_products

    def distort(outputs, model):
        off = 1.05 if any(pattern in name for name in half_products(model)) else 1.0
        return {name: value * off for name, value in outputs.items()}

    return distort


@pytest.mark.parametrize(
    ('pattern', 'precision'),
    [
        ('head', 'fp16, *head* in fp32'),
        ('decoders', 'fp16, *head* *decoder* *refinement* *neck* *fusion* in fp32'),
        ('stem', 'fp32'),
    ],
)
def test_layers_that_drift_are_kept_in_single_precision_the_heads_first(start, gpu, plan, pattern, precision, caplog):
    gpu.distort = drifts_with(pattern)
    facts = start().describe()
    assert facts['precision'] == precision
    assert re.search(r'in fp16: AbsRel drift [45]\.', caplog.text)
    assert read_manifest(plan).parity.abs_rel_drift < 0.01
    assert len(gpu.built) == {'head': 2, 'decoders': 3, 'stem': 4}[pattern]


def test_a_graph_exported_in_half_precision_is_built_once_and_never_called_fp32(start, gpu, tmp_path):
    import onnx

    from depth_anything_ros.networks.card import load_card, save_card, weight_file

    card = build_small_graph(tmp_path / 'half', 'half')
    graph = card.with_suffix('.onnx')
    model = onnx.load(graph)
    model.metadata_props.add(key='precision', value='fp16')
    onnx.save(model, graph)
    save_card(dataclasses.replace(load_card(str(card)), onnx=weight_file(graph)), card)
    assert start(card).describe()['precision'] == 'fp16'
    with pytest.raises(EngineError, match='computes in fp16 and cannot become fp32'):
        start(card, precision='fp32')
    manifest_path(tmp_path / 'engines' / 'half_64x96.tensorrt.plan').unlink()
    gpu.distort = lambda outputs, model: {name: value * 1.05 for name, value in outputs.items()}
    gpu.built.clear()
    with pytest.raises(EngineError, match=r'not installed, it drifts in fp16: AbsRel drift [45]\.'):
        start(card)
    assert len(gpu.built) == 1


def test_an_unverified_engine_in_single_precision_that_drifts_has_no_better_one(start, gpu, plan):
    start(precision='fp32').close()
    unverified(plan)
    gpu.distort = lambda outputs, model: {name: value * 1.05 for name, value in outputs.items()}
    with pytest.raises(EngineError, match='and there is nothing more exact to build'):
        start(precision='fp32')


def test_an_engine_that_drifts_in_any_precision_is_not_installed(start, gpu, plan):
    start().close()
    before = plan.read_bytes()
    manifest_path(plan).unlink()
    gpu.distort = lambda outputs, model: {name: value * 1.05 for name, value in outputs.items()}
    with pytest.raises(
        EngineError, match=r'not installed, it drifts in fp16: AbsRel drift [45]\.\d+%.*allowed: AbsRel'
    ):
        start(precision='fp16')
    assert plan.read_bytes() == before and not manifest_path(plan).exists()
    assert not list(plan.parent.glob('.*'))


@pytest.mark.parametrize('value', [np.nan, np.inf, -1.0, 0.0])
def test_depth_that_is_no_depth_is_drift(start, gpu, value):
    gpu.distort = lambda outputs, model: outputs | {'depth': np.full_like(outputs['depth'], value)}
    with pytest.raises(EngineError, match=r'AbsRel drift 100\.00%'):
        start(precision='fp32')


def unverified(plan):
    write_manifest(dataclasses.replace(read_manifest(plan), parity=None), plan)


def test_an_engine_that_came_in_an_image_is_compared_at_its_first_start_without_torch(
    start, gpu, plan, monkeypatch, caplog
):
    start().close()
    unverified(plan)
    monkeypatch.setattr(
        'depth_anything_ros.engines.parity.find_spec', lambda name: pytest.fail('the reference is there')
    )
    facts = start(auto_build=False).describe()
    assert facts['plan_reason'] == 'found, compared now' and len(gpu.built) == 1
    assert read_manifest(plan).parity is not None
    unverified(plan)
    monkeypatch.setattr('depth_anything_ros.engines.plan_install.write_manifest', refuse_to_write)
    start(auto_build=False)
    assert 'will be at every start' in caplog.text


def test_a_portable_engine_is_compared_again_on_another_gpu(start, gpu, plan):
    gpu.flavour = 'tensorrt_rtx'
    start().close()
    assert start().describe()['plan_reason'].startswith('found, made for this machine')
    gpu.cuda.gpu_name = lambda: 'Another GPU'
    facts = start().describe()
    assert facts['plan_reason'] == 'found, compared now' and facts['device'].startswith('Another GPU')
    assert start().describe()['plan_reason'].startswith('found, made for this machine') and len(gpu.built) == 1


def test_a_robot_with_a_built_engine_needs_neither_torch_nor_onnx(start, plan, monkeypatch):
    expected = start().infer(*frame(FITS)).depth_m
    unverified(plan)
    session = sys.modules['onnxruntime'].InferenceSession  # what the fake GPU computes with
    load = sys.modules['onnx'].load_from_string
    for name in ('onnx', 'onnxruntime', 'torch', 'transformers'):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr('fake_gpu.onnxruntime', SimpleNamespace(InferenceSession=session))
    monkeypatch.setattr('fake_gpu.onnx', SimpleNamespace(load_from_string=load))
    np.testing.assert_array_equal(start(auto_build=False).infer(*frame(FITS)).depth_m, expected)


def refuse_to_write(manifest, plan):
    raise EngineError(f'{plan}.json: cannot be written: Read-only file system')


def test_an_unverified_engine_that_drifts_is_refused_or_rebuilt_more_carefully(start, gpu, plan):
    start().close()
    unverified(plan)
    gpu.distort = drifts_with('head')
    with pytest.raises(EngineError, match=r'it drifts: AbsRel drift [45].*auto_build is false'):
        start(auto_build=False)
    assert start().describe()['precision'] == 'fp16, *head* in fp32'
    assert len(gpu.built) == 2, 'what drifts is not built a second time'


def test_with_nothing_to_compare_with_one_line_says_so(start, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(EngineError, match='nothing here to compare an engine with: install torch'):
        start()
