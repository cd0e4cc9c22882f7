# SPDX-License-Identifier: Apache-2.0
"""A model card -> its network with its weights, or an error; never random weights."""

from __future__ import annotations

import dataclasses

from torch import nn

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.card import ModelCard, verified_path
from depth_anything_ros.networks.checkpoint import load_weights
from depth_anything_ros.networks.sparse_prompt import SparsePromptConfig, SparsePromptNet


def load_network(card: ModelCard) -> nn.Module:
    """In evaluation mode, on the CPU. Raises CheckpointError on weights or settings that don't fit."""
    known = [field.name for field in dataclasses.fields(SparsePromptConfig)]
    unknown = sorted(set(card.network_config) - set(known))
    if unknown:
        raise CheckpointError(f'{card.name}: network_config: unknown {unknown[0]!r}; expected {", ".join(known)}')
    network = SparsePromptNet(SparsePromptConfig(**card.network_config))
    load_weights(network, verified_path(card, card.weights))
    return network.eval()
