# SPDX-License-Identifier: Apache-2.0
"""A file of weights -> the tensors in it, under the names they have there; nothing in the file is ever run.

What a file is, is told from its content: authors publish safetensors, zip files and bare pickles under any suffix,
and what a failed download leaves behind has the right suffix too.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.card_schema import WeightFile

WRAPPERS = ('state_dict', 'model')  # training frameworks put the weights beside epoch and optimiser
ZIP, PICKLE, LFS_POINTER, PAGES = b'PK\x03\x04', b'\x80', b'version https://git-lfs', (b'<!doctype', b'<html', b'<?xml')
HEADER_LENGTH = 8  # bytes of a safetensors file before its JSON
WANTED = re.compile(r'(?:GLOBAL|global|function) `?([\w.]+)`?')


def read_state(path: str | Path, source: WeightFile | None = None) -> dict[str, Tensor]:
    """The tensors of a file, on the CPU; `source` says what to take off their names.

    Raises CheckpointError: absent, truncated, no weights at all (an HTML page, a Git LFS pointer, text), or a pickle
    that wants more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f'{path}: no such checkpoint')
    with path.open('rb') as stream:
        start = stream.read(256)
    complaint = _no_weights(start)
    if complaint:
        raise CheckpointError(f'{path}: {complaint}')
    # a safetensors file starts with the length of its header, whose first byte may be that of a pickle
    torch_file = start.startswith((ZIP, PICKLE)) and start[8:9] != b'{'
    state = _read_torch(path) if torch_file else _read_safetensors(path)
    return state if source is None else _stripped(path, state, source)


def _no_weights(start: bytes) -> str:
    """Why a file that starts like this holds no weights, or nothing."""
    text = start.lstrip().lower()
    if not start:
        return 'an empty file, not weights'
    if start.startswith(LFS_POINTER):
        return 'a Git LFS pointer, not the weights it stands for: fetch them with git lfs pull, or download the file'
    if text.startswith(PAGES):
        return 'a web page, not weights: download the file itself, logged in and with its licence accepted if asked'
    if text.startswith(b'{"') or (start.isascii() and b'\0' not in start):
        return f'text, not weights: it starts with {start[:40].decode(errors="replace")!r}'
    return ''


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f'{path}: neither a readable safetensors file nor a torch checkpoint: {error}') from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    zipped = zipfile.is_zipfile(path)
    with path.open('rb') as stream:
        if stream.read(len(ZIP)) == ZIP and not zipped:
            raise CheckpointError(f'{path}: truncated: the table at the end of the file is missing; fetch it again')
    try:
        if path.suffix == '.safetensors':  # given the path, torch would believe the suffix
            with path.open('rb') as stream:
                given = torch.load(stream, map_location='cpu', weights_only=True)
        else:
            # mapped, not read: widening half precision would need the file and the network in memory otherwise
            given = torch.load(path, map_location='cpu', weights_only=True, mmap=zipped or None)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f'{path}: {_refusal(str(error))}') from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise CheckpointError(f'{path}: truncated or not a torch checkpoint: {error}') from error
    return _unwrapped(path, given)


def _refusal(said: str) -> str:
    if 'truncated' in said:
        return 'truncated: the pickle in it breaks off; fetch it again'
    wanted = WANTED.search(said)
    return (
        f'refused: it is a pickle that wants {wanted[1] if wanted else "more than tensors"}, and only tensors are ever'
        ' loaded from a checkpoint: use a file with the state dict alone, best as safetensors'
    )


def _unwrapped(path: Path, given: Any) -> dict[str, Tensor]:
    for name in WRAPPERS:
        if isinstance(given, dict) and isinstance(given.get(name), dict):
            given = given[name]
            break
    if not isinstance(given, dict) or not given:
        raise CheckpointError(f'{path}: expected a mapping from names to tensors, got {type(given).__name__}')
    other = [name for name, value in given.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if other:
        kind = type(given[other[0]]).__name__
        raise CheckpointError(f'{path}: expected a mapping from names to tensors, but {other[0]!r} is a {kind}')
    return dict(given)


def _stripped(path: Path, state: dict[str, Tensor], source: WeightFile) -> dict[str, Tensor]:
    names = list(state)
    if source.prefix and all(name.startswith(source.prefix) for name in names):
        names = [name.removeprefix(source.prefix) for name in names]
    names = [name[source.strip_characters :] for name in names]
    if len(set(names)) < len(names) or '' in names:
        raise CheckpointError(
            f'{path}: not the file that its card means: {source.strip_characters} characters should stand before every'
            ' name in it; without them names are no longer different'
        )
    return dict(zip(names, state.values(), strict=True))
