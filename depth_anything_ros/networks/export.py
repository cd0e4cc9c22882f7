# SPDX-License-Identifier: Apache-2.0
"""A network -> an ONNX graph shown to give what torch gives.

The graph takes the raw arrays (image, depth_m, sigma_m, camera). The sparse-prompt network's takes images of any size
that is a multiple of 32; those of the published systems have one size built in, as their resize rules and position
embeddings depend on it. Weights that half precision holds exactly are stored in it and widened when the graph is
loaded: half the file, the same figures on every runtime.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from depth_anything_ros.core.errors import EngineError, MissingExtra

OPSET = 18
STRIDE = 32  # px: sides of images are multiples of it where the size is not built in
SIDES = (2, 256)  # strides
INPUTS, OUTPUTS = ('image', 'depth_m', 'sigma_m', 'camera'), ('depth', 'sigma')
TRACED_SIZE = (160, 224)  # odd multiples: even ones can hide an assumption
CHECKED = ((480, 640, 500), (160, 352, 40), (192, 608, 3000), (192, 256, 0), (256, 352, 1), (64, 64, 5))
TORN = 1e-4  # share of the pixels that may be depth here and none there
TOLERANCE = 1e-3  # relative, in depth and sigma
FAR_M = 100.0  # a network that gives inverse depth is that exact up to here; beyond, less in proportion
SMALL = 0.01  # of the median: disparity below it, near zero, is compared with it
LARGE = 256  # elements; smaller constants stay in single precision
ONE_FILE = 1.8e9  # bytes of weights; a graph of 2 GB can't be one file, so that weights go into another beside it


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
        return max(self.depth, self.sigma) <= TOLERANCE


def export_onnx(network: nn.Module, path: str | Path, size: tuple[int, int] | None = None) -> list[Parity]:
    """Write `path` and compare it with `network` on several prompts, and sizes where it takes any -> what was found.

    network: float32. size: (height, width) of the images to build in; None for a network that takes any multiple of
    32. Weights above 1.8 GB go into a second file, `path` + .data. Raises EngineError outside the tolerance,
    MissingExtra without onnx, onnxscript or onnxruntime; nothing is left at `path` then.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix='.export-', dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        _write(network, unfinished, size)
        parities = check_parity(network, unfinished, size)
        failed = [parity for parity in parities if not parity.passed]
        if failed:
            worst = max(failed, key=lambda parity: np.nan_to_num(max(parity.depth, parity.sigma), nan=np.inf))
            raise EngineError(
                f'{path.name}: the exported graph differs from torch by {max(worst.depth, worst.sigma):.2g} at'
                f' {worst.width}x{worst.height} with {worst.returns} returns (allowed: {TOLERANCE:g}); not written'
            )
        for file in sorted(Path(folder).iterdir(), reverse=True):  # the weights first, the graph that needs them last
            os.replace(file, path.with_name(file.name))
    return parities


def check_parity(network: nn.Module, path: str | Path, size: tuple[int, int] | None = None) -> list[Parity]:
    """Run torch and ONNX Runtime on the CPU with the same random arrays: at `size`, with returns and camera and with
    neither; of every size in CHECKED where the graph takes any.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra('onnxruntime', 'onnx', 'checking an exported graph') from error
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    parities = []
    for height, width, returns in CHECKED if size is None else ((*size, size[0] * size[1] // 100), (*size, 0)):
        arrays = _random_inputs(height, width, returns, camera=size is None or returns > 0)
        with torch.inference_mode():
            ours = [output.numpy() for output in network(*(torch.from_numpy(array) for array in arrays))]
        theirs = session.run(list(OUTPUTS), dict(zip(INPUTS, arrays, strict=True)))
        parities.append(Parity(height, width, returns, *map(_difference, ours, theirs)))
    return parities


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest relative difference; a pixel in 10,000 may fall on the other side of "no depth here" (0), at the outline
    of a sky, say, where a rounding decides.
    """
    if ours.shape != theirs.shape:
        return np.inf
    torn = (ours == 0) != (theirs == 0)
    if torn.mean() <= TORN:
        ours, theirs = ours[~torn], theirs[~torn]
    value = np.abs(ours)
    least = SMALL * np.median(value[value > 0]) if (value > 0).any() else 1.0
    worst = float(np.max(np.abs(ours - theirs) / (np.maximum(value, least) * (1 + value / FAR_M)), initial=0.0))
    return worst if np.isfinite(worst) else np.inf


def halved(network: nn.Module) -> nn.Module:
    """The network with every weight rounded to half precision, still float32: what both files hold."""
    state = {name: tensor.half().to(tensor.dtype) for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    return network


def _write(network: nn.Module, path: Path, size: tuple[int, int] | None):
    try:
        import onnx
        import onnxscript  # noqa: F401  torch's exporter needs it and says so less clearly
    except ImportError as error:
        raise MissingExtra(error.name or 'onnx', 'onnx', 'exporting to ONNX') from error
    rows, columns = (torch.export.Dim(name, min=SIDES[0], max=SIDES[1]) for name in ('rows', 'columns'))
    sizes = {1: STRIDE * rows, 2: STRIDE * columns}
    arrays = _random_inputs(*(size or TRACED_SIZE), 100)
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
            dynamic_shapes=(sizes, sizes, sizes, {}) if size is None else None,
            verbose=False,
        )
    model = program.model_proto
    _halve_weights(onnx, model)
    _strip_traces(model)
    large = sum(len(initialiser.raw_data) for initialiser in model.graph.initializer) > ONE_FILE
    onnx.save(model, str(path), save_as_external_data=large, location=f'{path.name}.data')
    onnx.checker.check_model(str(path))


def _halve_weights(onnx, model):
    """Large float32 initialisers that lose nothing -> float16 with a Cast behind each, which runtimes fold when they
    load the graph.
    """
    casts = []
    for initialiser in model.graph.initializer:
        if initialiser.data_type != onnx.TensorProto.FLOAT or np.prod(initialiser.dims) < LARGE:
            continue
        name, full = initialiser.name, onnx.numpy_helper.to_array(initialiser)
        with np.errstate(over='ignore'):
            half = full.astype(np.float16)
        if not np.array_equal(half, full):
            continue
        initialiser.CopyFrom(onnx.numpy_helper.from_array(half, f'{name}_half'))
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


def _random_inputs(height: int, width: int, returns: int, camera: bool = True) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(returns)
    image = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    depth_m = np.zeros((1, height, width), np.float32)
    depth_m.ravel()[rng.choice(height * width, returns, replace=False)] = rng.uniform(1, 40, returns)
    sigma_m = np.where(rng.random(depth_m.shape) < 0.9, 0.01 * depth_m, 0).astype(np.float32)  # some unknown
    intrinsics = np.array([[0.8 * width, 0.8 * width, width / 2, height / 2]], np.float32)
    return image, depth_m, sigma_m, intrinsics if camera else np.zeros_like(intrinsics)
