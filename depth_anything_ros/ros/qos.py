# SPDX-License-Identifier: Apache-2.0
"""Quality of service: listen as sensors speak, publish reliably, let parameters change it, tell of every mismatch.

Overrides are ROS' own: `qos_overrides./topic.subscription.reliability: reliable` (also history, depth, durability).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.exceptions import InvalidParameterTypeException
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions

from depth_anything_ros.core.errors import ConfigError

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

INCOMPATIBLE_QOS = 'incompatible QoS'
INCOMPATIBLE_TYPE = 'incompatible type'

OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


def subscribe(
    node, health, message_type: type, topic: str, callback: Callable[[Any], None], *, depth: int = 5, group=None
):
    """A subscription for sensor data (best effort: a lost image is not worth a late one), overridable by parameter.

    A publisher that doesn't match is told to `health` and logged. Raises ConfigError on a senseless override.
    """
    profile = QoSProfile(
        depth=depth, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )  # fmt: skip
    events = _events(SubscriptionEventCallbacks, node, health, topic, profile, 'subscription')
    return _created(
        topic,
        lambda: node.create_subscription(
            message_type, topic, callback, profile, callback_group=group, event_callbacks=events,
            qos_overriding_options=QoSOverridingOptions(OVERRIDABLE),
        ),
    )  # fmt: skip


def advertise(node, health, message_type: type, topic: str, *, depth: int = 5, group=None):
    """A reliable publisher (serves reliable and best-effort subscribers), overridable by parameter.

    On a lifecycle node it is a lifecycle publisher: silent unless the node is active. A subscriber that doesn't match
    is told to `health` and logged. Raises ConfigError on a senseless override.
    """
    profile = QoSProfile(
        depth=depth, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )  # fmt: skip
    events = _events(PublisherEventCallbacks, node, health, topic, profile, 'publisher')
    create = getattr(node, 'create_lifecycle_publisher', node.create_publisher)
    return _created(
        topic,
        lambda: create(
            message_type, topic, profile, callback_group=group, event_callbacks=events,
            qos_overriding_options=QoSOverridingOptions(OVERRIDABLE),
        ),
    )  # fmt: skip


def withdraw(node, publisher) -> None:
    """Undo `advertise`."""
    getattr(node, 'destroy_lifecycle_publisher', node.destroy_publisher)(publisher)


def _created(topic: str, create: Callable[[], Any]) -> Any:
    try:
        return create()
    except (InvalidQosOverridesError, InvalidParameterTypeException) as error:
        raise ConfigError(f'qos_overrides for {topic}: {error}') from error
    except RuntimeError as error:
        if 'QoS override' not in str(error):
            raise
        raise ConfigError(f'qos_overrides for {topic}: {error}') from error


def _events(callbacks: type, node, health, topic: str, profile: QoSProfile, entity: str):
    full = node.resolve_topic_name(topic)

    def incompatible_qos(event) -> None:
        health.warned(INCOMPATIBLE_QOS, _mismatch(node, full, profile, entity, event.last_policy_kind))

    def incompatible_type(event) -> None:
        types = sorted({i.topic_type for i in _others(node, full, entity)})
        health.warned(INCOMPATIBLE_TYPE, f'{full}: the other side speaks {", ".join(types) or "another type"}')

    events = callbacks(incompatible_qos=incompatible_qos)
    if hasattr(events, 'incompatible_type'):  # not in Humble
        events.incompatible_type = incompatible_type
    return events


def _others(node, topic: str, entity: str):
    if entity == 'subscription':
        return node.get_publishers_info_by_topic(topic)
    return node.get_subscriptions_info_by_topic(topic)


def _mismatch(node, topic: str, profile: QoSProfile, entity: str, policy_kind) -> str:
    """Who wants what, and the parameter that settles it."""
    policy = QoSPolicyKind(int(policy_kind)).name.lower()
    own = getattr(profile, policy, None)
    others = [
        f'{info.node_namespace.rstrip("/")}/{info.node_name} has {getattr(info.qos_profile, policy).name.lower()}'
        for info in _others(node, topic, entity)
        if hasattr(getattr(info.qos_profile, policy, None), 'name') and getattr(info.qos_profile, policy) != own
    ]
    mine = own.name.lower() if hasattr(own, 'name') else own
    lost = 'nothing is received from it' if entity == 'subscription' else 'nothing is sent to it'
    return (
        f'{topic}: {policy} is {mine} here, {", ".join(others) or "the other side differs"}: {lost};'
        f' set qos_overrides.{topic}.{entity}.{policy}'
    )
