# SPDX-License-Identifier: Apache-2.0
"""Which network a card means: its module, settings and class; imported only when that network is asked for."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from depth_anything_ros.core.errors import CheckpointError, MissingExtra

SPARSE_PROMPT = 'sparse_prompt'
NETWORKS = {  # id, which is also the module's name -> what its classes start with
    SPARSE_PROMPT: 'SparsePrompt',
    'depth_anything': 'DepthAnything',
    'prompt_depth_anything': 'PromptDepthAnything',
    'depth_pro': 'DepthPro',
    'dap': 'Dap',
    'metric_anything': 'MetricAnything',
    'depth_anything_3': 'DepthAnything3',
}


def network_config(network: str, values: dict[str, Any]) -> Any:
    """The settings of a network from a card's `network_config`. Raises CheckpointError naming what is wrong."""
    kind = getattr(_module(network), f'{NETWORKS[network]}Config')
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise CheckpointError(f'network_config: unknown {unknown[0]!r}; expected {", ".join(known)}')
    # YAML has lists only; a frozen config with a list in it is neither frozen nor hashable
    frozen = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        return kind(**frozen)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f'network_config: {error}') from error


def build_network(network: str, config: Any):
    """The network on torch's default device, with whatever weights its constructor gives it."""
    return getattr(_module(network), f'{NETWORKS[network]}Net')(config)


def own_names(network: str, form: str) -> Callable[[dict, Any], dict]:
    """The function (state, config) -> state that renames a checkpoint of this form to the network's own names.

    form: 'safetensors' (its own names already), 'official' or 'huggingface'.
    Raises CheckpointError where the network has no such form.
    """
    if form == 'safetensors':
        return lambda state, config: state
    function = getattr(_module(network), f'{form}_state', None)
    if function is None:
        raise CheckpointError(f'{network} has no checkpoints of format {form!r}')
    return function


def _module(network: str) -> ModuleType:
    if network not in NETWORKS:
        raise CheckpointError(f'network: expected one of {", ".join(NETWORKS)}; got {network!r}')
    try:
        return importlib.import_module(f'depth_anything_ros.networks.{network}')
    except ModuleNotFoundError as error:
        if error.name and error.name.split('.')[0] == 'depth_anything_ros':
            raise
        extra = 'models' if (error.name or '').startswith('transformers') else 'torch'
        raise MissingExtra(error.name or 'torch', extra, f'the network {network}') from error
