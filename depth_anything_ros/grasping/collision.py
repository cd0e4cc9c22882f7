# SPDX-License-Identifier: Apache-2.0
"""Where a gripper fits: many poses at once against the object, the rest of the cloud and the support plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.plane import Plane
from depth_anything_ros.grasping.settings import PlannerConfig
from depth_anything_ros.grasping.surface import Surface

CLEAR_M = 0.02  # clearance beyond this is worth nothing more
FEWEST = 4  # points between the fingers that make a hold
TRIMMED = 0.02  # share of the points between the fingers that may stick out, on each side
SHADOW_RAD = np.radians(1.0)
BEHIND_M = 0.015  # this far behind what the camera saw there is nothing known


@dataclass(frozen=True, eq=False)
class Fit:
    """How G grasps fit; all but `free` have a meaning only where it is True.

    poses (G, 4, 4): moved along the closing direction until the object is in the middle. opening_m (G,).
    contacts_m (G, 2, 3). hold (G,): how much of the fingers' depth and width has object between, 0 to 1.
    clearance (G,): 0 touching, 1 at least 2 cm from everything but the support.
    """

    free: np.ndarray
    poses: np.ndarray
    opening_m: np.ndarray
    contacts_m: np.ndarray
    hold: np.ndarray
    clearance: np.ndarray


class Obstacles:
    """An object's surface, the points (M, 3) around it and the support plane, from one camera position."""

    def __init__(self, surface: Surface, scene_m: np.ndarray, camera: np.ndarray, support: Plane | None):
        self.surface, self._support, self._camera = surface, support, camera
        self._points = np.concatenate([surface.points_m, scene_m]).astype(np.float32)
        self._count = len(surface)
        self._seen_m = np.concatenate([surface.points_m[surface.seen], scene_m]).astype(np.float32)
        self._shadow = _Shadow(self._seen_m, camera)

    def fit(self, poses: np.ndarray, width_m: np.ndarray, gripper: Gripper, config: PlannerConfig) -> Fit:
        """Centre each grasp on what is between its fingers, open it as far as that needs, and look for collisions."""
        x, y, z = self._in_gripper(poses)
        own = slice(0, self._count)
        ends, hold, enough = _between(x[:, own], y[:, own], z[:, own], width_m, gripper, config)
        middle, width = ends.mean(axis=1), ends[:, 1] - ends[:, 0]
        x -= middle[:, None]
        poses = poses.copy()
        poses[:, :3, 3] += middle[:, None] * poses[:, :3, 0]
        opening = np.minimum(width + 2 * config.finger_clearance_m, gripper.max_width_m).astype(np.float32)
        fits = opening - width >= config.finger_clearance_m
        centre, half = gripper.boxes(opening)
        distance = _distance(x, y, z, gripper, opening)
        inside = np.count_nonzero(distance < 0, axis=1)
        free = enough & fits & (inside <= config.stray_points) & self._above_support(poses, centre, half, config)
        # what the fingers close on is near by intent
        clearance = np.clip(distance[:, self._count :].min(axis=1, initial=CLEAR_M) / CLEAR_M, 0, 1)
        inset = np.float32(gripper.finger_depth_m / 4)
        tips = poses[:, :3, 3] - inset * poses[:, :3, 2]
        reach = (width / 2)[:, None] * poses[:, :3, 0]
        return Fit(free, poses, opening, np.stack([tips - reach, tips + reach], axis=1), hold, clearance)

    def seen_share(self, poses: np.ndarray, opening_m: np.ndarray, gripper: Gripper) -> np.ndarray:
        """(G,) share of the fingers' volume that isn't hidden behind what the camera saw."""
        centre, half = gripper.boxes(opening_m)
        steps = np.stack(np.meshgrid(*[(-0.7, 0.0, 0.7)] * 3, indexing='ij'), axis=-1).reshape(-1, 3)
        samples = centre[:2, :, None] + half[:2, None, None] * steps  # (2, G, 27, 3)
        samples = np.concatenate(list(samples), axis=1).astype(np.float32)
        where = np.einsum('gij,gnj->gni', poses[:, :3, :3], samples) + poses[:, None, :3, 3]
        return 1.0 - self._shadow.hidden(where.reshape(-1, 3)).reshape(where.shape[:2]).mean(axis=1)

    def _in_gripper(self, poses: np.ndarray) -> list[np.ndarray]:
        """x, y and z of every point in every gripper's frame, (G, P) each: apart they are ten times as fast."""
        shift = np.einsum('gi,gij->gj', poses[:, :3, 3], poses[:, :3, :3])
        return [poses[:, :3, axis] @ self._points.T - shift[:, axis, None] for axis in range(3)]

    def _above_support(self, poses, centre, half, config: PlannerConfig) -> np.ndarray:
        if self._support is None:
            return np.ones(len(poses), bool)
        normal = np.einsum('i,gij->gj', self._support.normal, poses[:, :3, :3])  # the plane's, in each gripper
        height = self._support.height_m(poses[:, :3, 3])
        lowest = np.einsum('bgi,gi->bg', centre, normal) - np.einsum('bi,gi->bg', half, np.abs(normal))
        return (height + lowest.min(axis=0)) >= config.support_clearance_m


