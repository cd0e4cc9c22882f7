# SPDX-License-Identifier: Apache-2.0
"""The plane that most of a cloud lies on: RANSAC over many hypotheses at once, then least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput

HYPOTHESES = 400
ENOUGH = 4000  # points that vote; more would only cost time
REFITS = 5


@dataclass(frozen=True, eq=False)
class Plane:
    """Points p with normal . p = offset_m. normal: (3,) unit, up: towards the side that objects stand on."""

    normal: np.ndarray
    offset_m: float

    def __post_init__(self):
        normal = np.asarray(self.normal, dtype=np.float64)
        length = np.linalg.norm(normal)
        if normal.shape != (3,) or not np.isfinite(length) or length < 1e-9 or not np.isfinite(self.offset_m):
            raise InvalidInput(f'plane: expected a normal of 3 numbers, not all 0, got {self.normal}, {self.offset_m}')
        normal = normal / length
        normal.flags.writeable = False
        object.__setattr__(self, 'normal', normal)
        object.__setattr__(self, 'offset_m', float(self.offset_m) / length)

    def height_m(self, points_m: np.ndarray) -> np.ndarray:
        """(..., 3) -> (...) signed distance, + above."""
        return points_m @ self.normal.astype(points_m.dtype) - points_m.dtype.type(self.offset_m)

    @property
    def axes(self) -> np.ndarray:
        """(3, 3), columns: two directions in the plane and its normal, right-handed."""
        across = np.zeros(3)
        across[np.argmin(np.abs(self.normal))] = 1.0
        first = np.cross(across, self.normal)
        first /= np.linalg.norm(first)
        return np.column_stack([first, np.cross(self.normal, first), self.normal])


def find_plane(
    points_m: np.ndarray,
    rng: np.random.Generator,
    *,
    tolerance_m: float = 0.01,
    up: np.ndarray | None = None,
    max_tilt_deg: float = 30.0,
    viewpoint_m=(0.0, 0.0, 0.0),
    min_share: float = 0.1,
) -> Plane | None:
    """The plane with the most of the finite (N, 3) points within tolerance_m, or None where fewer than min_share lie
    on one.

    up: only planes whose normal is within max_tilt_deg of it; None: any plane, its normal towards the viewpoint.
    Thin the points first, or what is near the camera outvotes the rest.
    Fischler and Bolles, "Random sample consensus", 1981, all hypotheses scored together.
    """
    if len(points_m) < 3:
        return None
    origin = points_m.mean(axis=0, dtype=np.float64)
    points = points_m.astype(np.float64) - origin
    voters = points if len(points) <= ENOUGH else points[rng.choice(len(points), ENOUGH, replace=False)]
    corners = voters[rng.integers(len(voters), size=(HYPOTHESES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-9
    normals = normals[usable] / lengths[usable, None]
    if up is not None:
        level = np.abs(normals @ _unit(up)) >= np.cos(np.radians(max_tilt_deg))
        usable[usable] = level
        normals = normals[level]
    if not len(normals):
        return None
    offsets = np.einsum('ij,ij->i', normals, corners[usable, 0])
    votes = np.count_nonzero(np.abs(normals @ voters.T - offsets[:, None]) < tolerance_m, axis=1)
    best = int(np.argmax(votes))
    normal, offset = normals[best], offsets[best]
    for _ in range(REFITS):
        on = np.abs(points @ normal - offset) < tolerance_m
        if np.count_nonzero(on) < 3:
            return None
        centre = points[on].mean(axis=0)
        refit = np.linalg.eigh((points[on] - centre).T @ (points[on] - centre))[1][:, 0]
        normal, offset = refit, refit @ centre
    if np.count_nonzero(np.abs(points @ normal - offset) < tolerance_m) < max(3, min_share * len(points)):
        return None
    side = normal @ (_unit(up) if up is not None else np.asarray(viewpoint_m, dtype=np.float64) - origin)
    if up is None:
        side -= offset
    elif abs(side) < np.cos(np.radians(max_tilt_deg)):
        return None
    if side < 0:
        normal, offset = -normal, -offset
    return Plane(normal, offset + normal @ origin)


def _unit(direction) -> np.ndarray:
    direction = np.asarray(direction, dtype=np.float64)
    length = np.linalg.norm(direction)
    if direction.shape != (3,) or not np.isfinite(length) or length < 1e-9:
        raise InvalidInput(f'up: expected a direction of 3 numbers, not all 0, got {direction.tolist()}')
    return direction / length
