# SPDX-License-Identifier: Apache-2.0
"""mapping_node's subscriptions, and what belongs to one depth image: colour and confidence by its very stamp."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_anything_ros.core import messages
from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.projection.accumulate import middle_ns, stamped_at_first_return
from depth_anything_ros.ros import qos
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.mapping_node_config import MappingNodeConfig
from depth_anything_ros.ros.sync import FrameSync

DEPTH, DEPTH_INFO = 'depth/image', 'depth/camera_info'
COLOR, COLOR_INFO, CONFIDENCE = 'color/image', 'color/camera_info', 'confidence'
COMPANIONS_KEPT = 16


class Companions:
    """Messages that go with a depth image of the same stamp; the newest few of each kind are kept.

    has_publisher(name): whether somebody offers that topic, so that waiting for it makes sense.
    """

    def __init__(self, names: Iterable[str], has_publisher: Callable[[str], bool]):
        self._lock = threading.Lock()
        self._kept: dict[str, OrderedDict[int, Any]] = {name: OrderedDict() for name in names}
        self._has_publisher = has_publisher
        self._heard: set[str] = set()

    def push(self, name: str, stamp_ns: int, message: Any) -> None:
        with self._lock:
            kept = self._kept[name]
            kept[stamp_ns] = message
            self._heard.add(name)
            while len(kept) > COMPANIONS_KEPT:
                kept.popitem(last=False)

    def get(self, name: str, stamp_ns: int) -> Any | None:
        """The message of this stamp, or None."""
        with self._lock:
            return self._kept[name].get(stamp_ns) if name in self._kept else None

    def expected(self, name: str) -> bool:
        """Whether the topic is alive: something came on it, or somebody is there to send."""
        return name in self._heard or self._has_publisher(name)

    def missing(self, stamp_ns: int) -> list[str]:
        """Kinds that are expected and have nothing with this stamp yet."""
        with self._lock:
            absent = [name for name, kept in self._kept.items() if stamp_ns not in kept]
        return [name for name in absent if self.expected(name)]

    def clear(self) -> None:
        with self._lock:
            for kept in self._kept.values():
                kept.clear()


def topic_of(node, name: str, config: MappingNodeConfig) -> str:
    """A companion's full name; a remapping of the image applies to the compressed one too, as with image_transport."""
    compressed = name == COLOR and config.input.image_transport == 'compressed'
    return node.resolve_topic_name(name) + ('/compressed' if compressed else '')


def companion_names(config: MappingNodeConfig) -> list[str]:
    """Which companions a depth image has, as configured."""
    return [*((COLOR, COLOR_INFO) if config.input.color else ()), *((CONFIDENCE,) if config.input.confidence else ())]


class MappingInputs:
    """Subscribes at construction, unsubscribes at `close()`. on_arrival is called after every message."""

    def __init__(
        self, node, config: MappingNodeConfig, sync: FrameSync, companions: Companions, health: Health,
        on_arrival: Callable[[], None],
    ):  # fmt: skip
        self._node, self._sync, self._health, self._on_arrival = node, sync, health, on_arrival
        self._companions = companions
        self._group = MutuallyExclusiveCallbackGroup()
        self._subscriptions = []
        self._subscribe(Image, DEPTH, self._on_depth)
        self._subscribe(CameraInfo, DEPTH_INFO, self._on_info)
        image = CompressedImage if config.input.image_transport == 'compressed' else Image
        kinds = {COLOR: image, COLOR_INFO: CameraInfo, CONFIDENCE: Image}
        for name in companion_names(config):
            self._subscribe(kinds[name], topic_of(node, name, config), self._companion_callback(name))
        for topic in config.returns.lidar_topics:
            self._subscribe(PointCloud2, topic, self._points_callback(topic))

    def close(self) -> None:
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _subscribe(self, message_type, topic: str, callback) -> None:
        self._subscriptions.append(
            qos.subscribe(self._node, self._health, message_type, topic, callback, group=self._group)
        )

    def _on_depth(self, message: Image) -> None:
        self._sync.push_image(messages.stamp_ns(message.header.stamp), message, self._now_ns())
        self._on_arrival()

    def _on_info(self, message: CameraInfo) -> None:
        self._sync.push_info(messages.stamp_ns(message.header.stamp), message)
        self._on_arrival()

    def _companion_callback(self, name: str):
        def on_companion(message) -> None:
            self._companions.push(name, messages.stamp_ns(message.header.stamp), message)
            self._on_arrival()

        return on_companion

    def _points_callback(self, topic: str):
        def on_points(message: PointCloud2) -> None:
            try:
                points = stamped_at_first_return(messages.points_from_message(message)[0])
            except DepthError as error:
                self._health.warned('bad point cloud', f'{topic}: {error}')
                return
            self._sync.push_sweep(topic, middle_ns(points), points, self._now_ns())
            self._on_arrival()

        return on_points

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds
