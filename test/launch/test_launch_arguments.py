# SPDX-License-Identifier: Apache-2.0
"""What the launch files make of their arguments; launch itself is not needed."""

import json
import os
import subprocess
import sys

import pytest
import yaml

pytest.importorskip('rclpy', reason='needs ROS 2')

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.resources import resource
from depth_anything_ros.core.settings import replaced, walk
from depth_anything_ros.ros.depth_node_config import DepthNodeConfig
from depth_anything_ros.ros.launch_arguments import (
    ARGUMENTS,
    PANORAMA_DEFAULTS,
    REPLAY_ARGUMENTS,
    depth_node_setup,
    parameter_overrides,
    player_arguments,
)

SETTINGS = {name: value for name, _, value in walk(DepthNodeConfig())}


def given(**arguments):
    """The arguments as launch hands them over: all of them, with their defaults."""
    defaults = {a.name: a.default for a in ARGUMENTS}
    assert arguments.keys() <= defaults.keys()
    return {**defaults, **arguments}


def setup(**arguments):
    return depth_node_setup(given(**arguments), 'depth.rviz')


@pytest.mark.parametrize('argument', (*ARGUMENTS, *REPLAY_ARGUMENTS), ids=lambda a: a.name)
def test_an_argument_is_described_and_its_default_is_a_choice(argument):
    assert len(argument.description) > 10
    assert not argument.choices or argument.default in argument.choices


@pytest.mark.parametrize('argument', [a for a in ARGUMENTS if a.parameter != 'use_sim_time' and a.parameter], ids=str)
def test_an_argument_sets_a_parameter_that_the_node_has(argument):
    assert argument.parameter in SETTINGS
    usual = '512' if type(SETTINGS[argument.parameter]) is int else '/some/topic'
    value = argument.choices[-1] if argument.choices else 'front' if argument.name == 'cameras' else usual
    (override,) = parameter_overrides(given(**{argument.name: value})).values()
    assert type(override) is type(SETTINGS[argument.parameter])
    replaced(DepthNodeConfig(), {argument.parameter: override})  # which raises on a value the node would refuse


def test_nothing_given_overrides_nothing():
    nothing = setup()
    assert nothing.parameters == []
    assert nothing.remappings == []
    assert (nothing.name, nothing.namespace) == ('depth_node', '')


def test_topics_of_one_kind_are_a_list_and_none_empties_it():
    overrides = parameter_overrides(given(points='/front, /rear', radar='none'))
    assert overrides == {'input.lidar_topics': ['/front', '/rear'], 'input.radar_topics': ['']}


@pytest.mark.parametrize(
    ('image', 'info', 'remapped_info'),
    [
        ('/camera/image_raw', '', '/camera/camera_info'),
        ('image_raw', '', 'camera_info'),
        ('/camera/image_raw', '/other/info', '/other/info'),
    ],
)
def test_camera_info_is_taken_from_beside_the_image(image, info, remapped_info):
    assert setup(image=image, camera_info=info).remappings == [('image', image), ('camera_info', remapped_info)]


def test_a_panorama_is_launched_with_its_cubemap():
    defaults = {a.name: PANORAMA_DEFAULTS.get(a.name, a.default) for a in ARGUMENTS}
    node = depth_node_setup({**defaults, 'image': '/dome/image_raw', 'cubemap_size': '512'}, 'depth.rviz')
    assert node.parameters == [
        {
            'input.camera_model': 'equirectangular',
            'publish.cubemap.enabled': True,
            'publish.cubemap.size_px': 512,
        }
    ]
    with pytest.raises(ConfigError, match="cubemap_size: expected a whole number, got 'large'"):
        setup(cubemap_size='large')


def test_several_cameras_have_their_own_topics_below_their_names():
    node = setup(cameras='front, left', image='/{camera}/image_raw/compressed', points='/lidar')
    assert node.parameters == [
        {'input.lidar_topics': ['/lidar'], 'input.image_transport': 'compressed', 'cameras': ['front', 'left']}
    ]
    assert node.remappings == [
        ('front/image', '/front/image_raw'),
        ('front/camera_info', '/front/camera_info'),
        ('left/image', '/left/image_raw'),
        ('left/camera_info', '/left/camera_info'),
    ]
    shown = dict(node.rviz_remappings)
    assert shown['/image'] == '/front/image_raw'
    assert shown['/depth_node/depth/points'] == '/depth_node/front/depth/points'
    unmapped = setup(cameras='front', namespace='robot')
    assert unmapped.remappings == []
    assert dict(unmapped.rviz_remappings)['/image'] == '/robot/front/image'


