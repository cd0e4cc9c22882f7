# SPDX-License-Identifier: Apache-2.0
"""Antipodal grasps of a parallel-jaw gripper on one object's cloud: sample, check, rank.

A grasp holds where the line between its two contacts lies within both friction cones (Nguyen, "Constructing
force-closure grasps", 1988). Contacts are sampled on the surface, the opposite one is looked for along the inward
normal, the gripper is turned around the closing axis, and what would run into the cloud or the support is left out
(as ten Pas et al., "Grasp pose detection in point clouds", 2017, do before they rank by a network).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.grasping.collision import Obstacles
from depth_anything_ros.grasping.contacts import Pairs, find_pairs
from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.plane import Plane, find_plane
from depth_anything_ros.grasping.settings import PlannerConfig
from depth_anything_ros.grasping.surface import MAX_POINTS, Surface, completed, seen_surface, without_strays
from depth_anything_ros.grasping.voxels import thinned

TURNS_DEG = (0.0, -20.0, 20.0, -40.0, 40.0, -60.0, 60.0, -80.0, 80.0)  # of the approach around the closing axis
INSERTIONS = (0.25, 0.6)  # how far the tips go beyond the contact, of the fingers' depth
MAX_PAIRS = 200  # turned and inserted in each way, and looked at for collisions if need be
CHUNK = 96  # grasps checked for collisions at once: what they need stays in the processor's cache
TWIN_DEG = 20.0


@dataclass(frozen=True, eq=False)
class Grasp:
    """frame_from_gripper: (4, 4) float64 in the frame of the points; z approach, x closing direction, origin between
    the fingertips. width_m: opening to arrive with, wider than the object. score: 0 to 1. contacts_m: (2, 3) where the
    fingers will touch."""

    frame_from_gripper: np.ndarray
    width_m: float
    score: float
    contacts_m: np.ndarray


def plan_grasps(
    object_m: np.ndarray,
    scene_m: np.ndarray,
    gripper: Gripper,
    config: PlannerConfig,
    rng: np.random.Generator,
    camera_position=(0.0, 0.0, 0.0),
    support: Plane | None = None,
) -> list[Grasp]:
    """Grasps of the object (N, 3) among the scene (M, 3), best first; points that aren't finite are left out.

    All in one frame and metres. scene_m: everything the camera saw, with or without the object and the table. support:
    what the object stands on; None: looked for in the scene around the object. The same rng state gives the same
    grasps. An object too small, too large or out of reach has none. Raises InvalidInput on arrays of another shape.
    """
    object_m, scene_m = _finite(object_m, 'object_m'), _finite(scene_m, 'scene_m')
    camera = np.asarray(camera_position, dtype=np.float32)
    if camera.shape != (3,) or not np.isfinite(camera).all():
        raise InvalidInput(f'camera_position: expected 3 numbers, got {camera_position}')
    object_m, spacing_m = _thin(object_m, config.resolution_m)
    if len(object_m) < 3:
        return []
    scene_m = _around(scene_m, object_m, 2 * gripper.reach_m)
    if support is None:
        support = _plane_beneath(scene_m, object_m, camera, rng)
    seen = seen_surface(object_m, camera)
    surface = seen if support is None else completed(seen, support, camera, spacing_m)
    pairs = find_pairs(surface, gripper, config, rng, None if support is None else support.normal, spacing_m)
    if not len(pairs):
        return []
    if len(pairs) > MAX_PAIRS:
        pairs = pairs.taken(rng.choice(len(pairs), MAX_PAIRS, replace=False))
    down = _down(support, surface, camera)
    poses, pair = _poses(pairs, gripper, config, down)
    obstacles = Obstacles(surface, _reachable(scene_m, support, config, gripper), camera, support)
    centre_m = (surface.points_m.min(axis=0) + surface.points_m.max(axis=0)) / 2
    return _best(poses, pairs.taken(pair), obstacles, gripper, config, centre_m, down)


def _best(
    poses: np.ndarray,
    pairs: Pairs,
    obstacles: Obstacles,
    gripper: Gripper,
    config: PlannerConfig,
    centre_m: np.ndarray,
    down: np.ndarray,
) -> list[Grasp]:
    """Looks at the most promising first, since collisions are what takes time, and stops when it has enough."""
    surface, weights = obstacles.surface, config.score
    size_m = max(float(np.linalg.norm(np.ptp(surface.points_m, axis=0))) / 2, 1e-6)
    approach = np.clip(poses[:, :3, 2] @ down, 0.0, 1.0)
    centring = _centring(poses, centre_m, size_m)
    known = weights.friction * pairs.margin + weights.centring * centring + weights.approach * approach
    order = np.argsort(-known, kind='stable')
    kept: list[Grasp] = []
    for start in range(0, len(order), CHUNK):
        chosen = order[start : start + CHUNK]
        fit = obstacles.fit(poses[chosen], pairs.width_m[chosen], gripper, config)
        free, chosen = fit.free, chosen[fit.free]
        moved, contacts = fit.poses[free], fit.contacts_m[free]
        value = weights.friction * pairs.margin[chosen] + weights.approach * approach[chosen]
        value += weights.centring * _centring(moved, centre_m, size_m)
        value += weights.hold * fit.hold[free] + weights.clearance * fit.clearance[free]
        value += weights.seen * obstacles.seen_share(moved, fit.opening_m[free], gripper)
        value /= weights.total
        found = [
            Grasp(pose.astype(np.float64), float(opening), float(score), pads.astype(np.float64))
            for pose, opening, score, pads in zip(moved, fit.opening_m[free], value, contacts, strict=True)
        ]
        kept = _without_twins(sorted(kept + found, key=lambda grasp: -grasp.score), config)
        if len(kept) == config.max_grasps:
            break
    return kept


def _centring(poses: np.ndarray, centre_m: np.ndarray, size_m: float) -> np.ndarray:
    """1 where the gripper's axis passes through the object's centre, 0 where it passes half a diagonal off."""
    offset = centre_m - poses[:, :3, 3]
    along = np.einsum('gi,gi->g', offset, poses[:, :3, 2])
    across = np.linalg.norm(offset - along[:, None] * poses[:, :3, 2], axis=1)
    return np.clip(1.0 - across / size_m, 0.0, 1.0)


def _poses(pairs: Pairs, gripper: Gripper, config: PlannerConfig, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gripper poses (G, 4, 4) float32 around every pair, and the pair (G,) of each."""
    axis = pairs.axis
    ahead = down - (axis @ down)[:, None] * axis
    length = np.linalg.norm(ahead, axis=1)
    steep = length < 1e-3  # closing along down: any approach across it
    other = np.cross(axis, np.eye(3, dtype=np.float32)[np.argmin(np.abs(axis), axis=1)])
    ahead[steep], length[steep] = other[steep], np.linalg.norm(other[steep], axis=1)
    ahead /= length[:, None]
    side = np.cross(ahead, axis)
    turn = np.radians(np.asarray(TURNS_DEG, np.float32))
    z = np.cos(turn)[None, :, None] * ahead[:, None] + np.sin(turn)[None, :, None] * side[:, None]
    z = np.repeat(z[:, :, None], len(INSERTIONS), axis=2)
    depth = np.asarray(INSERTIONS, np.float32) * np.float32(gripper.finger_depth_m)
    origin = pairs.middle_m[:, None, None] + depth[None, None, :, None] * z
    poses = np.zeros((*z.shape[:3], 4, 4), np.float32)
    x = np.broadcast_to(axis[:, None, None], z.shape)
    poses[..., :3, 0], poses[..., :3, 1], poses[..., :3, 2] = x, np.cross(z, x), z
    poses[..., :3, 3], poses[..., 3, 3] = origin, 1.0
    pair = np.broadcast_to(np.arange(len(axis))[:, None, None], z.shape[:3]).reshape(-1)
    poses = poses.reshape(-1, 4, 4)
    kept = poses[:, :3, 2] @ down >= np.cos(np.radians(config.max_tilt_deg)) - 1e-6
    return poses[kept], pair[kept]


