# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros <command>`: reads the arguments, runs one command, turns its errors into one line.

Only the module of the command that was asked for is imported, so `--help` is instant and a missing optional package
hurts nobody but the command that needs it. A command is a module of this room with HELP, `add_arguments(parser)` and
`run(args) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import textwrap
import traceback

from depth_anything_ros import __version__
from depth_anything_ros.core.errors import DepthError

COMMANDS = {
    'demo': 'play a recording through the real nodes; accuracy, latency, pictures, cloud and report',
    'infer': 'depth of one image from files',
    'evaluate': 'accuracy and latency on a recording or a named case',
    'map': 'make a mesh of a recording with poses, and score it',
    'benchmark': 'time the frame path, mapping, engines, the node under load; its memory over time',
    'grasp-benchmark': 'grasp success in simulation, by material, distance and source of depth',
    'play': 'publish a recording on ROS topics with /clock',
    'record': 'write ROS topics to a recording',
    'convert': 'turn a public data layout into a recording',
    'models': 'list models, fetch their weights',
    'parameters': "print depth_node's parameters",
    'render-scenes': 'render random scenes with exact depth to train on',
    'convert-training': 'turn a public data set into shards to train on',
    'train': 'train the default network',
    'export': 'export a model to ONNX',
    'build-engine': 'build a TensorRT engine from an exported model',
}
ROS_PACKAGES = ('rclpy', 'sensor_msgs', 'std_msgs', 'std_srvs', 'rosgraph_msgs', 'geometry_msgs', 'diagnostic_msgs')
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    own, ros_arguments = split_ros_arguments(sys.argv[1:] if argv is None else argv)
    command = next((word for word in own if not word.startswith('-')), None)
    try:
        args = build_parser(command).parse_args(own)
    except SystemExit as stop:  # argparse has said its line already
        return stop.code if isinstance(stop.code, int) else USAGE
    except (DepthError, ImportError) as error:
        return failed(error, '--debug' in own)
    args.ros_arguments = ros_arguments
    try:
        return args.run(args) or OK
    except KeyboardInterrupt:
        print('depth_anything_ros: interrupted', file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has had enough, as in `... | head`
        sys.stderr.close()
        return OK
    except (DepthError, OSError, ImportError) as error:
        return failed(error, args.debug)


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser with the arguments of one command; the others are named only."""
    parser = argparse.ArgumentParser(
        'depth_anything_ros',
        description='Dense metric depth in ROS 2 from any camera and any sparse ranger.',
        epilog='depth_anything_ros <command> --help shows the arguments of a command and an example.',
    )
    parser.add_argument('--version', action='version', version=f'%(prog)s {__version__}')
    parser.add_argument('--debug', action='store_true', help='show where an error came from')
    subparsers = parser.add_subparsers(dest='command', metavar='<command>', required=True)
    for name, text in COMMANDS.items():
        if name == command:
            _add_command(subparsers, name, text)
        else:
            subparsers.add_parser(name, help=text)
    return parser


def split_ros_arguments(argv: list[str]) -> tuple[list[str], list[str]]:
    """(own arguments, those between --ros-args and -- or the end, as launch appends them)."""
    if '--ros-args' not in argv:
        return list(argv), []
    start = argv.index('--ros-args')
    end = argv.index('--', start) + 1 if '--' in argv[start:] else len(argv)
    return argv[:start] + argv[end:], argv[start:end]


def _add_command(subparsers, name: str, text: str) -> None:
    module = importlib.import_module(f'depth_anything_ros.cli.{name.replace("-", "_")}')
    documentation = textwrap.dedent(getattr(module, 'EPILOG', '')).strip('\n')
    parser = subparsers.add_parser(
        name,
        help=text,
        description=module.HELP,
        epilog=documentation,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    parser.add_argument('--debug', action='store_true', default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.set_defaults(run=module.run)


def failed(error: BaseException, debug: bool) -> int:
    """Tell an error in one line, with the trace above it where asked for; returns the exit code."""
    if debug:
        traceback.print_exception(error)
    text = ' '.join(str(error).split()) or type(error).__name__
    if isinstance(error, ModuleNotFoundError) and (error.name or '').split('.')[0] in ROS_PACKAGES:
        text = (
            f'this command needs ROS 2 (no module {error.name!r}): source /opt/ros/<distro>/setup.bash or install'
            " the wheels with pip install 'depth_anything_ros[ros]'"
        )
    print(f'depth_anything_ros: error: {text}', file=sys.stderr)
    return FAILED


if __name__ == '__main__':
    sys.exit(main())
