# SPDX-License-Identifier: Apache-2.0
"""The upright box of an object: what a gripper from above wants to know of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.grasping.plane import Plane
from depth_anything_ros.grasping.surface import without_strays
from depth_anything_ros.grasping.voxels import thinned

SPACING_M = 0.004


@dataclass(frozen=True, eq=False)
class OrientedBox:
    """center_m (3,); axes (3, 3) float64, right-handed, columns: the longer side on the plane, the shorter, up; size_m
    (3,) along them."""

    center_m: np.ndarray
    axes: np.ndarray
    size_m: np.ndarray

    @property
    def corners_m(self) -> np.ndarray:
        """(8, 3)."""
        signs = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3, indexing='ij'), axis=-1).reshape(-1, 3)
        return self.center_m + (signs * self.size_m) @ self.axes.T


def upright_box(points_m: np.ndarray, support: Plane) -> OrientedBox:
    """(N, 3) points of one object -> the box from the plane to its top around the least rectangle on the plane.

    Strays are left out. Raises InvalidInput without a finite point.
    """
    points_m = np.asarray(points_m, dtype=np.float32)
    points_m = points_m[np.isfinite(points_m).all(axis=1)]
    if not len(points_m):
        raise InvalidInput('box: expected at least one finite point')
    points_m = points_m[thinned(points_m, SPACING_M)]
    points_m = points_m[without_strays(points_m, SPACING_M)]
    base = support.axes
    flat = points_m @ base[:, :2].astype(np.float32)
    centre, (one, two), degrees = cv2.minAreaRect(flat)
    angle = np.radians(degrees)
    first, second = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    if two > one:  # a quarter turn, so that the system stays right-handed
        one, two, first, second = two, one, second, -first
    top_m = max(float(support.height_m(points_m).max()), 0.0)
    axes = np.column_stack([base[:, :2] @ first, base[:, :2] @ second, support.normal])
    center_m = base[:, :2] @ np.asarray(centre) + (support.offset_m + top_m / 2) * support.normal
    return OrientedBox(center_m, axes, np.array([one, two, top_m]))
