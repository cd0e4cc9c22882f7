# SPDX-License-Identifier: Apache-2.0
"""Pairs of contacts that two fingers could hold an object by: opposite, within reach, inside both friction cones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.settings import PlannerConfig
from depth_anything_ros.grasping.surface import Surface

FAR_M = 0.01  # an opposite contact this much farther than the nearest one is another pair
BESIDE = 1.5  # of the spacing: a point so near to the line is on it


@dataclass(frozen=True, eq=False)
class Pairs:
    """middle_m (P, 3) between the contacts, axis (P, 3) unit from the first to the second, width_m (P,) between them,
    margin (P,): 1 where both normals lie along the axis, 0 at the edge of a friction cone."""

    middle_m: np.ndarray
    axis: np.ndarray
    width_m: np.ndarray
    margin: np.ndarray

    def __len__(self) -> int:
        return len(self.axis)

    def taken(self, which: np.ndarray) -> Pairs:
        return Pairs(self.middle_m[which], self.axis[which], self.width_m[which], self.margin[which])


def find_pairs(
    surface: Surface,
    gripper: Gripper,
    config: PlannerConfig,
    rng: np.random.Generator,
    up: np.ndarray | None,
    spacing_m: float,
) -> Pairs:
    """Antipodal pairs of the surface's touchable points.

    From each sampled contact three lines go in: along its normal, along the normal made level (hands close level more
    often than not, and normals of noisy depth lean), and one at random within the friction cone. On each line the
    nearest opposite contact is taken (a rim, a handle) and the farthest one (the whole object).
    """
    touchable = np.flatnonzero(surface.touchable)
    first = touchable if len(touchable) <= config.samples else rng.choice(touchable, config.samples, replace=False)
    start, direction = _lines(surface, first, config.friction, rng, up)
    cone = np.arctan(config.friction)
    points, normals = surface.points_m[touchable], surface.normals[touchable]
    origin = surface.points_m[start]
    along = direction @ points.T - np.einsum('ij,ij->i', direction, origin)[:, None]
    square = (origin**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)[None] - 2 * origin @ points.T - along**2
    outward = direction @ normals.T
    on = (square < (BESIDE * spacing_m) ** 2) & (outward > np.cos(cone))
    on &= (along > config.min_width_m) & (along < gripper.max_width_m)
    hit = np.flatnonzero(on.any(axis=1))
    nearest = np.where(on[hit], along[hit], np.inf).argmin(axis=1)
    farthest = np.where(on[hit], along[hit], -np.inf).argmax(axis=1)
    other = along[hit, farthest] > along[hit, nearest] + FAR_M
    line = np.concatenate([hit, hit[other]])
    point = np.concatenate([nearest, farthest[other]])
    width, axis = along[line, point], direction[line]
    inward = -np.einsum('ij,ij->i', axis, surface.normals[start[line]])
    angle = np.arccos(np.clip(np.minimum(inward, outward[line, point]), -1.0, 1.0))
    return Pairs(origin[line] + width[:, None] / 2 * axis, axis, width, np.clip(1.0 - angle / cone, 0.0, 1.0))


def _lines(surface: Surface, first: np.ndarray, friction: float, rng, up) -> tuple[np.ndarray, np.ndarray]:
    """Points (L,) that lines start from and the unit directions (L, 3) they go in."""
    inward = -surface.normals[first]
    random = inward + friction * rng.uniform(0, 1, (len(first), 1)) * _sideways(inward, rng)
    starts, directions = [first, first], [inward, random]
    if up is not None:
        level = inward - (inward @ up.astype(np.float32))[:, None] * up.astype(np.float32)
        cosine = np.linalg.norm(level, axis=1)
        within = cosine > np.cos(np.arctan(friction))
        starts.append(first[within])
        directions.append(level[within])
    direction = np.concatenate(directions).astype(np.float32)
    return np.concatenate(starts), direction / np.linalg.norm(direction, axis=1, keepdims=True)


def _sideways(direction: np.ndarray, rng) -> np.ndarray:
    """(L, 3) random unit vectors across (L, 3) unit directions."""
    random = rng.normal(size=direction.shape)
    random -= np.einsum('ij,ij->i', random, direction)[:, None] * direction
    return random / np.maximum(np.linalg.norm(random, axis=1, keepdims=True), 1e-9)
