# SPDX-License-Identifier: Apache-2.0
"""A small recording whose every depth is known by a formula: a camera and a LiDAR drive towards a wall.

The wall stands at z = WALL_M of the frame odom, whose axes are those of the camera. At time t (s) the camera is at
z = SPEED_MPS t, so that every pixel's depth is WALL_M - SPEED_MPS t. Each sweep is stamped SWEEP_LEAD_NS before its
image: a reader that ignores the motion in between is off by SPEED_MPS * 0.05 s = 5 cm.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation import bag_messages
from depth_anything_ros.evaluation.bag_writer import BagWriter

WALL_M, SPEED_MPS = 6.0, 1.0
PERIOD_NS, SWEEP_LEAD_NS = 100_000_000, 50_000_000
START_NS = 1_000_000_000_000
CAMERA = CameraModel(96, 64, 80.0, 80.0, 47.5, 31.5, 'camera_optical_frame')
IMAGE, CAMERA_INFO, POINTS, TRUTH = '/camera/image_raw', '/camera/camera_info', '/lidar/points', '/ground_truth/depth'
# the LiDAR: x forward, z up, 20 cm above the camera
CAMERA_FROM_LIDAR = RigidTransform(
    CAMERA.frame_id, 'lidar', np.array([[0, -1, 0, 0], [0, 0, -1, -0.2], [1, 0, 0, 0], [0, 0, 0, 1.0]])
)
RINGS, COLUMNS = 16, 90


def depth_at(stamp_ns: int) -> float:
    return WALL_M - SPEED_MPS * (stamp_ns - START_NS) / 1e9


def write_small_recording(
    path: Path, frames: int = 6, truth: bool = True, ring: bool = True, jpeg: bool = False
) -> Path:
    """path: as BagWriter takes it."""
    with BagWriter(path) as writer:
        types = writer.typestore
        static = bag_messages.transforms(types, [(CAMERA_FROM_LIDAR, 0)])
        writer.write('/tf_static', static, START_NS)
        for step in range(-1, 2 * frames + 1):
            stamp_ns = START_NS + step * PERIOD_NS // 2
            writer.write('/tf', bag_messages.transforms(types, [(odom_from_camera(stamp_ns), stamp_ns)]), stamp_ns)
            if step % 2 or not 0 <= step < 2 * frames:
                continue
            _write_sweep(writer, stamp_ns - SWEEP_LEAD_NS, ring)
            writer.write(CAMERA_INFO, bag_messages.camera_info(types, CAMERA, stamp_ns), stamp_ns)
            if truth:
                depth_m = np.full((CAMERA.height, CAMERA.width), depth_at(stamp_ns), np.float32)
                writer.write(TRUTH, bag_messages.depth_image(types, depth_m, stamp_ns, CAMERA.frame_id), stamp_ns)
            _write_image(writer, stamp_ns, step, jpeg)
    return path


def odom_from_camera(stamp_ns: int) -> RigidTransform:
    matrix = np.eye(4)
    matrix[2, 3] = SPEED_MPS * (stamp_ns - START_NS) / 1e9
    return RigidTransform('odom', CAMERA.frame_id, matrix)


def sweep_columns(stamp_ns: int) -> dict[str, np.ndarray]:
    """What the LiDAR sees of the wall: x y z ring, ring by ring."""
    elevation = np.radians(np.linspace(-14, 10, RINGS))[:, None]
    azimuth = np.radians(np.linspace(-28, 28, COLUMNS))[None]
    x = np.full((RINGS, COLUMNS), depth_at(stamp_ns))
    y = x * np.tan(azimuth)
    z = np.hypot(x, y) * np.tan(elevation)
    columns = {name: values.astype(np.float32).reshape(-1) for name, values in zip('xyz', (x, y, z), strict=True)}
    columns['ring'] = np.repeat(np.arange(RINGS, dtype=np.uint16), COLUMNS)
    return columns


def _write_sweep(writer: BagWriter, stamp_ns: int, ring: bool) -> None:
    columns = sweep_columns(stamp_ns)
    if not ring:
        columns.pop('ring')
    cloud = bag_messages.point_cloud(writer.typestore, columns, stamp_ns, 'lidar')
    writer.write(POINTS, cloud, stamp_ns + SWEEP_LEAD_NS)  # it takes that long to arrive


def _write_image(writer: BagWriter, stamp_ns: int, seed: int, jpeg: bool) -> None:
    image_rgb = np.random.default_rng(seed).integers(0, 255, (CAMERA.height, CAMERA.width, 3), np.uint8)
    if jpeg:
        from depth_anything_ros.evaluation.conversion import encode_jpeg

        message = bag_messages.compressed_image(
            writer.typestore, encode_jpeg(image_rgb, 95), 'jpeg', stamp_ns, CAMERA.frame_id
        )
        writer.write(f'{IMAGE}/compressed', message, stamp_ns)
    else:
        writer.write(IMAGE, bag_messages.image(writer.typestore, image_rgb, stamp_ns, CAMERA.frame_id), stamp_ns)
