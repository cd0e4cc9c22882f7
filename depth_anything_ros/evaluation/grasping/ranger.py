# SPDX-License-Identifier: Apache-2.0
"""A 16-line ranger beside the camera, cast at the true surfaces; glass and metal fool it as they fool real ones.

Glass sends a pulse back only where it is hit squarely; otherwise the pulse goes through, and what comes back is of the
surface behind, later by the glass's optical path, or nothing. Polished metal mirrors: hit squarely, or by what
little it scatters, it ranges right; otherwise the pulse comes back from what is mirrored, so that the return lies as
far behind the metal as that lies before it, or is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.frames import PointSet, Sweep
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.grasping.appearance import GLASS_INDEX, SOLID_M, WALL_M
from depth_anything_ros.evaluation.grasping.cells import DIFFUSE, SPECULAR, TRANSPARENT
from depth_anything_ros.evaluation.grasping.world import World
from depth_anything_ros.training.scenes.lidar import SpinningLidar, simulate_sweep

# lines 2 degrees apart, as of 16-line LiDARs; noise as of short-range ones, 3 mm, for 2 cm would leave no object
LIDAR = SpinningLidar(half_view_deg=32.0, azimuth_step_deg=0.4, sigma_m=0.003, dropout=0.02, min_range_m=0.1)
ABOVE_CAMERA_M = 0.05
CAMERA_FROM_LIDAR = RigidTransform(
    'camera',
    'lidar',
    np.array([[0, -1, 0, 0], [0, 0, -1, -ABOVE_CAMERA_M], [1, 0, 0, 0], [0, 0, 0, 1.0]]),
)


@dataclass(frozen=True)
class Response:
    """Of pulses on a surface: `scattered` come back anyhow, those within about `squarely_deg` of the normal mostly;
    of the rest the share `beyond` comes from behind (glass) or from what is mirrored (metal), and none of the others.
    """

    scattered: float
    squarely_deg: float
    beyond: float

    def direct(self, angle_deg: np.ndarray) -> np.ndarray:
        """Chance of a return of the surface itself, by the angle of incidence."""
        return self.scattered + (1 - self.scattered) * np.exp(-((angle_deg / self.squarely_deg) ** 2))


RESPONSES = {TRANSPARENT: Response(0.1, 8.0, 0.5), SPECULAR: Response(0.2, 10.0, 0.4)}


def sweep_of(world: World, rng: np.random.Generator, blind: bool = False) -> Sweep:
    """One sweep; sigma_m is the sensor's own noise, as a driver would tell it. blind: as in `pulses`."""
    world_from_lidar = world.scene.world_from_camera @ CAMERA_FROM_LIDAR

    def cast(origins: np.ndarray, directions: np.ndarray):
        range_m = pulses(world, origins[0], directions, rng, blind)
        return range_m, np.zeros(len(range_m)), np.zeros(len(range_m))

    points = simulate_sweep(
        LIDAR, cast, lambda times_s: np.repeat(world_from_lidar.matrix[None], len(times_s), axis=0), 0.0, rng
    )
    xyz_m = np.column_stack([points[axis] for axis in 'xyz'])
    sigma_m = np.full(len(xyz_m), LIDAR.sigma_m, np.float32)
    return Sweep(PointSet(xyz_m, 'lidar', 0, sigma_m=sigma_m, ring=points['ring']), CAMERA_FROM_LIDAR)


def pulses(
    world: World, origin_m: np.ndarray, directions: np.ndarray, rng: np.random.Generator, blind: bool = False
) -> np.ndarray:
    """(N,) ranges of pulses from origin_m (3,) along unit directions (N, 3); inf where none comes back.

    blind: pulses that glass and metal lead astray are lost, all of them, instead of coming back from elsewhere.
    """
    hits = world.cast(origin_m, directions)
    material = world.scene.cell.material
    if material == DIFFUSE:
        return hits.range_m
    range_m = hits.range_m.copy()
    pulse = np.flatnonzero(hits.on_target)
    view, normal = directions[pulse], hits.normal[pulse]
    facing = np.clip(-np.einsum('ij,ij->i', view, normal), 0, 1)
    response = RESPONSES[material]
    fooled = rng.random(len(pulse)) > response.direct(np.degrees(np.arccos(facing)))
    comes = (rng.random(len(pulse)) < response.beyond) & (not blind)
    range_m[pulse[fooled & ~comes]] = np.inf
    fooled &= comes
    pulse, view, normal, facing = pulse[fooled], view[fooled], normal[fooled], facing[fooled]
    if material == TRANSPARENT:
        way_m = WALL_M if world.scene.shape.hollow else SOLID_M
        behind = world.cast(origin_m, view, without_target=True).range_m
        range_m[pulse] = behind + (GLASS_INDEX - 1) * way_m
    else:
        mirrored = view + 2 * facing[:, None] * normal
        points_m = origin_m + view * hits.range_m[pulse, None]
        for index, point_m, direction in zip(pulse, points_m, mirrored, strict=True):
            range_m[index] += world.cast(point_m, direction[None], without_target=True).range_m[0]
    return range_m
