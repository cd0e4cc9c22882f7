# SPDX-License-Identifier: Apache-2.0
"""One fresh cloud on request, over the real middleware, from a node whose streams nobody listens to."""

import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_node_rig import SECOND, WALL_M, Rig
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger

from depth_anything_ros.core import messages
from depth_anything_ros.ros.cloud_service import LATCHED

NOTHING = {'published': 0}


class Grasper:
    """Asks a depth node for clouds."""

    def __init__(self, ros, folder, *arguments, start=True):
        self.ros = ros
        self.rig = Rig(ros, folder, *arguments, subscribe=())
        self.clouds = []
        self.client = self.rig.robot.create_client(Trigger, '/depth_node/get_cloud')
        self.rig.robot.create_subscription(PointCloud2, '/depth_node/cloud', self.clouds.append, LATCHED)
        if start:
            self.rig.start()
            assert ros.spin_until(self.client.service_is_ready)

    def now_ns(self):
        return self.rig.node.get_clock().now().nanoseconds

    def ask(self, count=1):
        futures = [self.client.call_async(Trigger.Request()) for _ in range(count)]
        stream = self.rig.stream
        assert self.ros.spin_until(lambda: len(stream.cloud._requests) == count or all(f.done() for f in futures))
        return futures

    def answer(self, future, timeout_s=10.0):
        assert self.ros.spin_until(future.done, timeout_s), 'the service did not answer'
        return future.result().success, future.result().message


@pytest.fixture
def grasper(ros, tmp_path):
    return Grasper(ros, tmp_path)


def test_a_request_is_answered_by_the_first_image_that_is_newer_and_by_one_inference(grasper):
    (future,) = grasper.ask()
    before_ns, after_ns = grasper.now_ns() - SECOND, grasper.now_ns()
    grasper.rig.send(before_ns)
    grasper.ros.spin_for(0.3)
    assert not future.done() and grasper.rig.counts() == NOTHING, 'an image from before the request is not fresh'
    grasper.rig.send(after_ns)
    success, message = grasper.answer(future)
    assert success, message
    assert message == f'{after_ns // SECOND}.{after_ns % SECOND:09d}: 19200 points of 160x120 in camera'
    assert grasper.ros.spin_until(lambda: grasper.clouds)
    (cloud,) = grasper.clouds
    assert messages.stamp_ns(cloud.header.stamp) == after_ns and cloud.header.frame_id == 'camera'
    assert (cloud.height, cloud.width) == (120, 160), 'organised, as the image'
    z = np.frombuffer(cloud.data, np.float32).reshape(120, 160, 4)[..., 2]
    assert np.abs(z - WALL_M).max() < 0.05
    assert grasper.ros.spin_until(lambda: grasper.rig.counts() == {'published': 1})


def test_without_a_request_nothing_is_computed_and_nothing_sent(grasper):
    grasper.rig.send(grasper.now_ns())
    grasper.ros.spin_for(0.4)
    assert grasper.rig.counts() == NOTHING and not grasper.clouds


def test_all_who_wait_are_answered_by_one_frame(grasper):
    futures = grasper.ask(3)
    grasper.rig.send(grasper.now_ns())
    answers = [grasper.answer(future) for future in futures]
    assert len(set(answers)) == 1 and answers[0][0]
    assert grasper.ros.spin_until(lambda: grasper.rig.counts() == {'published': 1})
    grasper.ros.spin_for(0.2)
    assert len(grasper.clouds) == 1


def test_a_request_that_comes_during_an_inference_gets_a_frame_of_its_own(grasper):
    (first,) = grasper.ask()
    engine = grasper.rig.stream._estimator.engine
    infer, second = engine.infer, []

    def asking(*arguments):
        if not second:
            second.append(grasper.client.call_async(Trigger.Request()))
            waiting = grasper.rig.stream.cloud._requests
            deadline = time.monotonic() + 5
            while len(waiting) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
        return infer(*arguments)

    engine.infer = asking
    grasper.rig.send(grasper.now_ns())
    stamp = grasper.answer(first)[1].split(':')[0]
    assert not second[0].done(), 'that image is older than the second request'
    grasper.rig.send(grasper.now_ns())
    success, message = grasper.answer(second[0])
    assert success and message.split(':')[0] > stamp