def _distance(x, y, z, gripper: Gripper, opening_m: np.ndarray) -> np.ndarray:
    """(G, P) how far points are from fingers and palm, along the axis where they are farthest; negative inside."""
    ahead = z + np.float32(gripper.finger_depth_m)  # of the palm's face
    across = np.abs(y)
    left_right = np.abs(np.abs(x) - (opening_m[:, None] + np.float32(gripper.finger_thickness_m)) / 2)
    finger = np.maximum(left_right - gripper.finger_thickness_m / 2, across - gripper.finger_width_m / 2)
    np.maximum(finger, np.abs(z + np.float32(gripper.finger_depth_m / 2)) - gripper.finger_depth_m / 2, out=finger)
    palm = np.maximum(np.abs(x) - gripper.palm_length_m / 2, across - gripper.palm_width_m / 2)
    np.maximum(palm, np.abs(ahead + gripper.palm_depth_m / 2) - gripper.palm_depth_m / 2, out=palm)
    return np.minimum(finger, palm, out=palm)


def _between(x, y, z, width_m: np.ndarray, gripper: Gripper, config: PlannerConfig):
    """What the fingers close on: its two ends along x (G, 2), how well it fills them (G,), whether there is enough."""
    reach = width_m / 2 + config.finger_clearance_m
    inside = (np.abs(x) < reach[:, None]) & (np.abs(y) < gripper.finger_width_m / 2)
    inside &= (z < 0) & (z > -gripper.finger_depth_m)
    grasp, point = np.nonzero(inside)
    count = np.bincount(grasp, minlength=len(x))
    start = np.cumsum(count) - count
    enough = count >= FEWEST
    x, y, z = (values[grasp, point] for values in (x, y, z))
    by_x = x[np.lexsort((x, grasp))]
    skipped = (TRIMMED * count[enough]).astype(int)
    first, last = start[enough] + skipped, (start + count)[enough] - 1 - skipped
    ends, hold = np.zeros((len(width_m), 2), np.float32), np.zeros(len(width_m), np.float32)
    ends[enough] = np.column_stack([by_x[first], by_x[last]])
    if enough.any():
        # reduceat goes on to the next start, so those without enough points are left out of the values first
        kept, at = enough[grasp], np.cumsum(count[enough]) - count[enough]
        spread = [np.maximum.reduceat(v[kept], at) - np.minimum.reduceat(v[kept], at) for v in (y, z)]
        hold[enough] = np.minimum(spread[0] / gripper.finger_width_m, 1) * (spread[1] / gripper.finger_depth_m)
    return ends, hold, enough


class _Shadow:
    """The nearest range seen in every direction from the camera, in steps of a degree."""

    def __init__(self, points_m: np.ndarray, camera: np.ndarray):
        self._camera = camera
        self._forward = points_m.mean(axis=0) - camera
        across = np.cross(self._forward, np.eye(3)[np.argmin(np.abs(self._forward))])
        self._axes = np.column_stack([across, np.cross(self._forward, across), self._forward])
        self._axes = (self._axes / np.maximum(np.linalg.norm(self._axes, axis=0), 1e-9)).astype(np.float32)
        self._side = int(2 * np.pi / SHADOW_RAD) + 2
        self._nearest = np.full((self._side, self._side), np.inf, np.float32)
        row, column, range_m = self._cells(points_m)
        np.minimum.at(self._nearest, (row, column), range_m)

    def hidden(self, points_m: np.ndarray) -> np.ndarray:
        """(N,) bool: behind something that was seen in the same direction."""
        row, column, range_m = self._cells(points_m)
        return range_m > self._nearest[row, column] + BEHIND_M

    def _cells(self, points_m: np.ndarray):
        local = (points_m - self._camera) @ self._axes
        range_m = np.linalg.norm(local, axis=1)
        # azimuth and elevation around the middle of the view, where they don't crowd
        azimuth = np.arctan2(local[:, 0], local[:, 2])
        elevation = np.arcsin(np.clip(local[:, 1] / np.maximum(range_m, 1e-9), -1, 1))
        cells = [np.floor((angle + np.pi) / SHADOW_RAD).astype(np.int32) for angle in (elevation, azimuth)]
        return (*(np.clip(cell, 0, self._side - 1) for cell in cells), range_m)
