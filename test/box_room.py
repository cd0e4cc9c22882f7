# SPDX-License-Identifier: Apache-2.0
"""A room around a panorama whose range is known exactly in every direction: six walls and a crate behind the camera.

Optical frame: x right, y down, z forward. The crate stands across the seam, where columns 0 and W - 1 meet.
"""

import numpy as np

from depth_anything_ros.core.camera import CameraModel

LOW_M, HIGH_M = np.array([-3.0, -1.5, -4.0]), np.array([2.5, 1.2, 5.0])
CRATE_LOW_M, CRATE_HIGH_M = np.array([-0.6, -0.2, -2.4]), np.array([0.5, 1.2, -1.8])


def range_m(directions: np.ndarray, crate: bool = True) -> np.ndarray:
    """(..., 3) directions of any length -> (...) float32 distance, in units of the direction's length."""
    directions = directions.astype(np.float64)
    with np.errstate(divide='ignore', invalid='ignore'):
        walls = np.where(directions > 0, HIGH_M / directions, np.where(directions < 0, LOW_M / directions, np.inf))
        walls = walls.min(axis=-1)
        if not crate:
            return walls.astype(np.float32)
        one, other = CRATE_LOW_M / directions, CRATE_HIGH_M / directions
        enters, leaves = np.minimum(one, other).max(axis=-1), np.maximum(one, other).min(axis=-1)
    hit = (enters <= leaves) & (enters > 0)
    return np.where(hit, np.minimum(walls, enters), walls).astype(np.float32)


def panorama_m(camera: CameraModel, crate: bool = True) -> np.ndarray:
    """(H, W) float32 radial depth of the room."""
    return range_m(camera.rays(), crate)


def picture(camera: CameraModel) -> np.ndarray:
    """(H, W, 3) uint8: each direction's own colour, smooth everywhere on the sphere."""
    rays = camera.rays() / np.linalg.norm(camera.rays(), axis=-1, keepdims=True)
    return np.rint(127.5 + 120 * rays).astype(np.uint8)


def lidar_m(elevations_deg, azimuths: int = 720, crate: bool = True) -> np.ndarray:
    """(N, 3) float32 returns, in the optical frame, of a spinning LiDAR in the camera's place; one row a ring."""
    elevation, azimuth = np.meshgrid(np.radians(elevations_deg), np.arange(azimuths) * 2 * np.pi / azimuths)
    elevation, azimuth = elevation.T.ravel(), azimuth.T.ravel()
    directions = np.stack(
        [np.cos(elevation) * np.sin(azimuth), -np.sin(elevation), np.cos(elevation) * np.cos(azimuth)], axis=-1
    )
    return (directions * range_m(directions, crate)[:, None]).astype(np.float32)
