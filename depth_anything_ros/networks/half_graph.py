# SPDX-License-Identifier: Apache-2.0
"""A single-precision ONNX graph -> the same graph computing in half precision where that is safe.

A strongly typed TensorRT takes the precision of every layer from the graph, so it has to stand there. Convolutions with
trained weights and matrix products go to half precision, and so does what lies between them and only moves, clips or
scales values, or turns an attention's scores into shares; everything else, the named islands, and what the graph takes
and gives stay in single precision. Convolutions with built-in kernels stay too: they do geometry, on numbers that half
precision can't hold.
"""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass

from depth_anything_ros.core.errors import MissingExtra

CONVOLUTIONS = {'Conv', 'ConvTranspose'}
PRODUCTS = CONVOLUTIONS | {'MatMul', 'Gemm'}
TRAINED = '*weight*'  # what exporters call the weights of a convolution that are parameters
# exact in half precision, or as good as the products they lie between; the number of leading inputs that carry values
CARRIERS = {
    'Relu': 1,
    'Add': 2,
    'Mul': 2,  # by constants only: the product of two values may be anything
    'Softmax': 1,  # runtimes add up in single precision; any other between half products is no attention to TensorRT
    'Concat': None,
    'Transpose': 1,
    'Reshape': 1,
    'Slice': 1,
    'Split': 1,
    'Squeeze': 1,
    'Unsqueeze': 1,
    'Flatten': 1,
    'MaxPool': 1,
    'DepthToSpace': 1,
    'Pad': 1,
    'Clip': 1,
}
LARGEST = 6e4  # that half precision holds
LARGEST_SHAPE = 64  # elements; smaller constants may be shapes, axes and sizes, which inference reads
PRECISION_KEY = 'precision'  # in a graph's metadata: what it computes in, where that is not fp32


@dataclass(frozen=True)
class HalfReport:
    """How many nodes compute in half precision, of how many products, and how many products the islands kept."""

    products: int
    carriers: int
    kept: int


def cast_images_first(model) -> None:
    """Widen 8-bit inputs right where they enter: TensorRT can do nothing else with them. Changes `model`."""
    from onnx import TensorProto, helper

    graph = model.graph
    casts = []
    for value in graph.input:
        if value.type.tensor_type.elem_type != TensorProto.UINT8:
            continue
        wide = f'{value.name}_wide'
        for node in graph.node:
            for i, name in enumerate(node.input):
                if name == value.name:
                    node.input[i] = wide
        casts.append(helper.make_node('Cast', [value.name], [wide], name=wide, to=TensorProto.FLOAT))
    _replace_nodes(graph, [*casts, *graph.node])


