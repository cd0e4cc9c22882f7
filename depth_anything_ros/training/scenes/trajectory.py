# SPDX-License-Identifier: Apache-2.0
"""How the robot moves through the room, and where its sensors sit. Analytic in time: every ray has its own pose."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.transform import RigidTransform

DURATION_S = 7.8  # time zero is the first image, DURATION_S the last of 40 at 5 Hz

TILT_DEG = 8.0  # camera and LiDAR look down by this much
CAMERA_XYZ_M = (0.10, 0.0, 1.05)
LIDAR_XYZ_M = (0.05, 0.0, 1.17)


def odom_from_base(time_s: np.ndarray) -> np.ndarray:
    """Poses (N, 4, 4) of base_link in odom at times (N,): an omnidirectional base on a slightly uneven floor.

    base_link: x ahead, y left, z up, on the floor. Smooth everywhere, also before 0 and after DURATION_S.
    """
    time_s = np.atleast_1d(np.asarray(time_s, np.float64))
    u = time_s / DURATION_S
    eased = u - 0.6 * np.sin(2 * np.pi * u) / (2 * np.pi)
    xyz = np.stack([1.75 * eased, -0.1 + 0.55 * eased + 0.12 * np.sin(np.pi * u), np.zeros_like(u)], axis=-1)
    yaw = np.radians(4.0 - 28.0 * u + 11.0 * np.sin(2 * np.pi * 1.25 * u))
    pitch = np.radians(0.35) * np.sin(2 * np.pi * 0.9 * time_s)
    roll = np.radians(0.3) * np.sin(2 * np.pi * 0.7 * time_s + 1.0)
    poses = np.zeros((len(u), 4, 4))
    poses[:, :3, :3] = _turn(yaw, 2) @ _turn(pitch, 1) @ _turn(roll, 0)
    poses[:, :3, 3] = xyz
    poses[:, 3, 3] = 1
    return poses


def mounts() -> list[RigidTransform]:
    """The static transforms: base_link -> camera_link -> camera_optical_frame (REP 103), base_link -> lidar."""
    tilt = _turn(np.radians([TILT_DEG]), 1)[0]
    optical = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    return [
        _mount('base_link', 'camera_link', tilt, CAMERA_XYZ_M),
        _mount('camera_link', 'camera_optical_frame', optical, (0, 0, 0)),
        _mount('base_link', 'lidar', tilt, LIDAR_XYZ_M),
    ]


def base_from_camera() -> np.ndarray:
    """(4, 4) base_link <- camera_optical_frame."""
    camera, optical, _ = mounts()
    return (camera @ optical).matrix


def base_from_lidar() -> np.ndarray:
    """(4, 4) base_link <- lidar (x ahead, y left, z up, before the tilt)."""
    return mounts()[2].matrix


def _mount(target: str, source: str, rotation: np.ndarray, xyz_m) -> RigidTransform:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, xyz_m
    return RigidTransform(target, source, matrix)


def _turn(angle: np.ndarray, axis: int) -> np.ndarray:
    """Rotations (N, 3, 3) by angle (N,) radians about the axis x, y or z."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((len(angle), 3, 3))
    turn[:, axis, axis] = 1
    turn[:, i, i] = turn[:, j, j] = np.cos(angle)
    turn[:, i, j], turn[:, j, i] = -np.sin(angle), np.sin(angle)
    return turn