def test_one_image_for_several_cameras_is_refused():
    with pytest.raises(
        ConfigError, match=r'image: expected \{camera\} in the topic of several cameras, got .*/image_raw'
    ):
        setup(cameras='front,left', image='/image_raw')


def test_a_compressed_topic_selects_the_transport():
    compressed = setup(image='/camera/image_raw/compressed')
    assert compressed.remappings[0] == ('image', '/camera/image_raw')
    assert compressed.parameters == [{'input.image_transport': 'compressed'}]


def test_rviz_follows_the_nodes_name_and_namespace():
    remappings = dict(setup(namespace='robot', name='front', image='cam/image').rviz_remappings)
    assert remappings['/depth_node/depth/points'] == '/robot/front/depth/points'
    assert remappings['/image'] == '/robot/cam/image'
    assert dict(setup(image='/cam/image').rviz_remappings)['/image'] == '/cam/image'
    assert setup(fixed_frame='odom').rviz_arguments[-2:] == ['-f', 'odom']


def test_a_parameter_file_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r'params_file: no such file: .*nowhere\.yaml'):
        setup(params_file='nowhere.yaml')


def test_the_player_plays_the_recording_with_the_options(tmp_path):
    bag = tmp_path / 'run.mcap'
    bag.touch()
    values = {a.name: a.default for a in REPLAY_ARGUMENTS}
    arguments = player_arguments({**values, 'bag': str(bag), 'rate': '0.5', 'loop': 'true'})
    from depth_anything_ros.cli.main import build_parser

    options = build_parser('play').parse_args(arguments)
    assert (options.bag, options.rate, options.loop, options.wait_for) == (str(bag), 0.5, True, 60.0)
    with pytest.raises(ConfigError, match='no such recording'):
        player_arguments({**values, 'bag': str(tmp_path / 'other.mcap')})


SHOW_PARAMETERS = """
import json, sys
import rclpy
from rclpy.node import Node
rclpy.init(args=sys.argv)
node = Node('depth_node', automatically_declare_parameters_from_overrides=True)
print(json.dumps({name: node.get_parameter(name).value for name in ('model', 'engine')}))
"""


@pytest.mark.parametrize('section', ['depth_node', '/**', '/**/depth_node'])
def test_the_command_line_wins_over_the_parameter_file(tmp_path, section):
    """Both as files on the node's command line, in the form in which launch_ros writes a dict of parameters."""
    chosen = tmp_path / 'own.yaml'
    settings = {'/**': {'ros__parameters': {'model': 'of the file', 'engine': 'torch'}}}
    settings |= {section: {'ros__parameters': {'model': 'of the file', 'engine': 'torch'}}}
    chosen.write_text(yaml.safe_dump(settings, sort_keys=False))
    node = setup(params_file=str(chosen), model='of the command line')
    files = []
    for parameters in node.parameters:
        if isinstance(parameters, dict):
            written = tmp_path / 'launch_params.yaml'
            written.write_text(yaml.safe_dump({f'/{node.name}': {'ros__parameters': parameters}}))
            parameters = str(written)
        files += ['--params-file', parameters]
    env = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'OFF'}
    shown = subprocess.check_output([sys.executable, '-c', SHOW_PARAMETERS, '--ros-args', *files], env=env, text=True)
    assert json.loads(shown) == {'model': 'of the command line', 'engine': 'torch'}


def test_arguments_have_no_doubles():
    names = [a.name for a in (*ARGUMENTS, *REPLAY_ARGUMENTS)]
    assert len(names) == len(set(names))


def test_the_rviz_file_shows_the_topics_that_are_remapped():
    displays = yaml.safe_load(resource('rviz', 'depth.rviz').read_text())['Visualization Manager']['Displays']
    shown = {d['Topic']['Value'] for d in displays if 'Topic' in d}
    assert shown == {name for name, _ in setup().rviz_remappings}
