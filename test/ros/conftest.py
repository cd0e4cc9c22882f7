# SPDX-License-Identifier: Apache-2.0
"""Real nodes over the real middleware, each test process in a domain of its own.

The wheels' Python starts itself again once at interpreter start (LD_LIBRARY_PATH); that is over before pytest runs.
"""

import os
import socket
import time

import pytest


def _own_domain() -> tuple[int, socket.socket]:
    """A ROS domain no other test process on this machine uses: the bound port is the claim, kept until exit."""
    for domain in range(1, 100):  # above 101 the discovery ports fall into Linux's ephemeral range
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(('127.0.0.1', 41000 + domain))
            return domain, claim
        except OSError:
            claim.close()
    raise RuntimeError('every ROS domain from 1 to 99 is claimed by another test process')


_DOMAIN, _CLAIM = _own_domain()
os.environ['ROS_DOMAIN_ID'] = str(_DOMAIN)  # before rclpy loads the middleware
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'


class Ros:
    """Nodes of one test in one context, spun by `spin_until`."""

    def __init__(self):
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor

        self.context = Context()
        self.context.init(args=[])
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes = []

    def node(self, name: str = 'node', *, kind=None, arguments=(), **options):
        """A node in the executor; `arguments` as on the command line: ('-p', 'a.b:=1', '-r', 'x:=y')."""
        from rclpy.node import Node

        cli_args = ['--ros-args', *arguments] if arguments else []
        node = (kind or Node)(name, context=self.context, cli_args=cli_args, **options)
        return self.add(node)

    def add(self, node):
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def spin_until(self, happened, timeout_s: float = 10.0) -> bool:
        """Spin all nodes until `happened()` is true; False when the time is over."""
        end = time.monotonic() + timeout_s
        while not happened():
            if time.monotonic() > end:
                return False
            self.executor.spin_once(timeout_sec=0.02)
        return True

    def spin_for(self, seconds: float) -> None:
        self.spin_until(lambda: False, seconds)

    def close(self) -> None:
        self.executor.shutdown()
        for node in self.nodes:
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def ros():
    """Real rclpy: ros.node(...), ros.spin_until(...)."""
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    session = Ros()
    yield session
    session.close()


@pytest.fixture
def another_process(ros):
    """A second participant of the domain, as another process is one: it may disagree on the type of a topic."""
    session = Ros()
    yield session
    session.close()


@pytest.fixture
def ros_node(ros):
    return ros.node('under_test')
