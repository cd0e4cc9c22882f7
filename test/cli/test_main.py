# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, errors, exit codes, what it imports."""

import subprocess
import sys

import pytest

from depth_anything_ros import __version__
from depth_anything_ros.cli import main as command_line
from depth_anything_ros.cli.main import COMMANDS, main, split_ros_arguments
from depth_anything_ros.core.errors import MissingExtra, RecordingError


def fake_command(monkeypatch, run):
    """Replace the module of `play` by one whose run() is given."""

    class Module:
        HELP, EPILOG = 'does what the test says', 'example: none'

        @staticmethod
        def add_arguments(parser):
            parser.add_argument('--number', type=int)

    Module.run = staticmethod(run)
    monkeypatch.setattr(command_line.importlib, 'import_module', lambda name: Module)


def test_help_names_every_command_and_imports_none_of_them():
    code = (
        'import sys; from depth_anything_ros.cli.main import main; main(["--help"]);'
        'print([m for m in ("numpy", "torch", "cv2", "rclpy", "rosbags", "rich") if m in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith('[]')
    for name, text in COMMANDS.items():
        assert name in done.stdout and text.split()[0] in done.stdout


@pytest.mark.parametrize('name', ['infer', 'demo', 'play', 'record', 'evaluate', 'convert'])
def test_every_command_has_help_with_an_example(name, capsys):
    assert main([name, '--help']) == 0
    out = capsys.readouterr().out
    assert 'examples:' in out and f'depth_anything_ros {name}' in out


def test_the_version_is_told(capsys):
    assert main(['--version']) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize('argv', [[], ['fly'], ['play'], ['play', 'x.mcap', '--rate', 'fast'], ['convert', 'nyu', 'x']])
def test_wrong_usage_exits_with_2(argv, capsys):
    assert main(argv) == 2
    assert 'usage:' in capsys.readouterr().err


def test_an_expected_error_is_one_line_and_exit_code_1(monkeypatch, capsys):
    def run(_args):
        raise RecordingError('run.mcap: no such\nrecording')

    fake_command(monkeypatch, run)
    assert main(['play']) == 1
    assert capsys.readouterr().err == 'depth_anything_ros: error: run.mcap: no such recording\n'


def test_debug_shows_where_it_came_from(monkeypatch, capsys):
    def run(_args):
        raise RecordingError('broken')

    fake_command(monkeypatch, run)
    for argv in (['play', '--debug'], ['--debug', 'play']):
        assert main(argv) == 1
        err = capsys.readouterr().err
        assert 'Traceback' in err and err.endswith('depth_anything_ros: error: broken\n')


def test_a_bug_is_not_hidden(monkeypatch):
    def run(_args):
        raise ZeroDivisionError

    fake_command(monkeypatch, run)
    with pytest.raises(ZeroDivisionError):
        main(['play'])


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (MissingExtra('rosbags', 'bags', 'reading a recording'), "pip install 'depth_anything_ros[bags]'"),
        (ModuleNotFoundError("No module named 'rclpy'", name='rclpy'), 'needs ROS 2'),
        (PermissionError(13, 'Permission denied', '/locked/x'), 'Permission denied'),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(monkeypatch, capsys, error, said):
    def run(_args):
        raise error

    fake_command(monkeypatch, run)
    assert main(['play']) == 1
    err = capsys.readouterr().err
    assert said in err and 'Traceback' not in err and err.count('\n') == 1


def test_ctrl_c_exits_with_130(monkeypatch):
    def run(_args):
        raise KeyboardInterrupt

    fake_command(monkeypatch, run)
    assert main(['play']) == 130


def test_the_exit_code_of_a_command_is_passed_on(monkeypatch):
    fake_command(monkeypatch, lambda args: args.number)
    assert main(['play', '--number', '3']) == 3
    assert main(['play']) == 0


@pytest.mark.parametrize(
    ('argv', 'own', 'ros'),
    [
        (['play', 'a'], ['play', 'a'], []),
        (['play', 'a', '--ros-args', '-r', '__ns:=/x'], ['play', 'a'], ['--ros-args', '-r', '__ns:=/x']),
        (['play', '--ros-args', '-p', 'x:=1', '--', 'a'], ['play', 'a'], ['--ros-args', '-p', 'x:=1', '--']),
    ],
)
def test_arguments_that_launch_appends_go_to_ros(argv, own, ros):
    assert split_ros_arguments(argv) == (own, ros)