def compute_in_half(model, islands: tuple[str, ...] = ()) -> HalfReport:
    """Change `model` (onnx.ModelProto, checked, in topological order) as the module says.

    islands: shell patterns of node or weight names whose products stay in single precision, 'heads.*' say.
    Raises MissingExtra without onnx.
    """
    try:
        from onnx import TensorProto, helper
    except ImportError as error:
        raise MissingExtra('onnx', 'tensorrt-rtx', 'a half-precision graph') from error

    graph = model.graph
    kinds = _element_types(model)
    constants = _constants(graph)
    half_of: dict[str, str] = {}  # single-precision value -> its half-precision twin
    produced_half: set[str] = set()  # single-precision names of values that come out of a half-precision node
    nodes, products, carriers, kept = [], 0, 0, 0

    def as_half(name: str) -> str:
        if name not in half_of:
            half_of[name] = f'{name}_half_in'
            nodes.append(helper.make_node('Cast', [name], [half_of[name]], name=half_of[name], to=TensorProto.FLOAT16))
        return half_of[name]

    def run_in_half(node, values: int) -> None:
        given = [
            as_half(name) if i < values and name and kinds.get(name) == TensorProto.FLOAT else name
            for i, name in enumerate(node.input)
        ]
        if node.op_type in ('Pad', 'Clip'):  # their constants are of the type of what they work on
            given = [as_half(name) if name and kinds.get(name) == TensorProto.FLOAT else name for name in node.input]
        names = list(node.output)
        del node.input[:]
        node.input.extend(given)
        del node.output[:]
        node.output.extend(f'{name}_half' for name in names)
        nodes.append(node)
        for name in names:
            half_of[name] = f'{name}_half'
            produced_half.add(name)
            # who needs it in single precision reads this; where nobody does, it is dropped below
            nodes.append(helper.make_node('Cast', [f'{name}_half'], [name], name=f'{name}_full', to=TensorProto.FLOAT))

    for node in list(graph.node):
        if node.op_type == 'Cast' and _widens(node, kinds):
            half_of[node.output[0]] = node.input[0]  # weights kept in half precision
            nodes.append(node)
        elif node.op_type in PRODUCTS and kinds.get(node.output[0]) == TensorProto.FLOAT:
            if node.op_type in CONVOLUTIONS and not fnmatch.fnmatchcase(node.input[1], TRAINED):
                nodes.append(node)
            elif any(fnmatch.fnmatchcase(name, pattern) for name in (node.name, node.input[1]) for pattern in islands):
                kept += 1
                nodes.append(node)
            else:
                products += 1
                run_in_half(node, len(node.input))
        elif _carries(node, kinds, produced_half, constants):
            carriers += 1
            count = CARRIERS[node.op_type]
            run_in_half(node, len(node.input) if count is None else count)
        else:
            nodes.append(node)
    _replace_nodes(graph, _needed(nodes, {value.name for value in graph.output}))
    graph.ClearField('value_info')
    return HalfReport(products, carriers, kept)


def _carries(node, kinds, produced_half: set[str], constants: set[str]) -> bool:
    """Whether what it moves has just come out of half precision, all of it but for constants."""
    if node.op_type not in CARRIERS or kinds.get(node.output[0]) != kinds.get(node.input[0]):
        return False
    count = CARRIERS[node.op_type]
    moved = node.input if count is None else node.input[:count]
    half = [name in produced_half for name in moved]
    if node.op_type == 'Mul' and all(half):
        return False
    return any(half) and all(known or name in constants for known, name in zip(half, moved, strict=True))


def _constants(graph) -> set[str]:
    """Names of the single-precision constants that half precision can hold, also of those it does hold already."""
    from onnx import TensorProto, numpy_helper

    held = {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    names = {node.output[0] for node in graph.node if node.op_type == 'Cast' and node.input[0] in held}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and abs(numpy_helper.to_array(tensor)).max(initial=0) <= LARGEST:
            names.add(tensor.name)
    return names


def _widens(node, kinds) -> bool:
    from onnx import TensorProto

    target = next(attribute.i for attribute in node.attribute if attribute.name == 'to')
    return target == TensorProto.FLOAT and kinds.get(node.input[0]) == TensorProto.FLOAT16


def _element_types(model) -> dict[str, int]:
    """Of every value. Large weights are left out of what is inferred: their content says nothing, and a graph with
    more than 2 GB of them could not be.
    """
    from onnx import ModelProto, helper, shape_inference

    graph = model.graph
    bare = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    bare.graph.name = graph.name
    for field in ('node', 'input', 'output'):
        getattr(bare.graph, field).extend(getattr(graph, field))
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for tensor in graph.initializer:
        if math.prod(tensor.dims) > LARGEST_SHAPE:
            bare.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        else:
            bare.graph.initializer.append(tensor)
    inferred = shape_inference.infer_shapes(bare).graph
    for value in (*inferred.input, *inferred.output, *inferred.value_info):
        kinds[value.name] = value.type.tensor_type.elem_type
    return kinds


def _needed(nodes: list, wanted: set[str]) -> list:
    """The nodes that the wanted values come from, in their order."""
    kept = []
    for node in reversed(nodes):
        if any(name in wanted for name in node.output) or not node.output:
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _replace_nodes(graph, nodes: list) -> None:
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
