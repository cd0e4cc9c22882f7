# SPDX-License-Identifier: Apache-2.0
"""An object's surface as points with outward normals: what one view saw, and what stands to reason behind it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.errors import MissingExtra
from depth_anything_ros.grasping.plane import Plane

NEIGHBOURS = 24  # that a normal is taken from
MAX_POINTS = 3000
LOOKED_OVER = np.sin(np.radians(4.0))  # the elevation from which a top says how deep an object is
BRIM = 0.03  # of the width: what reaches so near to the outermost point, to the left or right, is as far out
SHELL_M = 0.004  # how thick walls are taken to be whose inside is seen
INWARD, UPRIGHT = -0.3, 0.7
HOLLOW = 0.1  # share of the points that must face inward, else they are noise
TOP_CELLS = 2  # the top above a wall is looked for within so many cells around


@dataclass(frozen=True, eq=False)
class Surface:
    """points_m (N, 3) and outward unit normals (N, 3), float32. seen (N,): measured, not inferred. touchable (N,): a
    finger may be planned to rest there; the others are only not to be run into."""

    points_m: np.ndarray
    normals: np.ndarray
    seen: np.ndarray
    touchable: np.ndarray

    def __len__(self) -> int:
        return len(self.points_m)


def seen_surface(points_m: np.ndarray, camera_position: np.ndarray) -> Surface:
    """Finite (N, 3), thinned -> their surface: normals by principal components of the neighbours, towards the camera.

    Without the three points that a normal takes: an empty one.
    """
    points = np.ascontiguousarray(points_m, np.float32)
    if len(points) < 3:
        return _empty()
    normals = normals_of(points, NEIGHBOURS)
    away = np.einsum('ij,ij->i', normals, np.asarray(camera_position, np.float32) - points) < 0
    normals[away] *= -1
    every = np.ones(len(points), bool)
    return Surface(points, normals, every, every)


def normals_of(points_m: np.ndarray, neighbours: int) -> np.ndarray:
    """(N, 3), at least 3 -> (N, 3) float32 unit normals, of either sign, from so many nearest points."""
    _, near = _tree(points_m).query(points_m, k=min(neighbours, len(points_m)))
    around = points_m[near].astype(np.float64)
    around -= around.mean(axis=1, keepdims=True)
    return np.linalg.eigh(np.einsum('nki,nkj->nij', around, around))[1][:, :, 0].astype(np.float32)


def completed(seen: Surface, support: Plane, camera_position: np.ndarray, spacing_m: float) -> Surface:
    """`seen` and, where it has gaps, upright walls around its outline on the plane, from the top above them down to it.

    One view shows the front and the top. Of the rest it is taken that the object goes straight down to the plane, and
    that its outline from above looks the same turned by half a turn: right for boxes, cans, balls and bowls that are
    looked down upon, too full for what overhangs. Walls whose inside is seen, of a bowl, are thin. Nothing tells how
    deep an object is that the camera doesn't look over: its far walls are not touchable.
    """
    if not len(seen):
        return seen
    axes = support.axes.astype(np.float32)
    flat = seen.points_m @ axes[:, :2]
    height = support.height_m(seen.points_m)
    camera = np.asarray(camera_position, np.float32)
    behind, of = _turned(flat, camera @ axes[:, :2])
    highest = height.max()
    flat, height = np.concatenate([flat, behind]), np.concatenate([height, height[of]])
    place, normal = _outline(flat, spacing_m)
    if not len(place):
        return seen
    top = _top_above(place, flat, height, spacing_m)
    levels = np.arange(0.0, max(float(top.max()), 0.0) + spacing_m, spacing_m, dtype=np.float32)
    wall, level = np.nonzero(levels[None] <= top[:, None])
    points = place[wall] @ axes[:, :2].T + (levels[level] + np.float32(support.offset_m))[:, None] * axes[:, 2]
    normals = normal[wall] @ axes[:, :2].T
    # a rim has its other side close behind: only a surface that faces the same way makes a wall needless
    distance, nearest = _tree(seen.points_m).query(points)
    alike = np.einsum('ij,ij->i', normals, seen.normals[nearest]) > 0
    missing = (distance > 2.0 * spacing_m) | ~alike
    points, normals = points[missing], normals[missing]
    towards = np.einsum('ij,ij->i', normals, camera - points) > 0
    over = support.height_m(camera) - highest
    looked_over = over > LOOKED_OVER * np.linalg.norm(camera - seen.points_m.mean(axis=0))
    shell = _shell(seen, axes, place)
    count = len(points) + len(shell)
    return Surface(
        np.concatenate([seen.points_m, points, seen.points_m[shell] - np.float32(SHELL_M) * seen.normals[shell]]),
        np.concatenate([seen.normals, normals, -seen.normals[shell]]),
        np.concatenate([seen.seen, np.zeros(count, bool)]),
        np.concatenate([seen.touchable, towards | looked_over, np.ones(len(shell), bool)]),
    )


def _shell(seen: Surface, axes: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Numbers of the points on upright surfaces that face the inside of the outline."""
    place, facing = seen.points_m @ axes[:, :2], seen.normals @ axes[:, :2]
    from_middle = place - (outline.min(axis=0) + outline.max(axis=0)) / 2
    from_middle /= np.maximum(np.linalg.norm(from_middle, axis=1), 1e-9)[:, None]
    inward = np.einsum('ij,ij->i', facing, from_middle) < INWARD
    inward &= np.abs(seen.normals @ axes[:, 2]) < UPRIGHT
    return np.flatnonzero(inward) if np.count_nonzero(inward) > HOLLOW * len(seen) else np.zeros(0, int)


