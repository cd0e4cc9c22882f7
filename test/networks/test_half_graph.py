# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')

from depth_anything_ros.networks.half_graph import cast_images_first, compute_in_half  # noqa: E402

FLOAT, HALF, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.UINT8


def small_graph():
    """uint8 image -> two trained convolutions with a Relu between, and a built-in one that holds large numbers."""
    rng = np.random.default_rng(0)
    node = onnx.helper.make_node
    nodes = [
        node('Transpose', ['image'], ['turned'], perm=[0, 3, 1, 2]),
        node('Cast', ['turned'], ['pixels'], to=FLOAT),
        node('Conv', ['pixels', 'stem.weight'], ['a'], name='first', pads=[1, 1, 1, 1]),
        node('Relu', ['a'], ['b']),
        node('Conv', ['b', 'head.weight'], ['c'], name='second', pads=[1, 1, 1, 1]),
        node('Conv', ['pixels', 'kernel'], ['d'], name='geometry'),
        node('Add', ['c', 'd'], ['depth']),
    ]
    weights = {
        'stem.weight': rng.normal(0, 0.1, (8, 3, 3, 3)),
        'head.weight': rng.normal(0, 0.1, (1, 8, 3, 3)),
        'kernel': np.full((1, 3, 1, 1), 1000.0),
    }
    graph = onnx.helper.make_graph(
        nodes,
        'small',
        [onnx.helper.make_tensor_value_info('image', UINT8, (1, 8, 9, 3))],
        [onnx.helper.make_tensor_value_info('depth', FLOAT, (1, 1, 8, 9))],
        [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10)


def run(model):
    onnx.checker.check_model(model)
    image = np.random.default_rng(1).integers(0, 256, (1, 8, 9, 3), dtype=np.uint8)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {'image': image})[0]


def kinds_by_node(model):
    """Node name -> element type of its first input."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.input)}
    return {node.name: kinds.get(node.input[0]) for node in model.graph.node if node.name}


def test_the_image_is_widened_where_it_enters_and_nothing_changes():
    model, before = small_graph(), run(small_graph())
    cast_images_first(model)
    assert model.graph.node[0].op_type == 'Cast'
    np.testing.assert_array_equal(run(model), before)


def test_trained_convolutions_compute_in_half_and_built_in_ones_do_not():
    model = small_graph()
    report = compute_in_half(model)
    kinds = kinds_by_node(model)
    assert (kinds['first'], kinds['second'], kinds['geometry']) == (HALF, HALF, FLOAT)
    assert (report.products, report.carriers) == (2, 1)


def test_what_lies_between_two_products_stays_in_half():
    model = small_graph()
    compute_in_half(model)
    between = [node.op_type for node in model.graph.node]
    assert between[between.index('Conv') : between.index('Relu') + 2] == ['Conv', 'Relu', 'Cast'] or (
        between.index('Relu') == between.index('Conv') + 1
    )


def test_gives_what_single_precision_gives():
    model, before = small_graph(), run(small_graph())
    compute_in_half(model)
    after = run(model)
    assert after.dtype == np.float32
    assert not np.array_equal(after, before)  # or nothing was done
    np.testing.assert_allclose(after, before, rtol=1e-3)


def test_an_island_stays_in_single_precision():
    model = small_graph()
    report = compute_in_half(model, ('head.*',))
    kinds = kinds_by_node(model)
    assert (kinds['first'], kinds['second']) == (HALF, FLOAT)
    assert report.kept == 1


def test_attention_is_half_from_the_linear_layer_to_the_shares():
    """A linear layer with its bias, scores, softmax, and the product with the values."""
    node = onnx.helper.make_node
    nodes = [
        node('MatMul', ['x', 'w'], ['a']),
        node('Add', ['a', 'bias'], ['b']),
        node('Mul', ['b', 'scale'], ['c']),
        node('Transpose', ['c'], ['d'], perm=[0, 2, 1]),
        node('MatMul', ['c', 'd'], ['e']),
        node('Softmax', ['e'], ['f'], name='softmax'),
        node('MatMul', ['f', 'b'], ['y']),
    ]
    rng = np.random.default_rng(0)
    constants = {'w': rng.normal(0, 0.3, (4, 4)), 'bias': rng.normal(0, 1, 4), 'scale': 0.5}
    graph = onnx.helper.make_graph(
        nodes,
        'attention',
        [onnx.helper.make_tensor_value_info('x', FLOAT, (1, 5, 4))],
        [onnx.helper.make_tensor_value_info('y', FLOAT, (1, 5, 4))],
        [onnx.numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10)
    x = rng.normal(0, 1, (1, 5, 4)).astype(np.float32)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {'x': x})[0]
    report = compute_in_half(model)
    onnx.checker.check_model(model)
    assert (report.products, report.carriers) == (3, 4)
    softmax = next(n for n in model.graph.node if n.name == 'softmax')
    assert softmax.input[0].endswith('_half') and softmax.output[0].endswith('_half')
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {'x': x})[0]
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)


def test_a_product_of_two_activations_and_constants_too_large_stay_in_single_precision():
    node = onnx.helper.make_node
    nodes = [
        node('MatMul', ['x', 'w'], ['a']),
        node('Mul', ['a', 'a'], ['squared'], name='squared'),
        node('Add', ['a', 'far'], ['y'], name='beyond'),
        node('Add', ['squared', 'y'], ['z']),
    ]
    constants = {'w': np.eye(4), 'far': np.full(4, 1e5)}
    graph = onnx.helper.make_graph(
        nodes,
        'activations',
        [onnx.helper.make_tensor_value_info('x', FLOAT, (1, 4))],
        [onnx.helper.make_tensor_value_info('z', FLOAT, (1, 4))],
        [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)], ir_version=10)
    assert compute_in_half(model).carriers == 0
    x = np.full((1, 4), 300, np.float32)
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {'x': x})[0]
    np.testing.assert_allclose(found, 300**2 + 300 + 1e5)


def test_the_default_network_in_half_precision_gives_its_depth():
    """Every operation in the precision that the graph says, as a GPU does it and ONNX Runtime on a CPU does not."""
    from onnx.reference import ReferenceEvaluator

    from depth_anything_ros.core.resources import resource

    path = resource('models', 'prompt_depth_small.onnx')
    rng = np.random.default_rng(0)
    depth_m = np.zeros((1, 64, 96), np.float32)
    depth_m.ravel()[::29] = rng.uniform(1, 20, depth_m.ravel()[::29].shape)
    arrays = {
        'image': cv2.resize(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8), (96, 64))[None],
        'depth_m': depth_m,
        'sigma_m': depth_m * np.float32(0.01),
        'camera': np.array([[80, 80, 48, 32]], np.float32),
    }
    expected = onnxruntime.InferenceSession(path).run(['depth', 'sigma'], arrays)
    model = onnx.load(path)
    cast_images_first(model)
    assert compute_in_half(model).products > 50
    found = ReferenceEvaluator(model).run(['depth', 'sigma'], arrays)
    for ours, theirs, allowed in zip(found, expected, (0.002, 0.01), strict=True):
        assert 0 < np.mean(np.abs(ours - theirs) / theirs) < allowed
