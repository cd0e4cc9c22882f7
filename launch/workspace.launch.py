# SPDX-License-Identifier: Apache-2.0
"""A camera and its rangers in; dense depth, the objects on the table before it, and grasps on them out.

    ros2 launch depth_anything_ros workspace.launch.py image:=/camera/image_raw points:=/lidar up_frame:=base_link

Takes every argument of depth.launch.py too.
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from depth_anything_ros.core.resources import resource
from depth_anything_ros.ros.environment import middleware_environment
from depth_anything_ros.ros.launch_arguments import ARGUMENTS
from depth_anything_ros.ros.workspace_launch import WORKSPACE_ARGUMENTS, workspace_setup


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
                for argument in (*WORKSPACE_ARGUMENTS, *ARGUMENTS)
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context):
    """The actions, once the values of the arguments are known."""
    given = {
        argument.name: LaunchConfiguration(argument.name).perform(context)
        for argument in (*WORKSPACE_ARGUMENTS, *ARGUMENTS)
    }
    setup = workspace_setup(given, str(resource('rviz', 'depth.rviz')))
    wanted = middleware_environment()
    actions = [
        *(SetEnvironmentVariable(name, value) for name, value in wanted.items() if os.environ.get(name) != value),
        Node(
            package='depth_anything_ros',
            executable='depth_node',
            name=setup.depth.name,
            namespace=setup.depth.namespace,
            parameters=setup.depth.parameters,
            remappings=setup.depth.remappings,
            ros_arguments=setup.depth.ros_arguments,
            output='screen',
        ),
        Node(
            package='depth_anything_ros',
            executable='workspace_node',
            name=setup.workspace.name,
            namespace=setup.workspace.namespace,
            parameters=setup.workspace.parameters,
            remappings=setup.workspace.remappings,
            ros_arguments=setup.workspace.ros_arguments,
            output='screen',
        ),
    ]
    if given['rviz'] == 'true':
        actions.append(
            Node(
                package='rviz2',
                executable='rviz2',
                name='rviz',
                arguments=setup.depth.rviz_arguments,
                remappings=setup.depth.rviz_remappings,
                parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}],
            )
        )
    return actions
