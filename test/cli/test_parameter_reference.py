# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_anything_ros.cli.parameters import reference


def test_the_parameter_reference_is_what_the_code_declares(repository):
    written = (repository / 'docs' / 'parameters.md').read_text()
    assert written == reference(), 'run: depth_anything_ros parameters > docs/parameters.md'
