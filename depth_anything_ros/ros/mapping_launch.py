# SPDX-License-Identifier: Apache-2.0
"""What mapping.launch.py takes from the command line beside depth.launch.py's, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.ros.launch_arguments import (
    BOOLEANS,
    NOTHING,
    Argument,
    NodeSetup,
    depth_node_setup,
    listed,
    resolved,
)

MAPPING_NODE, NVBLOX = 'mapping_node', 'nvblox'
# what nvblox_node subscribes to (isaac_ros_nvblox, "ROS Topics Subscribed"); it pairs them by exact stamps
NVBLOX_TOPICS = {'depth/image_rect': 'depth/image', 'depth/camera_info': 'depth/camera_info'}  # below camera_0, _1, ...

MAPPING_ARGUMENTS = (
    Argument(
        'mapping', 'who makes the map; nvblox: only depth_node is started, set up for it', MAPPING_NODE,
        (MAPPING_NODE, NVBLOX),
    ),
    Argument('mapping_params_file', 'YAML file with parameters of mapping_node; arguments given here win over it'),
    Argument('map_frame', 'fixed frame of the map; empty: fixed_frame, else odom'),
    Argument('pose', 'where poses come from', '', ('', 'tf', 'odometry', 'pose')),
    Argument('pose_topic', 'topic of pose:=odometry or pose:=pose; empty: odometry or pose'),
    Argument('voxel_size', 'edge of a voxel in metres'),
    Argument('returns', "integrate the LiDAR's own returns beside the depth", 'true', BOOLEANS),
    Argument('map_file', 'file that the map is loaded from at start, where it is there, and saved to at the end'),
)  # fmt: skip


@dataclass(frozen=True)
class MappingSetup:
    """depth: as in depth.launch.py; mapping: None where another node makes the map."""

    depth: NodeSetup
    mapping: NodeSetup | None


def mapping_setup(given: Mapping[str, str], rviz_file: str, nvblox_file: str) -> MappingSetup:
    """The nodes that these launch arguments ask for. Raises ConfigError on a file or number that is not one."""
    given = {name: value.strip() for name, value in given.items()}
    map_frame = given['map_frame'] or given['fixed_frame'] or 'odom'
    # the frame that undoes ego motion may be the map's; the other way round too
    depth = depth_node_setup({**given, 'fixed_frame': given['fixed_frame'] or map_frame}, rviz_file)
    if given['mapping'] == NVBLOX:
        names = [
            (f'~/{camera}{ours}', resolved(f'camera_{number}/{theirs}', given['namespace']))
            for number, camera in enumerate([f'{name}/' for name in listed(given['cameras'])] or [''])
            for ours, theirs in NVBLOX_TOPICS.items()
        ]
        # the profile first: a file and arguments of the user win over it
        return MappingSetup(
            replace(depth, parameters=[nvblox_file, *depth.parameters], remappings=[*depth.remappings, *names]), None
        )
    if given['cameras']:
        raise ConfigError(
            'cameras: mapping_node maps with one; start depth.launch.py with all of them and a mapping_node for one,'
            ' or mapping:=nvblox, which takes them all'
        )
    return MappingSetup(depth, _mapping_node(given, depth, map_frame))


def _mapping_node(given: Mapping[str, str], depth: NodeSetup, map_frame: str) -> NodeSetup:
    file = given['mapping_params_file']
    if file and not Path(file).is_file():
        raise ConfigError(f'mapping_params_file: no such file: {file}')
    of_depth = resolved(given['name'], given['namespace'])
    names = dict(depth.remappings)
    image, transport = names.get('image', 'image'), _transport(depth)
    remappings = [
        ('depth/image', f'{of_depth}/depth/image_rect'),
        ('depth/camera_info', f'{of_depth}/depth/camera_info'),
        ('confidence', f'{of_depth}/confidence'),
        ('color/image', image),
        ('color/camera_info', names.get('camera_info', 'camera_info')),
    ]
    if given['pose_topic']:
        remappings.append((given['pose'] or 'odometry', given['pose_topic']))
    overrides: dict[str, Any] = {'map_frame': map_frame, 'input.image_transport': transport}
    if given['pose']:
        overrides['pose.source'] = given['pose']
    elif given['pose_topic']:
        raise ConfigError('pose_topic: say with pose:=odometry or pose:=pose what it carries')
    if given['voxel_size']:
        try:
            overrides['tsdf.voxel_size_m'] = float(given['voxel_size'])
        except ValueError as error:
            raise ConfigError(f'voxel_size: expected metres, got {given["voxel_size"]!r}') from error
    if given['returns'] == 'true' and given['points'] not in ('', NOTHING):
        overrides['returns.lidar_topics'] = [topic.strip() for topic in given['points'].split(',')]
    if given['map_file']:
        overrides |= {'files.map': given['map_file'], 'files.load_at_start': True, 'files.save_at_end': True}
    if given['use_sim_time']:
        overrides['use_sim_time'] = given['use_sim_time'] == 'true'
    if given['autostart']:
        overrides['autostart'] = given['autostart'] == 'true'
    return NodeSetup(
        MAPPING_NODE, given['namespace'], [*([file] if file else []), overrides], remappings, depth.ros_arguments
    )


def _transport(depth: NodeSetup) -> str:
    given = [entry['input.image_transport'] for entry in depth.parameters if 'input.image_transport' in entry]
    return given[-1] if given else 'raw'
