# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros parameters`: the node's parameter reference, made from the code that declares them."""

from __future__ import annotations

from depth_anything_ros.core.settings import walk

HELP = "print depth_node's parameters as a Markdown table"


def add_arguments(parser) -> None:
    del parser


def run(args) -> int:
    del args
    print(reference(), end='')
    return 0


def reference() -> str:
    """docs/parameters.md as it should read."""
    from depth_anything_ros.ros.depth_node_config import DepthNodeConfig

    lines = [
        '# Parameters of depth_node',
        '',
        'Made by `depth_anything_ros parameters`. *fixed*: read at start only; all others can be set while running.',
        '',
        '| name | default | range or choices | what it does |',
        '|---|---|---|---|',
    ]
    for name, field, value in walk(DepthNodeConfig()):
        meta = field.metadata
        bounds = ', '.join(meta['choices']) or _range(meta)
        fixed = ' *(fixed)*' if meta['read_only'] else ''
        default = f'`{value}`' if value != '' else '`""`'
        lines.append(f'| `{name}` | {default} | {bounds} | {meta["description"]}{fixed} |')
    return '\n'.join(lines) + '\n'


def _range(meta) -> str:
    low, high, unit = meta['low'], meta['high'], meta['unit']
    if low is None and high is None:
        return unit
    return f'{"" if low is None else low:g} to {"inf" if high is None else format(high, "g")} {unit}'.strip()
