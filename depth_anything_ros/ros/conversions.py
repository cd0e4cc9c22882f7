# SPDX-License-Identifier: Apache-2.0
"""Arrays and our types to ROS messages, and images of any encoding to arrays; core/messages.py reads the rest.

The arrays of a published message are handed over without a copy where rclpy lets us; don't write to them before
publish() has returned. What is published with every frame is kept serialised instead (`*_wire`, see ros/wire.py).
"""

from __future__ import annotations

import sys
from array import array
from functools import lru_cache
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.encoding import DEPTH_ENCODINGS, IMAGE_ENCODINGS, encode_depth
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.ros.wire import WireMessage, pattern

_BIG_ENDIAN = sys.byteorder == 'big'
_XYZRGB = [
    PointField(name=name, offset=4 * at, datatype=PointField.FLOAT32, count=1)
    for at, name in enumerate(('x', 'y', 'z', 'rgb'))
]


def stamp_message(nanoseconds: int) -> Time:
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def header_message(nanoseconds: int, frame_id: str) -> Header:
    return Header(stamp=stamp_message(nanoseconds), frame_id=frame_id)


def header_in(header: Any, frame_id: str) -> Header:
    """The header's stamp in another frame."""
    return Header(stamp=Time(sec=header.stamp.sec, nanosec=header.stamp.nanosec), frame_id=frame_id)


def image_from_message(message: Any) -> np.ndarray:
    """sensor_msgs/Image or CompressedImage -> (H, W, 3) uint8 RGB, a view of the message for unpadded rgb8.

    Encodings that core/encoding.py doesn't know go through cv_bridge where it is installed and sound.
    Raises InvalidInput.
    """
    if not hasattr(message, 'format') and message.encoding not in IMAGE_ENCODINGS:
        bridge, problem = _cv_bridge()
        if bridge is None:
            raise InvalidInput(
                f'image encoding: expected one of {", ".join(IMAGE_ENCODINGS)}; got {message.encoding!r},'
                f' and cv_bridge cannot help: {problem}'
            )
        try:
            return np.ascontiguousarray(bridge.imgmsg_to_cv2(message, 'rgb8'))
        except Exception as error:  # CvBridgeError, cv2.error and Boost's own types
            raise InvalidInput(f'image encoding {message.encoding!r}: cv_bridge: {error}') from error
    return messages.image_from_message(message)


def transform_message(transform: RigidTransform, nanoseconds: int) -> TransformStamped:
    message = TransformStamped(header=header_message(nanoseconds, transform.target), child_frame_id=transform.source)
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = map(float, transform.translation_m)
    turn.x, turn.y, turn.z, turn.w = map(float, transform.quaternion_xyzw())
    return message


def depth_message(depth_m: np.ndarray, header: Any, encoding: str = '32FC1', out: np.ndarray | None = None) -> Image:
    """(H, W) float32 metres, NaN unknown -> Image of 32FC1 (m, NaN) or 16UC1 (mm, 0) with the header's stamp and frame.

    Serves sigma in metres just as well. `out`: a buffer to encode into, see `encode_depth`.
    """
    return _image_message(encode_depth(depth_m, encoding, out), encoding, header)


def image_message(image_rgb: np.ndarray, header: Any) -> Image:
    """(H, W, 3) uint8 RGB -> Image of rgb8. Raises InvalidInput."""
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.dtype != np.uint8:
        raise InvalidInput(f'image: expected (H, W, 3) uint8, got {image_rgb.shape} {image_rgb.dtype}')
    return _image_message(np.ascontiguousarray(image_rgb), 'rgb8', header)


def mask_message(known: np.ndarray, header: Any) -> Image:
    """(H, W) bool -> Image of mono8: 255 where True, 0 elsewhere."""
    return _image_message(known.view(np.uint8) * np.uint8(255), 'mono8', header)


