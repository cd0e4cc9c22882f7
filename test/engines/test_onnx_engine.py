# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime: batches, precision, providers that fall back; and that `auto` ends up with it where others fail."""

import dataclasses

import numpy as np
import onnx
import pytest

onnxruntime = pytest.importorskip('onnxruntime')

from small_graph import build_small_graph  # noqa: E402
from test_network_engines import frame  # noqa: E402

from depth_anything_ros.core.camera import CameraModel  # noqa: E402
from depth_anything_ros.core.errors import EngineError  # noqa: E402
from depth_anything_ros.engines import factory  # noqa: E402
from depth_anything_ros.engines.base import Request  # noqa: E402
from depth_anything_ros.engines.factory import create_engine  # noqa: E402
from depth_anything_ros.engines.onnx_providers import (  # noqa: E402
    CPU,
    CUDA,
    TENSORRT,
    choose_providers,
    provider_options,
)
from depth_anything_ros.engines.options import EngineOptions  # noqa: E402
from depth_anything_ros.networks.card import load_card, save_card, weight_file  # noqa: E402
from depth_anything_ros.networks.half_graph import PRECISION_KEY, compute_in_half  # noqa: E402


@pytest.fixture
def small_model(tmp_path):
    return build_small_graph(tmp_path)


def test_auto_goes_on_to_the_next_engine_with_one_line_and_says_why(small_model, monkeypatch, caplog):
    def no_room(card, reason, options):
        raise EngineError('the GPU has no memory left')

    monkeypatch.setitem(factory._MAKERS, 'tensorrt', no_room)
    everything = [('tensorrt', 'there is a GPU'), ('onnx', 'there is a graph')]
    monkeypatch.setattr(factory, 'candidates', lambda card, options: everything)
    engine = create_engine(str(small_model))
    facts = engine.describe()
    assert (engine.name, engine.model, facts['reason']) == ('onnx', 'small', 'auto: there is a graph')
    assert facts['fell_back'] == 'tensorrt: the GPU has no memory left'
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ['tensorrt does not work here, onnx is tried next: the GPU has no memory left']
    assert np.isfinite(engine.infer(*frame()).depth_m).all()
    with pytest.raises(EngineError, match='no memory left'):
        create_engine(str(small_model), 'tensorrt')


def test_an_unknown_precision_of_a_graph_is_refused_by_name(small_model):
    with pytest.raises(EngineError, match=r'computes in fp32, fp16 was asked for.*export small --precision fp16'):
        create_engine(str(small_model), 'onnx', EngineOptions(precision='fp16'))
    assert create_engine(str(small_model), 'onnx', EngineOptions(precision='fp32')).describe()['precision'] == 'fp32'


def test_a_graph_exported_in_half_precision_says_so(small_model):
    full = create_engine(str(build_small_graph(small_model.parent / 'full')), 'onnx')
    graph = small_model.with_suffix('.onnx')
    model = onnx.load(graph)
    assert compute_in_half(model).products == 3
    model.metadata_props.add(key=PRECISION_KEY, value='fp16')
    onnx.save(model, graph)
    save_card(dataclasses.replace(load_card(str(small_model)), onnx=weight_file(graph)), small_model)
    engine = create_engine(str(small_model), 'onnx', EngineOptions(precision='fp16'))
    assert engine.describe()['precision'] == 'fp16'
    np.testing.assert_allclose(engine.infer(*frame()).depth_m, full.infer(*frame()).depth_m, rtol=0.01)
    with pytest.raises(EngineError, match='computes in fp16, fp32 was asked for'):
        create_engine(str(small_model), 'onnx', EngineOptions(precision='fp32'))


def test_a_batch_runs_once_and_gives_what_single_frames_give(small_model):
    engine = create_engine(str(small_model), 'onnx')
    other = CameraModel(64, 64, 50, 50, 31.5, 31.5)
    requests = [Request(*frame(count=20)), Request(*frame(count=300)), Request(*frame(other, 50))]
    runs = []
    session = engine._session
    engine._session = type('Session', (), {'run': lambda self, *given: runs.append(given) or session.run(*given)})()
    together = engine.infer_batch(requests)
    assert [given[1]['image'].shape[0] for given in runs] == [2, 1]
    for request, prediction in zip(requests, together, strict=True):
        alone = engine.infer(*request)
        assert prediction.depth_m.shape == request.image_rgb.shape[:2]
        np.testing.assert_allclose(prediction.depth_m, alone.depth_m, rtol=1e-5)
    assert engine.infer_batch([]) == []


def test_a_graph_of_a_fixed_number_of_images_is_filled_up(small_model):
    graph = small_model.with_suffix('.onnx')
    model = onnx.load(graph)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, graph)
    free = create_engine(str(build_small_graph(small_model.parent / 'free')), 'onnx')
    save_card(dataclasses.replace(load_card(str(small_model)), onnx=weight_file(graph)), small_model)
    engine = create_engine(str(small_model), 'onnx')
    requests = [Request(*frame(count=count)) for count in (20, 300, 5)]
    for ours, theirs in zip(engine.infer_batch(requests), free.infer_batch(requests), strict=True):
        np.testing.assert_allclose(ours.depth_m, theirs.depth_m, rtol=1e-5)


def test_auto_takes_cuda_where_it_is_and_never_tensorrt():
    assert choose_providers('auto', [TENSORRT, CUDA, CPU]) == [CUDA, CPU]
    assert choose_providers('auto', [CPU]) == [CPU]
    assert choose_providers('cpu', [TENSORRT, CUDA, CPU]) == [CPU]
    assert choose_providers('tensorrt', [TENSORRT, CUDA, CPU]) == [TENSORRT, CUDA, CPU]


def test_one_that_this_onnxruntime_has_not_is_refused(small_model):
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip('this onnxruntime has CUDA')
    with pytest.raises(EngineError, match=r'has no CUDAExecutionProvider \(it has .*CPUExec.*install onnxruntime-gpu'):
        create_engine(str(small_model), 'onnx', EngineOptions(provider='cuda'))


def test_tensorrts_engines_are_kept_where_ours_are(tmp_path):
    given = provider_options([TENSORRT, CPU], EngineOptions(plan_folder=str(tmp_path)))
    assert given[0]['trt_engine_cache_path'] == str(tmp_path) and given[1] == {}
    assert provider_options([CUDA, CPU], EngineOptions()) == [{}, {}]


def test_one_that_falls_back_gives_one_warning_and_is_described(small_model, monkeypatch, caplog):
    real = onnxruntime.InferenceSession

    def without_a_driver(path, settings, providers, provider_options):
        assert providers == [CUDA, CPU]
        return real(path, settings, providers=[CPU])  # what ONNX Runtime does by itself

    monkeypatch.setattr(onnxruntime, 'InferenceSession', without_a_driver)
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [CUDA, CPU])
    facts = create_engine(str(small_model), 'onnx').describe()
    assert facts['device'] == CPU
    assert facts['fallback'].startswith('CUDAExecutionProvider could not start, so ONNX Runtime runs on CPU')
    assert [record.getMessage() for record in caplog.records] == [facts['fallback']]


def test_one_that_works_is_no_news(small_model, caplog):
    facts = create_engine(str(small_model), 'onnx', EngineOptions(provider='cpu')).describe()
    assert facts['device'] == CPU and 'fallback' not in facts and not caplog.records
