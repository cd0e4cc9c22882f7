# SPDX-License-Identifier: Apache-2.0
"""The torch engine: precision, batches, and what it does where compiling or capturing does not work."""

import logging

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from tiny_model import SYSTEMS, build_tiny_system, tiny_network  # noqa: E402

from depth_anything_ros.core.camera import CameraModel  # noqa: E402
from depth_anything_ros.core.errors import EngineError, InvalidInput  # noqa: E402
from depth_anything_ros.core.frames import PromptStats, SparsePrompt  # noqa: E402
from depth_anything_ros.engines import torch_precision, torch_runner  # noqa: E402
from depth_anything_ros.engines.base import Request  # noqa: E402
from depth_anything_ros.engines.factory import create_engine  # noqa: E402
from depth_anything_ros.engines.options import EngineOptions  # noqa: E402
from depth_anything_ros.engines.torch_graphs import CudaGraph, ShapeCache  # noqa: E402
from depth_anything_ros.engines.torch_precision import Precision, choose_precision  # noqa: E402
from depth_anything_ros.engines.torch_runner import Runner  # noqa: E402
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition  # noqa: E402

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU that torch can use')


def request(width=128, height=96, seed=0, panorama=False):
    rng = np.random.default_rng(seed)
    camera = CameraModel(width, height, 100, 100, width / 2, height / 2)
    if panorama:
        camera = CameraModel.equirectangular(width, height)
    depth_m = np.full((height, width), np.nan, np.float32)
    depth_m.ravel()[rng.choice(depth_m.size, 200, replace=False)] = rng.uniform(2, 4, 200)
    prompt = SparsePrompt(depth_m, 0.01 * depth_m, camera, stats=PromptStats(200, 200 / depth_m.size))
    image_rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Request(image_rgb, condition(prompt, ConditioningConfig()), camera)


def arrays(seed=0, size=(64, 96)):
    height, width = size
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    depth_m = np.where(rng.random((1, height, width)) < 0.02, 3, 0).astype(np.float32)
    return [image, depth_m, 0.01 * depth_m, np.array([[90, 90, width / 2, height / 2]], np.float32)]


@pytest.fixture(scope='module')
def engine(tiny_model):
    return create_engine(str(tiny_model), 'torch')


@pytest.fixture
def bfloat16(monkeypatch):
    """A CPU that computes in bf16, as far as we are concerned: torch does it everywhere, only not fast."""
    monkeypatch.setattr(torch_precision, 'cpu_has_bfloat16', lambda: True)


def test_frames_of_one_size_run_at_once_and_come_back_in_order(engine, monkeypatch):
    requests = [request(seed=0), request(160, 64, seed=1), request(seed=2), request(seed=3)]
    alone = [engine.infer(*one) for one in requests]
    batches = []
    run = Runner.run
    monkeypatch.setattr(Runner, 'run', lambda self, given: batches.append(len(given[0])) or run(self, given))
    together = engine.infer_batch(requests)
    assert sorted(batches) == [1, 3]
    for one, among in zip(alone, together, strict=True):
        np.testing.assert_allclose(among.depth_m, one.depth_m, rtol=1e-4)
        np.testing.assert_allclose(among.sigma_m, one.sigma_m, rtol=1e-4)


def test_one_bad_frame_of_a_batch_is_an_error_before_anything_runs(engine, monkeypatch):
    good = request()
    monkeypatch.setattr(Runner, 'run', lambda self, given: pytest.fail('ran'))
    with pytest.raises(InvalidInput, match='of one size'):
        engine.infer_batch([good, Request(good.image_rgb[:50], good.prompt, good.camera)])


def test_no_frames_give_no_predictions(engine):
    assert engine.infer_batch([]) == []


