# SPDX-License-Identifier: Apache-2.0
"""Where the files of a card lie and whether they are what they should be."""

from __future__ import annotations

import hashlib
from pathlib import Path

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.card_schema import ModelCard, WeightFile
from depth_anything_ros.networks.registry import SPARSE_PROMPT

CHUNK = 1 << 22  # bytes
RECORD = '.sha256'  # beside a fetched file: what it was when it came


def check_consent(card: ModelCard, given: bool) -> None:
    """Raise CheckpointError unless the licence asks for no consent or it was given."""
    if card.asks_consent and not given:
        raise CheckpointError(
            f'{card.name}: the licence of its weights is {card.licence!r}: read it, then say --accept-licence'
        )


def verified_path(card: ModelCard, named: WeightFile) -> Path:
    """Where a file of the card lies. Raises CheckpointError where it is missing or not the file that the card means.

    Where the card knows no sha256, that of the day on which the file came stands in for it.
    """
    path = card.path_of(named)
    if not path.is_file():
        raise CheckpointError(f'{path}: {_how_to_get(card, named)}')
    expected, whose = named.sha256, 'this card'
    if expected is None:
        expected, whose = recorded_sha256(path), 'the record made when it came'
    if expected is None:
        return path
    found = sha256(path)
    if found != expected:
        again = '' if named.hub is None else '; delete it, then fetch it again'
        raise CheckpointError(
            f'{path}: corrupt or not the file of {whose}: expected sha256 {expected}, got {found}{again}'
        )
    return path


def present_source(card: ModelCard) -> WeightFile:
    """The first of the card's sources whose file is here; the preferred one where none is."""
    return next((source for source in card.sources if card.path_of(source).is_file()), card.weights)


def how_to_get_a_graph(card: ModelCard) -> str:
    """What to do where a card names no ONNX file; graphs that were exported to its weights already are named."""
    size = '' if card.network == SPARSE_PROMPT else ' --size HxW'
    made = sorted(card.path_of(card.weights).parent.glob(f'{card.name}_*.yaml'))
    give = f'give the card of an exported graph as the model ({", ".join(map(str, made))}), or ' if made else ''
    return f'its card names no ONNX file; {give}make one with depth_anything_ros export {card.name}{size}'


def weight_file(path: Path) -> WeightFile:
    """How a card names a file that lies beside it."""
    return WeightFile(path.name, sha256(path))


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open('rb') as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def record_sha256(path: Path, digest: str):
    """Write down what a file was when it came, as `sha256sum --check` reads it."""
    _record(path).write_text(f'{digest}  {path.name}\n')


def recorded_sha256(path: Path) -> str | None:
    record = _record(path)
    return record.read_text().split()[0] if record.is_file() else None


def _record(path: Path) -> Path:
    return path.with_name(path.name + RECORD)


def _how_to_get(card: ModelCard, named: WeightFile) -> str:
    if named.hub is None:
        return f'the card of {card.name} names it, but there is no such file'
    accept = ' --accept-licence' if card.asks_consent else ''
    return (
        f'the weights of {card.name} are not here: fetch them with depth_anything_ros models get {card.name}{accept},'
        f' or give a file you have with depth_anything_ros models add FILE --card {card.name}{accept}'
    )
