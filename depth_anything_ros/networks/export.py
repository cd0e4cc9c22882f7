# SPDX-License-Identifier: Apache-2.0
"""A network -> an ONNX graph shown to give what torch gives.

The graph takes the raw arrays (image, depth_m, sigma_m, camera). The sparse-prompt network's takes images of any size
that is a multiple of 32; those of the published systems have one size built in, as their resize rules and position
embeddings depend on it. Weights that half precision holds exactly are stored in it and widened when the graph is
loaded: half the file, the same figures on every runtime. With precision fp16 the graph computes in it too, where that
is safe (half_graph.py), and says so in its metadata.
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

from depth_anything_ros.core.errors import ConfigError, EngineError, MissingExtra
from depth_anything_ros.networks.graph_attention import fuse_attention
from depth_anything_ros.networks.graph_tidy import drop_unused, tidy
from depth_anything_ros.networks.half_graph import PRECISION_KEY, compute_in_half

OPSET = 18
STRIDE = 32  # px: sides of images are multiples of it where the size is not built in
SIDES = (2, 256)  # strides
INPUTS, OUTPUTS = ('image', 'depth_m', 'sigma_m', 'camera'), ('depth', 'sigma')
TRACED_SIZE = (160, 224)  # odd multiples: even ones can hide an assumption
CHECKED = ((480, 640, 500), (160, 352, 40), (192, 608, 3000), (192, 256, 0), (256, 352, 1), (64, 64, 5))
DYNAMIC = 'dynamic'  # a free batch axis
TRACED_BATCH, LARGEST_BATCH = 2, 64  # traced with one, a graph takes one for ever
PRECISIONS = ('fp32', 'fp16')
TORN = 1e-4  # share of the pixels that may be depth here and none there
TOLERANCE = 1e-3  # relative, in depth and sigma: the largest difference
HALF_TOLERANCE = 1e-2  # of a graph that computes in half precision: the mean difference
FAR_M = 100.0  # a network that gives inverse depth is that exact up to here; beyond, less in proportion
SMALL = 0.01  # of the median: disparity below it, near zero, is compared with it
LARGE = 256  # elements; smaller constants stay in single precision
ONE_FILE = 1.8e9  # bytes of weights; a graph of 2 GB can't be one file, so that weights go into another beside it


@dataclass(frozen=True)
class Parity:
    """Relative differences between torch and ONNX Runtime at one image size, number of returns and batch: the largest
    ones, or the mean ones of a graph that computes in half precision.
    """

    height: int
    width: int
    returns: int
    depth: float
    sigma: float
    batch: int = 1
    precision: str = 'fp32'

    @property
    def allowed(self) -> float:
        return TOLERANCE if self.precision == 'fp32' else HALF_TOLERANCE

    @property
    def passed(self) -> bool:
        return max(self.depth, self.sigma) <= self.allowed


@dataclass(frozen=True)
class ExportSettings:
    """size: (height, width) of the images to build in; None for a network that takes any multiple of 32. precision:
    'fp32' or 'fp16'. batch: how many images a run takes, or 'dynamic' for any number; None: 1 where the size is built
    in, any number otherwise. fuse_attention: for ONNX Runtime alone (graph_attention.py).
    """

    size: tuple[int, int] | None = None
    precision: str = 'fp32'
    batch: int | str | None = None
    fuse_attention: bool = False

    def __post_init__(self):
        if self.precision not in PRECISIONS:
            raise ConfigError(f'precision: expected {" or ".join(PRECISIONS)}; got {self.precision!r}')
        if self.fuse_attention and self.precision != 'fp32':
            raise ConfigError('fuse_attention: only for graphs in fp32')
        if self.batch is None:
            object.__setattr__(self, 'batch', DYNAMIC if self.size is None else 1)
        if self.batch != DYNAMIC and not (isinstance(self.batch, int) and 1 <= self.batch <= LARGEST_BATCH):
            raise ConfigError(f'batch: expected 1 to {LARGEST_BATCH} or {DYNAMIC}; got {self.batch!r}')

    def cases(self) -> list[tuple[int, int, int, int]]:
        """(height, width, returns, batch) to compare at: with and without returns, and several sizes where any goes."""
        if self.size is None:
            sizes = list(CHECKED)
        else:
            sizes = [(*self.size, self.size[0] * self.size[1] // 100), (*self.size, 0)]
        if self.batch != DYNAMIC:
            return [(*size, self.batch) for size in sizes]
        return [(*size, 1) for size in sizes] + [(*sizes[-1], TRACED_BATCH + 1)]


def export_onnx(
    network: nn.Module,
    path: str | Path,
    size: tuple[int, int] | None = None,
    precision: str = 'fp32',
    batch: int | str | None = None,
    fuse_attention: bool = False,
) -> list[Parity]:
    """Write `path` and compare it with `network` on several prompts, and sizes where it takes any -> what was found.

    network: float32; the rest as ExportSettings. Weights above 1.8 GB go into a second file, `path` + .data. Raises
    EngineError where torch can't export it or the graph is outside the tolerance, MissingExtra without onnx,
    onnxscript or onnxruntime; nothing is left at `path` then.
    """
    path, settings = Path(path), ExportSettings(size, precision, batch, fuse_attention)
    with tempfile.TemporaryDirectory(prefix='.export-', dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        _write(network, unfinished, settings)
        parities = check_parity(network, unfinished, settings)
        failed = [parity for parity in parities if not parity.passed]
        if failed:
            worst = max(failed, key=lambda parity: np.nan_to_num(max(parity.depth, parity.sigma), nan=np.inf))
            raise EngineError(
                f'{path.name}: the exported graph differs from torch by {max(worst.depth, worst.sigma):.2g} at'
                f' {worst.width}x{worst.height} with {worst.returns} returns, {worst.batch} at a time (allowed:'
                f' {worst.allowed:g}); not written'
            )
        for file in sorted(Path(folder).iterdir(), reverse=True):  # the weights first, the graph that needs them last
            os.replace(file, path.with_name(file.name))
    return parities


def check_parity(network: nn.Module, path: str | Path, settings: ExportSettings) -> list[Parity]:
    """Run torch and ONNX Runtime on the CPU with the same random arrays, in every case of the settings."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra('onnxruntime', 'onnx', 'checking an exported graph') from error
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    reduce = np.max if settings.precision == 'fp32' else np.mean
    parities = []
    for height, width, returns, batch in settings.cases():
        arrays = _random_inputs(height, width, returns, settings.size is None or returns > 0, batch)
        with torch.inference_mode():
            ours = [output.numpy() for output in network(*(torch.from_numpy(array) for array in arrays))]
        theirs = session.run(list(OUTPUTS), dict(zip(INPUTS, arrays, strict=True)))
        found = [_difference(a, b, reduce) for a, b in zip(ours, theirs, strict=True)]
        parities.append(Parity(height, width, returns, *found, batch, settings.precision))
    return parities


