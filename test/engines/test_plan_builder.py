# SPDX-License-Identifier: Apache-2.0
"""Engines really built, by TensorRT-RTX, which needs no GPU for that."""

import os

import numpy as np
import pytest
from small_graph import build_small_graph
from tiny_model import build_tiny_system

from depth_anything_ros.core.errors import ConfigError, EngineError
from depth_anything_ros.engines.plan_builder import PlanSettings, build_plan, prepare_graph
from depth_anything_ros.engines.tensorrt_api import find_tensorrt
from depth_anything_ros.networks.card import load_card

onnx = pytest.importorskip('onnx')


@pytest.fixture(scope='session')
def tensorrt():
    pytest.importorskip('tensorrt_rtx', reason='TensorRT-RTX is not installed')
    return find_tensorrt('tensorrt_rtx')


@pytest.fixture(scope='session')
def graph(tmp_path_factory):
    return build_small_graph(tmp_path_factory.mktemp('graph')).with_suffix('.onnx')


def build(graph, plan, tensorrt, settings=None, **more):
    settings = settings or PlanSettings((64, 96))
    return build_plan(prepare_graph(graph, settings), plan, tensorrt, settings, **more)


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_builds_an_engine_and_says_its_shapes_and_progress(graph, tensorrt, tmp_path, precision):
    plan, seen = tmp_path / 'tiny.plan', []
    shapes = build(
        graph,
        plan,
        tensorrt,
        PlanSettings((64, 96), precision, workspace_mb=256),
        on_progress=lambda phase, step, steps: seen.append((phase, step, steps)) or True,
    )
    assert plan.stat().st_size > 10_000 and os.listdir(tmp_path) == ['tiny.plan']
    assert shapes['image'] == (1, 64, 96, 3) and shapes['camera'] == (1, 4)
    assert seen and all(1 <= step <= max(steps, step) for _, step, steps in seen)


def test_builds_the_default_network_for_the_size_it_works_on(tensorrt, tmp_path):
    card = load_card('prompt_depth_small')
    shapes = build(card.path_of(card.onnx), tmp_path / 'a.plan', tensorrt, PlanSettings())
    assert shapes['image'] == (1, 352, 480, 3) and (tmp_path / 'a.plan').stat().st_size > 1_000_000


OTHERS = (  # one of every other network
    'depth_anything_v2_small',
    'prompt_depth_anything_small',
    'depth_pro',
    'dap',
    'metric_anything_depthmap',
    'depth_anything_3_metric_large',
)


@pytest.mark.parametrize('system', OTHERS)
def test_builds_a_tiny_one_of_every_other_system(system, tensorrt, tmp_path):
    """Their graphs have operators that the package's own network has not: attention, resizing, padding, top-k."""
    pytest.importorskip('transformers')
    from depth_anything_ros.networks import export
    from depth_anything_ros.networks.loading import load_network

    network = load_network(load_card(str(build_tiny_system(system, tmp_path))))
    size = (64, 128) if system == 'dap' else (64, 96)
    export._write(network, tmp_path / 'graph.onnx', export.ExportSettings(size))
    shapes = build(tmp_path / 'graph.onnx', tmp_path / 'tiny.plan', tensorrt, PlanSettings())
    assert shapes['image'] == (1, *size, 3)


def test_a_graph_beyond_one_message_has_its_weights_beside_it(graph, tensorrt, tmp_path, monkeypatch):
    monkeypatch.setattr('depth_anything_ros.engines.plan_builder.ONE_MESSAGE', 1000)
    assert build(graph, tmp_path / 'tiny.plan', tensorrt)['image'] == (1, 64, 96, 3)
    assert os.listdir(tmp_path) == ['tiny.plan']


def test_a_graph_of_several_images_at_a_time_names_the_command_that_helps(graph, tensorrt, tmp_path):
    model = onnx.load(str(graph))
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, str(tmp_path / 'four.onnx'))
    with pytest.raises(EngineError, match=r'exported for 4 images at a time: export it with --batch 1 or dynamic'):
        build(tmp_path / 'four.onnx', tmp_path / 'tiny.plan', tensorrt)


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
    assert not (tmp_path / 'tiny.plan').exists()


@pytest.mark.parametrize('content', [b'', b'not a graph', np.arange(1000).tobytes()])
def test_a_file_that_is_no_graph_is_one_clear_line(tensorrt, tmp_path, content):
    (tmp_path / 'bad.onnx').write_bytes(content)
    with pytest.raises(EngineError, match='not a readable ONNX graph') as error:
        build(tmp_path / 'bad.onnx', tmp_path / 'tiny.plan', tensorrt)
    assert '\n' not in str(error.value)


def test_a_layer_that_tensorrt_does_not_know_is_named(tensorrt, tmp_path):
    value = onnx.helper.make_tensor_value_info
    shapes = {'image': (1, 64, 96, 3), 'depth_m': (1, 64, 96), 'sigma_m': (1, 64, 96), 'camera': (1, 4)}
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node('Unique', ['camera'], ['y'])],
            'odd',
            [value(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()],
            [value('y', onnx.TensorProto.FLOAT, (None,))],
        ),
        opset_imports=[onnx.helper.make_opsetid('', 18)],
        ir_version=10,
    )
    onnx.save(model, str(tmp_path / 'odd.onnx'))
    with pytest.raises(EngineError, match='Unique'):
        build(tmp_path / 'odd.onnx', tmp_path / 'tiny.plan', tensorrt, PlanSettings((64, 96), 'fp32'))


def test_a_half_precision_graph_stays_one(graph, tmp_path):
    model = onnx.load(str(graph))
    model.metadata_props.add(key='precision', value='fp16')
    onnx.save(model, str(tmp_path / 'half.onnx'))
    for precision in ('fp16', 'fp32'):
        prepared = prepare_graph(tmp_path / 'half.onnx', PlanSettings(precision=precision))
        assert (prepared.precision, prepared.kept) == ('fp16', 0)


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match='fp32 or fp16'):
        PlanSettings((64, 96), 'int8')
    with pytest.raises(ConfigError, match='positive size'):
        PlanSettings((0, 96))
