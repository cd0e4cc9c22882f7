# SPDX-License-Identifier: Apache-2.0
"""Imports point down from room to room, in no circle, and each heavy package stays in its room."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = 'depth_anything_ros'
LEVEL = {
    'core': 0,
    'projection': 1,
    'networks': 1,
    'mapping': 1,
    'grasping': 1,
    'engines': 2,
    'pipeline': 3,
    'training': 3,
    'evaluation': 4,
    'ros': 5,
    'cli': 6,
}
ROS = (
    'rclpy',
    'tf2_ros',
    'message_filters',
    'cv_bridge',
    'diagnostic_updater',
    'launch',
    'launch_ros',
    'ament_index_python',
)
ROS_INTERFACES = ('_msgs', '_srvs', '_interfaces')  # how packages of messages and services are named
TENSORRT = ('tensorrt', 'tensorrt_rtx')
WITHOUT_TORCH = ('core', 'projection')


def violations(root: Path) -> list[str]:
    """Every import under the package folder `root` that breaks a rule, as 'module:line: reason'."""
    modules = {module_name(root, path): path for path in sorted(root.rglob('*.py'))}
    graph: dict[str, set[str]] = {name: set() for name in modules}
    found = []
    for module, path in modules.items():
        for line, target in imports(path, module):
            reason = broken_rule(module, target)
            if reason:
                found.append(f'{module}:{line}: {reason}')
            owner = resolve(target, modules)
            if owner and owner != module:
                graph[module].add(owner)
    return found + [' -> '.join(circle) for circle in circles(graph)]


def module_name(root: Path, path: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imports(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, also inside functions; what only a type checker reads is left out."""
    tree = ast.parse(path.read_text(), str(path))
    for_types = {id(n) for block in ast.walk(tree) if is_type_checking(block) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                package = module.split('.') if path.name == '__init__.py' else module.split('.')[:-1]
                base = '.'.join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            yield from ((node.lineno, f'{base}.{alias.name}') for alias in node.names)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test)


def broken_rule(module: str, target: str) -> str | None:
    room, top = room_of(module), target.split('.')[0]
    if top == PACKAGE:
        other = room_of(target)
        if room in LEVEL and other in LEVEL and room != other and LEVEL[other] >= LEVEL[room]:
            return f'{room} must not import {target}: imports point down'
        if room is None and other is not None:
            return f'{module} belongs to no room and must not import {target}'
    if room != 'ros' and (top in ROS or top.endswith(ROS_INTERFACES)):
        return f'{target} belongs in ros/ only'
    if room != 'engines' and top in TENSORRT:
        return f'{target} belongs in engines/ only'
    if room in WITHOUT_TORCH and top in ('torch', 'torchvision', 'transformers'):
        return f'{room} works without torch'
    return None


def room_of(module: str) -> str | None:
    parts = module.split('.')
    return parts[1] if len(parts) > 1 and parts[0] == PACKAGE and parts[1] in LEVEL else None


def resolve(target: str, modules) -> str | None:
    """The module that an imported name lives in: the longest prefix that is a module of the package."""
    while target and target not in modules:
        target = target.rpartition('.')[0]
    return target or None


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """One circle through each module that can reach itself by imports."""
    found: list[list[str]] = []
    for start in graph:
        if any(start in circle for circle in found):
            continue
        queue, came_from = [start], {start: None}
        while queue:
            module = queue.pop(0)
            if start in graph[module]:
                circle = [start]
                while module != start:
                    circle.insert(1, module)
                    module = came_from[module]
                found.append([*circle, start])
                break
            for following in sorted(graph[module] - came_from.keys()):
                came_from[following] = module
                queue.append(following)
    return found


def test_the_package_keeps_its_layers(repository):
    assert violations(repository / PACKAGE) == []


def test_every_folder_of_the_package_is_a_room_with_a_level(repository):
    folders = {p.name for p in (repository / PACKAGE).iterdir() if p.is_dir() and not p.name.startswith(('_', '.'))}
    assert folders <= set(LEVEL)


@pytest.fixture
def tree(tmp_path):
    """tree(core_x='import y', ...) -> the folder of a made-up package that obeys every rule but for those lines."""

    def make(**files: str) -> Path:
        root = tmp_path / PACKAGE
        sound = {
            'core_errors': '',
            'core_camera': f'from {PACKAGE}.core.errors import E',
            'engines_torch': f'import torch\nfrom {PACKAGE}.core import camera',
            'ros_node': f'import rclpy\nfrom sensor_msgs.msg import Image\nfrom {PACKAGE}.engines.torch import Engine',
            'cli_main': f'def main():\n    from {PACKAGE}.ros import node',
        }
        for name, text in {**sound, **files}.items():
            room, _, stem = name.partition('_')
            (root / room).mkdir(parents=True, exist_ok=True)
            (root / room / '__init__.py').touch()
            (root / room / f'{stem}.py').write_text(text)
        return root

    return make


def test_a_sound_tree_passes(tree):
    assert violations(tree()) == []


@pytest.mark.parametrize(
    ('where', 'text', 'reason'),
    [
        ('core_x', f'from {PACKAGE}.engines.torch import Engine', 'imports point down'),
        ('core_x', 'def late():\n    from ..ros import node', 'imports point down'),
        ('projection_x', f'import {PACKAGE}.networks.y', 'imports point down'),
        ('pipeline_x', 'import rclpy.node', 'belongs in ros/'),
        ('cli_x', 'from std_srvs.srv import Trigger', 'belongs in ros/'),
        ('evaluation_x', 'def late():\n    import tensorrt', 'belongs in engines/'),
        ('projection_x', 'from torch import nn', 'without torch'),
    ],
)
def test_an_import_that_breaks_a_rule_is_found(tree, where, text, reason):
    found = violations(tree(**{where: text}))
    assert len(found) == 1
    assert reason in found[0] and where.replace('_', '.') in found[0]


def test_a_circle_is_found_and_named(tree):
    root = tree(core_a='from . import b', core_b=f'def late():\n    import {PACKAGE}.core.c', core_c='from .a import A')
    assert violations(root) == [f'{PACKAGE}.core.a -> {PACKAGE}.core.b -> {PACKAGE}.core.c -> {PACKAGE}.core.a']


def test_imports_for_type_checkers_do_not_count(tree):
    text = f'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {PACKAGE}.ros.node import Node'
    assert violations(tree(core_x=text)) == []
