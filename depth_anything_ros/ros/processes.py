# SPDX-License-Identifier: Apache-2.0
"""The real nodes as child processes of a command: start them in a domain of their own, wait for them, end them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from depth_anything_ros.core.errors import EngineError
from depth_anything_ros.ros.environment import middleware_environment

START_S = 120.0  # loading a model on a slow machine
STOP_S = 10.0


def enter_own_domain() -> None:
    """This process and its children talk in a ROS domain of their own, on this machine only; before rclpy.init()."""
    os.environ.update(middleware_environment(domain_id=1 + os.getpid() % 99))


def depth_node_command(parameters: Mapping[str, object], remaps: Mapping[str, str], more: list[str]) -> list[str]:
    """The command of a depth_node process; `more`: further ROS arguments, which win over the parameters."""
    command = [sys.executable, '-m', 'depth_anything_ros.ros.depth_node', '--ros-args']
    for name, topic in remaps.items():
        command += ['-r', f'{name}:={topic}']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={_yaml(value)}']
    return command + more


@contextlib.contextmanager
def child_process(name: str, command: list[str], folder: Path, **options) -> Iterator[subprocess.Popen]:
    """A child process with its output in <folder>/<name>.log; asked to end with SIGINT, then made to.

    options: of subprocess.Popen, as stdin and stdout.
    """
    with open(folder / f'{name}.log', 'wb') as log:
        streams = {'stdout': log, 'stderr': log, **options}
        process = subprocess.Popen(command, start_new_session=True, **streams)
        try:
            yield process
        finally:
            for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                if process.poll() is None:
                    process.send_signal(how)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(STOP_S)


def wait_until_active(
    ready: Callable[[], bool], stop: threading.Event, process: subprocess.Popen, folder: Path
) -> None:
    """Wait for a `depth_node` child. Raises EngineError where it ends or is not ready in time, KeyboardInterrupt."""
    log, end = folder / 'depth_node.log', time.monotonic() + START_S
    while not ready():
        if process.poll() is not None:
            raise EngineError(f'the depth node did not start: {last_line(log)}')
        if time.monotonic() > end:
            raise EngineError(f'the depth node is not active after {START_S:.0f} s; see {log}')
        if stop.wait(0.1):
            raise KeyboardInterrupt


def last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors='replace').splitlines() if line.strip()]
    return lines[-1] if lines else 'it said nothing'


def _yaml(value: object) -> str:
    """A parameter value as rcl reads it from the command line; it has no empty list, the node takes [''] for one."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return '[' + ', '.join(f"'{item}'" for item in value or ['']) + ']'
    return f"'{value}'" if isinstance(value, str) else repr(value)
