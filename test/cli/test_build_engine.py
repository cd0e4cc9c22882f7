# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros build-engine`: an engine with its manifest, or one clear line and nothing left."""

import shutil

import pytest

from depth_anything_ros.cli.main import main
from depth_anything_ros.core.errors import EngineError

pytest.importorskip('tensorrt_rtx', reason='TensorRT-RTX is not installed')
pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

from fake_gpu import FakeGpu

from depth_anything_ros.engines import cuda_memory, tensorrt_api
from depth_anything_ros.engines.plan_manifest import read_manifest

MODEL = ['build-engine', 'prompt_depth_small', '--size', '128x160']


def no_gpu():
    raise EngineError('CUDA finds no GPU here (cudaGetDeviceCount failed: cudaErrorNoDevice)')


@pytest.fixture
def without_gpu(monkeypatch):
    monkeypatch.setattr(cuda_memory, 'find_cuda', no_gpu)


@pytest.fixture
def gpu(monkeypatch):
    gpu = FakeGpu()
    monkeypatch.setattr(cuda_memory, 'find_cuda', lambda: gpu.cuda)
    monkeypatch.setattr(tensorrt_api, 'find_tensorrt', lambda flavour: gpu.tensorrt())
    return gpu


def test_builds_for_an_image_without_a_gpu_and_says_that_nothing_was_compared(without_gpu, tmp_path, capsys):
    plan = tmp_path / 'default.plan'
    assert main([*MODEL, '--tensorrt', 'tensorrt_rtx', '--build-only', '--output', str(plan)]) == 0
    assert read_manifest(plan).parity is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'default.frames.npz',
        'default.plan',
        'default.plan.json',
    ]
    said = capsys.readouterr()
    assert 'fp16, 160x128, tensorrt_rtx' in said.out
    assert 'Not compared with the model yet' in said.err


def test_on_a_gpu_it_is_compared_on_the_frames_given_and_the_figures_are_told(gpu, tmp_path, repository, capsys):
    frames = tmp_path / 'frames'
    frames.mkdir()
    for name in ('000.jpg', '000.npz'):
        shutil.copy(repository / 'recordings' / 'parity' / name, frames)
    more = ['--frames', str(frames), '--workspace', '64', '--keep-fp32', 'refinement.*', '--plan-folder', str(tmp_path)]
    assert main([*MODEL, *more]) == 0
    plan = tmp_path / 'prompt_depth_small_128x160.tensorrt.plan'
    manifest = read_manifest(plan)
    assert manifest.parity.frames == 1 and 0 < manifest.parity.abs_rel_drift < 0.01
    assert manifest.islands == ('refinement.*',) and gpu.workspace_bytes == 64 << 20
    said = capsys.readouterr().out
    assert f'{plan}: ' in said and 'Fake GPU' in said and '1 frame' in said and 'AbsRel drift' in said


def test_frames_of_a_recording_are_evenly_spread(repository):
    from depth_anything_ros.cli.frames_argument import MOST, frames_of

    pytest.importorskip('rosbags')
    frames = frames_of(repository / 'recordings' / 'room')
    assert len(frames) == MOST
    assert all(frame.prompt.sparse.stats.count > 1000 and frame.camera is not None for frame in frames)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['no_such_model', '--build-only'], "no model 'no_such_model'"),
        (['missing.onnx', '--build-only'], 'missing.onnx: there is no such graph'),
        (['prompt_depth_small', '--build-only', '--size', '480'], "expected HxW, 480x640 say; got '480'"),
        (
            ['prompt_depth_small', '--build-only', '--size', '376x1242'],
            'multiples of 32 px, got 376x1242: say 384x1248',
        ),
        (['depth_anything_v2_small', '--build-only'], 'its card names no ONNX file'),
        (['prompt_depth_small', '--build-only', '--keep-fp32', 'stomach.*'], 'no layer is called stomach'),
        (['prompt_depth_small', '--build-only', '--frames', 'nowhere'], '--frames: there is no nowhere'),
        (['prompt_depth_small'], 'no GPU here (cudaGetDeviceCount failed: cudaErrorNoDevice), so the engine cannot be'),
    ],
)
def test_bad_input_is_one_line(without_gpu, tmp_path, capsys, arguments, message):
    assert main(['build-engine', *arguments, '--output', str(tmp_path / 'x.plan')]) == 1
    said = capsys.readouterr().err.strip()
    assert message in said and '\n' not in said
    assert not list(tmp_path.iterdir())


def test_a_graph_is_found_by_the_card_beside_it_and_refused_without_one(without_gpu, tmp_path, repository, capsys):
    for name in ('prompt_depth_small.onnx', 'prompt_depth_small.yaml'):
        shutil.copy(repository / 'models' / name, tmp_path)
    (tmp_path / 'a_calibration.yaml').write_text('image_width: 640\n')
    graph = str(tmp_path / 'prompt_depth_small.onnx')
    assert main(['build-engine', graph]) == 1
    assert 'finds no GPU' in capsys.readouterr().err, 'it got as far as that'
    (tmp_path / 'prompt_depth_small.yaml').unlink()
    assert main(['build-engine', graph, '--build-only']) == 1
    assert 'no card beside it names it' in capsys.readouterr().err


def test_the_ordinary_tensorrt_is_not_built_without_a_gpu(gpu, tmp_path, capsys):
    assert main([*MODEL, '--build-only', '--output', str(tmp_path / 'x.plan')]) == 1
    assert 'builds an engine only on the GPU that will run it' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
