# SPDX-License-Identifier: Apache-2.0
"""Engines really built, by TensorRT-RTX, which needs no GPU for that."""

import os

import numpy as np
import pytest

from depth_anything_ros.core.errors import ConfigError, EngineError
from depth_anything_ros.engines.plan_builder import PlanSettings, build_plan
from depth_anything_ros.engines.plan_manifest import manifest_path, read_manifest
from depth_anything_ros.engines.tensorrt_api import find_tensorrt, machine_of
from depth_anything_ros.networks.card import load_card

onnx = pytest.importorskip('onnx')


@pytest.fixture(scope='session')
def tensorrt():
    pytest.importorskip('tensorrt_rtx', reason='TensorRT-RTX is not installed')
    return find_tensorrt('tensorrt_rtx')


@pytest.fixture(scope='session')
def graph(tiny_model):
    card = load_card(str(tiny_model))
    return card.path_of(card.onnx)


def build(graph, plan, tensorrt, settings=None, **more):
    return build_plan(graph, plan, tensorrt, machine_of(tensorrt), settings or PlanSettings(64, 96), 'tiny', **more)


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_builds_an_engine_with_its_manifest(graph, tensorrt, tmp_path, precision):
    plan, seen = tmp_path / 'tiny.plan', []
    manifest = build(
        graph,
        plan,
        tensorrt,
        PlanSettings(64, 96, precision),
        on_progress=lambda phase, step, steps: seen.append((phase, step, steps)) or True,
    )
    assert plan.stat().st_size > 10_000
    assert read_manifest(plan) == manifest
    assert manifest.inputs['image'] == (1, 64, 96, 3) and manifest.precision == precision
    assert manifest.machine.tensorrt_version == tensorrt.version
    assert seen and all(1 <= step <= max(steps, step) for _, step, steps in seen)


def test_builds_the_default_network(tensorrt, tmp_path):
    card = load_card('prompt_depth_small')
    manifest = build(card.path_of(card.onnx), tmp_path / 'default.plan', tensorrt, PlanSettings(480, 640))
    assert manifest.inputs['image'] == (1, 480, 640, 3)


def test_a_stopped_build_leaves_the_old_engine_whole(graph, tensorrt, tmp_path):
    plan = tmp_path / 'tiny.plan'
    plan.write_bytes(b'old')
    with pytest.raises(EngineError, match='stopped; nothing was written'):
        build(graph, plan, tensorrt, on_progress=lambda *phase: False)
    assert plan.read_bytes() == b'old' and os.listdir(tmp_path) == ['tiny.plan']


def test_a_graph_of_another_size_names_the_command_that_helps(graph, tensorrt, tmp_path):
    model = onnx.load(str(graph))
    for value in model.graph.input:
        if value.name == 'image':
            for axis, side in ((1, 64), (2, 128)):
                value.type.tensor_type.shape.dim[axis].dim_value = side
    onnx.save(model, str(tmp_path / 'sized.onnx'))
    with pytest.raises(EngineError, match=r'exported for 128x64 images, not for 96x64: export it with --size 64x96'):
        build(tmp_path / 'sized.onnx', tmp_path / 'tiny.plan', tensorrt)
    assert not manifest_path(tmp_path / 'tiny.plan').exists()


@pytest.mark.parametrize('content', [b'', b'not a graph', np.arange(1000).tobytes()])
def test_a_file_that_is_no_graph_is_one_clear_line(tensorrt, tmp_path, content):
    (tmp_path / 'bad.onnx').write_bytes(content)
    with pytest.raises(EngineError, match='not a readable ONNX graph') as error:
        build(tmp_path / 'bad.onnx', tmp_path / 'tiny.plan', tensorrt)
    assert '\n' not in str(error.value)


def test_a_layer_that_tensorrt_does_not_know_is_named(tensorrt, tmp_path):
    value = onnx.helper.make_tensor_value_info
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node('Unique', ['x'], ['y'], axis=0)],
            'odd',
            [value('x', onnx.TensorProto.FLOAT, (4,))],
            [value('y', onnx.TensorProto.FLOAT, (None,))],
        ),
        opset_imports=[onnx.helper.make_opsetid('', 18)],
        ir_version=10,
    )
    onnx.save(model, str(tmp_path / 'odd.onnx'))
    with pytest.raises(EngineError, match='Unique'):
        build(tmp_path / 'odd.onnx', tmp_path / 'tiny.plan', tensorrt, PlanSettings(64, 96, 'fp32'))


def test_an_island_that_is_no_layer_is_refused(graph, tensorrt, tmp_path):
    with pytest.raises(EngineError, match=r'no layer is called decoder\.\*'):
        build(graph, tmp_path / 'tiny.plan', tensorrt, PlanSettings(64, 96, 'fp16', ('decoder.*',)))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match='fp32 or fp16'):
        PlanSettings(64, 96, 'int8')
    with pytest.raises(ConfigError, match='positive size'):
        PlanSettings(0, 96)
