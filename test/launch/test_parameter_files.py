# SPDX-License-Identifier: Apache-2.0
"""The parameter files in config/ are for depth_node as it is, and say nothing that the defaults say."""

import pytest
import yaml

from depth_anything_ros.core.resources import resource
from depth_anything_ros.core.settings import replaced, walk

pytest.importorskip('rclpy', reason='needs ROS 2')

from depth_anything_ros.ros.depth_node_config import DepthNodeConfig

FILES = sorted(resource('config').glob('*.yaml'))


def flattened(values: dict, prefix: str = '') -> dict:
    """{'a': {'b': 1}} -> {'a.b': 1}, with ROS's [''] for the empty list."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= flattened(value, f'{prefix}{name}.')
        else:
            flat[prefix + name] = [] if value == [''] else value
    return flat


@pytest.mark.parametrize('path', FILES, ids=lambda p: p.name)
def test_a_file_holds_deviations_from_the_defaults_only(path):
    values = flattened(yaml.safe_load(path.read_text())['/**']['ros__parameters'])
    defaults = {name: value for name, _, value in walk(DepthNodeConfig())}
    for name, value in values.items():
        assert type(value) is type(defaults[name]), name  # rcl knows no implicit conversion
        assert value != defaults[name], name
    replaced(DepthNodeConfig(), values)  # raises on what the node would refuse


def test_there_are_files():
    assert FILES
