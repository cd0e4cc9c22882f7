# SPDX-License-Identifier: Apache-2.0
"""depth_node as the process that `ros2 run` and launch start."""

import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_anything_ros.ros.environment import middleware_environment


def start(*parameters):
    arguments = [word for parameter in parameters for word in ('-p', parameter)]
    command = [sys.executable, '-m', 'depth_anything_ros.cli.node', '--ros-args', *arguments]
    return subprocess.Popen(
        command, env=middleware_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def wait_until_it_listens(ros, process):
    robot = ros.node('robot')
    from sensor_msgs.msg import Image

    publisher = robot.create_publisher(Image, 'image', 10)
    heard = ros.spin_until(lambda: publisher.get_subscription_count() > 0 or process.poll() is not None, 30)
    assert heard
    assert process.poll() is None, process.communicate()[0]


@pytest.mark.parametrize('signals', [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,)], ids=['two SIGINT', 'SIGTERM'])
def test_it_ends_cleanly_also_when_the_signal_comes_twice(ros, signals):
    process = start('model:=classical')
    wait_until_it_listens(ros, process)
    for which in signals:
        process.send_signal(which)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert 'Traceback' not in output
    assert 'never retrieved' not in output


@pytest.mark.parametrize(
    ('parameter', 'says'),
    [
        ('input.fixed_fram:=odom', 'did you mean input.fixed_frame'),
        ('publish.depth_encoding:=8UC1', '16UC1'),
        ('model:=no_such_model', 'no_such_model'),
        ('input.calibration:=/no/such/file.yaml', '/no/such/file.yaml'),
    ],
)
def test_what_cannot_work_is_one_line_and_a_failing_exit(parameter, says):
    process = start('model:=classical', parameter)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert says in output
    assert 'Traceback' not in output
