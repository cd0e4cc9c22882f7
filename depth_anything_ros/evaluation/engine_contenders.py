# SPDX-License-Identifier: Apache-2.0
"""Who takes part in `benchmark engines`: the engines for some models at one image size, and the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from depth_anything_ros.core.errors import MissingExtra
from depth_anything_ros.core.frames import DepthPrompt, Observation
from depth_anything_ros.engines.base import Engine, Request
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.evaluation.engine_speed import Contender, engine_run, random_images, requests_of
from depth_anything_ros.evaluation.random_weights import has_weights, placed, stand_in
from depth_anything_ros.evaluation.transformers_pipeline import PIPELINE_PRECISIONS, TransformersPipeline
from depth_anything_ros.networks.card import SPARSE_PROMPT, ModelCard, load_card, weight_file
from depth_anything_ros.pipeline.estimator import DepthEstimator

IMAGES = 4  # that take turns, so that nothing is the same as in the frame before


@dataclass(frozen=True)
class Comparison:
    """models: names or paths of cards; size: (width, height) of the images; engines: of 'pipeline', 'onnx', 'torch';
    precisions: of torch and the pipeline; compiled: torch.compile too; path: the whole frame path too.
    """

    models: tuple[str, ...]
    size: tuple[int, int]
    engines: tuple[str, ...]
    precisions: tuple[str, ...]
    compiled: bool = False
    path: bool = False


def contenders(plan: Comparison, folder: Path, tell: Callable[[str], None]) -> list[Contender]:
    """Everything made ready, stand-ins and graphs in `folder`; tell: one line for each thing a reader should know.

    Raises what engines and exports raise; MissingExtra without torch, which makes weights and graphs.
    """
    requests = requests_of(random_images(*plan.size, IMAGES))
    found = []
    for model in plan.models:
        found += _of_model(load_card(model), plan, folder, requests, tell)
    return found


def _of_model(
    card: ModelCard, plan: Comparison, folder: Path, requests: Sequence[Request], tell: Callable[[str], None]
) -> list[Contender]:
    flops = _flops(card, plan.size)
    if not has_weights(card):
        tell(f'{card.name}: no checkpoint on this machine; random weights stand in, so that its depth means nothing')
        card = stand_in(card, folder)
    found = []

    def add(name: str, run, precision: str, facts: dict[str, str]):
        found.append(Contender(name, card.name, run, precision, flops, facts))

    if 'pipeline' in plan.engines and card.network == 'depth_anything':
        for precision in (precision for precision in plan.precisions if precision in PIPELINE_PRECISIONS):
            pipeline = TransformersPipeline(card, precision)
            run = lambda i, pipeline=pipeline: pipeline.depth(requests[i % len(requests)].image_rgb)
            add(f'transformers pipeline {precision}', run, precision, {})
    engines: list[Engine] = []
    if 'onnx' in plan.engines:
        engines.append(_onnx(card, plan.size, folder, tell))
    if 'torch' in plan.engines:
        engines += [_torch(card, precision, False) for precision in plan.precisions]
        if plan.compiled:
            engines += [_torch(card, precision, True) for precision in plan.precisions]
    for engine in engines:
        facts = engine.describe()
        ways = f', {facts["runs"]}' if facts.get('runs', 'eager') != 'eager' else ''
        add(f'{engine.name} {engine.precision}{ways}', engine_run(engine, requests), engine.precision, facts)
    if plan.path:
        for engine in engines:
            found.append(
                Contender(
                    f'{engine.name} {engine.precision}, whole frame path',
                    f'{card.name}, path',
                    _path_run(engine, requests),
                    engine.precision,
                    facts=engine.describe(),
                )
            )
    return found


def _onnx(card: ModelCard, size: tuple[int, int], folder: Path, tell: Callable[[str], None]) -> Engine:
    from depth_anything_ros.engines.onnx_engine import OnnxEngine

    width, height = size
    if card.onnx is not None and card.path_of(card.onnx).is_file():
        engine = OnnxEngine(card, 'benchmark')
        size_said = engine.describe().get('graph_size', '')
        if not size_said or size_said.startswith(f'{width}x{height};'):
            return engine
    from depth_anything_ros.networks.export import export_onnx
    from depth_anything_ros.networks.loading import load_network

    graph = folder / f'{card.name}_{width}x{height}.onnx'
    size = None if card.network == SPARSE_PROMPT else (height, width)
    parities = export_onnx(load_network(card), graph, size, fuse_attention=True)
    worst = max(max(parity.depth, parity.sigma) for parity in parities)
    tell(f'{card.name}: exported a graph for {width}x{height}, at most {worst:.1e} from torch')
    return OnnxEngine(placed(card, folder, onnx=weight_file(graph)), 'benchmark')


def _torch(card: ModelCard, precision: str, compiled: bool) -> Engine:
    from depth_anything_ros.engines.torch_engine import TorchEngine

    return TorchEngine(card, 'benchmark', EngineOptions(precision=precision, compile=compiled))


def _path_run(engine: Engine, requests: Sequence[Request]):
    estimator = DepthEstimator(engine)
    observations = [
        Observation(
            request.image_rgb,
            request.camera,
            stamp_ns=0,
            depth_prompts=(
                DepthPrompt(request.prompt.sparse.depth_m, stamp_ns=0, sigma_m=request.prompt.sparse.sigma_m),
            ),
        )
        for request in requests
    ]
    return lambda number: estimator.estimate(observations[number % len(observations)]).depth_m


def _flops(card: ModelCard, size: tuple[int, int]) -> float | None:
    from depth_anything_ros.engines.arrays import Packing
    from depth_anything_ros.evaluation.roofline import network_flops

    width, height = size
    packing = Packing(card)
    rows, columns = packing.padded_size(*packing.fitted(height, width))  # what the network itself works at
    try:
        return network_flops(card, columns, rows)
    except MissingExtra:
        raise
    except (RuntimeError, NotImplementedError, TypeError):  # operations that torch can't run on shapes alone
        return None