def _difference(ours: np.ndarray, theirs: np.ndarray, reduce=np.max) -> float:
    """Largest (or, by `reduce`, mean) relative difference; a pixel in 10,000 may fall on the other side of "no depth
    here" (0), at the outline of a sky, say, where a rounding decides.
    """
    if ours.shape != theirs.shape:
        return np.inf
    torn = (ours == 0) != (theirs == 0)
    if torn.mean() <= TORN:
        ours, theirs = ours[~torn], theirs[~torn]
    value = np.abs(ours)
    least = SMALL * np.median(value[value > 0]) if (value > 0).any() else 1.0
    relative = np.abs(ours - theirs) / (np.maximum(value, least) * (1 + value / FAR_M))
    worst = float(reduce(relative)) if relative.size else 0.0
    return worst if np.isfinite(worst) else np.inf


def halved(network: nn.Module) -> nn.Module:
    """The network with every weight rounded to half precision, still float32: what both files hold."""
    state = {name: tensor.half().to(tensor.dtype) for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    return network


def _write(network: nn.Module, path: Path, settings: ExportSettings):
    try:
        import onnx
        import onnxscript  # noqa: F401  torch's exporter needs it and says so less clearly
    except ImportError as error:
        raise MissingExtra(error.name or 'onnx', 'export', 'exporting to ONNX') from error
    batch = TRACED_BATCH if settings.batch == DYNAMIC else settings.batch
    arrays = _random_inputs(*(settings.size or TRACED_SIZE), 100, batch=batch)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        logging.getLogger('torch.onnx').setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                network.eval(),
                tuple(torch.from_numpy(array) for array in arrays),
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_shapes=_free_axes(settings),
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise EngineError(f'{path.name}: torch cannot export this network: {_cause(error)}') from error
    model = program.model_proto
    tidy(model)
    if settings.fuse_attention:
        fuse_attention(model)
        drop_unused(model.graph)
    _halve_weights(onnx, model)
    _strip_traces(model)
    if settings.precision == 'fp16':
        compute_in_half(model)
        model.metadata_props.add(key=PRECISION_KEY, value=settings.precision)
    large = sum(len(initialiser.raw_data) for initialiser in model.graph.initializer) > ONE_FILE
    onnx.save(model, str(path), save_as_external_data=large, location=f'{path.name}.data')
    onnx.checker.check_model(str(path))


def _free_axes(settings: ExportSettings):
    """For torch.onnx.export: which axes of the inputs are free; None where none is."""
    axes = {}
    if settings.batch == DYNAMIC:
        axes[0] = torch.export.Dim('batch', min=1, max=LARGEST_BATCH)
    sized = dict(axes)
    if settings.size is None:
        rows, columns = (torch.export.Dim(name, min=SIDES[0], max=SIDES[1]) for name in ('rows', 'columns'))
        sized |= {1: STRIDE * rows, 2: STRIDE * columns}
    return (sized, sized, sized, axes) if sized else None


def _cause(error: BaseException) -> str:
    """The first line of what torch's exporter stumbled over, without the pages around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


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


def _random_inputs(
    height: int, width: int, returns: int, camera: bool = True, batch: int = 1
) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(returns)
    image = rng.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)
    depth_m = np.zeros((batch, height, width), np.float32)
    for one in depth_m:
        one.ravel()[rng.choice(height * width, returns, replace=False)] = rng.uniform(1, 40, returns)
    sigma_m = np.where(rng.random(depth_m.shape) < 0.9, 0.01 * depth_m, 0).astype(np.float32)  # some unknown
    intrinsics = np.array([[0.8 * width, 0.8 * width, width / 2, height / 2]], np.float32).repeat(batch, axis=0)
    return image, depth_m, sigma_m, intrinsics if camera else np.zeros_like(intrinsics)
