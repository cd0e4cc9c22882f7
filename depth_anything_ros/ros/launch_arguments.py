# SPDX-License-Identifier: Apache-2.0
"""What the launch files take from the command line, and what they make of it; works without launch installed.

The command line wins over the parameter file, and the file over the defaults: an argument that is left empty sets
nothing. For that the arguments must reach the node under its full name, because rcl lets a section for one node win
over a section for all (`/**`), whichever came last: launch_ros does so when a node is given both name and namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.settings import walk
from depth_anything_ros.ros.depth_node_config import DepthNodeConfig

SHOWN_BY_RVIZ = ('debug/prompt_overlay', 'depth/image_rect', 'depth/points')  # in rviz/depth.rviz, of /depth_node
CAMERA = '{camera}'  # in a topic: the name of each of several cameras
NOTHING = 'none'  # for a list of topics: listen to none of this kind
BOOLEANS = ('true', 'false')
WHOLE_NUMBERS = {name for name, _, value in walk(DepthNodeConfig()) if type(value) is int}


@dataclass(frozen=True)
class Argument:
    """A launch argument. default None: it must be given; parameter: the node's parameter that it sets."""

    name: str
    description: str
    default: str | None = ''
    choices: tuple[str, ...] = ()
    parameter: str = ''


@dataclass(frozen=True)
class NodeSetup:
    """Everything launch needs to start depth_node, and RViz beside it."""

    name: str
    namespace: str
    parameters: list[str | dict[str, Any]]
    remappings: list[tuple[str, str]]
    ros_arguments: list[str]
    rviz_arguments: list[str] = field(default_factory=list)
    rviz_remappings: list[tuple[str, str]] = field(default_factory=list)


def _from_setting(name: str, parameter: str) -> Argument:
    """An argument that is a node parameter: description and choices are the setting's own."""
    meta = next(f.metadata for full_name, f, _ in walk(DepthNodeConfig()) if full_name == parameter)
    choices = ('', *meta['choices']) if meta['choices'] else ()
    return Argument(name, meta['description'], choices=choices, parameter=parameter)


def _topics(name: str, what: str, parameter: str) -> Argument:
    return Argument(name, f'{what}, several with commas; {NOTHING}: no such sensor', parameter=parameter)


ARGUMENTS = (
    Argument(
        'image',
        'image topic; its /compressed topic selects image_transport:=compressed;'
        f' {CAMERA} stands in it for the name of each of several cameras (/{CAMERA}/image_raw)',
    ),
    Argument('camera_info', 'camera_info topic; empty: camera_info beside the image topic'),
    Argument('cameras', 'names of several cameras, with commas; empty: one, without a name', parameter='cameras'),
    _topics('points', 'PointCloud2 topic of a LiDAR', 'input.lidar_topics'),
    _topics('radar', 'PointCloud2 topic of a radar', 'input.radar_topics'),
    _topics('tof', 'PointCloud2 topic of a time-of-flight camera', 'input.tof_topics'),
    _topics('depth_prompt', 'depth image topic that prompts the network (ToF, stereo)', 'input.depth_prompt_topics'),
    _from_setting('image_transport', 'input.image_transport'),
    _from_setting('camera_model', 'input.camera_model'),
    _from_setting('model', 'model'),
    _from_setting('engine', 'engine'),
    _from_setting('precision', 'engine_options.precision'),
    Argument(
        'auto_build',
        'tensorrt: build an engine that is missing or stale; false: refuse',
        '',
        ('', *BOOLEANS),
        'engine_options.auto_build',
    ),
    _from_setting('calibration', 'input.calibration'),
    _from_setting('fixed_frame', 'input.fixed_frame'),
    Argument(
        'cubemap',
        'panoramas: six pinhole cameras too, ~/cubemap/FACE/...',
        '',
        ('', *BOOLEANS),
        'publish.cubemap.enabled',
    ),
    _from_setting('cubemap_size', 'publish.cubemap.size_px'),
    Argument('params_file', 'YAML file with node parameters; arguments given here win over it'),
    Argument('namespace', 'namespace of the node'),
    Argument('name', 'name of the node', default='depth_node'),
    Argument(
        'autostart', 'configure and activate at start; false: by a lifecycle manager', '', ('', *BOOLEANS), 'autostart'
    ),
    Argument('use_sim_time', 'take the time from /clock', '', ('', *BOOLEANS), 'use_sim_time'),
    Argument('rviz', 'show image, overlay, depth and cloud in RViz', 'false', BOOLEANS),
    Argument('rviz_frame', 'frame that RViz shows the cloud in; empty: fixed_frame, else map'),
    Argument('log_level', 'least severe log messages shown', 'info', ('debug', 'info', 'warn', 'error', 'fatal')),
)

