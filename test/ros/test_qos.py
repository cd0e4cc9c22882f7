# SPDX-License-Identifier: Apache-2.0
"""QoS: sensor data in, reliable out, parameters change it, and every mismatch is told."""

from collections import Counter

import pytest

from depth_anything_ros.core.errors import ConfigError

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Int32, String

from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.parameters import Parameters
from depth_anything_ros.ros.qos import INCOMPATIBLE_QOS, INCOMPATIBLE_TYPE, advertise, subscribe, withdraw
from depth_anything_ros.ros.sync import SyncConfig


class Told:
    """Stands for Health where only the words matter."""

    def __init__(self):
        self.words, self.counts = {}, Counter()

    def warned(self, cause, detail):
        self.words[cause] = detail
        self.counts[cause] += 1


RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.mark.parametrize('driver_qos', [RELIABLE, BEST_EFFORT, LATCHED], ids=['reliable', 'best effort', 'latched'])
def test_any_driver_is_heard(ros, driver_qos):
    got = []
    subscribe(ros.node('under_test'), Told(), Int32, 'image', got.append)
    driver = ros.node('driver').create_publisher(Int32, 'image', driver_qos)
    assert ros.spin_until(lambda: driver.get_subscription_count() > 0)
    driver.publish(Int32(data=7))
    assert ros.spin_until(lambda: got) and got[0].data == 7


@pytest.mark.parametrize('viewer_qos', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best effort'])
def test_any_viewer_hears_us(ros, viewer_qos):
    got = []
    publisher = advertise(ros.node('under_test'), Told(), Int32, '~/depth')
    ros.node('viewer').create_subscription(Int32, '/under_test/depth', got.append, viewer_qos)
    assert ros.spin_until(lambda: publisher.get_subscription_count() > 0)
    publisher.publish(Int32(data=7))
    assert ros.spin_until(lambda: got)


def test_a_parameter_makes_a_subscription_reliable_and_the_settings_do_not_mind(ros):
    node = ros.node('under_test', arguments=('-p', 'qos_overrides./image.subscription.reliability:=reliable'))
    Parameters(node, SyncConfig())
    subscription = subscribe(node, Told(), Int32, 'image', lambda message: None)
    assert subscription.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert node.get_parameter('qos_overrides./image.subscription.depth').value == 5


def test_a_senseless_override_is_an_error_that_names_the_topic(ros):
    node = ros.node('under_test', arguments=('-p', 'qos_overrides./image.subscription.reliability:=sometimes'))
    with pytest.raises(ConfigError, match=r'image.*sometimes'):
        subscribe(node, Told(), Int32, 'image', lambda message: None)
    node = ros.node('other', arguments=('-p', 'qos_overrides./depth.publisher.depth:=many'))
    with pytest.raises(ConfigError, match='depth'):
        advertise(node, Told(), Int32, 'depth')


def test_a_driver_that_can_not_be_heard_is_named_with_the_parameter_that_helps(ros):
    node = ros.node('under_test', arguments=('-p', 'qos_overrides./image.subscription.reliability:=reliable'))
    told = Told()
    subscribe(node, told, Int32, 'image', lambda message: None)
    ros.node('driver', namespace='front').create_publisher(Int32, '/image', BEST_EFFORT)
    assert ros.spin_until(lambda: told.words)
    words = told.words[INCOMPATIBLE_QOS]
    assert words.startswith('/image: reliability is reliable here')
    assert '/front/driver has best_effort' in words
    assert 'qos_overrides./image.subscription.reliability' in words


def test_a_viewer_that_can_not_hear_us_is_named(ros):
    told = Told()
    advertise(ros.node('under_test'), told, Int32, '~/depth')
    ros.node('viewer').create_subscription(Int32, '/under_test/depth', lambda message: None, LATCHED)
    assert ros.spin_until(lambda: told.words)
    words = told.words[INCOMPATIBLE_QOS]
    assert 'durability is volatile here, /viewer has transient_local' in words and 'publisher.durability' in words


def test_a_topic_of_another_type_is_told_where_the_middleware_tells(ros, another_process):
    told = Told()
    subscribe(ros.node('under_test'), told, Int32, 'image', lambda message: None)
    another_process.node('driver').create_publisher(String, 'image', RELIABLE)
    if not ros.spin_until(lambda: told.words, timeout_s=2.0):
        pytest.skip('this middleware does not report other types')
    assert 'std_msgs/msg/String' in told.words[INCOMPATIBLE_TYPE]


def test_a_mismatch_is_counted_by_health(ros):
    node = ros.node('under_test', arguments=('-p', 'qos_overrides./image.subscription.reliability:=reliable'))
    health = Health(node)
    subscribe(node, health, Int32, 'image', lambda message: None)
    ros.node('driver').create_publisher(Int32, 'image', BEST_EFFORT)
    assert ros.spin_until(lambda: health.counts().get(f'warned.{INCOMPATIBLE_QOS}') == 1)


def test_a_lifecycle_node_gets_lifecycle_publishers_and_may_come_back(ros):
    node = ros.node('managed', kind=LifecycleNode)
    first = advertise(node, Told(), Int32, 'depth')
    assert isinstance(first, LifecyclePublisher)
    withdraw(node, first)
    assert not node.count_publishers('depth')
    advertise(node, Told(), Int32, 'depth')  # configured again: its parameters exist already
