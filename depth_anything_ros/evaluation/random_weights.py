# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for checkpoints that are not on this machine: speed and parity need weights, and any weights will do.

Every tensor has a spread that keeps signals alive through the network, so that differences between engines show. The
depth that comes out means nothing.
"""

from __future__ import annotations

import dataclasses
import zlib
from pathlib import Path

from depth_anything_ros.networks.card import ModelCard, load_card, save_card, weight_file

ABOVE_ZERO = 5.0  # bias of the last layer of a network that ends in a ReLU


def has_weights(card: ModelCard) -> bool:
    return any(card.path_of(source).is_file() for source in card.sources)


def stand_in(card: ModelCard, folder: Path) -> ModelCard:
    """The card with random weights of its network's shapes, written to `folder`; the same weights at every call.

    Raises MissingExtra where the network's packages are missing.
    """
    from depth_anything_ros.networks.checkpoint import save_weights
    from depth_anything_ros.networks.registry import build_network, network_config

    network = build_network(card.network, network_config(card.network, card.network_config))
    fill_randomly(network)
    weights = folder / f'{card.name}.safetensors'
    save_weights(network, weights)
    return placed(card, folder, weights=weight_file(weights), alternatives=(), onnx=None)


def placed(card: ModelCard, folder: Path, **changes) -> ModelCard:
    """A card like this one in `folder`, as it reads from there."""
    path = folder / f'{card.name}.yaml'
    save_card(dataclasses.replace(card, **changes), path)
    return load_card(str(path))


def fill_randomly(network) -> None:
    """Every parameter a fixed random number of its name's seed; for torch modules."""
    import torch
    from torch import nn

    one_sided = {id(module.weight) for module in network.modules() if isinstance(module, nn.LayerNorm)}
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            noise = torch.randn(parameter.shape, generator=generator)
            if id(parameter) in one_sided:
                noise = 1 + 0.1 * noise
            elif name.endswith(('lambda1', 'gamma')):
                noise = 0.5 + 0.1 * noise
            elif parameter.ndim > 1 and name.endswith('weight'):
                noise = noise / parameter[0].numel() ** 0.5
            else:
                noise = (0.2 if parameter.ndim > 1 else 0.02) * noise
            parameter.copy_(noise)
        for name, parameter in network.named_parameters():
            if name.endswith('head.conv3.bias'):
                parameter.fill_(ABOVE_ZERO)
    network.eval()
