# SPDX-License-Identifier: Apache-2.0
"""An exported ONNX graph -> a TensorRT engine file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depth_anything_ros.core.errors import ConfigError, EngineError, MissingExtra
from depth_anything_ros.engines.arrays import INPUT_NAMES
from depth_anything_ros.engines.plan_manifest import replace_file
from depth_anything_ros.engines.tensorrt_api import TensorRT
from depth_anything_ros.networks.graph_attention import DOMAIN as ONNX_RUNTIME_DOMAIN
from depth_anything_ros.networks.half_graph import PRECISION_KEY, cast_images_first, compute_in_half

PRECISIONS = ('fp32', 'fp16')
SIZED_INPUTS = ('image', 'depth_m', 'sigma_m')  # (1, H, W, ...); the camera is (1, 4)
DEFAULT_SIZE = (352, 480)  # where a graph takes any: what the package's own network works at
ONE_MESSAGE = 1.8e9  # bytes; a graph of 2 GB goes to the parser with its weights in another file
Progress = Callable[[str, int, int], bool]


@dataclass(frozen=True)
class PlanSettings:
    """size: (height, width) of the images the engine will take; None: what the graph was exported for, or 352x480.

    islands: see half_graph. workspace_mb: 0 = TensorRT's own.
    """

    size: tuple[int, int] | None = None
    precision: str = 'fp16'
    islands: tuple[str, ...] = ()
    workspace_mb: int = 0

    def __post_init__(self):
        if self.precision not in PRECISIONS:
            raise ConfigError(f'precision: expected {" or ".join(PRECISIONS)}; got {self.precision!r}')
        if (self.size and min(self.size) < 1) or self.workspace_mb < 0:
            raise ConfigError(f'expected a positive size and workspace, got {self}')


@dataclass(frozen=True, eq=False)
class PreparedGraph:
    """A graph as TensorRT takes it. model: onnx.ModelProto; precision: what it computes in, kept: all but for so many
    products, which the islands hold in fp32.
    """

    path: Path
    model: object
    precision: str
    kept: int

    def write(self, folder: Path) -> Path:
        """For a parser or a runtime to read; graphs beyond what one message holds get a second file."""
        import onnx

        path = folder / 'graph.onnx'
        large = self.model.ByteSize() > ONE_MESSAGE
        onnx.save(self.model, str(path), save_as_external_data=large, location='graph.onnx.data')
        return path


def prepare_graph(graph: Path, settings: PlanSettings) -> PreparedGraph:
    """In the precision asked for; one that was exported in fp16 stays so. Raises EngineError where it is no graph of
    this package's, MissingExtra.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra('onnx', 'tensorrt-rtx', 'building a TensorRT engine') from error
    try:
        model = onnx.load(str(graph))
        onnx.checker.check_model(str(graph))
    except Exception as error:  # protobuf's and the checker's own, and OSError
        raise EngineError(f'{graph}: not a readable ONNX graph: {" ".join(str(error).split())[:200]}') from error
    if any(node.domain == ONNX_RUNTIME_DOMAIN for node in model.graph.node):
        raise EngineError(
            f'{graph}: its attention was fused for ONNX Runtime alone: export it without --fuse-attention'
        )
    names = tuple(value.name for value in model.graph.input)
    if names != INPUT_NAMES:
        raise EngineError(
            f'{graph}: expected a graph with the inputs {", ".join(INPUT_NAMES)}, got {", ".join(names)}: make one'
            ' with depth_anything_ros export'
        )
    own = {entry.key: entry.value for entry in model.metadata_props}.get(PRECISION_KEY, 'fp32')
    cast_images_first(model)
    if own == 'fp16' or settings.precision == 'fp32':
        return PreparedGraph(graph, model, own, 0)
    return PreparedGraph(graph, model, 'fp16', compute_in_half(model, settings.islands).kept)