@pytest.mark.parametrize('system', SYSTEMS)
def test_every_system_runs_in_half_precision_near_to_single(system, tmp_path, bfloat16):
    pytest.importorskip('transformers')
    card = build_tiny_system(system, tmp_path)
    size = (128, 64) if system == 'dap' else (128, 96)
    given = request(*size, panorama=system == 'dap')
    single, half = (
        create_engine(str(card), 'torch', EngineOptions(precision=precision)) for precision in ('fp32', 'bf16')
    )
    assert half.describe()['precision'] == 'bf16' and single.describe()['precision'] == 'fp32'
    expected, found = single.infer(*given).depth_m, half.infer(*given).depth_m
    both = np.isfinite(expected) & np.isfinite(found)
    assert both.mean() > 0.95 * np.isfinite(expected).mean()
    difference = np.abs(found - expected)[both] / np.abs(expected)[both].clip(1e-3)
    assert 0 < difference.mean() < 0.03


def test_geometry_and_depth_itself_stay_in_single_precision_under_autocast():
    from depth_anything_ros.networks.prompt_pyramid import build_pyramid
    from depth_anything_ros.networks.resize import area

    _, depth_m, sigma_m, _ = (torch.from_numpy(array) for array in arrays())
    given = depth_m[:, None], sigma_m[:, None], torch.zeros(1, 1, 1, 1)
    with torch.inference_mode():
        expected, shrunk = build_pyramid(*given, 4), area(depth_m[:, None], (40, 60))
        with torch.autocast('cpu', torch.bfloat16):
            found, again = build_pyramid(*given, 4), area(depth_m[:, None], (40, 60))
            assert torch.matmul(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.bfloat16
    for a, b in zip(found.levels, expected.levels, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert torch.equal(again, shrunk)


def test_the_convolution_that_gives_depth_is_not_rounded():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 1, 1))
    weight = network[1].weight.detach().clone()
    precision = Precision('bf16', 'cpu')
    precision.prepare(network)
    assert network[0].weight.dtype == torch.bfloat16
    assert torch.equal(network[1].weight, weight)
    with torch.inference_mode(), precision.computing():
        assert network(torch.rand(1, 3, 8, 8)).dtype == torch.float32


@pytest.mark.parametrize(
    ('wanted', 'has_bfloat16', 'name', 'said'),
    [
        ('auto', True, 'fp32', None),
        ('fp32', True, 'fp32', None),
        ('bf16', True, 'bf16', None),
        ('bf16', False, 'fp32', 'no bf16 instructions'),
        ('fp16', True, 'bf16', 'on a GPU only'),
        ('fp16', False, 'fp32', 'on a GPU only'),
    ],
)
def test_what_a_cpu_cannot_do_becomes_what_it_can(wanted, has_bfloat16, name, said, monkeypatch):
    monkeypatch.setattr(torch_precision, 'cpu_has_bfloat16', lambda: has_bfloat16)
    found = choose_precision(wanted, 'cpu')
    assert found.name == name
    assert (found.note is None) if said is None else said in found.note


def test_fp16_on_a_cpu_is_told_in_one_line_and_in_the_status(tiny_model, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with caplog.at_level(logging.WARNING):
        facts = create_engine(str(tiny_model), 'torch', EngineOptions(precision='fp16')).describe()
    assert facts['precision'] in ('bf16', 'fp32')
    assert 'fp16 on a GPU only' in facts['fallback']
    assert len(caplog.records) == 1 and '\n' not in caplog.records[0].getMessage()


def test_a_network_that_cannot_be_compiled_runs_without(monkeypatch, caplog):
    def failing(network, device):
        def call(*inputs):
            raise RuntimeError('InvalidCxxCompiler: no compiler\nand a long trace')

        return call

    monkeypatch.setattr(torch_runner, '_compiled', failing)
    given = arrays()
    expected = Runner(tiny_network(), Precision('fp32', 'cpu'), False, False).run(given)
    runner = Runner(tiny_network(), Precision('fp32', 'cpu'), True, False)
    assert runner.how == 'compiled'
    with caplog.at_level(logging.WARNING):
        found = [runner.run(given), runner.run(given)]
    assert runner.how == 'eager' and 'no compiler' in runner.note
    assert len(caplog.records) == 1 and 'trace' not in caplog.text
    for outputs in found:
        np.testing.assert_array_equal(outputs[0], expected[0])


def test_a_network_that_cannot_be_captured_runs_without(monkeypatch, caplog):
    def failing(arrays):
        raise RuntimeError('operation not permitted when stream is capturing')

    runner = Runner(tiny_network(), Precision('fp32', 'cpu'), False, False)
    expected = runner.run(arrays())
    runner._graphs = ShapeCache(failing)
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda: None)
    assert runner.how == 'CUDA graph'
    with caplog.at_level(logging.WARNING):
        found = runner.run(arrays())
    assert runner.how == 'eager' and 'not permitted' in runner.note and len(caplog.records) == 1
    np.testing.assert_array_equal(found[0], expected[0])


