# SPDX-License-Identifier: Apache-2.0
"""The launch files: read as text everywhere, run by launch where it is installed."""

import ast
import os
import time

import pytest

from depth_anything_ros.core.resources import resource

FILES = ('depth.launch.py', 'mapping.launch.py', 'panorama.launch.py', 'replay.launch.py', 'workspace.launch.py')


@pytest.fixture(params=FILES)
def tree(request):
    path = resource('launch', request.param)
    return ast.parse(path.read_text(), str(path))


def test_a_launch_file_describes_itself_and_what_it_starts(tree):
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert 'generate_launch_description' in functions
    assert 'ros2 launch depth_anything_ros' in ast.get_docstring(tree)


def test_a_node_is_named_by_its_package_and_an_executable_that_is_installed(tree, repository):
    installed = {'depth_anything_ros', 'depth_node', 'mapping_node', 'workspace_node', 'rviz2'}
    setup_text = (repository / 'setup.py').read_text() if (repository / 'setup.py').is_file() else ''
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == 'Node']
    assert nodes or 'depth.launch.py' in ast.unparse(tree)
    for node in nodes:
        keywords = {k.arg: k.value for k in node.keywords}
        assert ast.literal_eval(keywords['package']) in ('depth_anything_ros', 'rviz2')
        executable = ast.literal_eval(keywords['executable'])
        assert executable in installed
        assert executable == 'rviz2' or executable in setup_text or '{NAME} =' in setup_text


def test_depth_node_is_given_its_full_name():
    """Else a section for the node in a parameter file wins over the command line (see launch_arguments)."""
    tree = ast.parse(resource('launch', 'depth.launch.py').read_text())
    node = next(n for n in ast.walk(tree) if isinstance(n, ast.Call) and "'depth_node'" in ast.unparse(n))
    node = next(n for n in ast.walk(node) if isinstance(n, ast.Call) and ast.unparse(n.func) == 'Node')
    assert {'name', 'namespace', 'parameters'} <= {k.arg for k in node.keywords}


# With launch. It is not among the ROS wheels, so these run where ROS 2 is installed whole.


@pytest.fixture
def described(request):
    """described(file) -> its LaunchDescription, made by launch's own loader."""
    pytest.importorskip('launch_ros', reason='launch is not among the ROS wheels; needs a full ROS 2')
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    return lambda file: get_launch_description_from_python_launch_file(str(resource('launch', file)))


@pytest.mark.parametrize('file', FILES)
def test_launch_reads_every_argument_with_its_description(described, file):
    from depth_anything_ros.ros.launch_arguments import ARGUMENTS, REPLAY_ARGUMENTS
    from depth_anything_ros.ros.mapping_launch import MAPPING_ARGUMENTS

    own = {'replay.launch.py': REPLAY_ARGUMENTS, 'mapping.launch.py': MAPPING_ARGUMENTS}
    expected = {a.name for a in (*ARGUMENTS, *own.get(file, ()))}
    arguments = described(file).get_launch_arguments()
    assert {a.name for a in arguments} == expected
    assert all(a.description for a in arguments)


def test_launch_starts_the_node_with_the_profile(described):
    from launch import LaunchDescription, LaunchService
    from launch.actions import IncludeLaunchDescription, RegisterEventHandler, Shutdown, TimerAction
    from launch.event_handlers import OnProcessStart
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    started = []

    def on_start(event, context):
        started.append((event.cmd, dict(context.environment)))
        return [TimerAction(period=3.0, actions=[Shutdown(reason='seen')])]

    path = str(resource('launch', 'depth.launch.py'))
    arguments = {'name': 'seen', 'model': 'classical', 'engine': 'classical', 'image': '/cam/image'}.items()
    service = LaunchService()
    service.include_launch_description(
        LaunchDescription(
            [
                RegisterEventHandler(OnProcessStart(on_start=on_start)),
                IncludeLaunchDescription(PythonLaunchDescriptionSource(path), launch_arguments=arguments),
                TimerAction(period=60.0, actions=[Shutdown(reason='nothing started')]),
            ]
        )
    )
    before = time.monotonic()
    assert service.run() == 0
    assert time.monotonic() - before < 60
    ((command, environment),) = started
    assert '__node:=seen' in ' '.join(command) and 'image:=/cam/image' in ' '.join(command)
    assert any(name.endswith('_DEFAULT_PROFILES_FILE') for name in {**environment, **os.environ})
