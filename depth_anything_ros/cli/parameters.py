# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros parameters`: a node's parameter reference, made from the code that declares them."""

from __future__ import annotations

from depth_anything_ros.core.settings import walk

HELP = "print a node's parameters as a Markdown table"
NODES = ('depth_node', 'mapping_node', 'workspace_node')


def add_arguments(parser) -> None:
    parser.add_argument('node', nargs='?', default=NODES[0], choices=NODES, help=f'default: {NODES[0]}')


def run(args) -> int:
    print(reference(args.node), end='')
    return 0


def reference(node: str = NODES[0]) -> str:
    """docs/parameters.md (of depth_node), mapping_parameters.md or workspace_parameters.md as it should read."""
    if node == NODES[0]:
        from depth_anything_ros.ros.depth_node_config import DepthNodeConfig as Config
    elif node == 'mapping_node':
        from depth_anything_ros.ros.mapping_node_config import MappingNodeConfig as Config
    else:
        from depth_anything_ros.ros.workspace_node_config import WorkspaceNodeConfig as Config

    command = 'depth_anything_ros parameters' + ('' if node == NODES[0] else f' {node}')
    lines = [
        f'# Parameters of {node}',
        '',
        f'Made by `{command}`. *fixed*: read at start only; all others can be set while running.',
        '',
        '| name | default | range or choices | what it does |',
        '|---|---|---|---|',
    ]
    for name, field, value in walk(Config()):
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
