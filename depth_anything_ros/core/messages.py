# SPDX-License-Identifier: Apache-2.0
"""Decoded ROS messages to arrays and our types, without ROS.

Any object with the fields of the ROS type will do: live nodes hand in rclpy's messages, bag readers their own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.camera_info import camera_from_info
from depth_anything_ros.core.encoding import (
    DEPTH_ENCODINGS,
    decode_compressed,
    decode_compressed_depth,
    decode_depth,
    decode_image,
)
from depth_anything_ros.core.errors import CalibrationError
from depth_anything_ros.core.frames import DepthPrompt, PointSet, RangeKind
from depth_anything_ros.core.pointcloud import PointFields, read_points, to_point_set
from depth_anything_ros.core.transform import RigidTransform


def stamp_ns(stamp: Any) -> int:
    """builtin_interfaces/Time -> nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def is_depth(message: Any) -> bool:
    """Whether an Image or CompressedImage holds depth, by what it says of itself."""
    if not hasattr(message, 'format'):
        return message.encoding in DEPTH_ENCODINGS
    return 'compressedDepth' in message.format or message.format.partition(';')[0].strip() in DEPTH_ENCODINGS


def image_from_message(message: Any) -> np.ndarray:
    """sensor_msgs/Image or CompressedImage -> (H, W, 3) uint8 RGB, a view of the message for unpadded rgb8.

    Raises InvalidInput.
    """
    if hasattr(message, 'format'):
        return decode_compressed(message.data, message.format)
    return decode_image(
        message.data, message.height, message.width, message.step, message.encoding, message.is_bigendian
    )


def depth_from_message(message: Any) -> np.ndarray:
    """Depth Image (16UC1 mm, 32FC1 m) or CompressedImage (png, compressedDepth) -> (H, W) float32 m, NaN unknown.

    Raises InvalidInput.
    """
    if hasattr(message, 'format'):
        return decode_compressed_depth(message.data, message.format)
    return decode_depth(
        message.data, message.height, message.width, message.step, message.encoding, message.is_bigendian
    )


def depth_prompt_from_message(message: Any, kind: RangeKind = RangeKind.TOF) -> DepthPrompt:
    """A depth image, as `depth_from_message` reads it, as a prompt at its own resolution. Raises InvalidInput."""
    return DepthPrompt(depth_from_message(message), stamp_ns(message.header.stamp), kind)


def camera_from_message(message: Any, rectified: bool = False) -> CameraModel:
    """sensor_msgs/CameraInfo -> the camera of the image it came with; roi and binning are applied.

    rectified: that image was rectified, so P applies and there is no distortion left.
    Equal messages give the very same object, which keeps the rays it has computed. Raises CalibrationError.
    """
    roi = message.roi
    if rectified and roi.do_rectify and (roi.width or roi.height):
        raise CalibrationError(
            f'camera_info of {message.header.frame_id!r}: expected the full image or roi.do_rectify false, got the'
            ' rectified part of a raw sub-window, whose size camera_info does not tell'
        )
    return _camera(
        int(message.width),
        int(message.height),
        message.distortion_model,
        tuple(message.d),
        tuple(message.k),
        tuple(message.p),
        message.header.frame_id,
        rectified,
        (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
        (int(message.binning_x), int(message.binning_y)),
    )


def points_from_message(message: Any, kind: RangeKind = RangeKind.LIDAR) -> tuple[PointSet, PointFields]:
    """sensor_msgs/PointCloud2 -> (its usable returns, what was read and left out: counts, warnings).

    Raises InvalidInput.
    """
    at_ns = stamp_ns(message.header.stamp)
    fields = read_points(
        message.data,
        message.fields,
        message.point_step,
        message.row_step,
        message.height,
        message.width,
        message.is_bigendian,
        at_ns,
    )
    return to_point_set(fields, message.header.frame_id, at_ns, kind), fields


def transform_from_message(message: Any) -> RigidTransform:
    """geometry_msgs/TransformStamped -> parent_from_child. Raises InvalidInput."""
    t, q = message.transform.translation, message.transform.rotation
    return RigidTransform.from_quaternion(
        message.header.frame_id, message.child_frame_id, (t.x, t.y, t.z), (q.x, q.y, q.z, q.w)
    )


@lru_cache(maxsize=32)
def _camera(width, height, model, d, k, p, frame_id, rectified, roi, binning) -> CameraModel:
    return camera_from_info(
        width, height, model, d, k, p, frame_id=frame_id, rectified=rectified, roi=roi, binning=binning
    )
