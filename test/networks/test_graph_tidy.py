# SPDX-License-Identifier: Apache-2.0
"""What is taken out of an exported graph leaves its results as they were."""

import numpy as np
import pytest

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from depth_anything_ros.networks.graph_tidy import TidyReport, tidy  # noqa: E402

TOKENS, WIDTH = 6, 4


def model(visible=True, guard=True, mask_value=0.0):
    """Attention and GELU as torch's exporter writes them."""
    constants = {
        'condition': np.full((1, TOKENS, 1), visible),
        'spread': np.array([1, TOKENS, TOKENS]),
        'zero': np.float32(mask_value),
        'nothing': np.float32(0),
        'lowest': np.float32(-3e38),
        'root': np.float32(2**0.5),
        'one': np.float32(1),
        'half': np.float32(0.5),
    }
    node = helper.make_node
    nodes = [
        node('Transpose', ['x'], ['keys'], perm=[0, 2, 1]),
        node('MatMul', ['x', 'keys'], ['scores']),
        node('Expand', ['condition', 'spread'], ['expanded']),
        node('Where', ['expanded', 'zero', 'lowest'], ['mask']),
        node('Add', ['scores', 'mask'], ['masked']),
        node('Softmax', ['masked'], ['shares'], axis=-1),
        node('IsNaN', ['shares'], ['unknown']),
        node('Where', ['unknown', 'nothing', 'shares'] if guard else ['unknown', 'one', 'shares'], ['safe']),
        node('MatMul', ['safe', 'x'], ['attended']),
        node('Div', ['attended', 'root'], ['scaled']),
        node('Erf', ['scaled'], ['erf']),
        node('Add', ['erf', 'one'], ['raised']),
        node('Mul', ['half', 'raised'], ['share']),
        node('Mul', ['attended', 'share'], ['y']),
    ]
    shape = [1, TOKENS, WIDTH]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ('x', 'y')]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, 'graph', values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)


def result(graph):
    onnx.checker.check_model(graph)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=['CPUExecutionProvider'])
    x = np.random.default_rng(0).normal(size=(1, TOKENS, WIDTH)).astype(np.float32)
    return session.run(None, {'x': x})[0]


def test_guards_and_empty_masks_go_and_gelu_is_put_in_order():
    graph = model()
    expected = result(graph)
    assert tidy(graph) == TidyReport(guards=1, masks=1, activations=1)
    np.testing.assert_allclose(result(graph), expected, rtol=1e-6, atol=1e-7)
    kinds = [node.op_type for node in graph.graph.node]
    assert not {'IsNaN', 'Where', 'Expand'} & set(kinds) and kinds.count('Add') == 1
    assert {i.name for i in graph.graph.initializer} == {'root', 'one', 'half'}
    assert tidy(graph) == TidyReport(0, 0, 0)


@pytest.mark.parametrize(
    ('settings', 'kept'),
    [({'visible': False}, 'Expand'), ({'mask_value': 0.3}, 'Expand'), ({'guard': False}, 'IsNaN')],
)
def test_a_mask_that_hides_and_a_where_that_decides_stay(settings, kept):
    graph = model(**settings)
    expected = result(graph)
    tidy(graph)
    assert kept in [node.op_type for node in graph.graph.node]
    np.testing.assert_allclose(result(graph), expected, rtol=1e-6, atol=1e-7)


def test_onnx_runtime_then_fuses_the_activation(tmp_path):
    kinds = {}
    for name, change in (('before', lambda graph: None), ('after', tidy)):
        graph = model()
        change(graph)
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f'{name}.onnx')
        onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=['CPUExecutionProvider'])
        kinds[name] = {node.op_type for node in onnx.load(tmp_path / f'{name}.onnx').graph.node}
    assert 'Gelu' not in kinds['before'] and 'Gelu' in kinds['after']
