# SPDX-License-Identifier: Apache-2.0
"""Attention as one operation of ONNX Runtime's: where it can be told, and with the same result (export checks it)."""

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')
pytest.importorskip('onnxscript')
pytest.importorskip('onnxruntime')
onnx = pytest.importorskip('onnx')

from tiny_model import SIZES, tiny_system  # noqa: E402

from depth_anything_ros.core.errors import ConfigError, EngineError  # noqa: E402
from depth_anything_ros.engines.plan_builder import PlanSettings, prepare_graph  # noqa: E402
from depth_anything_ros.networks.card import load_card  # noqa: E402
from depth_anything_ros.networks.export import ExportSettings, export_onnx  # noqa: E402
from depth_anything_ros.networks.graph_attention import DOMAIN  # noqa: E402

SIZE = (112, 112)


def exported(system, path, **settings):
    card = load_card(system)
    config = {key: value for key, value in card.network_config.items() if key != 'encoder'} | SIZES[card.network]
    parities = export_onnx(tiny_system(card.network, config), path, SIZE, **settings)
    assert all(parity.passed for parity in parities)
    return onnx.load(str(path)).graph.node


@pytest.mark.parametrize('system', ['depth_anything_v2_small', 'prompt_depth_anything_small'])
def test_every_attention_becomes_one_operation_that_only_onnx_runtime_knows(system, tmp_path):
    nodes = exported(system, tmp_path / 'fused.onnx', fuse_attention=True)
    fused = [node for node in nodes if node.domain == DOMAIN]
    assert [node.op_type for node in fused] == ['MultiHeadAttention'] * 4
    assert not any(node.op_type == 'Softmax' for node in nodes)
    settings = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in fused[0].attribute}
    assert settings['num_heads'] == 2 and settings['scale'] == pytest.approx((32 / 2) ** -0.5)
    with pytest.raises(EngineError, match='export it without --fuse-attention'):
        prepare_graph(tmp_path / 'fused.onnx', PlanSettings(SIZE))


def test_without_being_asked_for_it_stays_as_every_runtime_knows_it(tmp_path):
    nodes = exported('depth_anything_v2_small', tmp_path / 'plain.onnx')
    assert sum(node.op_type == 'Softmax' for node in nodes) == 4
    assert not any(node.domain for node in nodes)


def test_what_turns_queries_after_they_were_split_is_left_alone(tmp_path):
    nodes = exported('metric_anything_depthmap', tmp_path / 'rotary.onnx', fuse_attention=True)
    assert any(node.op_type == 'Softmax' for node in nodes)


def test_half_precision_is_refused():
    with pytest.raises(ConfigError, match='fuse_attention: only for graphs in fp32'):
        ExportSettings(SIZE, 'fp16', fuse_attention=True)
