# SPDX-License-Identifier: Apache-2.0
"""The TensorRT engine: built, compared, used, rebuilt with the reason, or refused with it."""

import dataclasses
import logging

import numpy as np
import pytest

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from small_graph import build_small_graph
from test_network_engines import CAMERA, frame

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CheckpointError, EngineError, InvalidInput, MissingExtra
from depth_anything_ros.engines import factory
from depth_anything_ros.engines.base import Request
from depth_anything_ros.engines.cuda_memory import find_cuda
from depth_anything_ros.engines.factory import DEFAULT_MODEL, create_engine
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.engines.parity_frames import default_frames
from depth_anything_ros.engines.plan_manifest import manifest_path, read_manifest, write_manifest

FITS = CameraModel(96, 64, 80, 80, 47.5, 31.5)  # images of the engine's own size


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
