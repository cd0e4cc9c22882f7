# SPDX-License-Identifier: Apache-2.0
"""Rays of a camera, kept by the camera's value.

A node makes a new CameraModel from every camera_info message; an equal one must not compute its rays again.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from depth_anything_ros.core.camera import CameraModel


@lru_cache(maxsize=8)
def rays_of(camera: CameraModel) -> np.ndarray:
    """(H, W, 3) float32, read-only: CameraModel.rays() of this or an equal camera."""
    return camera.rays()


@lru_cache(maxsize=8)
def ray_planes(camera: CameraModel) -> np.ndarray:
    """(3, H, W) float32, read-only: the same rays, one contiguous image per axis."""
    planes = np.ascontiguousarray(np.moveaxis(rays_of(camera), -1, 0))
    planes.flags.writeable = False
    return planes


@lru_cache(maxsize=8)
def blind_pixels(camera: CameraModel) -> np.ndarray | None:
    """(H, W) bool, the pixels that no ray of the lens model reaches; None where there are none."""
    blind = np.isnan(rays_of(camera)[..., 0])
    return blind if blind.any() else None