def camera_info_message(camera: CameraModel, header: Any) -> CameraInfo:
    """CameraInfo with the header's stamp and frame: K, D, R = identity, P = [K | 0] (no stereo, no sub-window).

    A panorama has no K in CameraInfo's sense: its model is named and K and P stay zero, as of an uncalibrated camera.
    """
    message = CameraInfo(
        header=_copied(header), width=camera.width, height=camera.height, distortion_model=camera.distortion_model
    )
    message.r = np.eye(3).ravel()
    if camera.is_equirectangular:
        return message
    lengths = {'plumb_bob': 5, 'rational_polynomial': 8, 'equidistant': 4}
    # consumers such as image_geometry index D by the model's count, so none means zeros here
    missing = lengths[camera.distortion_model] - len(camera.coefficients)
    message.d = [*camera.coefficients, *(0.0,) * missing]
    message.k = camera.matrix.ravel()
    message.p = np.column_stack([camera.matrix, np.zeros(3)]).ravel()
    return message


def cloud_message(cloud: np.ndarray, header: Any) -> PointCloud2:
    """(H, W, 4) float32 x y z and packed rgb, NaN where unknown -> organised PointCloud2. Raises InvalidInput."""
    if cloud.ndim != 3 or cloud.shape[2] != 4 or cloud.dtype != np.float32:
        raise InvalidInput(f'cloud: expected (H, W, 4) float32, got {cloud.shape} {cloud.dtype}')
    height, width = cloud.shape[:2]
    message = PointCloud2(
        header=_copied(header),
        height=height,
        width=width,
        fields=_XYZRGB,
        is_bigendian=_BIG_ENDIAN,
        point_step=16,
        row_step=16 * width,
        is_dense=False,
    )
    return _with_data(message, np.ascontiguousarray(cloud))


def depth_wire(shape: tuple[int, int], encoding: str, header: Any) -> WireMessage:
    """A depth message of this size, to be kept: fill its array by `encode_depth`, then publish."""
    pixels = pattern(shape, DEPTH_ENCODINGS[encoding])
    return WireMessage(_image_message(pixels, encoding, header), pixels)


def cloud_wire(shape: tuple[int, int], header: Any) -> WireMessage:
    """An organised cloud of this size, to be kept: fill its (H, W, 4) array by `organised_cloud`, then publish."""
    cloud = pattern((*shape, 4), np.float32)
    return WireMessage(cloud_message(cloud, header), cloud)


def camera_info_wire(camera: CameraModel, header: Any) -> WireMessage:
    """`camera_info_message`, to be kept."""
    return WireMessage(camera_info_message(camera, header))


def _image_message(pixels: np.ndarray, encoding: str, header: Any) -> Image:
    message = Image(
        header=_copied(header),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(_BIG_ENDIAN),
        step=pixels.strides[0],
    )
    return _with_data(message, pixels)


def _copied(header: Any) -> Header:
    return header_in(header, header.frame_id)


def _with_data(message: Any, pixels: np.ndarray) -> Any:
    """`message` with the bytes of a contiguous array as its data, without a copy where this rclpy takes a view."""
    flat = pixels.reshape(-1).view(np.uint8)
    if _takes_views():
        message._data = flat
    else:
        message.data = array('B', flat.tobytes())
    return message


@lru_cache(maxsize=1)
def _takes_views() -> bool:
    """Whether a message may hold an array in the slot behind its `data`, proven by what comes through serialisation.

    The setter copies element by element (60 ms for a VGA image) unless given an array.array, which costs one more
    copy; the slot is private, so it is used only where it demonstrably works.
    """
    from rclpy.serialization import deserialize_message, serialize_message

    probe = np.arange(7, dtype=np.uint8)
    message = Image(encoding='mono8')
    try:
        message._data = probe
        # compared as a message: the bytes between CDR's fields are not initialised
        return deserialize_message(serialize_message(message), Image).data.tobytes() == probe.tobytes()
    except Exception:  # whatever another rclpy raises here, the public way remains
        return False


@lru_cache(maxsize=1)
def _cv_bridge() -> tuple[Any, str]:
    """(a CvBridge that passed a round trip, '') or (None, why not); builds against another numpy or ROS are refused."""
    sample = np.array([[0, 1, 256], [40000, 65535, 7]], np.uint16)
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        back = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(sample, '16UC1'), 'passthrough')
    except ModuleNotFoundError as error:
        return None, f'it is not installed ({error})'
    except Exception as error:  # a broken build fails in many ways, none of which may stop the node
        return None, f'it is broken here ({type(error).__name__}: {error})'
    if back.dtype != sample.dtype or not np.array_equal(back, sample):
        return None, f'it is unsound here (16UC1 comes back as {back.dtype}; is it the one of ROS 1?)'
    return bridge, ''
