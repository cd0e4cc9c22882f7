# SPDX-License-Identifier: Apache-2.0
"""A camera, its rangers and poses in; dense depth and a map of it out.

    ros2 launch depth_anything_ros mapping.launch.py image:=/camera/image_raw points:=/velodyne_points map_frame:=odom
    ros2 launch depth_anything_ros mapping.launch.py mapping:=nvblox image:=... points:=...

Takes every argument of depth.launch.py too. With mapping:=nvblox only depth_node is started, with the names, encoding
and range that nvblox takes; nvblox itself is started by its own launch file, without a remapping of depth.
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from depth_anything_ros.core.resources import resource
from depth_anything_ros.ros.environment import middleware_environment
from depth_anything_ros.ros.launch_arguments import ARGUMENTS
from depth_anything_ros.ros.mapping_launch import MAPPING_ARGUMENTS, mapping_setup


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
                for argument in (*MAPPING_ARGUMENTS, *ARGUMENTS)
            ),
            OpaqueFunction(function=start),
        ]
    )


def start(context):
    """The actions, once the values of the arguments are known."""
    given = {
        argument.name: LaunchConfiguration(argument.name).perform(context)
        for argument in (*MAPPING_ARGUMENTS, *ARGUMENTS)
    }
    rviz_file, nvblox_file = resource('rviz', 'depth.rviz'), resource('config', 'nvblox.yaml')
    setup = mapping_setup(given, str(rviz_file), str(nvblox_file))
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
    ]
    if setup.mapping is not None:
        actions.append(
            Node(
                package='depth_anything_ros',
                executable='mapping_node',
                name=setup.mapping.name,
                namespace=setup.mapping.namespace,
                parameters=setup.mapping.parameters,
                remappings=setup.mapping.remappings,
                ros_arguments=setup.mapping.ros_arguments,
                output='screen',
            )
        )
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
