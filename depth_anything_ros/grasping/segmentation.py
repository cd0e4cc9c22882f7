# SPDX-License-Identifier: Apache-2.0
"""A cloud becomes the plane that things stand on and the things: plane by RANSAC, things by nearness above it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.grasping.plane import Plane, find_plane
from depth_anything_ros.grasping.settings import SegmentationConfig
from depth_anything_ros.grasping.surface import normals_of
from depth_anything_ros.grasping.voxels import connected, cubes

CELL_M = 0.02  # of the picture of the support, from above
BRIDGED_CELLS = 4  # an object hides a part of its support: patches so near to each other are one
NEIGHBOURS = 12  # that the slope of a veil is taken from
FEWEST = 12  # thinned points that make an object
RIM_M, FILLED = 0.008, 0.8  # how far below the top a rim is looked for, and how little of its outline it fills
LEVEL_M = 0.005  # two parts of a rim are as high as each other
WHOLE = 1.5  # the area of the outline around both, of those around each


@dataclass(frozen=True, eq=False)
class Workspace:
    """support: None where the cloud shows no plane, and then no objects either. border_m: (K, 3) corners of the part
    of the plane that is seen, convex, in order. clusters: numbers of each object's points in the cloud that came, the
    object with the largest surface first. veils: numbers of the points above the plane that hang between two things,
    and are best left out of the scene too."""

    support: Plane | None
    border_m: np.ndarray
    clusters: list[np.ndarray]
    veils: np.ndarray


def segment(
    points_m: np.ndarray, up: np.ndarray | None, config: SegmentationConfig, camera_position=(0.0, 0.0, 0.0)
) -> Workspace:
    """(N, 3) float32 in any frame, points that aren't finite left out -> support plane and objects on it.

    up: (3,) which way is up, roughly (`max_tilt_deg`); None: unknown: then the plane with the most points is taken, its
    upper side the one that the camera sees. camera_position: in the frame of the points; their own origin in an
    optical frame. The same cloud gives the same workspace. Raises InvalidInput on an array of another shape.
    """
    points_m = np.asarray(points_m, dtype=np.float32)
    if points_m.ndim != 2 or points_m.shape[1] != 3:
        raise InvalidInput(f'segment: expected (N, 3) points, got {points_m.shape}')
    usable = np.flatnonzero(np.isfinite(points_m).all(axis=1))
    points_m = points_m[usable]
    _, first, cube = cubes(points_m, config.resolution_m)
    thin_m = points_m[first]
    support = find_plane(
        thin_m,
        np.random.default_rng(0),
        tolerance_m=config.plane_tolerance_m,
        up=up,
        max_tilt_deg=config.max_tilt_deg,
        viewpoint_m=camera_position,
        min_share=config.min_support,
    )
    if support is None:
        return Workspace(None, np.zeros((0, 3), np.float32), [], usable[:0])
    height_m = support.height_m(thin_m)
    flat_m = thin_m @ support.axes[:, :2].astype(np.float32)
    border, over = _ground(flat_m, np.abs(height_m) < config.plane_tolerance_m, config.border_m)
    axes = support.axes.astype(np.float32)
    border_m = border @ axes[:, :2].T + np.float32(support.offset_m) * axes[:, 2]
    above = np.flatnonzero(over & (height_m > config.min_height_m) & (height_m < config.max_height_m))
    veiled = _are_veils(thin_m[above], np.asarray(camera_position, np.float32), config.veil_deg)
    veils, above = above[veiled], above[~veiled]
    label = _rejoined(connected(thin_m[above], config.gap_m), flat_m[above], height_m[above], config.resolution_m)
    of_cube = np.full(len(first), -1)
    of_cube[above] = label
    of_point = of_cube[cube]
    order = np.argsort(of_point, kind='stable')
    starts = np.searchsorted(of_point[order], np.arange(label.max(initial=-1) + 2))
    objects = _objects(thin_m[above], height_m[above], label, config)
    clusters = [usable[order[starts[k] : starts[k + 1]]] for k in objects]
    return Workspace(support, border_m, clusters, usable[np.isin(cube, veils)])


def _are_veils(points_m: np.ndarray, camera: np.ndarray, veil_deg: float) -> np.ndarray:
    """(N,) bool: points on a surface that the camera would see edge-on.

    Where depth is guessed between a near and a far thing it makes a sheet along the line of sight, which would make
    one object of the two.
    """
    if len(points_m) < NEIGHBOURS or veil_deg == 0:
        return np.zeros(len(points_m), bool)
    ray = points_m - camera
    cosine = np.abs(np.einsum('ij,ij->i', normals_of(points_m, NEIGHBOURS), ray))
    return cosine < np.sin(np.radians(veil_deg)) * np.linalg.norm(ray, axis=1)


def _objects(points_m: np.ndarray, height_m: np.ndarray, label: np.ndarray, config: SegmentationConfig) -> list[int]:
    """Labels of clusters that can be objects, the one with the most points first."""
    if not len(label):
        return []
    low, high = np.full((label.max() + 1, 3), np.inf), np.full((label.max() + 1, 3), -np.inf)
    np.minimum.at(low, label, points_m)
    np.maximum.at(high, label, points_m)
    top_m = np.zeros(len(low))
    np.maximum.at(top_m, label, height_m)
    size_m = np.linalg.norm(high - low, axis=1)
    count = np.bincount(label)
    fits = (
        (count >= FEWEST) & (top_m >= config.min_top_m) & (size_m >= config.min_size_m) & (size_m <= config.max_size_m)
    )
    return [int(k) for k in np.argsort(-count, kind='stable') if fits[k]]


def _rejoined(label: np.ndarray, flat_m: np.ndarray, height_m: np.ndarray, spacing_m: float) -> np.ndarray:
    """Labels of nearness, with those of the two parts of one rim made one.

    The near wall of a bowl hides where it joins the far one. Both then end at the same height, in a rim and not in a
    flat top, and an outline around both is hardly larger than the two.
    """
    parts = [k for k, count in enumerate(np.bincount(label)) if count >= FEWEST] if len(label) else []
    top_m = {k: np.percentile(height_m[label == k], 98) for k in parts}
    rims = [k for k in parts if _is_rim(flat_m[(label == k) & (height_m > top_m[k] - RIM_M)], spacing_m)]
    hulls = {k: cv2.convexHull(flat_m[label == k]) for k in rims}
    label = label.copy()
    for at, one in enumerate(rims):
        for two in rims[at + 1 :]:
            around = cv2.convexHull(np.concatenate([hulls[one], hulls[two]]))
            apart = cv2.contourArea(hulls[one]) + cv2.contourArea(hulls[two])
            if abs(top_m[one] - top_m[two]) < LEVEL_M and cv2.contourArea(around) < WHOLE * apart:
                label[label == one] = two
                hulls[two] = around
                break
    return label


def _is_rim(flat_m: np.ndarray, spacing_m: float) -> bool:
    """Whether points seen from above leave most of their outline empty."""
    return len(flat_m) * spacing_m**2 < FILLED * cv2.contourArea(cv2.convexHull(flat_m))


def _ground(flat_m: np.ndarray, on: np.ndarray, border_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) places on the plane, and which of them lie on it -> the convex border (K, 2) of its largest patch, and
    which places (N,) are within it or border_m around.

    The largest patch: a wall or another piece of furniture that crosses the plane's level is not the table.
    """
    low = flat_m[on].min(axis=0) - (BRIDGED_CELLS + 1) * CELL_M
    cell = np.floor((flat_m - low) / CELL_M).astype(np.int32)
    columns, rows = cell[on].max(axis=0) + BRIDGED_CELLS + 2
    picture = np.zeros((rows, columns), np.uint8)
    picture[cell[on, 1], cell[on, 0]] = 1
    bridge = np.ones((BRIDGED_CELLS + 1,) * 2, np.uint8)
    _, patch, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(picture, cv2.MORPH_CLOSE, bridge))
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    mine = on.copy()
    mine[on] = patch[cell[on, 1], cell[on, 0]] == largest
    hull = cv2.convexHull(flat_m[mine]).reshape(-1, 2)
    margin = int(np.ceil(border_m / CELL_M))
    area = np.zeros((rows + 2 * margin, columns + 2 * margin), np.uint8)
    corners = np.floor((hull - low) / CELL_M).astype(np.int32) + margin
    cv2.fillConvexPoly(area, corners, 1)
    area = cv2.dilate(area, np.ones((2 * margin + 1,) * 2, np.uint8))
    at = cell + margin
    inside = ((at >= 0) & (at < area.shape[::-1])).all(axis=1)
    inside[inside] = area[at[inside, 1], at[inside, 0]] > 0
    return hull, inside
