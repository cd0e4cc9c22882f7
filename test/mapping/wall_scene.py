# SPDX-License-Identifier: Apache-2.0
"""A camera before a wall, whose every depth is known by a formula."""

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.mapping.integration import make_view
from depth_anything_ros.mapping.settings import BoundsConfig, MapConfig, MeshConfig, TsdfConfig

CAMERA = CameraModel(160, 120, 120, 120, 79.5, 59.5, 'camera')
WALL_M = 2.013  # between voxels: exactly on one, marching cubes leave triangles without area


def pose(x_m=0.0, y_m=0.0, z_m=0.0) -> RigidTransform:
    matrix = np.eye(4)
    matrix[:3, 3] = x_m, y_m, z_m
    return RigidTransform('map', 'camera', matrix)


def wall(depth_m: float = WALL_M) -> np.ndarray:
    return np.full((CAMERA.height, CAMERA.width), depth_m, np.float32)


def configured(**parts) -> MapConfig:
    """configured(tsdf={...}, bounds={...}, mesh={...}): 4 cm voxels, where nothing else is said."""
    tsdf = TsdfConfig(**{'voxel_size_m': 0.04, 'device': 'cpu'} | parts.get('tsdf', {}))
    return MapConfig(
        tsdf, BoundsConfig(**parts.get('bounds', {})), MeshConfig(**{'min_weight': 0.5} | parts.get('mesh', {}))
    )


def view(config: MapConfig, depth_m=None, at=None, **more):
    return make_view(wall() if depth_m is None else depth_m, CAMERA, at or pose(), config.tsdf, **more)