# of panorama.launch.py, where they differ
PANORAMA_DEFAULTS = {'camera_model': 'equirectangular', 'cubemap': 'true'}

REPLAY_ARGUMENTS = (
    Argument('bag', 'recording to play: rosbag2 folder, .mcap or .db3 file', default=None),
    Argument('rate', 'speed relative to the recording', '1.0'),
    Argument('loop', 'start again at the end', 'false', BOOLEANS),
    Argument('start_offset', 'seconds of the recording to skip', '0.0'),
    Argument('wait', 'seconds to wait for the node to listen before the first message', '60.0'),
)


def depth_node_setup(given: Mapping[str, str], rviz_file: str) -> NodeSetup:
    """The node that these launch arguments ask for. Raises ConfigError on a file that is not there."""
    given = {name: value.strip() for name, value in given.items()}
    cameras = listed(given['cameras'])
    if given['params_file'] and not Path(given['params_file']).is_file():
        raise ConfigError(f'params_file: no such file: {given["params_file"]}')
    if given['image'].endswith('/compressed'):
        given['image'] = given['image'].removesuffix('/compressed')
        given['image_transport'] = given['image_transport'] or 'compressed'
    overrides = parameter_overrides(given)
    full_name = resolved(given['name'], given['namespace'])
    remappings = topic_remappings(given, cameras)
    shown = f'{cameras[0]}/' if cameras else ''  # RViz shows the first one
    image = dict(remappings).get(f'{shown}image', f'{shown}image')
    frame = given['rviz_frame'] or given['fixed_frame']
    return NodeSetup(
        given['name'],
        given['namespace'],
        [*([given['params_file']] if given['params_file'] else []), *([overrides] if overrides else [])],
        remappings,
        ['--log-level', given['log_level']],
        ['-d', rviz_file, *(['-f', frame] if frame else [])],
        [
            ('/image', resolved(image, given['namespace'])),
            *((f'/depth_node/{topic}', f'{full_name}/{shown}{topic}') for topic in SHOWN_BY_RVIZ),
        ],
    )


def resolved(name: str, namespace: str) -> str:
    """The full name of a node or topic, as ROS resolves a relative one."""
    return name if name.startswith('/') else '/' + '/'.join(part for part in (namespace.strip('/'), name) if part)


def parameter_overrides(given: Mapping[str, str]) -> dict[str, Any]:
    """Launch arguments that are not empty, as node parameters of the right type. Raises ConfigError."""
    overrides: dict[str, Any] = {}
    for argument in ARGUMENTS:
        value = given[argument.name]
        if not argument.parameter or not value:
            continue
        if argument.parameter.endswith('_topics'):
            # a ROS parameter cannot be an empty list: the node takes one empty name for it
            overrides[argument.parameter] = [''] if value == NOTHING else listed(value)
        elif argument.name == 'cameras':
            overrides[argument.parameter] = listed(value)
        elif set(BOOLEANS) <= set(argument.choices):
            overrides[argument.parameter] = value == 'true'
        elif argument.parameter in WHOLE_NUMBERS:
            overrides[argument.parameter] = _whole(argument.name, value)
        else:
            overrides[argument.parameter] = value
    return overrides


def _whole(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise ConfigError(f'{name}: expected a whole number, got {value!r}') from error


def listed(value: str) -> list[str]:
    """The parts of a list with commas."""
    return [part for part in (part.strip() for part in value.split(',')) if part]


def topic_remappings(given: Mapping[str, str], cameras: Sequence[str] = ()) -> list[tuple[str, str]]:
    """image and camera_info; a camera's info is published beside its image (image_transport's convention).

    Of several cameras each has its own: `{camera}` in the topics is its name. Raises ConfigError where it is missing,
    so that all would get one image.
    """
    image, info = given['image'], given['camera_info']
    if image and not info:
        info = '/'.join([*image.split('/')[:-1], 'camera_info'])
    topics = [(name, topic) for name, topic in (('image', image), ('camera_info', info)) if topic]
    if not cameras:
        return topics
    for name, topic in topics:
        if CAMERA not in topic:
            raise ConfigError(f'{name}: expected {CAMERA} in the topic of several cameras, got {topic!r}')
    return [(f'{camera}/{name}', topic.replace(CAMERA, camera)) for camera in cameras for name, topic in topics]


def player_arguments(given: Mapping[str, str]) -> list[str]:
    """Arguments of `depth_anything_ros` that play the recording. Raises ConfigError where it is not there."""
    if not Path(given['bag']).exists():
        raise ConfigError(f'bag: no such recording: {given["bag"]}')
    options = ['--rate', given['rate'], '--start-offset', given['start_offset'], '--wait-for', given['wait']]
    return ['play', given['bag'], *options, '--quiet', *(['--loop'] if given['loop'] == 'true' else [])]
