# SPDX-License-Identifier: Apache-2.0
"""A 360 x 180 degree camera and its rangers in; range, a cloud all around and six pinhole depth cameras out.

    ros2 launch depth_anything_ros panorama.launch.py image:=/dome/image_raw points:=/velodyne_points
    ros2 launch depth_anything_ros panorama.launch.py image:=/dome/image_raw cubemap_size:=512

Takes every argument of depth.launch.py; only the defaults differ: the image is equirectangular, whatever its
camera_info says, and every face (front, right, back, left, up, down) of a cube has a depth, an image and a
camera_info on ~/cubemap/FACE, for consumers that know pinhole cameras only (nvblox, depth_image_proc). What nobody
subscribes to is not computed.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from depth_anything_ros.core.resources import resource
from depth_anything_ros.ros.launch_arguments import ARGUMENTS, PANORAMA_DEFAULTS


def generate_launch_description():
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    argument.name,
                    default_value=PANORAMA_DEFAULTS.get(argument.name, argument.default),
                    description=argument.description,
                    choices=argument.choices or None,
                )
                for argument in ARGUMENTS
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(resource('launch', 'depth.launch.py'))),
                launch_arguments=[(argument.name, LaunchConfiguration(argument.name)) for argument in ARGUMENTS],
            ),
        ]
    )
