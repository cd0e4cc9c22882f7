# SPDX-License-Identifier: Apache-2.0
"""A table with solids on it, as one camera sees it: exact, because every solid is a signed distance.

World: z up, the table at z = 0. All clouds are in the world's frame unless said otherwise.
"""

import numpy as np


def box(centre_m, size_m, yaw=0.0):
    """Upright box; centre_m (x, y) of its base."""
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    middle, half = np.array([*centre_m, size_m[2] / 2]), np.asarray(size_m) / 2

    def distance(points):
        local = points - middle
        local = np.concatenate([local[..., :2] @ turn, local[..., 2:]], axis=-1)
        outside = np.abs(local) - half
        return np.linalg.norm(np.maximum(outside, 0), axis=-1) + np.minimum(outside.max(axis=-1), 0)

    return distance


def can(centre_m, radius_m, height_m):
    def distance(points):
        aside = np.linalg.norm(points[..., :2] - centre_m, axis=-1) - radius_m
        outside = np.stack([aside, np.abs(points[..., 2] - height_m / 2) - height_m / 2], axis=-1)
        return np.linalg.norm(np.maximum(outside, 0), axis=-1) + np.minimum(outside.max(axis=-1), 0)

    return distance


def cup(centre_m, radius_m, height_m, wall_m=0.004):
    outer, inner = can(centre_m, radius_m, height_m), can(centre_m, radius_m - wall_m, 3 * height_m)
    floor = np.array([0, 0, wall_m])
    return lambda points: np.maximum(outer(points), -inner(points - floor))


def ball(centre_m, radius_m):
    middle = np.array([*centre_m, radius_m])
    return lambda points: np.linalg.norm(points - middle, axis=-1) - radius_m


def table(points):
    return points[..., 2]


def world_from_camera(position_m, target_m) -> np.ndarray:
    """(4, 4): an optical frame (z forward, y down) at a place, looking at another."""
    forward = np.asarray(target_m, float) - position_m
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = position_m
    return pose


class View:
    """What a pinhole camera sees of solids on the table: xyz_m (H, W, 3) in the world, which (H, W): -1 the table,
    else the number of the solid; -2 nothing (beyond table_m from the middle of the table)."""

    def __init__(self, solids, position_m=(-0.6, 0.0, 0.5), target_m=(0, 0, 0.03), shape=(240, 320), focal=300.0,
                 table_m=0.45, noise_m=0.0, seed=0):  # fmt: skip
        self.position_m = np.asarray(position_m, float)
        self.pose = world_from_camera(self.position_m, target_m)
        self.shape, self.focal = shape, focal
        rows, columns = np.indices(shape)
        rays = np.stack(
            [(columns - shape[1] / 2 + 0.5) / focal, (rows - shape[0] / 2 + 0.5) / focal, np.ones(shape)], axis=-1
        )
        directions = rays @ self.pose[:3, :3].T
        scale = np.linalg.norm(directions, axis=-1)
        surfaces = [*solids, table]
        depth, rays_left = np.full(rows.size, 0.05), np.arange(rows.size)
        flat, per_metre = directions.reshape(-1, 3), 1 / scale.ravel()
        for _ in range(80):  # sphere tracing: as far as nothing can be in the way
            points = self.position_m + depth[rays_left, None] * flat[rays_left]
            free_m = np.min([surface(points) for surface in surfaces], axis=0)
            depth[rays_left] += free_m * per_metre[rays_left]
            rays_left = rays_left[(free_m > 1e-5) & (depth[rays_left] < 20)]
        depth = depth.reshape(shape)
        points = self.position_m + depth[..., None] * directions
        distances = np.array([surface(points) for surface in surfaces])
        self.which = distances.argmin(axis=0)
        self.which[self.which == len(solids)] = -1
        nothing = (distances.min(axis=0) > 1e-3) | (np.abs(points[..., :2]).max(axis=-1) > table_m)
        self.which[nothing] = -2
        depth = depth + np.random.default_rng(seed).normal(0, 1, shape) * noise_m
        self.depth_m = np.where(nothing, np.nan, depth).astype(np.float32)
        self.xyz_m = (self.position_m + self.depth_m[..., None] * directions).astype(np.float32)
        self.camera_xyz_m = (rays * self.depth_m[..., None]).astype(np.float32)

    def cloud(self, which=None) -> np.ndarray:
        """(N, 3): all that is seen, or one solid's part."""
        return self.xyz_m[self.which == which] if which is not None else self.xyz_m.reshape(-1, 3)


def normal_of(solid, points, step=1e-4):
    gradient = np.stack([solid(points + step * axis) - solid(points - step * axis) for axis in np.eye(3)], axis=-1)
    return gradient / np.linalg.norm(gradient, axis=-1, keepdims=True)


def why_not(grasp, gripper, solid, others=(), friction=0.5, tolerance_m=0.003) -> str:
    """'' where the real solid would be held: nothing in the way, both fingers meet it, within their friction cones."""
    pose = grasp.frame_from_gripper
    in_world = lambda local: local @ pose[:3, :3].T + pose[:3, 3]
    centre, half = gripper.boxes(np.array([grasp.width_m]))
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 3, indexing='ij'), axis=-1).reshape(-1, 3)
    for name, middle, size in zip(('left finger', 'right finger', 'palm'), centre[:, 0], half, strict=True):
        samples = in_world(middle + steps * size)
        for what, surface in (('the object', solid), ('the table', table), *(('another', other) for other in others)):
            if surface(samples).min() < -tolerance_m:
                return f'{name} in {what} by {-1e3 * surface(samples).min():.1f} mm'
    y = np.linspace(-0.5, 0.5, 9) * gripper.finger_width_m
    z = -np.linspace(0.0, 1.0, 19) * gripper.finger_depth_m
    y, z = (grid.ravel() for grid in np.meshgrid(y, z))
    for side in (1, -1):
        x = np.full(len(y), side * grasp.width_m / 2)
        for _ in range(200):
            x -= side * np.maximum(solid(in_world(np.column_stack([x, y, z]))), 1e-5)
        reached = solid(in_world(np.column_stack([x, y, z]))) < 1e-3
        reached &= side * x > -grasp.width_m / 2
        if not reached.any():
            return 'a finger meets nothing'
        first = np.flatnonzero(reached)[np.argmax(side * x[reached])]
        touch = reached & (side * (x[first] - x) < 0.001)
        normal = normal_of(solid, in_world(np.column_stack([x, y, z])[touch])).mean(axis=0)
        cosine = side * normal @ pose[:3, 0] / np.linalg.norm(normal)
        if cosine < np.cos(np.arctan(friction)):
            return f'contact slips: {np.degrees(np.arccos(cosine)):.0f} degrees from the normal'
    return ''
