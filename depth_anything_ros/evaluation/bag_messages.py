# SPDX-License-Identifier: Apache-2.0
"""Arrays and our types -> ROS messages for a BagWriter; every function takes the writer's typestore first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform

FLOAT32, UINT16, UINT8, INT32, UINT32, FLOAT64 = 7, 4, 2, 5, 6, 8  # sensor_msgs/PointField
DATATYPES = {'f4': FLOAT32, 'u2': UINT16, 'u1': UINT8, 'i4': INT32, 'u4': UINT32, 'f8': FLOAT64}


def header(types: Any, stamp_ns: int, frame_id: str) -> Any:
    stamp = types.types['builtin_interfaces/msg/Time'](
        sec=int(stamp_ns // 1_000_000_000), nanosec=int(stamp_ns % 1_000_000_000)
    )
    return types.types['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)


def image(types: Any, image_rgb: np.ndarray, stamp_ns: int, frame_id: str) -> Any:
    """(H, W, 3) uint8 RGB -> sensor_msgs/Image rgb8."""
    return _image(types, np.ascontiguousarray(image_rgb), 'rgb8', stamp_ns, frame_id)


def depth_image(types: Any, depth_m: np.ndarray, stamp_ns: int, frame_id: str, encoding: str = '32FC1') -> Any:
    """(H, W) float32 metres, NaN unknown -> sensor_msgs/Image 32FC1 (metres) or 16UC1 (millimetres, 0 unknown)."""
    from depth_anything_ros.core.encoding import encode_depth

    return _image(types, encode_depth(depth_m, encoding), encoding, stamp_ns, frame_id)


def compressed_image(types: Any, data: bytes, kind: str, stamp_ns: int, frame_id: str) -> Any:
    """An encoded file's bytes, kind 'jpeg' or 'png' -> sensor_msgs/CompressedImage."""
    return types.types['sensor_msgs/msg/CompressedImage'](
        header=header(types, stamp_ns, frame_id), format=kind, data=np.frombuffer(data, np.uint8)
    )


def camera_info(types: Any, camera: CameraModel, stamp_ns: int) -> Any:
    """The camera's intrinsics; R is the identity and P = [K | 0], as of an image that is not one of a stereo pair.

    A panorama has no K in CameraInfo's sense: its model is named and K, D and P are empty, as the node publishes it.
    """
    matrix = np.zeros((3, 3)) if camera.is_equirectangular else camera.matrix
    projection = np.zeros((3, 4))
    projection[:, :3] = matrix
    region = types.types['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    coefficients = camera.coefficients or (0.0,) * (4 if camera.distortion_model == 'equidistant' else 5)
    if camera.distortion_model == 'rational_polynomial' and not camera.coefficients:
        coefficients = (0.0,) * 8
    if camera.is_equirectangular:
        coefficients = ()
    return types.types['sensor_msgs/msg/CameraInfo'](
        header=header(types, stamp_ns, camera.frame_id),
        height=camera.height,
        width=camera.width,
        distortion_model=camera.distortion_model,
        d=np.asarray(coefficients, np.float64),
        k=matrix.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=projection.reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def point_cloud(types: Any, columns: Mapping[str, np.ndarray], stamp_ns: int, frame_id: str) -> Any:
    """Columns of equal length (x, y, z, intensity, ring, ...) -> sensor_msgs/PointCloud2, packed in that order."""
    layout = np.dtype([(name, values.dtype) for name, values in columns.items()])
    packed = np.empty(len(next(iter(columns.values()))), layout)
    for name, values in columns.items():
        packed[name] = values
    field = types.types['sensor_msgs/msg/PointField']
    fields = [
        field(name=name, offset=layout.fields[name][1], datatype=DATATYPES[layout[name].str[1:]], count=1)
        for name in layout.names
    ]
    return types.types['sensor_msgs/msg/PointCloud2'](
        header=header(types, stamp_ns, frame_id),
        height=1,
        width=len(packed),
        fields=fields,
        is_bigendian=False,
        point_step=layout.itemsize,
        row_step=layout.itemsize * len(packed),
        data=packed.view(np.uint8),
        is_dense=True,
    )


def transforms(types: Any, items: Iterable[tuple[RigidTransform, int]]) -> Any:
    """(parent_from_child, stamp_ns) pairs -> tf2_msgs/TFMessage."""
    geometry = 'geometry_msgs/msg/'
    stamped = []
    for transform, stamp_ns in items:
        x, y, z = map(float, transform.translation_m)
        qx, qy, qz, qw = map(float, transform.quaternion_xyzw())
        stamped.append(
            types.types[geometry + 'TransformStamped'](
                header=header(types, stamp_ns, transform.target),
                child_frame_id=transform.source,
                transform=types.types[geometry + 'Transform'](
                    translation=types.types[geometry + 'Vector3'](x=x, y=y, z=z),
                    rotation=types.types[geometry + 'Quaternion'](x=qx, y=qy, z=qz, w=qw),
                ),
            )
        )
    return types.types['tf2_msgs/msg/TFMessage'](transforms=stamped)


def _image(types: Any, pixels: np.ndarray, encoding: str, stamp_ns: int, frame_id: str) -> Any:
    height, width = pixels.shape[:2]
    return types.types['sensor_msgs/msg/Image'](
        header=header(types, stamp_ns, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=pixels.reshape(-1).view(np.uint8),
    )
