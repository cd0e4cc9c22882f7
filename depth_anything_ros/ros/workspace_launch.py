# SPDX-License-Identifier: Apache-2.0
"""What workspace.launch.py takes from the command line beside depth.launch.py's, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.ros.launch_arguments import BOOLEANS, Argument, NodeSetup, depth_node_setup, resolved

WORKSPACE_NODE = 'workspace_node'

WORKSPACE_ARGUMENTS = (
    Argument('workspace_params_file', 'YAML file with parameters of workspace_node; arguments given here win over it'),
    Argument('up_frame', 'frame whose z axis points up; empty: the widest plane is the support'),
    Argument('workspace_frame', 'frame of a box that bounds the work; empty: no box'),
    Argument('workspace_centre', 'x,y,z of its middle in that frame, in metres'),
    Argument('workspace_size', 'x,y,z of its sides, in metres'),
    Argument('grasps', 'plan grasps', '', ('', *BOOLEANS)),
    Argument('gripper_width', 'widest opening of the gripper in metres'),
)


@dataclass(frozen=True)
class WorkspaceSetup:
    """depth: as in depth.launch.py."""

    depth: NodeSetup
    workspace: NodeSetup


def workspace_setup(given: Mapping[str, str], rviz_file: str) -> WorkspaceSetup:
    """The nodes that these launch arguments ask for. Raises ConfigError on a file or number that is not one."""
    given = {name: value.strip() for name, value in given.items()}
    if given.get('cameras'):
        raise ConfigError(
            'cameras: a workspace is seen by one camera; start depth.launch.py with all of them, and a workspace_node'
            ' for one'
        )
    depth = depth_node_setup(given, rviz_file)
    file = given['workspace_params_file']
    if file and not Path(file).is_file():
        raise ConfigError(f'workspace_params_file: no such file: {file}')
    overrides: dict[str, Any] = {}
    if given['up_frame']:
        overrides['up_frame'] = given['up_frame']
    if given['workspace_frame']:
        overrides['workspace.frame'] = given['workspace_frame']
    for argument, parameter in (('workspace_centre', 'centre_m'), ('workspace_size', 'size_m')):
        if given[argument]:
            overrides[f'workspace.{parameter}'] = _three_metres(argument, given[argument])
    if given['gripper_width']:
        overrides['gripper.max_width_m'] = _metres('gripper_width', given['gripper_width'])
    for argument, parameter in (('grasps', 'plan.enabled'), ('use_sim_time',) * 2, ('autostart',) * 2):
        if given[argument]:
            overrides[parameter] = given[argument] == 'true'
    points = f'{resolved(given["name"], given["namespace"])}/depth/points'
    return WorkspaceSetup(
        depth,
        NodeSetup(
            WORKSPACE_NODE,
            given['namespace'],
            [*([file] if file else []), *([overrides] if overrides else [])],
            # `points` itself is an argument of depth.launch.py: the LiDAR's topic
            [('points', points)],
            depth.ros_arguments,
        ),
    )


def _metres(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f'{name}: expected metres, got {text!r}') from error


def _three_metres(name: str, text: str) -> list[float]:
    values = [_metres(name, part) for part in text.split(',')]
    if len(values) != 3:
        raise ConfigError(f'{name}: expected x,y,z in metres, got {text!r}')
    return values
