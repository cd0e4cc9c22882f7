# SPDX-License-Identifier: Apache-2.0
"""Model cards: YAML beside the weights that says what a model is, what it was made from and how good it is."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.core.resources import MissingResource, resource

SPARSE_PROMPT = 'sparse_prompt'
NETWORKS = (SPARSE_PROMPT,)


@dataclass(frozen=True)
class WeightFile:
    """A file beside the card, with its SHA-256."""

    file: str
    sha256: str


@dataclass(frozen=True)
class TrainingData:
    """One source of training data and the licence it came under."""

    name: str
    licence: str
    amount: str


@dataclass(frozen=True)
class ModelCard:
    """Everything about one model.

    network: which class of this room; network_config: its fields. weights: safetensors; onnx: the exported graph, or
    None. metric: depth in metres, not relative. metrics: figures as measured by `measured_by`.
    """

    name: str
    description: str
    licence: str
    network: str
    network_config: dict[str, Any]
    metric: bool
    inputs: dict[str, str]
    outputs: dict[str, str]
    weights: WeightFile
    onnx: WeightFile | None = None
    training_data: tuple[TrainingData, ...] = ()
    training_command: str = ''
    training_notes: str = ''
    limits: str = ''
    measured_by: str = ''
    metrics: dict[str, Any] = field(default_factory=dict)
    folder: Path = field(default=Path(), compare=False)

    def __post_init__(self):
        if self.network not in NETWORKS:
            raise CheckpointError(f'network: expected one of {", ".join(NETWORKS)}; got {self.network!r}')

    def path_of(self, named: WeightFile) -> Path:
        return self.folder / named.file


def verified_path(card: ModelCard, named: WeightFile) -> Path:
    """Where a file of the card lies. Raises CheckpointError where it is missing or not the file that the card means."""
    path = card.path_of(named)
    if not path.is_file():
        raise CheckpointError(f'{path}: the card of {card.name} names it, but there is no such file')
    found = _sha256(path)
    if found != named.sha256:
        raise CheckpointError(
            f'{path}: corrupt or not the file of this card: expected sha256 {named.sha256}, got {found}'
        )
    return path


def weight_file(path: Path) -> WeightFile:
    """How a card names a file that lies beside it."""
    return WeightFile(path.name, _sha256(path))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def find_card(model: str) -> Path:
    """A model's name, or the path of a card -> the card's path. Raises CheckpointError naming the models there are."""
    given = Path(model)
    if given.suffix in ('.yaml', '.yml'):
        if not given.is_file():
            raise CheckpointError(f'{given}: no such model card')
        return given
    try:
        return resource('models', f'{model}.yaml')
    except MissingResource as error:
        raise CheckpointError(f'no model {model!r}: expected {_known_models()} or the path of a model card') from error


def load_card(model: str) -> ModelCard:
    """A model's name, or the path of a card -> ModelCard. Raises CheckpointError naming file and field."""
    path = find_card(model)
    try:
        given = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f'{path}: not a readable model card: {error}') from error
    try:
        return dataclasses.replace(build_card(given), folder=path.parent)
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from error


def build_card(given: Any) -> ModelCard:
    """Nested dictionaries, as YAML gives them -> ModelCard. Raises CheckpointError naming the field."""
    return _built(ModelCard, given)


def save_card(card: ModelCard, path: str | Path):
    """Write the card as YAML in the order of its fields."""
    values = dataclasses.asdict(card)
    del values['folder']
    values['training_data'] = list(values['training_data'])
    Path(path).write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110))


def _built(kind: type, given: Any) -> Any:
    if not isinstance(given, dict):
        raise CheckpointError(f'{kind.__name__}: expected a mapping, got {type(given).__name__}')
    known = {item.name: item for item in dataclasses.fields(kind) if item.name != 'folder'}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise CheckpointError(f'unknown field {unknown[0]!r}: expected {", ".join(known)}')
    required = (dataclasses.MISSING, dataclasses.MISSING)
    missing = [
        name for name, item in known.items() if name not in given and (item.default, item.default_factory) == required
    ]
    if missing:
        raise CheckpointError(f'field {missing[0]!r} is missing')
    return kind(**{name: _value(name, value) for name, value in given.items()})


def _value(name: str, value: Any) -> Any:
    if name in ('weights', 'onnx'):
        return None if value is None else _built(WeightFile, value)
    if name == 'training_data':
        return tuple(_built(TrainingData, item) for item in value)
    return value


def _known_models() -> str:
    try:
        names = sorted(path.stem for path in resource('models').glob('*.yaml'))
    except MissingResource:
        names = []
    return ', '.join(names) or '(none is installed)'
