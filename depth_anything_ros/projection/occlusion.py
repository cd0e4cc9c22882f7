# SPDX-License-Identifier: Apache-2.0
"""Reject see-through returns: the ranger stands elsewhere than the camera and sees behind edges.

Such a return lands on the image between the returns of a nearer surface that hides it from the camera. Between
two neighbouring returns nothing says where the nearer surface ends; half-way is the likeliest place, so each
return is taken to cover about half a spacing around itself. In the ranger's own view neighbours are a whole
spacing apart; a farther one that the camera sees inside a nearer one's half spacing must have been moved there by
the parallax between the two view points. Both are required: a background return beside a true edge has
not moved, or not far enough, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.projection.rasterize import Raster
from depth_anything_ros.projection.rays import rays_of
from depth_anything_ros.projection.spacing import spacing_px


@dataclass(frozen=True)
class OcclusionConfig:
    """When a return counts as hidden from the camera by a nearer surface."""

    enabled: bool = setting(True, 'reject returns that a nearer surface hides from the camera')
    reach: float = setting(0.6, 'area around a return that it covers, in spacings of the returns', low=0.1, high=3.0)
    max_reach_px: int = setting(40, 'largest such area whatever the spacing', unit='px', low=1, high=200)
    min_parallax: float = setting(
        0.25, 'least shift between ranger and camera of the hidden return, in spacings', low=0.0, high=3.0
    )
    gap_relative: float = setting(0.06, 'least depth behind the nearer surface, of the depth', low=0.0, high=1.0)
    gap_m: float = setting(0.15, 'least depth behind the nearer surface, added to the relative', unit='m', low=0.0)

    def __post_init__(self):
        validate(self)


def find_occluded(
    raster: Raster, camera: CameraModel, origin_m: np.ndarray, sweep: np.ndarray, config: OcclusionConfig
) -> np.ndarray:
    """(raster.count,) bool: True for those of raster.pixel whose return the camera can't see.

    origin_m (S, 3): where the ranger of each sweep stood, in the camera's frame. sweep (N,): the sweep of each
    return that raster.pixel_index refers to.
    """
    pixel = raster.pixel
    hidden = np.zeros(raster.count, dtype=bool)
    if raster.count < 2:
        return hidden
    along_row, along_column = spacing_px(pixel, camera.height, camera.width)
    half_width, half_height = (
        int(np.clip(round(config.reach * spacing), 1, config.max_reach_px)) for spacing in (along_row, along_column)
    )
    depth_m = raster.pixel_depth_m
    nearest_m = nearest_around(raster, half_width, half_height, camera.is_equirectangular).ravel().take(pixel)
    behind = np.flatnonzero(depth_m * (1 - config.gap_relative) - config.gap_m > nearest_m)
    origin = origin_m[sweep[raster.pixel_index[behind]]]
    shift_x, shift_y = parallax_px(camera, pixel[behind], depth_m[behind], nearest_m[behind], origin)
    hidden[behind] = (shift_x >= config.min_parallax * along_row) | (shift_y >= config.min_parallax * along_column)
    return hidden


def nearest_around(raster: Raster, half_width: int, half_height: int, wraps: bool) -> np.ndarray:
    """(H, W) smallest depth in the (2 half_height + 1, 2 half_width + 1) window around each pixel, inf where empty.

    wraps: the image closes at its left and right border.
    """
    depth_m = raster.image(raster.pixel_depth_m, np.inf)
    half_width = min(half_width, depth_m.shape[1] // 2)
    if wraps:
        depth_m = np.concatenate([depth_m[:, -half_width:], depth_m, depth_m[:, :half_width]], axis=1)
    nearest = cv2.erode(depth_m, np.ones((2 * half_height + 1, 2 * half_width + 1), np.uint8), dst=depth_m)
    return nearest[:, half_width:-half_width] if wraps else nearest


def parallax_px(
    camera: CameraModel, pixel: np.ndarray, far_m: np.ndarray, near_m: np.ndarray, origin_m: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far apart (px along x, along y) `origin_m` sees two points that the camera sees in one pixel.

    pixel, far_m, near_m (M,): the pixel and its two depths; origin_m (M, 3). inf where the points aren't both in
    front of the origin. Pixels are those of the camera's focal lengths, its distortion left aside.
    """
    rays = rays_of(camera).reshape(-1, 3)[pixel]
    far, near = (rays * depth_m[:, None] - origin_m for depth_m in (far_m, near_m))
    if camera.is_equirectangular:
        (far_x, far_y), (near_x, near_y) = (
            (np.arctan2(p[:, 0], p[:, 2]), np.arctan2(p[:, 1], np.hypot(p[:, 0], p[:, 2]))) for p in (far, near)
        )
        turn = np.abs(far_x - near_x)
        return camera.fx * np.minimum(turn, 2 * np.pi - turn), camera.fy * np.abs(far_y - near_y)
    ahead = (far[:, 2] > 1e-3) & (near[:, 2] > 1e-3)
    far_z, near_z = np.where(ahead, far[:, 2], 1), np.where(ahead, near[:, 2], 1)
    return tuple(
        np.where(ahead, focal_px * np.abs(far[:, axis] / far_z - near[:, axis] / near_z), np.inf)
        for axis, focal_px in ((0, camera.fx), (1, camera.fy))
    )
