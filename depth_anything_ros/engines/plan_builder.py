# SPDX-License-Identifier: Apache-2.0
"""An exported ONNX graph -> a TensorRT engine file and its manifest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depth_anything_ros.core.errors import ConfigError, EngineError, MissingExtra
from depth_anything_ros.engines.half_graph import cast_images_first, compute_in_half
from depth_anything_ros.engines.plan_manifest import Machine, PlanManifest, sha256, write_manifest
from depth_anything_ros.engines.tensorrt_api import TensorRT

PRECISIONS = ('fp32', 'fp16')
SIZED_INPUTS = ('image', 'depth_m', 'sigma_m')  # (1, H, W, ...)
Progress = Callable[[str, int, int], bool]


@dataclass(frozen=True)
class PlanSettings:
    """height, width: of the images the engine will take. islands: see half_graph. workspace_mb: 0 = TensorRT's own."""

    height: int
    width: int
    precision: str = 'fp16'
    islands: tuple[str, ...] = ()
    workspace_mb: int = 0

    def __post_init__(self):
        if self.precision not in PRECISIONS:
            raise ConfigError(f'precision: expected {" or ".join(PRECISIONS)}; got {self.precision!r}')
        if self.height < 1 or self.width < 1 or self.workspace_mb < 0:
            raise ConfigError(f'expected a positive size and workspace, got {self}')


def build_plan(
    graph: Path,
    plan: Path,
    tensorrt: TensorRT,
    machine: Machine,
    settings: PlanSettings,
    model: str,
    on_progress: Progress | None = None,
) -> PlanManifest:
    """Build `plan` from `graph`; both it and its manifest are complete or what was there before stays.

    on_progress(phase, step, steps) is called from TensorRT's threads and stops the build by returning False. A timing
    cache beside the plan makes later builds on the same GPU fast, where the flavour has one.
    Raises EngineError: a graph that can't be read or parsed, a size that it wasn't made for, no memory, stopped.
    """
    serialised = prepared_graph(graph, settings)
    trt, log = tensorrt.module, tensorrt.logger()
    builder = trt.Builder(log.logger)
    network = tensorrt.create_network(builder)
    parser = trt.OnnxParser(network, log.logger)
    if not parser.parse(serialised):
        said = '; '.join(_said(parser.get_error(i)) for i in range(parser.num_errors)) or log.said()
        raise EngineError(f'{graph}: {tensorrt.flavour} {tensorrt.version} cannot take this graph: {said}')

    config = builder.create_builder_config()
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
        _replace(timings, cache.serialize())
    plan.parent.mkdir(parents=True, exist_ok=True)
    _replace(plan, built)
    manifest = PlanManifest(
        model, sha256(graph), sha256(plan), machine, settings.precision, shapes, islands=settings.islands
    )
    write_manifest(manifest, plan)
    return manifest


def prepared_graph(graph: Path, settings: PlanSettings) -> bytes:
    """The graph as TensorRT takes it, in the precision asked for. Raises EngineError, MissingExtra."""
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra('onnx', 'export', 'building a TensorRT engine') from error
    try:
        model = onnx.load(str(graph))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's own, and OSError
        raise EngineError(f'{graph}: not a readable ONNX graph: {" ".join(str(error).split())[:200]}') from error
    cast_images_first(model)
    if settings.precision == 'fp16':
        report = compute_in_half(model, settings.islands)
        if settings.islands and not report.kept:
            raise EngineError(f'{graph}: no layer is called {" or ".join(settings.islands)}, so none stays in fp32')
    return model.SerializeToString()


def _fix_sizes(graph: Path, builder, network, config, settings: PlanSettings) -> dict[str, tuple[int, ...]]:
    """Give open sides the size asked for; one engine, one size, as fast as it gets. Returns every input's shape."""
    profile, shapes, is_open = builder.create_optimization_profile(), {}, False
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        shape = list(tensor.shape)
        if tensor.name in SIZED_INPUTS:
            wanted = [1, settings.height, settings.width]
            for axis, side in enumerate(wanted):
                if shape[axis] not in (-1, side):
                    raise EngineError(
                        f'{graph}: it was exported for {shape[2]}x{shape[1]} images, not for'
                        f' {settings.width}x{settings.height}: export it with --size {settings.height}x{settings.width}'
                    )
            if -1 in shape:
                is_open = True
                shape[:3] = wanted
                profile.set_shape(tensor.name, shape, shape, shape)
        elif -1 in shape:
            raise EngineError(f'{graph}: input {tensor.name} has an open shape {tuple(shape)} that no setting names')
        shapes[tensor.name] = tuple(shape)
    if is_open:
        config.add_optimization_profile(profile)
    return shapes


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


def _replace(path: Path, content) -> None:
    unfinished = path.with_name(f'{path.name}.{os.getpid()}.{time.monotonic_ns()}.part')
    try:
        with unfinished.open('wb') as file:
            file.write(content)
        os.replace(unfinished, path)
    except OSError as error:
        raise EngineError(f'{path}: cannot be written: {error.strerror}') from error
    finally:
        unfinished.unlink(missing_ok=True)