def test_a_frame_that_fails_does_not_cost_the_answer(grasper):
    (future,) = grasper.ask()
    image = grasper.rig.picture(grasper.now_ns())
    image.encoding = 'holographic'
    grasper.rig.send(messages.stamp_ns(image.header.stamp), image=image)
    assert grasper.rig.counted('dropped.InvalidInput')
    grasper.rig.send(grasper.now_ns())
    assert grasper.answer(future)[0]


def test_the_cloud_has_the_region_only_and_the_answer_says_how_much_is_in_it(ros, tmp_path):
    grasper = Grasper(ros, tmp_path, '-p', 'region.pixels.left_px:=100', '-p', 'region.pixels.height_px:=50')
    (future,) = grasper.ask()
    grasper.rig.send(grasper.now_ns())
    assert ': 3000 points of 160x120' in grasper.answer(future)[1]
    assert ros.spin_until(lambda: grasper.clouds)
    xyz = np.frombuffer(grasper.clouds[0].data, np.float32).reshape(120, 160, 4)[..., :3]
    assert np.isfinite(xyz[:50, 100:]).all() and np.isnan(xyz[50:]).all() and np.isnan(xyz[:, :100]).all()


def test_who_comes_late_gets_the_last_cloud(grasper):
    (future,) = grasper.ask()
    grasper.rig.send(grasper.now_ns())
    assert grasper.answer(future)[0]
    late = []
    grasper.rig.robot.create_subscription(PointCloud2, '/depth_node/cloud', late.append, LATCHED)
    assert grasper.ros.spin_until(lambda: late)
    assert late[0].header.stamp == grasper.clouds[0].header.stamp


@pytest.mark.parametrize(
    ('image', 'says'),
    [
        (None, 'no fresh cloud within 0.3 s: no image on /image (1 publishers of sensor_msgs/msg/Image)'),
        ('old', 's before the request (have both clocks one time?)'),
        ('no transform', 'no transform (no transform camera <- somewhere'),
    ],
)
def test_a_request_that_cannot_be_served_is_told_why_in_time(ros, tmp_path, image, says):
    grasper = Grasper(ros, tmp_path, '-p', 'publish.cloud_timeout_s:=0.3')
    (future,) = grasper.ask()
    if image == 'old':
        grasper.rig.send(SECOND)
    elif image is not None:
        stamp_ns = grasper.now_ns()
        cloud = grasper.rig.cloud(stamp_ns, np.ones((50, 3)), frame='somewhere')
        grasper.rig.send(stamp_ns, cloud=cloud)
    success, message = grasper.answer(future, timeout_s=2.0)
    assert not success and says in message, message
    assert '\n' not in message
    (again,) = grasper.ask()
    grasper.rig.send(grasper.now_ns())
    assert grasper.answer(again)[0], 'the next request is served'


def test_a_network_slower_than_the_time_out_is_told_apart_from_a_silent_camera(ros, tmp_path):
    grasper = Grasper(ros, tmp_path, '-p', 'publish.cloud_timeout_s:=0.3')
    engine = grasper.rig.stream._estimator.engine
    infer = engine.infer
    engine.infer = lambda *given: time.sleep(1.0) or infer(*given)
    (future,) = grasper.ask()
    grasper.rig.send(grasper.now_ns())
    assert grasper.answer(future) == (False, 'no fresh cloud within 0.3 s: the first image is still worked on')


def test_a_node_that_is_not_active_refuses_at_once_and_lets_nobody_wait(grasper):
    (waiting,) = grasper.ask()
    grasper.rig.node.trigger_deactivate()
    assert grasper.answer(waiting, 1.0) == (False, 'the node is not active')
    (asked,) = grasper.ask()
    assert grasper.answer(asked, 1.0) == (False, 'the node is not active')
    assert grasper.rig.node.trigger_activate().name == 'SUCCESS'
    assert grasper.rig.heard()
    (again,) = grasper.ask()
    grasper.rig.send(grasper.now_ns())
    assert grasper.answer(again)[0]
    assert grasper.rig.node.trigger_deactivate().name == grasper.rig.node.trigger_cleanup().name == 'SUCCESS'
