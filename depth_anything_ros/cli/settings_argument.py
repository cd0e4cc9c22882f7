# SPDX-License-Identifier: Apache-2.0
"""--set NAME=VALUE: settings of a command by the names that they have as parameters of the nodes."""

from __future__ import annotations

import difflib
from typing import TypeVar

Config = TypeVar('Config')
ESTIMATOR = 'estimator.'  # how those of depth_node's estimator begin


def add_settings_argument(parser, example: str = 'estimator.sharp.enabled=true') -> None:
    parser.add_argument(
        '--set',
        nargs='+',
        default=[],
        metavar='NAME=VALUE',
        help=f"settings by the nodes' names (docs/parameters.md, docs/mapping_parameters.md), as {example}",
    )


def assigned(config: Config, assignments: list[str], prefix: str = '') -> Config:
    """A copy of the settings with NAME=VALUE applied; names begin with `prefix`.

    Raises ConfigError on an unknown name, a value of another type or out of its range.
    """
    import yaml

    from depth_anything_ros.core.errors import ConfigError
    from depth_anything_ros.core.settings import replaced, walk

    kinds = {prefix + name: type(value) for name, _, value in walk(config)}
    values = {}
    for assignment in assignments:
        name, _, text = assignment.partition('=')
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, 3) or list(kinds)[:3]
            raise ConfigError(f'--set {assignment}: expected NAME=VALUE with a name like {", ".join(near)}')
        kind = kinds[name]
        try:  # numbers and texts as Python reads them: YAML takes 1e-3 for a text and off for a truth value
            value = kind(text) if kind in (int, float, str) else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError):
            value = None
        if type(value) is not kind:
            raise ConfigError(f'--set {assignment}: expected a {kind.__name__}')
        values[name.removeprefix(prefix)] = value
    return replaced(config, values)


def split_estimator(assignments: list[str]) -> tuple[list[str], list[str]]:
    """(those of the estimator, the others)."""
    own = [assignment for assignment in assignments if assignment.startswith(ESTIMATOR)]
    return own, [assignment for assignment in assignments if assignment not in own]
