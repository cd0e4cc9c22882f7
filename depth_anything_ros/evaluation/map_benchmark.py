# SPDX-License-Identifier: Apache-2.0
"""What a map costs on this machine: a frame, a mesh, and the memory of a long drive down a corridor without end.

The corridor is a formula, so that nothing is read or rendered while the clock runs.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.mapping.integration import make_view
from depth_anything_ros.mapping.scene_map import SceneMap
from depth_anything_ros.mapping.settings import BoundsConfig, MapConfig, TsdfConfig

HALF_WIDTH_M, BELOW_M, ABOVE_M = 1.8, 0.8, 1.6
NICHE_M, NICHE_EVERY_M = 0.4, 2.0  # the walls step back now and then, as doors and shelves do
SEEN_M = 10.0
CAMERA = CameraModel(640, 480, 457.0, 457.0, 319.5, 239.5, 'camera')
STEP_M = 0.1


@dataclass(frozen=True)
class Drive:
    """stages_ms: stage -> milliseconds of every frame; memory_mb: of the voxels after every frame.

    resident_mb: of the whole process half-way and at the end; mesh_s and triangles: of the map in memory at the end.
    """

    stages_ms: dict[str, list[float]]
    memory_mb: list[float]
    resident_mb: tuple[float, float]
    mesh_s: float
    triangles: int
    status: dict[str, float]


def corridor_depth(x_m: float) -> np.ndarray:
    """(H, W) float32 z-depth of a camera at x_m along the corridor, looking along it; NaN beyond SEEN_M."""
    rays = CAMERA.rays()
    with np.errstate(divide='ignore'):
        floor_m = np.where(rays[..., 1] > 0, BELOW_M, -ABOVE_M) / rays[..., 1]
        wall_m = HALF_WIDTH_M / np.abs(rays[..., 0])
    in_niche = np.floor((x_m + wall_m) / NICHE_EVERY_M) % 2 == 1
    wall_m = np.where(in_niche, wall_m * (1 + NICHE_M / HALF_WIDTH_M), wall_m)
    depth_m = np.minimum(floor_m, wall_m).astype(np.float32)
    return np.where(depth_m <= SEEN_M, depth_m, np.float32(np.nan))


def map_from_camera(x_m: float) -> RigidTransform:
    """The camera's z is the map's x, its y points down."""
    matrix = np.array([[0, 0, 1, x_m], [-1, 0, 0, 0.0], [0, -1, 0, 1.0], [0, 0, 0, 1]])
    return RigidTransform('map', CAMERA.frame_id, matrix)


def drive(frames: int, voxel_size_m: float, max_memory_mb: int, on_frame: Callable[[], None] = lambda: None) -> Drive:
    """Down the corridor, STEP_M a frame, with colour and sigma, and a mesh of what changed every tenth frame."""
    config = MapConfig(TsdfConfig(voxel_size_m=voxel_size_m), BoundsConfig(max_memory_mb=max_memory_mb))
    scene = SceneMap(config, 'map')
    image_rgb = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width, 3), np.uint8)
    stages: dict[str, list[float]] = {'gate and weigh': [], 'integrate': [], 'mesh of what changed': []}
    memory_mb, half_mb = [], 0.0
    for number in range(frames):
        x_m = number * STEP_M
        depth_m = corridor_depth(x_m)
        sigma_m = 0.005 * depth_m**2
        started = time.perf_counter()
        view = make_view(depth_m, CAMERA, map_from_camera(x_m), config.tsdf, sigma_m, image_rgb)
        gated = time.perf_counter()
        scene.integrate(view)
        integrated = time.perf_counter()
        if number >= min(5, frames - 1):  # the first frames grow the map and warm caches
            stages['gate and weigh'].append((gated - started) * 1e3)
            stages['integrate'].append((integrated - gated) * 1e3)
        if number % 10 == 9:
            started = time.perf_counter()
            for tile in scene.take_changed():
                scene.mesh_of(tile)
            stages['mesh of what changed'].append((time.perf_counter() - started) * 1e3)
        memory_mb.append(scene.status()['memory_mb'])
        if number == frames // 2:
            half_mb = resident_mb()
        on_frame()
    started = time.perf_counter()
    mesh = scene.mesh()
    mesh_s = time.perf_counter() - started
    status = scene.status()
    scene.close()
    stages = {stage: values for stage, values in stages.items() if values}
    return Drive(stages, memory_mb, (half_mb, resident_mb()), mesh_s, len(mesh.triangles), status)


def resident_mb() -> float:
    """What this process holds in memory now; its highest so far where the system does not tell."""
    try:
        with open('/proc/self/statm') as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
