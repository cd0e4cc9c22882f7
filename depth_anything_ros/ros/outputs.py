# SPDX-License-Identifier: Apache-2.0
"""depth_node's publications: a DepthFrame becomes messages, and only those that somebody listens to."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_anything_ros.core.encoding import DEPTH_ENCODINGS
from depth_anything_ros.core.frames import DepthFrame
from depth_anything_ros.pipeline.estimator import StageClock
from depth_anything_ros.projection.cloud import organised_cloud, remove_flying_pixels
from depth_anything_ros.projection.overlay import overlay_prompt
from depth_anything_ros.ros import conversions, qos
from depth_anything_ros.ros.cubemap import Cubemap
from depth_anything_ros.ros.depth_node_config import PublishConfig
from depth_anything_ros.ros.health import Health

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
        self._buffers: dict[str, np.ndarray] = {}
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
        if self.wanted('depth'):
            pixels = self._buffer('depth', frame.depth_m.shape, DEPTH_ENCODINGS[config.depth_encoding])
            self._send('depth', conversions.depth_message(frame.depth_m, header, config.depth_encoding, pixels))
        if self.wanted('camera_info'):
            self._send('camera_info', conversions.camera_info_message(frame.camera, header))
        if self.wanted('confidence'):
            pixels = self._buffer('confidence', frame.sigma_m.shape, np.float32)
            self._send('confidence', conversions.depth_message(frame.sigma_m, header, out=pixels))
        if self.wanted('mask'):
            self._send('mask', conversions.mask_message(np.isfinite(frame.depth_m), header))
        clock.lap('publish depth')
        if self.wanted('points'):
            depth_m = frame.depth_m
            if config.flying_pixels.enabled:
                depth_m = remove_flying_pixels(depth_m, frame.camera, config.flying_pixels)
            buffer = self._buffer('points', (*depth_m.shape, 4), np.float32)
            cloud = organised_cloud(depth_m, frame.camera, image_rgb, buffer)
            self._send('points', conversions.cloud_message(cloud, header))
            clock.lap('publish points')
        if self.wanted('overlay'):
            picture = overlay_prompt(image_rgb, frame.prompt.depth_m, config.overlay_max_depth_m)
            self._send('overlay', conversions.image_message(picture, header))
            clock.lap('publish overlay')
        if self._cubemap is not None and self._cubemap.wanted():
            self._cubemap.publish(frame, image_rgb, header, config.cubemap, config.depth_encoding)
            clock.lap('publish cubemap')
        return clock.laps_ms

    def _buffer(self, name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
        """The same array for every frame of one size: publish() has copied it when it returns."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != shape or buffer.dtype != dtype:
            buffer = self._buffers[name] = np.empty(shape, dtype)
        return buffer

    def _send(self, name: str, message) -> None:
        self._publishers[name].publish(message)
