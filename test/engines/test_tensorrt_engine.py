# SPDX-License-Identifier: Apache-2.0
"""The TensorRT engine: built, compared, used, rebuilt with the reason, or refused with it."""

import dataclasses
import logging
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from fake_gpu import FakeGpu
from small_graph import build_small_graph
from test_network_engines import CAMERA, frame

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CheckpointError, EngineError, InvalidInput, MissingExtra
from depth_anything_ros.engines import factory, tensorrt_engine
from depth_anything_ros.engines.base import Request
from depth_anything_ros.engines.cuda_memory import find_cuda
from depth_anything_ros.engines.factory import DEFAULT_MODEL, create_engine
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.engines.parity_frames import default_frames, write_frames
from depth_anything_ros.engines.plan_manifest import manifest_path, read_manifest, write_manifest

FITS = CameraModel(96, 64, 80, 80, 47.5, 31.5)  # images of the engine's own size


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A machine whose TensorRT and GPU are fakes at the API's edge, and two small frames to compare on."""
    gpu = FakeGpu()
    monkeypatch.setattr(tensorrt_engine, 'find_tensorrt', gpu.tensorrt)
    monkeypatch.setattr(tensorrt_engine, 'find_cuda', lambda: gpu.cuda)
    write_frames(tmp_path / 'frames', [Request(*frame(FITS)), Request(*frame(FITS, count=0))])
    monkeypatch.setattr('depth_anything_ros.engines.parity_frames.resource', lambda *parts: tmp_path / 'frames')
    return gpu


@pytest.fixture
def start(gpu, tmp_path):
    """start(**options) -> the engine of a small model, its files in the test's own folder."""
    card = build_small_graph(tmp_path / 'model')
    options = EngineOptions(plan_folder=str(tmp_path / 'engines'), plan_size='64x96')

    def make(model=card, **changes):
        return create_engine(str(model), 'tensorrt', dataclasses.replace(options, **changes))

    return make


@pytest.fixture
def plan(tmp_path):
    return tmp_path / 'engines' / 'small_64x96.tensorrt.plan'


def test_the_first_start_builds_compares_and_says_so_and_the_second_finds_it(start, gpu, plan, caplog):
    first = start()
    assert len(gpu.built) == 1 and gpu.built[0][0] == (1, 64, 96, 3)
    assert 'there is none yet; building a TensorRT engine' in caplog.text
    facts = first.describe()
    assert facts['runtime'] == 'tensorrt 10.16.0, CUDA 13.0' and facts['device'].startswith('Fake GPU')
    assert facts['precision'] == 'fp16' and facts['plan'] == str(plan) and 'none yet' in facts['plan_reason']
    assert 'against onnxruntime' in facts['parity'] and '2 frames' in facts['parity']
    parity = read_manifest(plan).parity
    assert 0 < parity.abs_rel_drift < 0.01 and parity.frames == 2
    again = start()
    assert len(gpu.built) == 1 and again.describe()['plan_reason'].startswith('found')
    assert plan.with_name('tensorrt_10.16.0.timing').read_bytes() == b'timed'
    assert sorted(path.name for path in plan.parent.iterdir()) == [
        'small_64x96.tensorrt.frames.npz',
        'small_64x96.tensorrt.plan',
        'small_64x96.tensorrt.plan.json',
        'tensorrt_10.16.0.timing',
    ]


def test_gives_what_torch_gives_for_images_of_its_size_and_takes_others(start):
    pytest.importorskip('torch')
    engine, torch = start(DEFAULT_MODEL), create_engine(DEFAULT_MODEL, 'torch')
    assert 'against torch' in engine.describe()['parity']
    ours, theirs = engine.infer(*frame(FITS)), torch.infer(*frame(FITS))
    assert np.median(np.abs(ours.depth_m / theirs.depth_m - 1)) < 0.01
    other = engine.infer(*frame(CAMERA))
    assert other.depth_m.shape == other.sigma_m.shape == (CAMERA.height, CAMERA.width)
    assert np.isfinite(other.depth_m).all()


