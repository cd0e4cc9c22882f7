# SPDX-License-Identifier: Apache-2.0
"""A sparse-prompt network -> an ONNX graph for images of any size that is a multiple of 32, shown to give what torch
gives.

The graph takes the raw arrays (image, depth_m, sigma_m, camera) and holds its weights in half precision, widened
when it is loaded: half the file, the same figures on every runtime.
"""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from depth_anything_ros.core.errors import EngineError, MissingExtra

OPSET = 18
STRIDE = 32  # px: sides of images are multiples of it
SIDES = (2, 256)  # strides
INPUTS, OUTPUTS = ('image', 'depth_m', 'sigma_m', 'camera'), ('depth', 'sigma')
TRACED_SIZE = (160, 224)  # odd multiples: even ones can hide an assumption
CHECKED = ((480, 640, 500), (160, 352, 40), (192, 608, 3000), (192, 256, 0), (256, 352, 1), (64, 64, 5))
TOLERANCE = 1e-3  # relative, in depth and sigma
LARGE = 256  # elements; smaller constants stay in single precision


@dataclass(frozen=True)
class Parity:
    """Largest relative differences between torch and ONNX Runtime at one image size and number of returns."""

    height: int
    width: int
    returns: int
    depth: float
    sigma: float

    @property
    def passed(self) -> bool:
        return max(self.depth, self.sigma) <= TOLERANCE  # false for NaN too


def export_onnx(network: nn.Module, path: str | Path) -> list[Parity]:
    """Write `path` and compare it with `network` on several sizes and prompts -> what was found.

    network: float32, its weights representable in half precision (see `halved`). Raises EngineError outside the
    tolerance, MissingExtra without onnx, onnxscript or onnxruntime; nothing is left at `path` then.
    """
    path = Path(path)
    unfinished = path.with_suffix('.part.onnx')
    try:
        _write(network, unfinished)
        parities = check_parity(network, unfinished)
        failed = [parity for parity in parities if not parity.passed]
        if failed:
            worst = max(failed, key=lambda parity: np.nan_to_num(max(parity.depth, parity.sigma), nan=np.inf))
            raise EngineError(
                f'{path.name}: the exported graph differs from torch by {max(worst.depth, worst.sigma):.2g} at'
                f' {worst.width}x{worst.height} with {worst.returns} returns (allowed: {TOLERANCE:g}); not written'
            )
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return parities


def check_parity(network: nn.Module, path: str | Path) -> list[Parity]:
    """Run torch and ONNX Runtime on the CPU with the same random arrays of every size in CHECKED."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra('onnxruntime', 'onnx', 'checking an exported graph') from error
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    parities = []
    for height, width, returns in CHECKED:
        arrays = _random_inputs(height, width, returns)
        with torch.inference_mode():
            ours = [output.numpy() for output in network(*(torch.from_numpy(array) for array in arrays))]
        theirs = session.run(list(OUTPUTS), dict(zip(INPUTS, arrays, strict=True)))
        errors = [
            float(np.max(np.abs(a - b) / np.abs(a))) if a.shape == b.shape else np.inf
            for a, b in zip(ours, theirs, strict=True)
        ]
        parities.append(Parity(height, width, returns, *errors))
    return parities


def halved(network: nn.Module) -> nn.Module:
    """The network with every weight rounded to half precision, still float32: what both files hold."""
    state = {name: tensor.half().to(tensor.dtype) for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    return network


def _write(network: nn.Module, path: Path):
    try:
        import onnx
        import onnxscript  # noqa: F401  torch's exporter needs it and says so less clearly
    except ImportError as error:
        raise MissingExtra(error.name or 'onnx', 'onnx', 'exporting to ONNX') from error
    rows, columns = (torch.export.Dim(name, min=SIDES[0], max=SIDES[1]) for name in ('rows', 'columns'))
    sizes = {1: STRIDE * rows, 2: STRIDE * columns}
    arrays = _random_inputs(*TRACED_SIZE, 100)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        logging.getLogger('torch.onnx').setLevel(logging.ERROR)
        program = torch.onnx.export(
            network.eval(),
            tuple(torch.from_numpy(array) for array in arrays),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes=(sizes, sizes, sizes, {}),
            verbose=False,
        )
    model = program.model_proto
    _halve_weights(onnx, model)
    _strip_traces(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _halve_weights(onnx, model):
    """Large float32 initialisers -> float16 with a Cast behind each, which runtimes fold when they load the graph."""
    casts = []
    for initialiser in model.graph.initializer:
        if initialiser.data_type != onnx.TensorProto.FLOAT or np.prod(initialiser.dims) < LARGE:
            continue
        name = initialiser.name
        half = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(initialiser).astype(np.float16), f'{name}_half')
        initialiser.CopyFrom(half)
        casts.append(onnx.helper.make_node('Cast', [f'{name}_half'], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _strip_traces(model):
    """The exporter notes for every node which line of which file on this machine it came from."""
    graph = model.graph
    for item in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        item.ClearField('doc_string')
        item.ClearField('metadata_props')
    graph.ClearField('value_info')


def _random_inputs(height: int, width: int, returns: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(returns)
    image = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    depth_m = np.zeros((1, height, width), np.float32)
    depth_m.ravel()[rng.choice(height * width, returns, replace=False)] = rng.uniform(1, 40, returns)
    sigma_m = np.where(rng.random(depth_m.shape) < 0.9, 0.01 * depth_m, 0).astype(np.float32)  # some unknown
    camera = np.array([[0.8 * width, 0.8 * width, width / 2, height / 2]], np.float32)
    return image, depth_m, sigma_m, camera
