# SPDX-License-Identifier: Apache-2.0
"""Which engine runs a model here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from depth_anything_ros.core.errors import ConfigError, MissingExtra
from depth_anything_ros.engines.base import Engine
from depth_anything_ros.engines.classical import ClassicalEngine
from depth_anything_ros.networks.card import ModelCard, load_card

CLASSICAL = 'classical'
DEFAULT_MODEL = 'prompt_depth_small'
ENGINES = ('auto', 'torch', 'onnx', CLASSICAL)
GPU_DEVICES = ('/dev/nvidia0', '/dev/nvhost-gpu', '/dev/nvgpu')  # desktop, Jetson


def create_engine(model: str = DEFAULT_MODEL, engine: str = 'auto') -> Engine:
    """The engine for a model: a name among the package's cards, the path of a card, or 'classical' for no network.

    auto: ONNX Runtime where the model has an exported graph, torch otherwise or where only torch can use the GPU;
    where neither package is installed the classical completion, with the reason in `describe()`. A missing or
    corrupt card, checkpoint or graph is an error under every engine, never something else run in its place.
    Raises ConfigError, CheckpointError, EngineError, MissingExtra.
    """
    if engine not in ENGINES:
        raise ConfigError(f'engine: expected one of {", ".join(ENGINES)}; got {engine!r}')
    if CLASSICAL in (model, engine):
        return ClassicalEngine()
    card = load_card(model)
    if engine == 'auto':
        engine, reason = choose(card)
    else:
        reason = 'asked for'
    if engine == 'onnx':
        from depth_anything_ros.engines.onnx_engine import OnnxEngine

        return OnnxEngine(card, reason)
    if engine == 'torch':
        from depth_anything_ros.engines.torch_engine import TorchEngine

        return TorchEngine(card, reason)
    return ClassicalEngine(reason)


def choose(card: ModelCard) -> tuple[str, str]:
    """(engine, reason) for a card on this machine. Raises MissingExtra: nothing here runs a published system."""
    has_torch, has_onnx = find_spec('torch') is not None, find_spec('onnxruntime') is not None
    graph = card.onnx is not None and card.path_of(card.onnx).is_file()
    if has_torch and _gpu() and not (graph and has_onnx and _onnx_uses_gpu()):
        return 'torch', 'auto: torch is what can use the GPU'
    if has_onnx and graph:
        return 'onnx', 'auto: the model has an exported graph and onnxruntime is installed'
    if has_torch:
        return 'torch', 'auto: ' + ('onnxruntime is not installed' if graph else 'the model has no exported graph')
    if card.prompt != 'sparse':  # a published system asked for by name; completion of the returns is another thing
        raise MissingExtra('torch', 'models', f'the model {card.name}, which has no exported graph here,')
    if has_onnx:
        return CLASSICAL, f'auto: {card.name} has no exported graph and torch is not installed'
    return CLASSICAL, 'auto: neither onnxruntime nor torch is installed'


def _gpu() -> bool:
    return any(Path(device).exists() for device in GPU_DEVICES)


def _onnx_uses_gpu() -> bool:
    import onnxruntime

    return 'CUDAExecutionProvider' in onnxruntime.get_available_providers()
