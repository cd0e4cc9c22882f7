# SPDX-License-Identifier: Apache-2.0
"""Hypersim: FOLDER holds scenes ai_VVV_NNN and metadata_camera_parameters.csv.

Layout and units from github.com/apple/ml-hypersim, README: images/scene_cam_XX_geometry_hdf5/frame.IIII.
depth_meters.hdf5, 'dataset' (H, W), the distance to the optical centre in metres and not depth; images/
scene_cam_XX_final_hdf5/frame.IIII.color.hdf5, (H, W, 3) linear radiance, or, where that was not downloaded,
scene_cam_XX_final_preview/frame.IIII.tonemap.jpg. Radiance is tone mapped as scene_generate_images_tonemap.py does:
the 90th percentile of brightness to 0.8, gamma 2.2. z = distance / |ray| with z of the ray 1, which for the plain
60-degree camera is the conversion of issue 9 there (f = 886.81 px).

The camera differs from scene to scene: contrib/mikeroberts3000/metadata_camera_parameters.csv of that repository has
M_cam_from_uv, from u right and v up in [-1, 1] to a ray with x right, y up, z backwards. Scenes with a tilted image
plane (no pinhole camera then) are left out.
"""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CalibrationError, RecordingError
from depth_anything_ros.training.public.files import existing, hdf5, known, read_colour, sample_of
from depth_anything_ros.training.public.frames import PublicDataset, PublicFrame, Terms
from depth_anything_ros.training.shards import Sample

TERMS = Terms('Hypersim', 'CC BY-SA 3.0', 'github.com/apple/ml-hypersim', may_ship=True)
CAMERAS = 'metadata_camera_parameters.csv'
DEPTH_ENDING = '.depth_meters.hdf5'
BRIGHT_PERCENTILE, BRIGHT, GAMMA = 90, 0.8, 2.2
BRIGHTNESS = np.array([0.3, 0.59, 0.11], np.float32)
DARKEST = 1e-4
TILT = 1e-4


def open_hypersim(folder: str | Path) -> PublicDataset:
    """Raises RecordingError or CalibrationError naming what is missing, MissingExtra without h5py when read."""
    folder = existing(folder, 'Hypersim')
    depths = sorted(folder.glob(f'ai_*/images/scene_cam_*_geometry_hdf5/frame.*{DEPTH_ENDING}'))
    if not depths:
        raise RecordingError(f'{folder}: expected ai_VVV_NNN/images/scene_cam_XX_geometry_hdf5/frame.*{DEPTH_ENDING}')
    cameras = read_cameras(folder / CAMERAS)
    frames = []
    for depth in depths:
        scene = depth.parents[2].name
        if scene not in cameras:
            raise CalibrationError(f'{folder / CAMERAS}: expected a row for {scene}')
        if cameras[scene] is not None:
            name = f'{depth.parent.name[6:12]}/{depth.name.removesuffix(DEPTH_ENDING)}'
            frames.append(PublicFrame(scene, name, partial(_read, _colour_of(depth), depth, cameras[scene])))
    return PublicDataset(TERMS, tuple(frames))


def read_cameras(path: Path) -> dict[str, CameraModel | None]:
    """Scene -> camera; None where the image plane is tilted. Raises CalibrationError."""
    try:
        with path.open(newline='') as file:
            return {row['scene_name']: _camera(row) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise CalibrationError(
            f"{path}: expected the cameras of all scenes, contrib/mikeroberts3000/ of Hypersim's repository: {error}"
        ) from error


def _camera(row: dict[str, str]) -> CameraModel | None:
    width, height = (int(float(row[f'settings_output_img_{side}'])) for side in ('width', 'height'))
    rays = np.array([[float(row[f'M_cam_from_uv_{i}{j}']) for j in range(3)] for i in range(3)])
    rays /= -rays[2, 2]
    if max(abs(rays[0, 1]), abs(rays[1, 0]), abs(rays[2, 0]), abs(rays[2, 1])) > TILT:
        return None
    # x / z = m00 u + m02 with u = (2 column + 1) / W - 1; rows run down where v runs up
    fx, fy = width / 2 / rays[0, 0], height / 2 / rays[1, 1]
    cx = width / 2 * (1 - rays[0, 2] / rays[0, 0]) - 0.5
    cy = height / 2 * (1 + rays[1, 2] / rays[1, 1]) - 0.5
    return CameraModel(width, height, fx, fy, cx, cy)


def _colour_of(depth: Path) -> Path:
    trajectory, frame = depth.parent.name.removesuffix('_geometry_hdf5'), depth.name.removesuffix(DEPTH_ENDING)
    images = depth.parents[1]
    radiance = images / f'{trajectory}_final_hdf5' / f'{frame}.color.hdf5'
    preview = images / f'{trajectory}_final_preview' / f'{frame}.tonemap.jpg'
    for path in (radiance, preview):
        if path.exists():
            return path
    raise RecordingError(f'{depth}: expected its image, {radiance} or {preview}')


def _read(image: Path, depth: Path, camera: CameraModel) -> Sample:
    distance_m = known(_dataset(depth))
    colour = read_colour(image) if image.suffix == '.jpg' else tone_mapped(_dataset(image), distance_m)
    if distance_m.shape != (camera.height, camera.width):
        raise RecordingError(f'{depth}: expected {camera.width}x{camera.height}, got {distance_m.shape[::-1]}')
    x = (np.arange(camera.width, dtype=np.float32) - camera.cx) / camera.fx
    y = (np.arange(camera.height, dtype=np.float32)[:, None] - camera.cy) / camera.fy
    depth_m = distance_m / np.sqrt(1 + x * x + y * y)
    return sample_of(colour, depth_m.astype(np.float32), camera, depth)


def tone_mapped(radiance: np.ndarray, distance_m: np.ndarray) -> np.ndarray:
    """(H, W, 3) linear radiance -> (H, W, 3) uint8; brightness is measured where there is a surface."""
    radiance = np.nan_to_num(radiance.astype(np.float32), posinf=0, neginf=0)
    brightness = (radiance @ BRIGHTNESS)[np.isfinite(distance_m)]
    bright = float(np.percentile(brightness, BRIGHT_PERCENTILE)) if brightness.size else 1.0
    scale = 0.0 if bright < DARKEST else BRIGHT**GAMMA / bright
    return np.rint(255 * np.clip(scale * radiance, 0, 1) ** (1 / GAMMA)).astype(np.uint8)


def _dataset(path: Path) -> np.ndarray:
    with hdf5(path) as file:
        return file['dataset'][:]
