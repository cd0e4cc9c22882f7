# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_anything_ros.cli.parameters import reference


def test_the_reference_of_the_mapping_node_is_what_the_code_declares(repository):
    written = (repository / 'docs' / 'mapping_parameters.md').read_text()
    assert written == reference('mapping_node'), (
        'run: depth_anything_ros parameters mapping_node > docs/mapping_parameters.md'
    )