def _without_twins(grasps: list[Grasp], config: PlannerConfig) -> list[Grasp]:
    kept: list[Grasp] = []
    for grasp in grasps:
        here = grasp.frame_from_gripper
        for other in kept:
            there = other.frame_from_gripper
            near = np.linalg.norm(here[:3, 3] - there[:3, 3]) < config.apart_m
            # the fingers are alike: half a turn around the approach changes nothing
            turned = min(here[:3, 2] @ there[:3, 2], abs(here[:3, 0] @ there[:3, 0]))
            if near and turned > np.cos(np.radians(TWIN_DEG)):
                break
        else:
            kept.append(grasp)
            if len(kept) == config.max_grasps:
                break
    return kept


def _down(support: Plane | None, surface: Surface, camera: np.ndarray) -> np.ndarray:
    """(3,) the approach that is liked best: onto the plane, or as the camera looks."""
    if support is not None:
        return -support.normal.astype(np.float32)
    view = surface.points_m.mean(axis=0) - camera
    return view / max(float(np.linalg.norm(view)), 1e-9)


def _plane_beneath(scene_m: np.ndarray, object_m: np.ndarray, camera: np.ndarray, rng) -> Plane | None:
    """The plane of the object's surroundings, if the object stands on the camera's side of it."""
    points = scene_m[thinned(scene_m, 0.01)]
    plane = find_plane(points, rng, viewpoint_m=camera, min_share=0.25)
    if plane is None or np.percentile(plane.height_m(object_m), 10) < -0.01:
        return None
    return plane


def _reachable(scene_m: np.ndarray, support: Plane | None, config: PlannerConfig, gripper: Gripper) -> np.ndarray:
    """What of the scene is looked at one by one: not the support, which is minded as a plane."""
    if support is not None:
        height = support.height_m(scene_m)
        scene_m = scene_m[height > max(0.01, config.support_clearance_m)]
    return scene_m[thinned(scene_m, max(config.resolution_m, 0.006))]


def _around(points_m: np.ndarray, object_m: np.ndarray, margin_m: float) -> np.ndarray:
    low, high = object_m.min(axis=0) - margin_m, object_m.max(axis=0) + margin_m
    return points_m[((points_m >= low) & (points_m <= high)).all(axis=1)]


def _thin(points_m: np.ndarray, spacing_m: float) -> tuple[np.ndarray, float]:
    """Not more points than can be searched, without strays; and how far apart they are now."""
    thin = points_m[thinned(points_m, spacing_m)]
    while len(thin) > MAX_POINTS:
        spacing_m *= 1.25
        thin = points_m[thinned(points_m, spacing_m)]
    return thin[without_strays(thin, spacing_m)], spacing_m


def _finite(points_m: np.ndarray, name: str) -> np.ndarray:
    points_m = np.asarray(points_m, dtype=np.float32)
    if points_m.ndim != 2 or points_m.shape[1] != 3:
        raise InvalidInput(f'{name}: expected (N, 3) points, got {points_m.shape}')
    return points_m[np.isfinite(points_m).all(axis=1)]