def without_strays(points_m: np.ndarray, spacing_m: float) -> np.ndarray:
    """(N, 3), thinned to spacing_m -> (N,) bool: points with company; flying pixels and specks have little."""
    if len(points_m) < 8:
        return np.ones(len(points_m), bool)
    distance, _ = _tree(points_m).query(points_m, k=7)
    spread = distance[:, -1]
    return spread <= max(3.0 * spacing_m, 3.0 * float(np.median(spread)))


def _turned(flat: np.ndarray, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) as seen from above -> those that half a turn brings behind the middle, turned, and their numbers.

    The middle is between the outermost points to the left and to the right, both of which the camera sees: in a shape
    with that symmetry they are opposites.
    """
    view = flat.mean(axis=0) - camera
    length = float(np.linalg.norm(view))
    if length < 1e-6:
        return flat[:0], np.zeros(0, int)
    view /= length
    aside = np.array([-view[1], view[0]], np.float32)
    along, across = flat @ view, flat @ aside
    left, right = float(across.min()), float(across.max())
    brim = BRIM * (right - left)
    ends = [along[across < left + brim], along[across > right - brim]]
    middle = (left + right) / 2 * aside + np.mean([(end.min() + end.max()) / 2 for end in ends]) * view
    turned = (2 * middle - flat).astype(np.float32)
    behind = np.flatnonzero(turned @ view > middle @ view)
    return turned[behind], behind


def _outline(flat: np.ndarray, spacing_m: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) -> points (W, 2) along its convex hull, spacing_m apart, and the hull's outward normals (W, 2)."""
    hull = cv2.convexHull(np.ascontiguousarray(flat)).reshape(-1, 2)
    if len(hull) < 2:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    edge = np.roll(hull, -1, axis=0) - hull
    length = np.linalg.norm(edge, axis=1)
    steps = np.maximum(np.ceil(length / spacing_m).astype(int), 1)
    which = np.repeat(np.arange(len(hull)), steps)
    share = (np.arange(len(which)) - np.repeat(np.cumsum(steps) - steps, steps) + 0.5) / steps[which]
    points = hull[which] + edge[which] * share[:, None].astype(np.float32)
    normal = np.column_stack([edge[:, 1], -edge[:, 0]]) / np.maximum(length, 1e-9)[:, None]
    outward = np.einsum('ij,ij->i', normal, hull - flat.mean(axis=0)) < 0
    normal[outward] *= -1
    return points.astype(np.float32), normal[which].astype(np.float32)


def _top_above(place: np.ndarray, flat: np.ndarray, height: np.ndarray, spacing_m: float) -> np.ndarray:
    """(W,) height of what was seen at each place of the outline: the highest within a few cells around."""
    low = flat.min(axis=0) - spacing_m
    cell = ((flat - low) / spacing_m).astype(np.int32)
    columns, rows = cell.max(axis=0) + 2
    top = np.full((rows, columns), -1.0, np.float32)
    np.maximum.at(top, (cell[:, 1], cell[:, 0]), height)
    size = 2 * TOP_CELLS + 1
    top = cv2.dilate(top, np.ones((size, size), np.uint8))
    at = np.clip(((place - low) / spacing_m).astype(np.int32), 0, (columns - 1, rows - 1))
    return top[at[:, 1], at[:, 0]]


def _tree(points: np.ndarray):
    try:
        from scipy.spatial import cKDTree
    except ImportError as error:
        raise MissingExtra('scipy', 'grasping', 'planning grasps') from error
    return cKDTree(points)


def _empty() -> Surface:
    nothing = np.zeros((0, 3), np.float32)
    return Surface(nothing, nothing, np.zeros(0, bool), np.zeros(0, bool))
