# SPDX-License-Identifier: Apache-2.0
"""Coloured clouds as binary PLY, which every viewer opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.projection.cloud import FlyingPixelConfig, remove_flying_pixels

VERTEX = np.dtype([('xyz', '<f4', 3), ('rgb', 'u1', 3)])
HEADER = """ply
format binary_little_endian 1.0
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


def write_ply(path: Path, depth_m: np.ndarray, camera: CameraModel, image_rgb: np.ndarray) -> int:
    """The known pixels of a depth map as points in the optical frame (metres); returns how many there are.

    As in the node's cloud, pixels that hang between two surfaces are left out. Raises RecordingError.
    """
    depth_m = remove_flying_pixels(depth_m, camera, FlyingPixelConfig())
    rays = camera.rays()
    known = np.isfinite(depth_m) & np.isfinite(rays).all(axis=-1)
    vertices = np.empty(int(known.sum()), VERTEX)
    vertices['xyz'] = rays[known] * depth_m[known, None]
    vertices['rgb'] = image_rgb[known]
    try:
        path.write_bytes(HEADER.format(count=len(vertices)).encode('ascii') + vertices.tobytes())
    except OSError as error:
        raise RecordingError(f'{path}: cannot be written: {error}') from error
    return len(vertices)
