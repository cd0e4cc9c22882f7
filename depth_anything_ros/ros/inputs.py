# SPDX-License-Identifier: Apache-2.0
"""depth_node's subscriptions: every message goes to a sync, decoded where it is small work and needed anyway."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from depth_anything_ros.core import messages
from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.core.frames import PointSet, RangeKind
from depth_anything_ros.projection.accumulate import middle_ns, stamped_at_first_return
from depth_anything_ros.ros import qos
from depth_anything_ros.ros.depth_node_config import InputConfig
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.sync import FrameSync


def source_names(config: InputConfig) -> list[str]:
    """Every ranging topic, as configured."""
    return [*config.lidar_topics, *config.radar_topics, *config.tof_topics, *config.depth_prompt_topics]


def image_topic(node, config: InputConfig) -> str:
    """The image's full name; a remapping of `image` applies to the compressed one too, as with image_transport."""
    return node.resolve_topic_name('image') + ('/compressed' if config.image_transport == 'compressed' else '')


class _Inputs:
    """Subscriptions that are there from construction to `close()`. on_arrival is called after every message."""

    def __init__(self, node, health: Health, on_arrival: Callable[[], None]):
        self._node, self._health, self._on_arrival = node, health, on_arrival
        # one group: messages are taken in turn while the inference of an earlier frame runs in its own
        self._group = MutuallyExclusiveCallbackGroup()
        self._subscriptions = []

    def close(self) -> None:
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _subscribe(self, message_type, topic: str, callback) -> None:
        self._subscriptions.append(
            qos.subscribe(self._node, self._health, message_type, topic, callback, group=self._group)
        )

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds


class CameraInputs(_Inputs):
    """What belongs to one camera: its image, its camera_info, and depth images aligned to it."""

    def __init__(self, node, config: InputConfig, sync: FrameSync, health: Health, on_arrival: Callable[[], None]):
        super().__init__(node, health, on_arrival)
        self._sync = sync
        image_type = CompressedImage if config.image_transport == 'compressed' else Image
        self._subscribe(image_type, image_topic(node, config), self._on_image)
        if config.camera_model == 'camera_info':
            self._subscribe(CameraInfo, 'camera_info', self._on_info)
        for topic in config.depth_prompt_topics:
            self._subscribe(Image, topic, self._depth_callback(topic))

    def _on_image(self, message) -> None:
        self._sync.push_image(messages.stamp_ns(message.header.stamp), message, self._now_ns())
        self._on_arrival()

    def _on_info(self, message: CameraInfo) -> None:
        self._sync.push_info(messages.stamp_ns(message.header.stamp), message)
        self._on_arrival()

    def _depth_callback(self, topic: str):
        def on_depth(message: Image) -> None:
            try:
                prompt = messages.depth_prompt_from_message(message)
            except DepthError as error:
                self._health.warned('bad depth prompt', f'{topic}: {error}')
                return
            self._sync.push_sweep(topic, prompt.stamp_ns, prompt, self._now_ns())
            self._on_arrival()

        return on_depth


class SweepInputs(_Inputs):
    """The clouds of LiDARs, radars and time-of-flight cameras: decoded once, for every camera's sync."""

    def __init__(
        self, node, config: InputConfig, syncs: Iterable[FrameSync], health: Health, on_arrival: Callable[[], None]
    ):
        super().__init__(node, health, on_arrival)
        self._syncs = tuple(syncs)
        topics_by_kind = {
            RangeKind.LIDAR: config.lidar_topics,
            RangeKind.RADAR: config.radar_topics,
            RangeKind.TOF: config.tof_topics,
        }
        for kind, topics in topics_by_kind.items():
            for topic in topics:
                self._subscribe(PointCloud2, topic, self._points_callback(topic, kind))

    def _points_callback(self, topic: str, kind: RangeKind):
        def on_points(message: PointCloud2) -> None:
            try:
                points = stamped_at_first_return(self._points(message, topic, kind))
            except DepthError as error:
                self._health.warned('bad point cloud', f'{topic}: {error}')
                return
            for sync in self._syncs:
                sync.push_sweep(topic, middle_ns(points), points, self._now_ns())
            self._on_arrival()

        return on_points

    def _points(self, message: PointCloud2, topic: str, kind: RangeKind) -> PointSet:
        points, fields = messages.points_from_message(message, kind)
        for warning in fields.warnings:
            self._health.warned('point cloud', f'{topic}: {warning}')
        return points