def test_a_batch_is_double_buffered_and_every_frame_gets_its_own_answer(start, gpu):
    engine = start()
    requests = [Request(*frame(FITS, count=count)) for count in (10, 300, 0, 80)]
    alone = [engine.infer(*request) for request in requests]
    gpu.cuda.calls.clear()
    together = engine.infer_batch(requests)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a.depth_m, b.depth_m)
    assert len({a.depth_m.tobytes() for a in alone}) == 4
    steps = [call for call in gpu.cuda.calls if call in ('execute', 'synchronize')]
    assert steps == [
        'execute',
        'execute',
        'synchronize',
        'execute',
        'synchronize',
        'execute',
        'synchronize',
        'synchronize',
    ]
    assert engine.infer_batch([]) == []


def test_after_a_failed_frame_the_next_one_is_its_own(start, gpu):
    engine = start()
    expected = engine.infer(*frame(FITS)).depth_m
    with pytest.raises(InvalidInput):
        image_rgb, prompt, camera = frame(FITS)
        engine.infer_batch([Request(image_rgb, prompt, camera), Request(image_rgb[:60], prompt, camera)])
    gpu.cuda.fail_synchronize = 1
    with pytest.raises(EngineError, match='out of memory'):
        engine.infer_batch([Request(*frame(FITS, count=5)), Request(*frame(FITS, count=6))])
    np.testing.assert_array_equal(engine.infer(*frame(FITS)).depth_m, expected)


def damaged(plan):
    plan.write_bytes(plan.read_bytes()[:-10])


def without_manifest(plan):
    manifest_path(plan).unlink()


def of_another(**machine):
    def change(plan):
        manifest = read_manifest(plan)
        write_manifest(dataclasses.replace(manifest, machine=dataclasses.replace(manifest.machine, **machine)), plan)

    return change


def of_another_graph(plan):
    write_manifest(dataclasses.replace(read_manifest(plan), onnx_sha256='0' * 64), plan)


def of_another_release(plan):
    path = manifest_path(plan)
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (damaged, 'truncated or not the engine of its manifest'),
        (without_manifest, 'no manifest'),
        (of_another(tensorrt_version='10.3.0'), 'made by tensorrt 10.3.0, here is 10.16.0'),
        (of_another(gpu_name='Orin', compute_capability='8.7'), 'made for Orin'),
        (of_another(cuda_version='12.2'), 'made with CUDA 12.2'),
        (of_another_graph, 'made from another ONNX graph'),
        (of_another_release, 'expected format 2, got 1'),
    ],
)
def test_an_engine_that_does_not_belong_here_is_rebuilt_with_the_reason_or_refused_with_it(
    start, gpu, plan, change, reason, caplog
):
    start().close()
    change(plan)
    with pytest.raises(
        EngineError, match=rf'{reason}.*auto_build is false: build it with depth_anything_ros build-eng'
    ):
        start(auto_build=False)
    assert len(gpu.built) == 1
    caplog.clear()
    engine = start()
    assert len(gpu.built) == 2 and reason in caplog.text and reason in engine.describe()['plan_reason']
    start(auto_build=False)  # which is good now


def test_other_options_are_a_reason_too(start, gpu):
    start()
    with pytest.raises(EngineError, match='computes in fp16, fp32 was asked for; not built'):
        start(precision='fp32', auto_build=False)
    assert start(precision='fp32').describe()['precision'] == 'fp32' and gpu.built[-1][1] == set()
    assert start(precision='auto').describe()['precision'] == 'fp32', 'built on purpose, so good enough for auto'
    with pytest.raises(EngineError, match='bf16 was asked for'):
        start(precision='bf16')


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


