# SPDX-License-Identifier: Apache-2.0
"""Weights to and from networks, strictly: every key and every shape must be the network's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.checkpoint_file import read_state

NAMED = 5  # keys spelt out in an error


def save_weights(network: nn.Module, path: str | Path, metadata: dict[str, str] | None = None):
    """Write the state of `network` (contiguous, its own dtypes); complete or absent."""
    from safetensors.torch import save

    path = Path(path)
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    unfinished = path.with_suffix(path.suffix + '.part')
    unfinished.write_bytes(save(state, metadata=metadata))  # save_file would keep others from reading it
    os.replace(unfinished, path)


def load_weights(network: nn.Module, path: str | Path):
    """Fill `network` from a file with its own names; half-precision weights are widened to the network's dtype.

    Raises CheckpointError: missing or corrupt file, missing or unexpected keys, shapes that differ, values that are
    not finite. The network is unchanged then.
    """
    fill(network, read_state(path), Path(path))


def grow_from(network: nn.Module, path: str | Path):
    """Fill `network` from a file of a smaller network of the same kind; what it has besides stays as it is.

    Raises CheckpointError: missing or corrupt file, keys that the network lacks, shapes that differ.
    """
    state = read_state(Path(path))
    fill(network, network.state_dict() | state, Path(path))


def fill(network: nn.Module, state: dict[str, Tensor], path: Path):
    """Fill `network` with the tensors of `state`, which is emptied; `path` is where they come from.

    A network on the meta device takes them over instead of copying them. Raises CheckpointError as `load_weights`.
    """
    complaint = mismatch(network, state)
    if complaint:
        raise CheckpointError(f'{path}: made for another network: {complaint}')
    own = network.state_dict()
    taken = {}
    for name, tensor in own.items():  # one after the other, so that never two copies of a whole network are held
        taken[name] = state.pop(name).to(tensor.dtype)
        if not taken[name].isfinite().all():
            raise CheckpointError(f'{path}: {name} holds values that are not finite')
    network.load_state_dict(taken, assign=any(tensor.is_meta for tensor in own.values()))
    empty = [name for name, tensor in (*network.named_parameters(), *network.named_buffers()) if tensor.is_meta]
    if empty:
        raise CheckpointError(f'{type(network).__name__} is not complete with its weights: {_named("empty", empty)}')


def mismatch(network: nn.Module, state: dict[str, Tensor], foreign_name: Callable[[str], str] = str) -> str:
    """How keys and shapes of `state` differ from the network's; nothing where they fit.

    foreign_name: from names of the network to those of the file, for what is said.
    """
    own = network.state_dict()
    missing, unexpected = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or unexpected:
        return f'{_named("missing", missing, foreign_name)}; {_named("unexpected", unexpected)}'
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            return f'{foreign_name(name)}: expected {tuple(tensor.shape)}, got {tuple(state[name].shape)}'
    return ''


def _named(what: str, keys: list[str], foreign_name: Callable[[str], str] = str) -> str:
    more = f' and {len(keys) - NAMED} more' if len(keys) > NAMED else ''
    names = dict.fromkeys(foreign_name(key) for key in keys[:NAMED])  # one of the file may be several of ours
    return f'{len(keys)} {what} keys' + (f' ({", ".join(names)}{more})' if keys else '')
