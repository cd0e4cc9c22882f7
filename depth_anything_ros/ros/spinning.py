# SPDX-License-Identifier: Apache-2.0
"""Run a lifecycle node as a process: autostart, several threads, and a shutdown that bears a second Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading

import rclpy
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.ros.environment import prepare_middleware

THREADS = 3  # messages, transforms, inference
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_node(make_node, args: list[str] | None = None) -> int:
    """Construct, autostart and spin until SIGINT or SIGTERM; returns the exit code.

    Under `ros2 launch` Ctrl-C arrives twice, from the terminal and from launch: every signal only sets an event.
    """
    stop = threading.Event()
    warning = prepare_middleware()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    for which in SIGNALS:
        signal.signal(which, lambda *_: stop.set())
    node = None
    try:
        try:
            node = make_node()
        except DepthError as error:
            print(f'error: {error}', file=sys.stderr)
            return 1
        if warning:
            node.get_logger().warning(warning)
        if node.parameters.config.autostart and not autostart(node):
            return 1
        executor = MultiThreadedExecutor(THREADS)
        executor.add_node(node)
        with contextlib.suppress(ExternalShutdownException):
            while not stop.is_set() and rclpy.ok():
                executor.spin_once(timeout_sec=0.5)
        finish_callbacks(executor)
        node.trigger_shutdown()
        executor.shutdown()
        return 0
    finally:
        for which in SIGNALS:  # late ones too: while Python winds down its own default would kill us
            signal.signal(which, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def autostart(node) -> bool:
    """Configure and activate; False where the node refused, which it has logged."""
    return (
        node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        and node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    )


def finish_callbacks(executor: MultiThreadedExecutor) -> None:
    """Wait for the callbacks under way; nothing new is started.

    rclpy's own shutdown destroys the executor's guard condition first, and callbacks that end after that complain.
    """
    pool = getattr(executor, '_executor', None)
    if pool is not None:
        pool.shutdown(wait=True)
