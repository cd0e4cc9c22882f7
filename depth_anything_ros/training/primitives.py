# SPDX-License-Identifier: Apache-2.0
"""Solids of procedural scenes and the rays that hit them, vectorised; exact depth.

A solid stands in its own frame: `rotation` (3, 3) world_from_solid and `centre_m` (3,) in the world (z up).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

BOX, ROOM, CYLINDER, ELLIPSOID, CARD = 'box', 'room', 'cylinder', 'ellipsoid', 'card'


@dataclass(frozen=True, eq=False)
class Solid:
    """shape: box; room (a box from inside); cylinder (along local z); ellipsoid; card (a flat cut-out in local xz).

    half_m (3,): half extents along the local axes. texture: index into the bank; metres_per_tile; tint (3,) factor.
    cutout: index of the texture whose brightness cuts a card's outline, or None for a full rectangle.
    """

    shape: str
    centre_m: np.ndarray
    half_m: np.ndarray
    texture: int
    metres_per_tile: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    cutout: int | None = None

    def corners_m(self) -> np.ndarray:
        """(8, 3) corners of the bounding box in the world."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
        return (signs * self.half_m) @ self.rotation.T + self.centre_m

    def local(self, origin_m: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """World rays (..., 3) in this solid's frame."""
        return (origin_m - self.centre_m) @ self.rotation, directions @ self.rotation

    def hit(self, origin: np.ndarray, directions: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Local rays (..., 3) -> parameter t of the first hit in front, inf where none. masks: (K, S, S) of cutouts."""
        with np.errstate(divide='ignore', invalid='ignore'):
            if self.shape in (BOX, ROOM):
                return _hit_box(origin, directions, self.half_m, inside=self.shape == ROOM)
            if self.shape == CYLINDER:
                return _hit_cylinder(origin, directions, self.half_m)
            if self.shape == ELLIPSOID:
                return _hit_ellipsoid(origin, directions, self.half_m)
            return _hit_card(origin, directions, self.half_m, None if self.cutout is None else masks[self.cutout])

    def surface(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Local points on the surface (N, 3) -> texture coordinates (N, 2) in metres and outward normals (N, 3)."""
        scaled = points / self.half_m
        if self.shape in (BOX, ROOM):
            axis = np.abs(scaled).argmax(axis=1)
            sign = np.sign(np.take_along_axis(scaled, axis[:, None], 1))[:, 0]
            normals = np.zeros_like(points)
            np.put_along_axis(normals, axis[:, None], (-sign if self.shape == ROOM else sign)[:, None], 1)
            u = np.where(axis == 0, points[:, 1], points[:, 0])
            v = np.where(axis == 2, points[:, 1], points[:, 2])
            return np.stack([u + 7.3 * axis, v + 3.1 * axis * sign], 1), normals
        if self.shape == CYLINDER:
            cap = np.abs(scaled[:, 2]) > 0.9999
            angle = np.arctan2(points[:, 1], points[:, 0])
            side = np.stack([angle * self.half_m[0], points[:, 2]], 1)
            normals = np.where(cap[:, None], [0.0, 0.0, 1.0] * np.sign(points[:, 2:]), points * [1.0, 1.0, 0.0])
            return np.where(cap[:, None], points[:, :2], side), _unit(normals)
        if self.shape == ELLIPSOID:
            angle = np.arctan2(points[:, 1], points[:, 0])
            return np.stack([angle * self.half_m[0], points[:, 2]], 1), _unit(scaled / self.half_m)
        return points[:, [0, 2]], np.broadcast_to(np.array([0.0, 1.0, 0.0]), points.shape)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _hit_box(origin, directions, half, *, inside: bool) -> np.ndarray:
    inverse = 1.0 / np.where(np.abs(directions) < 1e-9, 1e-9, directions)
    first, second = (-half - origin) * inverse, (half - origin) * inverse
    enter = np.minimum(first, second).max(axis=-1)
    leave = np.maximum(first, second).min(axis=-1)
    if inside:
        return np.where(leave > 1e-4, leave, np.inf)
    return np.where((enter < leave) & (enter > 1e-4), enter, np.inf)


def _hit_ellipsoid(origin, directions, half) -> np.ndarray:
    o, d = origin / half, directions / half
    return _near_root((d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 1)


def _hit_cylinder(origin, directions, half) -> np.ndarray:
    o, d = origin / half, directions / half
    side = _near_root((d[..., :2] ** 2).sum(-1), (o[..., :2] * d[..., :2]).sum(-1), (o[..., :2] ** 2).sum(-1) - 1)
    side = np.where(np.abs(o[..., 2] + side * d[..., 2]) <= 1, side, np.inf)
    cap = (-np.sign(d[..., 2]) - o[..., 2]) / d[..., 2]
    within = (o[..., 0] + cap * d[..., 0]) ** 2 + (o[..., 1] + cap * d[..., 1]) ** 2 <= 1
    return np.minimum(side, np.where(within & (cap > 1e-4), cap, np.inf))


def _hit_card(origin, directions, half, mask: np.ndarray | None) -> np.ndarray:
    t = -origin[..., 1] / directions[..., 1]
    u = (origin[..., 0] + t * directions[..., 0]) / half[0]
    v = (origin[..., 2] + t * directions[..., 2]) / half[2]
    on = (t > 1e-4) & (np.abs(u) <= 1) & (np.abs(v) <= 1)
    if mask is not None:
        size = mask.shape[0]
        column = np.clip(np.nan_to_num((u + 1) * 0.5 * size), 0, size - 1).astype(np.int32)
        row = np.clip(np.nan_to_num((v + 1) * 0.5 * size), 0, size - 1).astype(np.int32)
        on &= mask[row, column]
    return np.where(on, t, np.inf)


def _near_root(a, b, c) -> np.ndarray:
    """First root above 0 of a t^2 + 2 b t + c = 0 for a ray that starts outside."""
    discriminant = b * b - a * c
    t = (-b - np.sqrt(np.maximum(discriminant, 0))) / a
    return np.where((discriminant > 0) & (t > 1e-4), t, np.inf)
