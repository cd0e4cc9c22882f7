# SPDX-License-Identifier: Apache-2.0
"""mapping.launch.py: what its arguments make of the two nodes, and that the nodes it sets up understand each other."""

import ast

import pytest
import yaml

pytest.importorskip('rclpy', reason='needs ROS 2')

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.resources import resource
from depth_anything_ros.core.settings import replaced, walk
from depth_anything_ros.ros.launch_arguments import ARGUMENTS
from depth_anything_ros.ros.mapping_launch import MAPPING_ARGUMENTS, mapping_setup

PROFILE = str(resource('config', 'nvblox.yaml'))


def setup(**given):
    values = {argument.name: argument.default for argument in (*MAPPING_ARGUMENTS, *ARGUMENTS)}
    return mapping_setup(values | given, 'depth.rviz', PROFILE)


def test_the_map_listens_to_the_depth_nodes_outputs_and_the_camera():
    made = setup(image='/camera/image_raw', points='/velodyne_points', namespace='robot', name='front')
    names = dict(made.mapping.remappings)
    assert names['depth/image'] == '/robot/front/depth/image_rect'
    assert names['depth/camera_info'] == '/robot/front/depth/camera_info'
    assert names['confidence'] == '/robot/front/confidence'
    assert (names['color/image'], names['color/camera_info']) == ('/camera/image_raw', '/camera/camera_info')
    assert made.mapping.parameters[-1]['returns.lidar_topics'] == ['/velodyne_points']


def test_arguments_become_parameters_that_the_node_knows():
    from depth_anything_ros.ros.mapping_node_config import MappingNodeConfig

    made = setup(
        image='/cam/image/compressed', points='/a, /b', map_frame='map', pose='odometry', pose_topic='/odom',
        voxel_size='0.05', map_file='/tmp/room.map', autostart='false',
    )  # fmt: skip
    config = replaced(MappingNodeConfig(), made.mapping.parameters[-1])
    assert (config.map_frame, config.pose.source, config.tsdf.voxel_size_m) == ('map', 'odometry', 0.05)
    assert config.returns.lidar_topics == ['/a', '/b']
    assert config.input.image_transport == 'compressed'
    assert config.files.load_at_start and config.files.save_at_end and not config.autostart
    assert ('odometry', '/odom') in made.mapping.remappings
    assert made.depth.parameters[-1]['input.fixed_frame'] == 'map', 'ego motion is undone through the same frame'


def test_the_returns_can_be_left_out_and_are_without_a_lidar():
    assert 'returns.lidar_topics' not in setup(points='/points', returns='false').mapping.parameters[-1]
    assert 'returns.lidar_topics' not in setup(points='none').mapping.parameters[-1]


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        ({'voxel_size': 'small'}, 'voxel_size: expected metres'),
        ({'mapping_params_file': '/no/such.yaml'}, 'mapping_params_file: no such file'),
        ({'pose_topic': '/odom'}, 'pose:=odometry or pose:=pose'),
        ({'cameras': 'front,left'}, 'mapping_node maps with one'),
    ],
)
def test_a_senseless_argument_is_refused_with_the_reason(given, told):
    with pytest.raises(ConfigError, match=told):
        setup(**given)


def test_nvblox_gets_its_own_topic_names_and_the_profile_below_the_users_file(tmp_path):
    mine = tmp_path / 'mine.yaml'
    mine.write_text('/**: {ros__parameters: {max_age_s: 1.0}}')
    made = setup(mapping='nvblox', image='/cam/image', params_file=str(mine), model='classical')
    assert made.mapping is None
    names = dict(made.depth.remappings)
    assert names['~/depth/image_rect'] == '/camera_0/depth/image'
    assert names['~/depth/camera_info'] == '/camera_0/depth/camera_info'
    assert made.depth.parameters[:2] == [PROFILE, str(mine)]
    assert made.depth.parameters[-1]['model'] == 'classical'


def test_nvblox_gets_every_one_of_several_cameras():
    made = setup(mapping='nvblox', cameras='front,left', image='/{camera}/image_raw', namespace='robot')
    names = dict(made.depth.remappings)
    assert names['~/front/depth/image_rect'] == '/robot/camera_0/depth/image'
    assert names['~/left/depth/camera_info'] == '/robot/camera_1/depth/camera_info'
    assert names['left/image'] == '/left/image_raw'


def test_the_nvblox_profile_is_what_nvblox_reads():
    values = yaml.safe_load(resource('config', 'nvblox.yaml').read_text())['/**']['ros__parameters']
    assert values['publish']['depth_encoding'] in ('16UC1', '32FC1')


def test_depth_arrives_where_nvblox_listens_reliably_and_with_equal_stamps(ros, tmp_path):
    """A stand-in subscribes as nvblox_node does: its names, reliable as its SYSTEM_DEFAULT, image and info by stamp."""
    from depth_node_rig import SECOND, Rig
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import CameraInfo, Image

    from depth_anything_ros.core.messages import stamp_ns

    made = setup(mapping='nvblox')
    remaps = [part for pair in made.depth.remappings for part in ('-r', ':='.join(pair))]
    rig = Rig(ros, tmp_path, '--params-file', PROFILE, *remaps, subscribe=())
    images, infos = [], []
    reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
    rig.robot.create_subscription(Image, 'camera_0/depth/image', images.append, reliable)
    rig.robot.create_subscription(CameraInfo, 'camera_0/depth/camera_info', infos.append, reliable)
    rig.start()
    assert ros.spin_until(lambda: rig.stream.outputs.wanted('depth', 'camera_info'))
    rig.send(SECOND)
    assert ros.spin_until(lambda: images and infos)
    assert images[0].encoding == '16UC1'
    assert stamp_ns(images[0].header.stamp) == stamp_ns(infos[0].header.stamp) == SECOND
    assert (infos[0].width, infos[0].height) == (images[0].width, images[0].height)
    assert not any(infos[0].d), 'rectified, as nvblox assumes'


def test_the_launch_file_starts_both_nodes():
    tree = ast.parse(resource('launch', 'mapping.launch.py').read_text())
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == 'Node']
    started = {ast.literal_eval(k.value) for node in nodes for k in node.keywords if k.arg == 'executable'}
    assert started == {'depth_node', 'mapping_node', 'rviz2'}
    assert 'ros2 launch depth_anything_ros' in ast.get_docstring(tree)


def test_every_parameter_of_the_mapping_node_is_described():
    from depth_anything_ros.ros.mapping_node_config import MappingNodeConfig

    assert all(field.metadata.get('description') for _, field, _ in walk(MappingNodeConfig()))