def test_out_of_memory_is_an_engine_error_of_one_line(engine, monkeypatch):
    def full(self, arrays):
        raise torch.OutOfMemoryError('CUDA out of memory.\nTried to allocate 20 GiB')

    monkeypatch.setattr(Runner, '_run', full)
    with pytest.raises(EngineError, match='out of memory') as caught:
        engine.infer(*request())
    assert '\n' not in str(caught.value)


def test_graphs_are_kept_by_shape_and_type_and_the_oldest_goes():
    made = []
    cache = ShapeCache(lambda given: made.append([a.shape for a in given]) or len(made), most=2)
    small, large = [np.zeros((1, 2, 3))], [np.zeros((1, 4, 3))]
    assert cache.get(small) == cache.get([np.ones((1, 2, 3))]) == 1
    assert cache.get(large) == 2 and cache.get(small) == 1
    assert cache.get([np.zeros((1, 2, 3), np.float32)]) == 3  # large was unused for longest
    assert cache.get(small) == 1 and cache.get(large) == 4
    assert len(cache) == 2


def test_nothing_is_copied_from_the_host_while_a_network_runs():
    """On shapes alone (meta tensors), which makes the same calls as a GPU: such a copy breaks a CUDA graph."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from depth_anything_ros.networks.depth_anything import DepthAnythingConfig, DepthAnythingNet
    from depth_anything_ros.networks.prompt_depth_anything import PromptDepthAnythingConfig, PromptDepthAnythingNet
    from depth_anything_ros.networks.sparse_prompt import SparsePromptConfig, SparsePromptNet

    class Copies(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.found = []

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            given = [arg.device.type for arg in args if isinstance(arg, torch.Tensor) and arg.ndim]
            if isinstance(result, torch.Tensor) and result.is_meta and 'cpu' in given:
                self.found.append(str(function))
            return result

    dpt = {'hidden': 24, 'layers': 4, 'heads': 2, 'taps': (0, 1, 2, 3), 'features': 8, 'channels': (4, 8, 12, 16)}
    networks = [
        SparsePromptNet(SparsePromptConfig(pretrained=True)),
        DepthAnythingNet(DepthAnythingConfig(**dpt, side_px=70)),
        PromptDepthAnythingNet(PromptDepthAnythingConfig(**dpt, longest_px=112, prompt_cells=(32, 64))),
    ]
    inputs = [torch.from_numpy(array).to('meta') for array in arrays(size=(96, 128))]
    for network in networks:
        network = network.to('meta').eval()
        with torch.inference_mode():
            network(*inputs)  # the first frame brings the constants
            with Copies() as copies:
                network(*inputs)
        assert copies.found == [], type(network).__name__


@gpu
@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_a_cuda_graph_gives_what_the_network_gives_for_every_shape(precision):
    chosen = choose_precision(precision, 'cuda')
    eager = Runner(tiny_network(), chosen, False, False)
    graphed = Runner(tiny_network(), chosen, False, True)
    for seed, size in enumerate(((64, 96), (96, 64), (64, 96))):
        given = arrays(seed, size)
        expected, found = eager.run(given), graphed.run(given)
        assert graphed.how == 'CUDA graph' and graphed.note is None
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3 if precision == 'fp32' else 2e-2)
    assert isinstance(graphed._graphs.get(arrays()), CudaGraph)
