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


def run_node(make_node, args: list[str] | None = None) -> int:
    """Construct, autostart and spin until SIGINT or SIGTERM; returns the exit code.

    Under `ros2 launch` Ctrl-C arrives twice, from the terminal and from launch: every signal only sets an event.
    """
    stop = threading.Event()
    warning = prepare_middleware()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    for which in (signal.SIGINT, signal.SIGTERM):
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
        executor.shutdown(timeout_sec=5.0)
        node.trigger_shutdown()
        return 0
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def autostart(node) -> bool:
    """Configure and activate; False where the node refused, which it has logged."""
    return (
        node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        and node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    )
