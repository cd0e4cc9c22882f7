# SPDX-License-Identifier: Apache-2.0
"""depth_node's publications: a DepthFrame becomes messages, and only those that somebody listens to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_anything_ros.core.encoding import encode_depth
from depth_anything_ros.core.frames import DepthFrame
from depth_anything_ros.pipeline.estimator import StageClock
from depth_anything_ros.projection.cloud import organised_cloud, remove_flying_pixels
from depth_anything_ros.projection.overlay import overlay_prompt
from depth_anything_ros.ros import conversions, qos
from depth_anything_ros.ros.cubemap import Cubemap
from depth_anything_ros.ros.depth_node_config import PublishConfig
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.wire import WireMessage

TOPICS = {
    'depth': (Image, '~/depth/image_rect'),
    'camera_info': (CameraInfo, '~/depth/camera_info'),
    'points': (PointCloud2, '~/depth/points'),
    'confidence': (Image, '~/confidence'),
    'mask': (Image, '~/depth/mask'),
    'overlay': (Image, '~/debug/prompt_overlay'),
}


class Outputs:
    """Publishers of one node; `wanted` is asked before any work is done. cubemap: six more of a panorama."""

    def __init__(self, node, health: Health, cubemap: bool = False):
        self._node = node
        self._wires: dict[str, tuple[tuple, WireMessage]] = {}
        self._publishers = {
            name: qos.advertise(node, health, message_type, topic) for name, (message_type, topic) in TOPICS.items()
        }
        self._cubemap = Cubemap(node, health) if cubemap else None

    def close(self) -> None:
        while self._publishers:
            qos.withdraw(self._node, self._publishers.popitem()[1])
        if self._cubemap is not None:
            self._cubemap.close()
            self._cubemap = None

    def wanted(self, *names: str) -> bool:
        """Whether anybody subscribes to one of these outputs; without names: to any."""
        if any(self._publishers[name].get_subscription_count() for name in names or TOPICS):
            return True
        return not names and self._cubemap is not None and self._cubemap.wanted()

    def publish(self, frame: DepthFrame, image_rgb, header, config: PublishConfig) -> dict[str, float]:
        """Everything that is wanted of one frame, with the image's header; returns stage -> milliseconds."""
        clock = StageClock()
        depth_m, size = frame.depth_m, frame.depth_m.shape
        if self.wanted('depth'):
            encoding = config.depth_encoding
            wire = self._kept('depth', conversions.depth_wire, size, encoding, header=header)
            encode_depth(depth_m, encoding, wire.array)
            wire.publish(self._publishers['depth'], header.stamp)
        if self.wanted('camera_info'):
            wire = self._kept('camera_info', conversions.camera_info_wire, frame.camera, header=header)
            wire.publish(self._publishers['camera_info'], header.stamp)
        if self.wanted('confidence'):
            wire = self._kept('confidence', conversions.depth_wire, size, '32FC1', header=header)
            encode_depth(frame.sigma_m, '32FC1', wire.array)
            wire.publish(self._publishers['confidence'], header.stamp)
        if self.wanted('mask'):
            self._send('mask', conversions.mask_message(np.isfinite(depth_m), header))
        clock.lap('publish depth')
        if self.wanted('points'):
            if config.flying_pixels.enabled:
                depth_m = remove_flying_pixels(depth_m, frame.camera, config.flying_pixels)
            wire = self._kept('points', conversions.cloud_wire, size, header=header)
            organised_cloud(depth_m, frame.camera, image_rgb, wire.array)
            wire.publish(self._publishers['points'], header.stamp)
            clock.lap('publish points')
        if self.wanted('overlay'):
            picture = overlay_prompt(image_rgb, frame.prompt.depth_m, config.overlay_max_depth_m)
            self._send('overlay', conversions.image_message(picture, header))
            clock.lap('publish overlay')
        if self._cubemap is not None and self._cubemap.wanted():
            self._cubemap.publish(frame, image_rgb, header, config.cubemap, config.depth_encoding)
            clock.lap('publish cubemap')
        return clock.laps_ms

    def _kept(self, name: str, make: Callable[..., WireMessage], *what, header) -> WireMessage:
        """The same message for every frame of one size, camera and frame_id; nobody else ever sees its array."""
        key = (*what, header.frame_id)
        if name not in self._wires or self._wires[name][0] != key:
            self._wires[name] = key, make(*what, header)
        return self._wires[name][1]

    def _send(self, name: str, message) -> None:
        self._publishers[name].publish(message)
