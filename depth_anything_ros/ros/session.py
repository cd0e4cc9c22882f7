# SPDX-License-Identifier: Apache-2.0
"""A node for a command: spun in the background, stopped cleanly however often Ctrl-C comes."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from depth_anything_ros.ros.environment import prepare_middleware


@contextlib.contextmanager
def interruptible_node(name: str, ros_arguments: list[str] | None = None) -> Iterator[tuple[Node, threading.Event]]:
    """(node, stop): the node's callbacks run in a thread; SIGINT and SIGTERM set `stop`, again and again without harm.

    The caller's loop watches `stop`; once it was set, the process ignores both signals to its end. Must be entered in
    the main thread, as signal handlers must.
    """
    stop = threading.Event()
    warning = prepare_middleware()
    # rclpy's own handler would tear the context down in the middle of a publish
    rclpy.init(args=ros_arguments or [], signal_handler_options=SignalHandlerOptions.NO)
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGINT, signal.SIGTERM)}
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
        rclpy.try_shutdown()
        for which, handler in before.items():
            # the second Ctrl-C may come while Python is already on its way out
            signal.signal(which, signal.SIG_IGN if stop.is_set() else handler)


def _spin(executor: SingleThreadedExecutor) -> None:
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()
