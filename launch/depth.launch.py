# SPDX-License-Identifier: Apache-2.0
"""One or several cameras and their rangers in, dense metric depth out.

    ros2 launch depth_anything_ros depth.launch.py image:=/camera/image_raw points:=/velodyne_points
    ros2 launch depth_anything_ros depth.launch.py cameras:=front,left image:="/{camera}/image_raw"
    ros2 launch depth_anything_ros depth.launch.py --show-args

Sets the Fast DDS profile for what it starts. Camera and LiDAR drivers need it too: start them with the same variable.
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from depth_anything_ros.core.resources import resource
from depth_anything_ros.ros.environment import middleware_environment
from depth_anything_ros.ros.launch_arguments import ARGUMENTS, depth_node_setup


def generate_launch_description():
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    argument.name,
                    default_value=argument.default,
                    description=argument.description,
                    choices=argument.choices or None,
                )
                for argument in ARGUMENTS
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context):
    """The actions, once the values of the arguments are known."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    setup = depth_node_setup(given, str(resource('rviz', 'depth.rviz')))
    wanted = middleware_environment()
    actions = [
        *(SetEnvironmentVariable(name, value) for name, value in wanted.items() if os.environ.get(name) != value),
        Node(
            package='depth_anything_ros',
            executable='depth_node',
            name=setup.name,
            namespace=setup.namespace,
            parameters=setup.parameters,
            remappings=setup.remappings,
            ros_arguments=setup.ros_arguments,
            output='screen',
        ),
    ]
    if given['rviz'] == 'true':
        actions.append(
            Node(
                package='rviz2',
                executable='rviz2',
                name='rviz',
                arguments=setup.rviz_arguments,
                remappings=setup.rviz_remappings,
                parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}],
            )
        )
    return actions