def test_out_of_memory_at_build_and_at_start_is_one_line_and_leaves_nothing(start, gpu, plan):
    gpu.build_error = 'Cuda failure: out of memory'
    with pytest.raises(EngineError, match='could not build an engine: Cuda failure: out of memory'):
        start()
    gpu.build_error = ''
    gpu.cuda.left_bytes = 1000
    with pytest.raises(EngineError, match='cudaErrorMemoryAllocation'):
        start()
    assert not plan.exists() and not manifest_path(plan).exists() and gpu.cuda.left_bytes == 1000


def test_a_graph_of_another_model_is_refused(start, tmp_path):
    import onnx
    import yaml

    from depth_anything_ros.networks.card import weight_file

    card = build_small_graph(tmp_path / 'copied')
    graph = card.with_suffix('.onnx')
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, 3))
    nodes = [onnx.helper.make_node('Relu', ['pixel_values'], ['logits'])]
    other = onnx.helper.make_graph(nodes, 'other', [value('pixel_values')], [value('logits')])
    onnx.save(onnx.helper.make_model(other, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10), graph)
    with pytest.raises(CheckpointError, match='corrupt or not the file of this card'):
        start(card)
    given = yaml.safe_load(card.read_text()) | {'onnx': dataclasses.asdict(weight_file(graph))}
    card.write_text(yaml.safe_dump(given))
    with pytest.raises(
        EngineError, match='expected a graph with the inputs image, depth_m, sigma_m, camera, got pixel'
    ):
        start(card)


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


def test_auto_takes_it_and_goes_on_with_the_same_frames_when_the_gpu_runs_out_of_memory(
    gpu, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(factory, '_gpu', lambda: True)
    monkeypatch.setattr(factory, 'find_spec', lambda name: name if name in ('tensorrt', 'onnxruntime') else None)
    card = build_small_graph(tmp_path / 'model')
    options = EngineOptions(plan_folder=str(tmp_path / 'engines'), plan_size='64x96')
    engine = create_engine(str(card), 'auto', options)
    assert engine.name == 'tensorrt' and engine.describe()['reason'].startswith('auto: there is a GPU')
    expected = engine.infer(*frame(FITS)).depth_m
    gpu.cuda.fail_synchronize = 1
    predictions = engine.infer_batch([Request(*frame(FITS))] * 3)
    assert engine.name == 'onnx' and 'out of memory' in engine.describe()['fell_back'] and not gpu.cuda.blocks
    for prediction in predictions:
        np.testing.assert_allclose(prediction.depth_m, expected, rtol=0.01)
    assert caplog.messages[-1].startswith('tensorrt does not work here, onnx is tried next: ')


def has_gpu():
    try:
        find_cuda()
    except (EngineError, MissingExtra):
        return False
    return True


@pytest.mark.skipif(has_gpu(), reason='there is a GPU')
def test_without_a_gpu_the_named_engine_is_refused_in_one_line():
    pytest.importorskip('tensorrt_rtx')
    with pytest.raises(EngineError, match='CUDA finds no GPU here') as caught:
        create_engine(DEFAULT_MODEL, 'tensorrt')
    assert '\n' not in str(caught.value)


@pytest.mark.skipif(not has_gpu(), reason='no GPU here')
def test_a_real_gpu_gives_what_the_model_gives(tmp_path):
    options = EngineOptions(plan_folder=str(tmp_path), precision='fp16')
    engine, onnx = create_engine(DEFAULT_MODEL, 'tensorrt', options), create_engine(DEFAULT_MODEL, 'onnx')
    for ours, theirs in zip(engine.infer_batch(default_frames()), onnx.infer_batch(default_frames()), strict=True):
        assert np.mean(np.abs(ours.depth_m / theirs.depth_m - 1)) < 0.01
    engine.close()


def test_a_log_line_is_not_a_page(start, caplog):
    with caplog.at_level(logging.INFO):
        start()
    assert 1 <= len(caplog.records) <= 2 and all('\n' not in record.getMessage() for record in caplog.records)
