# SPDX-License-Identifier: Apache-2.0
"""A model of three convolutions as an ONNX graph with its card: what engines take and give, in milliseconds."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from depth_anything_ros.networks.card import ModelCard, WeightFile, save_card, weight_file

WEIGHTS = {'stem.weight': (6, 3), 'decoders.weight': (6, 6), 'head.weight': (1, 6)}


def build_small_graph(folder: Path, name: str = 'small') -> Path:
    """The card of a model in `folder` whose weights are not there, only its graph: depth and sigma from the image's
    brightness around a pixel and the returns on it, for any number of images of any size.
    """
    node, rng = helper.make_node, np.random.default_rng(0)
    kernels = {weight: rng.uniform(0.0, 0.1, (*shape, 3, 3)) for weight, shape in WEIGHTS.items()}
    constants = {
        weight: numpy_helper.from_array(kernel.astype(np.float32), weight) for weight, kernel in kernels.items()
    }
    for key, value in (('tenth', 0.1), ('scale', 1 / 255)):
        constants[key] = numpy_helper.from_array(np.array(value, np.float32), key)
    constants['channel'] = numpy_helper.from_array(np.array([1], np.int64), 'channel')
    nodes = [
        node('Cast', ['image'], ['pixels'], to=TensorProto.FLOAT),
        node('Mul', ['pixels', 'scale'], ['bright']),
        node('Transpose', ['bright'], ['planes'], perm=[0, 3, 1, 2]),
        node('Conv', ['planes', 'stem.weight'], ['a'], pads=[1, 1, 1, 1]),
        node('Relu', ['a'], ['b']),
        node('Conv', ['b', 'decoders.weight'], ['c'], pads=[1, 1, 1, 1]),
        node('Relu', ['c'], ['d']),
        node('Conv', ['d', 'head.weight'], ['e'], pads=[1, 1, 1, 1]),
        node('Squeeze', ['e', 'channel'], ['f']),
        node('Exp', ['f'], ['g']),
        node('Add', ['g', 'depth_m'], ['h']),
        node('Add', ['h', 'sigma_m'], ['depth']),
        node('Mul', ['depth', 'tenth'], ['sigma']),
    ]
    sides = ('batch', 'rows', 'columns')
    value = helper.make_tensor_value_info
    inputs = [
        value('image', TensorProto.UINT8, (*sides, 3)),
        value('depth_m', TensorProto.FLOAT, sides),
        value('sigma_m', TensorProto.FLOAT, sides),
        value('camera', TensorProto.FLOAT, ('batch', 4)),
    ]
    outputs = [value(output, TensorProto.FLOAT, sides) for output in ('depth', 'sigma')]
    graph = helper.make_graph(nodes, name, inputs, outputs, list(constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / f'{name}.onnx'))
    card = ModelCard(
        name=name,
        description='three convolutions',
        licence='Apache-2.0',
        network='sparse_prompt',
        network_config={},
        metric=True,
        inputs={},
        outputs={},
        weights=WeightFile(f'{name}.safetensors', None),
        onnx=weight_file(folder / f'{name}.onnx'),
    )
    save_card(card, folder / f'{name}.yaml')
    return folder / f'{name}.yaml'