def build_plan(
    prepared: PreparedGraph, plan: Path, tensorrt: TensorRT, settings: PlanSettings, on_progress: Progress | None = None
) -> dict[str, tuple[int, ...]]:
    """Write `plan`, complete or not at all -> the shape of every input.

    on_progress(phase, step, steps) is called from TensorRT's threads and stops the build by returning False. A timing
    cache beside the plan makes later builds on the same GPU fast, where the flavour has one.
    Raises EngineError: a graph that TensorRT can't take, a size that it wasn't made for, no memory, stopped.
    """
    graph = prepared.path
    trt, log = tensorrt.module, tensorrt.logger()
    builder = trt.Builder(log.logger)
    network = tensorrt.create_network(builder)
    parser = trt.OnnxParser(network, log.logger)
    try:
        plan.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f'{plan}: cannot be written: {error.strerror}') from error
    # the parser's weights may point into the file, so that it stays until the engine is built
    with tempfile.TemporaryDirectory(prefix='.build-', dir=plan.parent) as folder:
        if not parser.parse_from_file(str(prepared.write(Path(folder)))):
            said = '; '.join(_said(parser.get_error(i)) for i in range(parser.num_errors)) or log.said()
            raise EngineError(f'{graph}: {tensorrt.flavour} {tensorrt.version} cannot take this graph: {said}')
        config = builder.create_builder_config()
        if settings.precision == 'fp32':
            config.clear_flag(trt.BuilderFlag.TF32)  # else matrix products lose 13 bits of what was asked for
        if settings.workspace_mb:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mb << 20)
        config.progress_monitor = _monitor(trt, on_progress or (lambda phase, step, steps: True))
        shapes = _fix_sizes(graph, builder, network, config, settings)
        timings = plan.with_name(f'{tensorrt.flavour}_{tensorrt.version}.timing') if tensorrt.has_timing_cache else None
        cache = _load_timings(config, timings)
        built = builder.build_serialized_network(network, config)
    if built is None:
        if config.progress_monitor.stopped:
            raise EngineError(f'{plan}: the build was stopped; nothing was written')
        raise EngineError(f'{graph}: {tensorrt.flavour} {tensorrt.version} could not build an engine: {log.said()}')
    if cache is not None:
        replace_file(timings, cache.serialize())
    replace_file(plan, built)
    return shapes


def _fix_sizes(graph: Path, builder, network, config, settings: PlanSettings) -> dict[str, tuple[int, ...]]:
    """Give open axes the size asked for; one engine, one size, as fast as it gets. Returns every input's shape."""
    profile, shapes, is_open = builder.create_optimization_profile(), {}, False
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        shape = list(tensor.shape)
        wanted = [1]  # the engine runs frame by frame, two at a time under way
        if tensor.name in SIZED_INPUTS:
            wanted += settings.size or (DEFAULT_SIZE if -1 in shape[1:3] else shape[1:3])
        for axis, side in enumerate(wanted):
            if shape[axis] not in (-1, side):
                raise EngineError(_mismatch(graph, shape, wanted))
        if -1 in shape:
            is_open = True
            shape[: len(wanted)] = wanted
            profile.set_shape(tensor.name, shape, shape, shape)
        shapes[tensor.name] = tuple(shape)
    if is_open:
        config.add_optimization_profile(profile)
    return shapes


def _mismatch(graph: Path, shape: list[int], wanted: list[int]) -> str:
    if shape[0] not in (-1, 1):
        return f'{graph}: it was exported for {shape[0]} images at a time: export it with --batch 1 or dynamic'
    return (
        f'{graph}: it was exported for {shape[2]}x{shape[1]} images, not for {wanted[2]}x{wanted[1]}:'
        f' export it with --size {wanted[1]}x{wanted[2]}'
    )


def _said(error) -> str:
    return f'{error.node_operator()} {error.node_name()}: {" ".join(error.desc().split())}'


def _monitor(trt, on_progress: Progress):
    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            super().__init__()
            self.steps: dict[str, int] = {}
            self.stopped = False

        def phase_start(self, phase_name, parent_phase, num_steps):
            self.steps[phase_name] = num_steps

        def step_complete(self, phase_name, step):
            if not on_progress(phase_name, step + 1, self.steps.get(phase_name, 0)):
                self.stopped = True
            return not self.stopped

        def phase_finish(self, phase_name):
            self.steps.pop(phase_name, None)

    return Monitor()


def _load_timings(config, timings: Path | None):
    if timings is None:
        return None
    cache = config.create_timing_cache(timings.read_bytes() if timings.is_file() else b'')
    config.set_timing_cache(cache, False)  # one of another GPU is refused and starts empty
    return config.get_timing_cache()
