# SPDX-License-Identifier: Apache-2.0
"""Settings are frozen dataclasses; `setting()` attaches what ROS parameters and docs need to know of a field.

The default stands here and nowhere else: nodes declare their parameters by walking these dataclasses,
config files hold deviations only.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from depth_anything_ros.core.errors import ConfigError


def setting(
    default: Any,
    description: str,
    *,
    unit: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:
    """A dataclass field with its description, unit, inclusive range or choices; `read_only`: fixed after start."""
    meta = {
        'description': description,
        'unit': unit,
        'low': low,
        'high': high,
        'choices': choices,
        'read_only': read_only,
    }
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


def validate(config: Any) -> None:
    """Check every field of a settings dataclass against its range and choices; call it in `__post_init__`.

    Raises ConfigError naming field, range and value.
    """
    for field in dataclasses.fields(config):
        if field.metadata:
            check(field, getattr(config, field.name))


def check(field: dataclasses.Field, value: Any) -> None:
    """Raise ConfigError unless `value` fits the field's declared range and choices."""
    meta, name = field.metadata, field.name
    if meta['choices'] and value not in meta['choices']:
        raise ConfigError(f'{name}: expected one of {", ".join(meta["choices"])}; got {value!r}')
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    low, high = meta['low'], meta['high']
    too_low, too_high = low is not None and value < low, high is not None and value > high
    if math.isnan(value) or too_low or too_high:
        bounds = f'{"-inf" if low is None else low} to {"inf" if high is None else high}'
        raise ConfigError(f'{name}: expected {bounds} {meta["unit"]}'.rstrip() + f'; got {value}')


def walk(config: Any, prefix: str = '') -> Iterator[tuple[str, dataclasses.Field, Any]]:
    """Yield (dotted name, field, value) for every setting, descending into nested settings dataclasses."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = f'{prefix}{field.name}'
        if dataclasses.is_dataclass(value):
            yield from walk(value, f'{name}.')
        else:
            yield name, field, value


def replaced(config: Any, values: dict[str, Any]) -> Any:
    """A copy of `config` with dotted names replaced; raises ConfigError on an unknown name or a bad value."""
    known = {field.name: field for field in dataclasses.fields(config)}
    own: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        head, _, rest = name.partition('.')
        if head not in known:
            raise ConfigError(f'unknown setting {name!r}: expected one of {", ".join(known)}')
        if rest:
            if not dataclasses.is_dataclass(getattr(config, head)):
                raise ConfigError(f'unknown setting {name!r}: {head} has no parts')
            nested.setdefault(head, {})[rest] = value
        else:
            own[head] = value
    for head, parts in nested.items():
        own[head] = replaced(getattr(config, head), parts)
    return dataclasses.replace(config, **own)
