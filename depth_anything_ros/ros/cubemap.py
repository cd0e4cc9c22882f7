# SPDX-License-Identifier: Apache-2.0
"""A panorama's depth and colour as six ordinary pinhole cameras, for consumers that know no panoramas.

Per face of a cube: ~/cubemap/FACE/depth and ~/cubemap/FACE/image with one ~/cubemap/FACE/camera_info beside them, in an
optical frame of their own, <frame of the panorama>_FACE, which hangs on the panorama's by /tf_static.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo, Image

from depth_anything_ros.core.frames import DepthFrame
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.projection.views import FACES, View, bordered, cube_views, inverse_range
from depth_anything_ros.ros import conversions, qos
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.transforms import TF_STATIC_QOS

MESSAGES = {'depth': Image, 'image': Image, 'camera_info': CameraInfo}


@dataclass(frozen=True)
class CubemapConfig:
    """Pinhole views of a panorama."""

    enabled: bool = setting(
        False,
        'of a panorama, publish depth and colour as six pinhole cameras too, on ~/cubemap/FACE/...',
        read_only=True,
    )
    size_px: int = setting(0, 'side of a face; 0: a quarter of the width of the panorama', unit='px', low=0, high=8192)

    def __post_init__(self):
        validate(self)


class Cubemap:
    """Publishers of the six faces; only what is subscribed to is computed."""

    def __init__(self, node, health: Health):
        self._node, self._health = node, health
        self._publishers = {
            (face, name): qos.advertise(node, health, message_type, f'~/cubemap/{face}/{name}')
            for face in FACES
            for name, message_type in MESSAGES.items()
        }
        self._static = _static_publisher(node, health)
        self._told: tuple[str, ...] = ()

    def close(self) -> None:
        while self._publishers:
            qos.withdraw(self._node, self._publishers.popitem()[1])
        if self._static is not None:
            self._node.destroy_publisher(self._static)
            self._static = None

    def wanted(self) -> bool:
        """Whether anybody subscribes to anything of any face."""
        return any(publisher.get_subscription_count() for publisher in self._publishers.values())

    def publish(
        self, frame: DepthFrame, image_rgb: np.ndarray, header, config: CubemapConfig, depth_encoding: str
    ) -> None:
        """The subscribed faces of one frame, with the stamp of `header`. A pinhole frame has none: that is told."""
        if not frame.camera.is_equirectangular:
            self._health.warned(
                'no cubemap',
                'publish.cubemap is for panoramas: set input.camera_model to equirectangular, or switch it off',
            )
            return
        views = cube_views(frame.camera, config.size_px)
        self._tell_frames(views, header)
        inverse = inverse_range(frame.depth_m) if any(self._wants(face, 'depth') for face in FACES) else None
        border_rgb = bordered(image_rgb) if any(self._wants(face, 'image') for face in FACES) else None
        for view in views:
            own = conversions.header_in(header, view.camera.frame_id)
            if self._wants(view.name, 'depth'):
                depth = conversions.depth_message(view.depth(inverse), own, depth_encoding)
                self._publishers[view.name, 'depth'].publish(depth)
            if self._wants(view.name, 'image'):
                colour = conversions.image_message(view.colour(border_rgb), own)
                self._publishers[view.name, 'image'].publish(colour)
            if self._wants(view.name, 'camera_info'):
                info = conversions.camera_info_message(view.camera, own)
                self._publishers[view.name, 'camera_info'].publish(info)

    def _wants(self, face: str, name: str) -> bool:
        return self._publishers[face, name].get_subscription_count() > 0

    def _tell_frames(self, views: tuple[View, ...], header) -> None:
        """/tf_static, once per set of frames: the middleware keeps it for late comers."""
        frames = tuple(view.camera.frame_id for view in views)
        if self._static is None or frames == self._told:
            return
        from tf2_msgs.msg import TFMessage

        nanoseconds = header.stamp.sec * 10**9 + header.stamp.nanosec
        transforms = [conversions.transform_message(view.panorama_from_view, nanoseconds) for view in views]
        self._static.publish(TFMessage(transforms=transforms))
        self._told = frames


def _static_publisher(node, health: Health):
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        health.warned(
            'no tf2_msgs', 'the frames of the cubemap cannot be broadcast: install tf2_msgs (`make tf2_msgs` here)'
        )
        return None
    return node.create_publisher(TFMessage, '/tf_static', TF_STATIC_QOS)
