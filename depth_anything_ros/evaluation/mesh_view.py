# SPDX-License-Identifier: Apache-2.0
"""Meshes and clouds as pictures from one viewpoint: shaded by a lamp at the camera, no display and no GPU needed."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.pictures import BACKGROUND
from depth_anything_ros.mapping.mesh import Mesh
from depth_anything_ros.mapping.metrics import raycasting_scene
from depth_anything_ros.mapping.voxels import open3d

AMBIENT = 0.35
ERROR_SCALE_M = 0.1  # error of the darkest red


def mesh_picture(
    mesh: Mesh, camera: CameraModel, map_from_camera: RigidTransform, rgb: np.ndarray | None = None
) -> np.ndarray:
    """(H, W, 3) uint8 RGB of the mesh in its colours, or in rgb (V, 3) uint8; both sides of a surface are drawn."""
    picture = np.broadcast_to(BACKGROUND, (camera.height, camera.width, 3)).copy()
    if mesh.empty:
        return picture
    core = open3d().core
    rays = camera.rays() @ map_from_camera.rotation.T.astype(np.float32)
    origins = np.broadcast_to(map_from_camera.translation_m.astype(np.float32), rays.shape)
    cast = raycasting_scene(mesh).cast_rays(core.Tensor(np.concatenate([origins, rays], -1)))
    hit = np.isfinite(cast['t_hit'].numpy())
    triangles = mesh.triangles[cast['primitive_ids'].numpy()[hit].astype(np.int64)]
    second, third = np.moveaxis(cast['primitive_uvs'].numpy()[hit], -1, 0)[..., None]
    shares = (1 - second - third, second, third)
    colours = mesh.rgb if rgb is None else rgb
    colour = sum(share * colours[triangles[:, corner]] for corner, share in enumerate(shares))
    normal = sum(share * mesh.normals[triangles[:, corner]] for corner, share in enumerate(shares))
    toward = rays[hit] / np.linalg.norm(rays[hit], axis=-1, keepdims=True)
    facing = np.abs((normal * toward).sum(-1, keepdims=True)) / np.maximum(
        np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6
    )
    picture[hit] = np.clip(colour * (AMBIENT + (1 - AMBIENT) * facing), 0, 255)
    return picture


def points_picture(
    points_m: np.ndarray, rgb: np.ndarray, camera: CameraModel, map_from_camera: RigidTransform, size_px: int = 3
) -> np.ndarray:
    """(H, W, 3) uint8 RGB of (N, 3) points as squares, the nearest in front."""
    picture = np.broadcast_to(BACKGROUND, (camera.height, camera.width, 3)).copy()
    seen_m = map_from_camera.inverse().apply(points_m)
    pixels, inside = camera.project(seen_m)
    order = np.flatnonzero(inside)[np.argsort(-seen_m[inside, 2])]
    column, row = np.rint(pixels[order]).astype(int).T
    for dv in range(size_px):
        for du in range(size_px):
            y, x = np.minimum(row + dv, camera.height - 1), np.minimum(column + du, camera.width - 1)
            picture[y, x] = rgb[order]
    return picture


def error_colours(points_m: np.ndarray, reference_m: np.ndarray) -> np.ndarray:
    """(N, 3) uint8: distance to the nearest point of the reference; green 0, yellow, red from 10 cm on."""
    from scipy.spatial import cKDTree

    share = np.clip(cKDTree(reference_m).query(points_m, workers=-1)[0] / ERROR_SCALE_M, 0, 1)
    return (255 * np.stack([np.minimum(2 * share, 1), np.minimum(2 - 2 * share, 1), 0 * share], -1)).astype(np.uint8)


def overview(map_from_camera: RigidTransform, back_m: float = 0.6, up_m: float = 0.5) -> RigidTransform:
    """A viewpoint behind and above a camera, in its direction: what the camera did not see shows as missing."""
    step = np.eye(4)
    tilt = np.arctan2(up_m, 3.0)
    step[:3, :3] = cv2.Rodrigues(np.array([-tilt, 0, 0]))[0]
    step[:3, 3] = (0, -up_m, -back_m)
    return RigidTransform(map_from_camera.target, map_from_camera.source, map_from_camera.matrix @ step)
