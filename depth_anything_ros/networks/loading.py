# SPDX-License-Identifier: Apache-2.0
"""A model card -> its network with its weights, or an error; never random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.card import known_models, load_card
from depth_anything_ros.networks.card_schema import ModelCard, WeightFile
from depth_anything_ros.networks.checkpoint import fill, mismatch
from depth_anything_ros.networks.checkpoint_file import read_state
from depth_anything_ros.networks.foreign_names import foreign_names
from depth_anything_ros.networks.registry import build_network, network_config, own_names
from depth_anything_ros.networks.weight_store import present_source, verified_path

SAME_SIZE = 0.02  # relative difference of parameter counts, beyond which a card need not be tried


def load_network(card: ModelCard) -> nn.Module:
    """In evaluation mode, on the CPU, float32. Raises CheckpointError on weights or settings that don't fit."""
    source = present_source(card)
    return network_from(card, source, verified_path(card, source))


def network_from(card: ModelCard, source: WeightFile, path: Path) -> nn.Module:
    """The network of a card with the weights in `path`, a file like `source`; as `load_network`, without its sha256."""
    network = empty_network(card)
    raw = read_state(path, source)
    rename = _rename(card, source)
    try:
        state = rename(dict(raw))
        complaint = mismatch(network, state)
        if complaint:
            complaint = f'made for another network: {mismatch(network, state, foreign_names(raw, rename))}'
    except CheckpointError as error:
        complaint = str(error)
    if complaint:
        others = [other.name for other in map(load_card, known_models()) if fitting_source(other, path) is not None]
        hint = f'; it is a file for the card {" or ".join(others)}' if others else ''
        raise CheckpointError(f'{path}: {complaint}{hint}')
    del raw  # fill() takes the tensors out of `state` one after the other
    fill(network, state, path)
    return network.eval()


def empty_network(card: ModelCard) -> nn.Module:
    """The network of a card with its parameters on the meta device: every key and shape, no memory.

    Buffers are real, because constants that no checkpoint holds would be lost otherwise.
    """
    to_meta = register_module_parameter_registration_hook(_on_meta)
    try:
        return build_network(card.network, network_config(card.network, card.network_config))
    except CheckpointError as error:
        raise CheckpointError(f'{card.name}: {error}') from error
    finally:
        to_meta.remove()


def fitting_source(card: ModelCard, path: Path) -> WeightFile | None:
    """Which of a card's sources the file is like: the first whose keys and shapes are all the network's."""
    for source in card.sources:
        try:
            state = _rename(card, source)(read_state(path, source))
            count_m = sum(tensor.numel() for tensor in state.values()) / 1e6
            if card.parameters_m and abs(count_m / card.parameters_m - 1) > SAME_SIZE:
                continue  # building a large network takes a while, even without its memory
            if not mismatch(empty_network(card), state):
                return source
        except CheckpointError:
            continue
    return None


def _rename(card: ModelCard, source: WeightFile) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    """From the names in a file like `source` to those of the card's network."""
    config = network_config(card.network, card.network_config)
    function = own_names(card.network, source.format)
    return lambda state: function(state, config)


def _on_meta(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
    return None if parameter is None else nn.Parameter(parameter.to('meta'), parameter.requires_grad)
