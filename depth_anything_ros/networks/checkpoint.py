# SPDX-License-Identifier: Apache-2.0
"""Weights to and from safetensors files, strictly: every key and every shape must be the network's own."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from depth_anything_ros.core.errors import CheckpointError

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
    """Fill `network` from a safetensors file; half-precision weights are widened to the network's dtype.

    Raises CheckpointError: missing or corrupt file, missing or unexpected keys, shapes that differ, values that are
    not finite. The network is unchanged then.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'{path}: no such checkpoint')
    try:
        state = load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f'{path}: not a readable safetensors file: {error}') from error
    own = network.state_dict()
    missing, unexpected = sorted(set(own) - set(state)), sorted(set(state) - set(own))
    if missing or unexpected:
        raise CheckpointError(
            f'{path}: made for another network: {_named("missing", missing)}; {_named("unexpected", unexpected)}'
        )
    for name, tensor in own.items():
        if state[name].shape != tensor.shape:
            raise CheckpointError(f'{path}: {name}: expected {tuple(tensor.shape)}, got {tuple(state[name].shape)}')
        if not state[name].isfinite().all():
            raise CheckpointError(f'{path}: {name} holds values that are not finite')
    network.load_state_dict({name: state[name].to(tensor.dtype) for name, tensor in own.items()})


def _named(what: str, keys: list[str]) -> str:
    more = f' and {len(keys) - NAMED} more' if len(keys) > NAMED else ''
    return f'{len(keys)} {what} keys' + (f' ({", ".join(keys[:NAMED])}{more})' if keys else '')
