# SPDX-License-Identifier: Apache-2.0
"""Pictures of one result: depth, sigma, error against the truth, and the cloud seen from another place."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.projection.cloud import FlyingPixelConfig, remove_flying_pixels
from depth_anything_ros.projection.overlay import colourise, depth_range_m

ERROR_SCALE = 0.25  # relative error of the darkest red
LARGEST_SPLAT_PX = 5
BACKGROUND = np.array([24, 26, 31], np.uint8)


def depth_picture(depth_m: np.ndarray, reference_m: np.ndarray | None = None) -> np.ndarray:
    """(H, W) depth -> (H, W, 3) uint8 RGB, near red to far blue; colours span the reference's depths, if given."""
    return colourise(depth_m, *depth_range_m(depth_m if reference_m is None else reference_m))


def error_picture(depth_m: np.ndarray, truth_m: np.ndarray, image_rgb: np.ndarray) -> np.ndarray:
    """|d - z| / z over the dimmed grey image: green 0, yellow, red from 25 % on; magenta where there is no prediction.

    Sparse truth is drawn as dots that can be seen.
    """
    grey = cv2.cvtColor(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 3
    known = np.isfinite(truth_m)
    with np.errstate(invalid='ignore'):
        share = np.clip(np.abs(depth_m - truth_m) / truth_m / ERROR_SCALE, 0, 1)
    missing = known & ~np.isfinite(depth_m)
    share = np.where(known & ~missing, share, 0)
    colours = np.stack([np.minimum(2 * share, 1), np.minimum(2 - 2 * share, 1), np.zeros_like(share)], axis=-1)
    colours = (255 * colours * (0.55 + 0.45 * share[..., None])).astype(np.uint8)
    colours[missing] = (255, 0, 255)
    if known.mean() < 0.2:
        size = max(2, round(image_rgb.shape[1] / 400))
        kernel = np.ones((size, size), np.uint8)
        drawn = cv2.dilate(known.astype(np.uint8), kernel) > 0
        colours = cv2.dilate(np.where(known[..., None], colours, 0).astype(np.uint8), kernel)
        return np.where(drawn[..., None], colours, grey)
    return np.where(known[..., None], colours, grey)


def cloud_view(
    depth_m: np.ndarray, camera: CameraModel, image_rgb: np.ndarray, width: int = 960, height: int = 540
) -> np.ndarray:
    """The back-projected cloud from above and beside the camera -> (height, width, 3) uint8 RGB.

    As the node publishes it, without pixels that hang between two surfaces. A panorama is looked into from above, with
    the upper half of what is over the camera taken off.
    Points are drawn far to near as squares of the size that their pixel has at its depth.
    """
    depth_m = remove_flying_pixels(depth_m, camera, FlyingPixelConfig())
    known = np.isfinite(depth_m) & np.isfinite(camera.rays()).all(axis=-1)
    if not known.any():
        return np.broadcast_to(BACKGROUND, (height, width, 3)).copy()
    points_m = camera.rays()[known] * depth_m[known, None]
    colours = image_rgb[known]
    low_m, high_m = depth_range_m(depth_m)
    near = depth_m[known] <= high_m * 1.2  # what lies far behind would only be noise at the horizon
    if camera.is_equirectangular:
        near &= points_m[:, 1] > 0.5 * np.percentile(points_m[:, 1], 2)
    points_m, colours, depth = points_m[near], colours[near], depth_m[known][near]
    place = _above(points_m) if camera.is_equirectangular else _beside(points_m, low_m)
    view, focal_px = _viewpoint(points_m, *place, width, height)
    seen_m = points_m @ view[:3, :3].T.astype(np.float32) + view[:3, 3].astype(np.float32)
    front = seen_m[:, 2] > 0.05 * low_m
    seen_m, colours, depth = seen_m[front], colours[front], depth[front]
    u = seen_m[:, 0] / seen_m[:, 2] * focal_px + width / 2
    v = seen_m[:, 1] / seen_m[:, 2] * focal_px + height / 2
    splat = np.ceil(1.6 * focal_px * depth / camera.fx / seen_m[:, 2])
    splat = np.clip(splat, 1, LARGEST_SPLAT_PX).astype(int)
    picture = np.broadcast_to(BACKGROUND, (height, width, 3)).copy()
    _paint(picture, u, v, seen_m[:, 2], splat, colours)
    return picture


def _beside(points_m: np.ndarray, low_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(eye, what it looks at): up, to the side and back from the camera, looking into the scene."""
    centre = np.median(points_m, axis=0).astype(np.float64)
    distance = max(float(centre[2]), low_m)
    return np.array([0.45 * distance, -0.45 * distance, -0.25 * distance]), centre


def _above(points_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(eye, what it looks at): from high up and behind, on what is around the camera."""
    reach = float(np.percentile(np.hypot(points_m[:, 0], points_m[:, 2]), 90))
    floor = float(np.percentile(points_m[:, 1], 90))
    return np.array([0.3 * reach, -1.6 * reach, -1.1 * reach]), np.array([0.0, floor, 0.0])


def _viewpoint(
    points_m: np.ndarray, eye: np.ndarray, centre: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, float]:
    """(4, 4) view_from_camera and focal length in pixels."""
    forward = centre - eye
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    view = np.eye(4)
    view[:3, :3] = rotation
    view[:3, 3] = -rotation @ eye
    # the zoom that brings 96 % of the points into the picture
    seen = points_m @ rotation.T + view[:3, 3]
    seen = seen[seen[:, 2] > 0]
    across, up = np.abs(seen[:, :2] / seen[:, 2:]).T
    return view, float(min(width / 2 / np.percentile(across, 96), height / 2 / np.percentile(up, 96)))


def _paint(picture, u, v, depth, splat, colours) -> None:
    height, width = picture.shape[:2]
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    parts = []
    for dv in range(LARGEST_SPLAT_PX):
        for du in range(LARGEST_SPLAT_PX):
            x, y = column + du - splat // 2, row + dv - splat // 2
            use = (splat > max(du, dv)) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            parts.append((y[use] * width + x[use], np.flatnonzero(use)))
    pixel = np.concatenate([p for p, _ in parts])
    point = np.concatenate([i for _, i in parts])
    order = np.argsort(-depth[point], kind='stable')
    picture.reshape(-1, 3)[pixel[order]] = colours[point[order]]  # in order: the nearest is written last


def side_by_side(*pictures: np.ndarray, gap_px: int = 4) -> np.ndarray:
    """Pictures of one height in a row, for a single file. Raises InvalidInput where heights differ."""
    if len({picture.shape[0] for picture in pictures}) != 1:
        raise InvalidInput(f'pictures of one height expected, got {[p.shape for p in pictures]}')
    gap = np.full((pictures[0].shape[0], gap_px, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(row[:-1], axis=1)
