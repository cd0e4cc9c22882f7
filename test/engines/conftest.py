# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the engines."""

import dataclasses

import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.engines.options import EngineOptions


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory):
    """The path of the card of a tiny model with random weights."""
    for package in ('torch', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package)
    from tiny_model import build_tiny_model

    return build_tiny_model(tmp_path_factory.getbasetemp() / 'tiny_model')


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A machine whose TensorRT and GPU are fakes at the API's edge, and two small frames to compare on."""
    from fake_gpu import FakeGpu
    from test_network_engines import frame

    from depth_anything_ros.engines import tensorrt_engine
    from depth_anything_ros.engines.base import Request
    from depth_anything_ros.engines.parity_frames import write_frames

    gpu, fits = FakeGpu(), CameraModel(96, 64, 80, 80, 47.5, 31.5)
    monkeypatch.setattr(tensorrt_engine, 'find_tensorrt', gpu.tensorrt)
    monkeypatch.setattr(tensorrt_engine, 'find_cuda', lambda: gpu.cuda)
    write_frames(tmp_path / 'frames', [Request(*frame(fits)), Request(*frame(fits, count=0))])
    monkeypatch.setattr('depth_anything_ros.engines.parity_frames.resource', lambda *parts: tmp_path / 'frames')
    return gpu


@pytest.fixture
def start(gpu, tmp_path):
    """start(**options) -> the TensorRT engine of a small model, its files in the test's own folder."""
    from small_graph import build_small_graph

    from depth_anything_ros.engines.factory import create_engine

    card = build_small_graph(tmp_path / 'model')
    options = EngineOptions(plan_folder=str(tmp_path / 'engines'), plan_size='64x96')

    def make(model=card, **changes):
        return create_engine(str(model), 'tensorrt', dataclasses.replace(options, **changes))

    return make


@pytest.fixture
def plan(tmp_path):
    """Where `start` keeps its engine."""
    return tmp_path / 'engines' / 'small_64x96.tensorrt.plan'
