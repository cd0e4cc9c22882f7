# SPDX-License-Identifier: Apache-2.0
"""Which engine runs a model here."""

from __future__ import annotations

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.engines.base import Engine
from depth_anything_ros.engines.classical import ClassicalEngine

DEFAULT_MODEL = 'classical'
ENGINES = ('auto', 'torch', 'onnx', 'classical')


def create_engine(model: str = DEFAULT_MODEL, engine: str = 'auto') -> Engine:
    """The engine for a model card by name or path. Raises ConfigError, CheckpointError, EngineError."""
    if engine not in ENGINES:
        raise ConfigError(f'engine: expected one of {", ".join(ENGINES)}; got {engine!r}')
    return ClassicalEngine()
