# SPDX-License-Identifier: Apache-2.0
"""workspace.launch.py: what its arguments make of the two nodes."""

import ast

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.resources import resource
from depth_anything_ros.core.settings import replaced
from depth_anything_ros.ros.launch_arguments import ARGUMENTS
from depth_anything_ros.ros.workspace_launch import WORKSPACE_ARGUMENTS, workspace_setup
from depth_anything_ros.ros.workspace_node_config import WorkspaceNodeConfig


def setup(**given):
    values = {argument.name: argument.default for argument in (*WORKSPACE_ARGUMENTS, *ARGUMENTS)}
    return workspace_setup(values | given, 'depth.rviz')


def test_the_workspace_hears_the_cloud_of_the_depth_node():
    made = setup(image='/camera/image_raw', points='/lidar', namespace='robot', name='front')
    assert made.workspace.remappings == [('points', '/robot/front/depth/points')]
    assert made.depth.parameters[-1]['input.lidar_topics'] == ['/lidar']
    assert made.workspace.parameters == []


def test_arguments_become_parameters_that_the_node_knows():
    made = setup(
        up_frame='base_link', workspace_frame='base_link', workspace_centre='0.5, 0, 0.1', workspace_size='1,1.5,0.6',
        grasps='false', gripper_width='0.12', autostart='false',
    )  # fmt: skip
    config = replaced(WorkspaceNodeConfig(), made.workspace.parameters[-1])
    assert (config.up_frame, config.workspace.frame, config.gripper.max_width_m) == ('base_link', 'base_link', 0.12)
    assert config.workspace.centre_m == [0.5, 0.0, 0.1] and config.workspace.size_m == [1.0, 1.5, 0.6]
    assert not config.plan.enabled and not config.autostart


@pytest.mark.parametrize(
    ('given', 'told'),
    [
        ({'workspace_size': '1,2'}, 'workspace_size: expected x,y,z in metres'),
        ({'gripper_width': 'wide'}, 'gripper_width: expected metres'),
        ({'workspace_params_file': '/no/such.yaml'}, 'workspace_params_file: no such file'),
        ({'cameras': 'left,right'}, 'a workspace is seen by one camera'),
    ],
)
def test_a_bad_argument_is_refused_with_its_name(given, told):
    with pytest.raises(ConfigError, match=told):
        setup(**given)


def test_the_launch_file_starts_both_nodes_under_their_full_names():
    tree = ast.parse(resource('launch', 'workspace.launch.py').read_text())
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == 'Node']
    names = {ast.literal_eval({k.arg: k.value for k in n.keywords}['executable']) for n in nodes}
    assert names == {'depth_node', 'workspace_node', 'rviz2'}
    assert all({'name', 'namespace'} <= {k.arg for k in n.keywords} for n in nodes[:2])
