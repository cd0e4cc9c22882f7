# SPDX-License-Identifier: Apache-2.0
"""Run nodes in a process: autostart, and an end that bears Ctrl-C as often as it comes.

Under `ros2 launch` it comes twice, from the terminal and from launch. rclpy's own handlers would tear the context down
in the middle of a publish, so signals only set an event here, and the code that watches it winds down in order.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
from collections.abc import Iterator

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.ros.environment import prepare_middleware

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interruptible_node(name: str, ros_arguments: list[str] | None = None) -> Iterator[tuple[Node, threading.Event]]:
    """(node, stop) for a command: the node's callbacks run in a thread, the caller's loop watches `stop`.

    Must be entered in the main thread, as signal handlers must.
    """
    with _rclpy_until_signal(ros_arguments or []) as (stop, warning):
        node = rclpy.create_node(name)
        if warning:
            node.get_logger().warning(warning)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        thread = threading.Thread(target=_spin, args=(executor,), daemon=True)
        thread.start()
        try:
            yield node, stop
        finally:
            executor.shutdown(timeout_sec=2.0)
            thread.join(timeout=2.0)
            node.destroy_node()


def run_node(make_node, args: list[str] | None = None) -> int:
    """Construct a lifecycle node, autostart and spin it until a signal comes; returns the exit code of the process."""
    with _rclpy_until_signal(args) as (stop, warning):
        try:
            node = make_node()
        except DepthError as error:
            print(f'error: {error}', file=sys.stderr)
            return 1
        try:
            if warning:
                node.get_logger().warning(warning)
            if node.parameters.config.autostart and not autostart(node):
                return 1
            gc.collect()
            gc.freeze()  # what is loaded stays: looking through it all again would hold up a frame by 20 ms and more
            executor = SingleThreadedExecutor()  # long work has a thread of its own; this costs a quarter per callback
            executor.add_node(node)
            with contextlib.suppress(ExternalShutdownException):
                while not stop.is_set() and rclpy.ok():
                    executor.spin_once(timeout_sec=0.5)
            node.trigger_shutdown()
            executor.shutdown()
            return 0
        finally:
            node.destroy_node()


def autostart(node) -> bool:
    """Configure and activate; False where the node refused, which it has logged."""
    return (
        node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        and node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    )


@contextlib.contextmanager
def _rclpy_until_signal(args: list[str] | None) -> Iterator[tuple[threading.Event, str]]:
    """(set by SIGINT and SIGTERM, warning about the middleware or '') around rclpy's life."""
    stop = threading.Event()
    warning = prepare_middleware()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    before = {which: signal.signal(which, lambda *_: stop.set()) for which in SIGNALS}
    try:
        yield stop, warning
    finally:
        rclpy.try_shutdown()
        for which, handler in before.items():
            # once asked to end, we end: while Python winds down, a repeated signal would kill it with its own default
            signal.signal(which, signal.SIG_IGN if stop.is_set() else handler)


def _spin(executor: SingleThreadedExecutor) -> None:
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()
