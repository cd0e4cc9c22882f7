# SPDX-License-Identifier: Apache-2.0
"""A node as one of its cameras sees it: every name that is not absolute lies below the camera's.

What rclcpp calls a sub-node, which rclpy lacks; private names are extended too.
"""

from __future__ import annotations

from typing import Any


class SubNode:
    """`image` means front/image, `~/status` means ~/front/status, /diagnostics stays; all else is the node's own."""

    def __init__(self, node, name: str):
        self._node, self._name = node, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._node, attribute)

    def below(self, topic: str) -> str:
        """The name that the node itself has for a name given here."""
        if topic.startswith('/'):
            return topic
        return f'~/{self._name}/{topic[2:]}' if topic.startswith('~/') else f'{self._name}/{topic}'

    def resolve_topic_name(self, topic: str, **options) -> str:
        return self._node.resolve_topic_name(self.below(topic), **options)

    def create_publisher(self, message_type: type, topic: str, *arguments, **options):
        return self._node.create_publisher(message_type, self.below(topic), *arguments, **options)

    def create_lifecycle_publisher(self, message_type: type, topic: str, *arguments, **options):
        return self._node.create_lifecycle_publisher(message_type, self.below(topic), *arguments, **options)

    def create_subscription(self, message_type: type, topic: str, *arguments, **options):
        return self._node.create_subscription(message_type, self.below(topic), *arguments, **options)

    def create_service(self, service_type: type, name: str, *arguments, **options):
        return self._node.create_service(service_type, self.below(name), *arguments, **options)
