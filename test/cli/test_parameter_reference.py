# SPDX-License-Identifier: Apache-2.0
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_anything_ros.cli.parameters import NODES, reference

PAGES = dict(zip(NODES, ('parameters.md', 'mapping_parameters.md', 'workspace_parameters.md'), strict=True))


@pytest.mark.parametrize('node', NODES)
def test_the_parameter_reference_is_what_the_code_declares(repository, node):
    written = (repository / 'docs' / PAGES[node]).read_text()
    assert written == reference(node), f'run: depth_anything_ros parameters {node} > docs/{PAGES[node]}'
