# SPDX-License-Identifier: Apache-2.0
"""Model cards: YAML beside the weights that says what a model is, what it was made from and how good it is."""

from __future__ import annotations

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

import yaml

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.core.resources import MissingResource, resource
from depth_anything_ros.networks.card_schema import ModelCard, TrainingData, WeightFile
from depth_anything_ros.networks.registry import SPARSE_PROMPT
from depth_anything_ros.networks.weight_store import verified_path, weight_file

__all__ = [
    'SPARSE_PROMPT',
    'ModelCard',
    'TrainingData',
    'WeightFile',
    'build_card',
    'find_card',
    'known_models',
    'load_card',
    'save_card',
    'verified_path',
    'weight_file',
]


def known_models() -> list[str]:
    """Names of the models whose cards come with the package."""
    try:
        return sorted(path.stem for path in resource('models').glob('*.yaml'))
    except MissingResource:
        return []


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
        names = ', '.join(known_models()) or '(none is installed)'
        raise CheckpointError(f'no model {model!r}: expected {names} or the path of a model card') from error


def load_card(model: str) -> ModelCard:
    """A model's name, or the path of a card -> ModelCard. Raises CheckpointError naming file and field."""
    path = find_card(model)
    try:
        given = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f'{path}: not a readable model card: {error}') from error
    try:
        return dataclasses.replace(build_card(given), folder=path.parent)
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from error


def build_card(given: Any) -> ModelCard:
    """Nested dictionaries, as YAML gives them -> ModelCard. Raises CheckpointError naming the field."""
    return _built(ModelCard, given, '')


def save_card(card: ModelCard, path: str | Path):
    """Write the card as YAML in the order of its fields; what is as the schema has it anyway is left out."""
    text = yaml.safe_dump(_plain(card), sort_keys=False, allow_unicode=True, width=110)
    Path(path).write_text(text, encoding='utf-8')


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = [item for item in dataclasses.fields(value) if item.name != 'folder']
        return {f.name: _plain(getattr(value, f.name)) for f in fields if getattr(value, f.name) != _default(f)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _default(item: dataclasses.Field) -> Any:
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()


def _built(kind: type, given: Any, where: str) -> Any:
    if not isinstance(given, dict):
        raise CheckpointError(f'{where or kind.__name__}: expected a mapping, got {type(given).__name__}')
    prefix = f'{where}.' if where else ''
    known = {item.name: item for item in dataclasses.fields(kind) if item.name != 'folder'}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise CheckpointError(f'unknown field {f"{prefix}{unknown[0]}"!r}: expected {", ".join(known)}')
    missing = [name for name, item in known.items() if name not in given and _default(item) is dataclasses.MISSING]
    if missing:
        raise CheckpointError(f'field {prefix + missing[0]!r} is missing')
    hints = typing.get_type_hints(kind)
    values = {name: _value(f'{prefix}{name}', hints[name], value) for name, value in given.items()}
    try:
        return kind(**values)
    except CheckpointError as error:
        raise CheckpointError(f'{prefix}{error}') from error


def _value(name: str, hint: Any, value: Any) -> Any:
    """`value` as the type that the schema asks for. Raises CheckpointError naming the field."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        hint = arguments[0]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _built(hint, value, name)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise CheckpointError(f'{name}: expected a list, got {value!r}')
        return tuple(_value(f'{name}[{i}]', arguments[0], item) for i, item in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = origin or hint
    if type(value) is not expected:
        raise CheckpointError(f'{name}: expected {_said(expected)}, got {value!r}')
    if expected is dict and arguments[1] is str:
        for key, item in value.items():
            _value(f'{name}.{key}', str, item)
    return value


def _said(kind: type) -> str:
    return {str: 'a text', bool: 'true or false', int: 'a whole number', float: 'a number', dict: 'a mapping'}[kind]
