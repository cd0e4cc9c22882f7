# SPDX-License-Identifier: Apache-2.0
"""A recording through depth_node, on the recording's own time.

    ros2 launch depth_anything_ros replay.launch.py bag:=run.mcap image:=/camera/image_raw points:=/points

Takes every argument of depth.launch.py too, and ends when the recording ends.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from depth_anything_ros.core.resources import resource
from depth_anything_ros.ros.launch_arguments import ARGUMENTS, REPLAY_ARGUMENTS, player_arguments

RECORDED_TIME = {'use_sim_time': 'true'}  # a replayed stamp is old by any other clock


def generate_launch_description():
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    argument.name,
                    default_value=RECORDED_TIME.get(argument.name, argument.default),
                    description=argument.description,
                    choices=argument.choices or None,
                )
                for argument in (*REPLAY_ARGUMENTS, *ARGUMENTS)
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(resource('launch', 'depth.launch.py'))),
                launch_arguments=[(argument.name, LaunchConfiguration(argument.name)) for argument in ARGUMENTS],
            ),
            OpaqueFunction(function=play),
        ]
    )


def play(context):
    """The player, once the values of the arguments are known."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in REPLAY_ARGUMENTS}
    return [
        Node(
            package='depth_anything_ros',
            executable='depth_anything_ros',
            arguments=player_arguments(given),
            output='screen',
            on_exit=Shutdown(reason='the recording is over'),
        )
    ]
