# SPDX-License-Identifier: Apache-2.0
"""Which engine runs a model here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from depth_anything_ros.core.errors import ConfigError, MissingExtra
from depth_anything_ros.engines.base import Engine
from depth_anything_ros.engines.classical import ClassicalEngine
from depth_anything_ros.engines.fallback import Candidate, FallbackEngine
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.engines.tensorrt_api import FLAVOURS
from depth_anything_ros.networks.card import ModelCard, load_card

CLASSICAL = 'classical'
DEFAULT_MODEL = 'prompt_depth_small'
ENGINES = ('auto', 'tensorrt', 'torch', 'onnx', CLASSICAL)
GPU_DEVICES = ('/dev/nvidia0', '/dev/nvhost-gpu', '/dev/nvgpu')  # desktop, Jetson


def create_engine(model: str = DEFAULT_MODEL, engine: str = 'auto', options: EngineOptions | None = None) -> Engine:
    """The engine for a model: a name among the package's cards, the path of a card, or 'classical' for no network.

    auto: the best that works here, in the order of `candidates`; one that fails is told in one line of the log and in
    `describe()`, and the next takes its place. Any other engine runs the model or is an error. A missing or corrupt
    card, checkpoint or graph is an error under every engine, never something else run in its place.
    Raises ConfigError, CheckpointError, EngineError, MissingExtra.
    """
    if engine not in ENGINES:
        raise ConfigError(f'engine: expected one of {", ".join(ENGINES)}; got {engine!r}')
    if CLASSICAL in (model, engine):
        return ClassicalEngine()
    card, options = load_card(model), options or EngineOptions()
    if engine != 'auto':
        return _MAKERS[engine](card, 'asked for', options)
    found = [
        Candidate(name, f'auto: {reason}', lambda reason, name=name: _MAKERS[name](card, reason, options))
        for name, reason in candidates(card, options)
    ]
    return FallbackEngine(found) if len(found) > 1 else found[0].make(found[0].reason)


def candidates(card: ModelCard, options: EngineOptions) -> list[tuple[str, str]]:
    """(engine, reason) of everything that might run a card on this machine, the best first: TensorRT, torch on a GPU,
    ONNX Runtime (on a GPU where it can), torch on the CPU. Classical completion only where nothing here runs networks,
    and only in place of one that completes sparse returns itself. Raises MissingExtra: nothing here runs it.
    """
    has_torch, has_onnx = find_spec('torch') is not None, find_spec('onnxruntime') is not None
    graph = card.onnx is not None and card.path_of(card.onnx).is_file()
    weights = any(card.path_of(source).is_file() for source in card.sources) or not graph
    gpu = _gpu()
    found = []
    if gpu and graph and options.precision != 'bf16' and any(find_spec(flavour) for flavour in FLAVOURS):
        found.append(('tensorrt', 'there is a GPU, TensorRT and an exported graph'))
    if gpu and has_torch and weights and _torch_uses_gpu():
        found.append(('torch', 'torch can use the GPU'))
    if has_onnx and graph and not (options.precision == 'bf16' and has_torch):  # of which there are no graphs
        found.append(('onnx', 'the model has an exported graph and onnxruntime is installed'))
    if has_torch and weights and 'torch' not in dict(found):
        found.append(('torch', _why_torch(has_onnx, graph)))
    if found:
        return found
    if card.prompt != 'sparse':  # a published system asked for by name; completion of the returns is another thing
        raise MissingExtra('torch', 'models', f'the model {card.name}, which has no exported graph here,')
    if has_onnx:
        return [(CLASSICAL, f'{card.name} has no exported graph and torch is not installed')]
    return [(CLASSICAL, 'neither onnxruntime nor torch is installed')]


def _why_torch(has_onnx: bool, graph: bool) -> str:
    if not graph:
        return 'the model has no exported graph'
    return 'torch is installed too' if has_onnx else 'onnxruntime is not installed'


def _tensorrt(card: ModelCard, reason: str, options: EngineOptions) -> Engine:
    from depth_anything_ros.engines.tensorrt_engine import TensorRTEngine

    return TensorRTEngine(card, reason, options)


def _torch(card: ModelCard, reason: str, options: EngineOptions) -> Engine:
    from depth_anything_ros.engines.torch_engine import TorchEngine

    return TorchEngine(card, reason, options)


def _onnx(card: ModelCard, reason: str, options: EngineOptions) -> Engine:
    from depth_anything_ros.engines.onnx_engine import OnnxEngine

    return OnnxEngine(card, reason, options)


def _classical(card: ModelCard, reason: str, options: EngineOptions) -> Engine:
    return ClassicalEngine(reason)


_MAKERS = {'tensorrt': _tensorrt, 'torch': _torch, 'onnx': _onnx, CLASSICAL: _classical}


def _gpu() -> bool:
    return any(Path(device).exists() for device in GPU_DEVICES)


def _torch_uses_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
