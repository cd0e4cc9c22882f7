# SPDX-License-Identifier: Apache-2.0
"""Depth with poses and no truth: does the map of even frames agree with that of odd ones, and with their depth?"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.mesh_view import mesh_picture, overview
from depth_anything_ros.evaluation.source import read_depth_png
from depth_anything_ros.mapping.files import write_mesh
from depth_anything_ros.mapping.integration import make_view
from depth_anything_ros.mapping.mesh import Mesh, sample_points
from depth_anything_ros.mapping.metrics import (
    SAMPLES_PER_CELL,
    SPACING_M,
    ReconstructionScore,
    raycast_depth,
    raycasting_scene,
    score_mesh,
)
from depth_anything_ros.mapping.scene_map import SceneMap
from depth_anything_ros.mapping.settings import MapConfig


@dataclass(frozen=True)
class PosedDepth:
    """One frame of a folder in the layout of 7-Scenes."""

    depth: Path
    camera: CameraModel
    world_from_camera: RigidTransform


@dataclass(frozen=True, eq=False)
class Consistency:
    """score: the map of even frames against that of odd ones; held_out_m: |raycast - depth| at pixels of odd frames.

    covered: share of those pixels that the map of even frames has a surface for.
    """

    frames: int
    score: ReconstructionScore
    held_out_median_m: float
    held_out_p90_m: float
    covered: float
    integrate_ms: float
    mesh_s: float
    mesh: Mesh
    camera: CameraModel
    viewpoint: RigidTransform

    def rows(self) -> list[tuple[str, str]]:
        s = self.score
        return [
            ('frames (even ones mapped, odd ones held out)', str(self.frames)),
            (f'F-score of even against odd at {s.threshold_m:g} m', f'{s.f_score:.4f}'),
            ('Acc, Comp', f'{s.acc_m:.4f} m, {s.comp_m:.4f} m'),
            ('Prec, Recall', f'{s.precision:.4f}, {s.recall:.4f}'),
            ('held-out depth, median error', f'{self.held_out_median_m * 1000:.1f} mm'),
            ('held-out depth, 90 %', f'{self.held_out_p90_m * 1000:.1f} mm'),
            ('held-out depth, covered', f'{self.covered:.4f}'),
            ('integration of a frame', f'{self.integrate_ms:.1f} ms'),
            ('mesh of the map', f'{self.mesh_s:.3f} s, {len(self.mesh.triangles)} triangles'),
        ]


def read_frames(folder: Path) -> list[PosedDepth]:
    """frame-*.depth.png (mm), frame-*.pose.txt (4x4), camera-intrinsics.txt. Raises RecordingError."""
    try:
        matrix = np.loadtxt(folder / 'camera-intrinsics.txt')
        frames = []
        for pose in sorted(folder.glob('frame-*.pose.txt')):
            depth = pose.with_name(pose.name.replace('.pose.txt', '.depth.png'))
            height, width = read_depth_png(depth, 0.001).shape if not frames else frames[0][1]
            camera = CameraModel(width, height, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
            frames.append(((depth, camera, RigidTransform('map', camera.frame_id, np.loadtxt(pose))), (height, width)))
    except (OSError, ValueError, IndexError) as error:
        raise RecordingError(f'{folder}: expected frames in the layout of 7-Scenes: {error}') from error
    if len(frames) < 4:
        raise RecordingError(f'{folder}: expected at least 4 frames with poses, found {len(frames)}')
    return [PosedDepth(*frame) for frame, _ in frames]


def self_consistency(
    frames: Sequence[PosedDepth], config: MapConfig, threshold_m: float, on_frame: Callable[[], None] = lambda: None
) -> Consistency:
    """Maps even and odd frames apart, then looks at the odd frames through the even map."""
    meshes, milliseconds, mesh_s = [], [], 0.0
    for parity in (0, 1):
        scene = SceneMap(config, 'map')
        for frame in frames[parity::2]:
            depth_m = read_depth_png(frame.depth, 0.001)
            started = time.perf_counter()
            scene.integrate(make_view(depth_m, frame.camera, frame.world_from_camera, config.tsdf))
            milliseconds.append((time.perf_counter() - started) * 1e3)
            on_frame()
        started = time.perf_counter()
        meshes.append(scene.mesh())
        mesh_s = time.perf_counter() - started
        scene.close()
    even, odd = meshes
    score = score_mesh(even, sample_points(odd, SAMPLES_PER_CELL / SPACING_M**2), threshold_m)
    errors_m, covered, asked, through = [], 0, 0, raycasting_scene(even)
    for frame in frames[1::2]:
        depth_m = read_depth_png(frame.depth, 0.001)
        seen_m = raycast_depth(through, frame.camera, frame.world_from_camera)
        with np.errstate(invalid='ignore'):
            known = (depth_m >= config.tsdf.min_depth_m) & (depth_m <= config.tsdf.max_depth_m)
        both = known & np.isfinite(seen_m)
        errors_m.append(np.abs(seen_m - depth_m)[both])
        covered, asked = covered + int(both.sum()), asked + int(known.sum())
        on_frame()
    median_m, p90_m = np.percentile(np.concatenate(errors_m), (50, 90))
    middle = frames[len(frames) // 2]
    return Consistency(
        len(frames), score, float(median_m), float(p90_m), covered / asked, float(np.median(milliseconds)), mesh_s,
        even, middle.camera, middle.world_from_camera,
    )  # fmt: skip


def write_consistency(folder: Path, result: Consistency) -> Path:
    """consistency.json, a picture and the mesh of the even frames. Raises RecordingError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        plain = {k: v for k, v in vars(result).items() if isinstance(v, (int, float))}
        (folder / 'consistency.json').write_text(json.dumps({**plain, 'score': asdict(result.score)}, indent=1))
        grey = np.full_like(result.mesh.rgb, 205)
        picture = mesh_picture(result.mesh, result.camera, overview(result.viewpoint), grey)
        cv2.imwrite(str(folder / 'even_frames.png'), picture[:, :, ::-1])
    except OSError as error:
        raise RecordingError(f'{folder}: cannot be written: {error}') from error
    write_mesh(folder / 'even_frames.ply', result.mesh)
    return folder / 'consistency.json'
