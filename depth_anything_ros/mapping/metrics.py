# SPDX-License-Identifier: Apache-2.0
"""How well a reconstruction fits a reference: Acc, Comp, Prec, Recall, F-score.

The definitions of Table 7 of Lin et al., Prompting Depth Anything for 4K Resolution Accurate Metric Depth Estimation,
CVPR 2025, which are those of Murez et al., Atlas, ECCV 2020: P are points of the reconstruction, Q of the reference,

    Acc = mean over p of min |p - q|      Prec = share of p with min |p - q| < t
    Comp = mean over q of min |q - p|     Recall = share of q with min |q - p| < t
    F-score = 2 Prec Recall / (Prec + Recall), t = 0.05 m

Both sides are points at even spacing, so that neither the density of a mesh nor of a sensor weighs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput, MissingExtra
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.mapping.mesh import Mesh, sample_points
from depth_anything_ros.mapping.voxels import open3d

THRESHOLD_M = 0.05
SPACING_M = 0.01
SAMPLES_PER_CELL = 3  # random points per cell of the spacing, before they are thinned to one


@dataclass(frozen=True)
class ReconstructionScore:
    """acc_m, comp_m: mean distances, smaller is better; precision, recall, f_score in [0, 1] at threshold_m."""

    acc_m: float
    comp_m: float
    precision: float
    recall: float
    f_score: float
    threshold_m: float = THRESHOLD_M


def score_points(
    points_m: np.ndarray, reference_m: np.ndarray, threshold_m: float = THRESHOLD_M, spacing_m: float = SPACING_M
) -> ReconstructionScore:
    """Both (N, 3), in one frame; thinned here to one point per cell of `spacing_m`.

    A reconstruction without points has no Acc and Comp (NaN) and scores 0. Raises InvalidInput without a reference.
    """
    try:
        from scipy.spatial import cKDTree
    except ImportError as error:
        raise MissingExtra('scipy', 'mapping', 'scoring a reconstruction') from error
    if not threshold_m > 0:
        raise InvalidInput(f'threshold_m: expected more than 0, got {threshold_m}')
    if not len(reference_m):
        raise InvalidInput('the reference holds no points')
    if not len(points_m):
        return ReconstructionScore(float('nan'), float('nan'), 0.0, 0.0, 0.0, threshold_m)
    points_m, reference_m = evenly_spaced(points_m, spacing_m), evenly_spaced(reference_m, spacing_m)
    to_reference_m = cKDTree(reference_m).query(points_m, workers=-1)[0]
    to_points_m = cKDTree(points_m).query(reference_m, workers=-1)[0]
    precision, recall = float((to_reference_m < threshold_m).mean()), float((to_points_m < threshold_m).mean())
    f_score = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return ReconstructionScore(
        float(to_reference_m.mean()), float(to_points_m.mean()), precision, recall, f_score, threshold_m
    )


def score_mesh(
    mesh: Mesh, reference_m: np.ndarray, threshold_m: float = THRESHOLD_M, spacing_m: float = SPACING_M
) -> ReconstructionScore:
    """The same, with points spread over the triangles."""
    points_m = sample_points(mesh, SAMPLES_PER_CELL / spacing_m**2)
    return score_points(points_m, reference_m, threshold_m, spacing_m)


def evenly_spaced(points_m: np.ndarray, spacing_m: float) -> np.ndarray:
    """The first point of every cell of `spacing_m`."""
    if not len(points_m):
        return points_m
    cells = np.floor(points_m / spacing_m).astype(np.int64)
    cells -= cells.min(axis=0)
    _, first = np.unique((cells[:, 0] << 42) + (cells[:, 1] << 21) + cells[:, 2], return_index=True)
    return points_m[first]


def visible_points(
    mesh: Mesh, camera: CameraModel, poses: Iterable[RigidTransform], max_depth_m: float, spacing_m: float = SPACING_M
) -> np.ndarray:
    """(N, 3): the part of an exact mesh that the camera saw from these poses (map_from_camera), evenly spaced.

    What no view shows can't be reconstructed and isn't asked for; the usual culling of evaluations against a scan.
    """
    scene = raycasting_scene(mesh)
    seen = []
    for pose in poses:
        depth_m = raycast_depth(scene, camera, pose)
        near = depth_m <= max_depth_m
        seen.append(evenly_spaced(pose.apply(camera.rays()[near] * depth_m[near, None]), spacing_m))
    if not seen:
        raise InvalidInput('expected at least one pose to see the mesh from')
    return evenly_spaced(np.concatenate(seen), spacing_m)


def raycasting_scene(mesh: Mesh):
    """Open3D's RaycastingScene of a mesh."""
    core = open3d().core
    scene = open3d().t.geometry.RaycastingScene()
    scene.add_triangles(core.Tensor(mesh.vertices_m), core.Tensor(mesh.triangles.astype(np.uint32)))
    return scene


def raycast_depth(scene, camera: CameraModel, map_from_camera: RigidTransform) -> np.ndarray:
    """(H, W) float32 depth of a RaycastingScene as this camera defines it; inf where nothing is hit."""
    core = open3d().core
    rays = camera.rays() @ map_from_camera.rotation.T.astype(np.float32)
    origins = np.broadcast_to(map_from_camera.translation_m.astype(np.float32), rays.shape)
    # the direction is not made unit length, so that t counts in depth
    return scene.cast_rays(core.Tensor(np.concatenate([origins, rays], -1)))['t_hit'].numpy()
