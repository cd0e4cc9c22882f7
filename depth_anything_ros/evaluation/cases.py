# SPDX-License-Identifier: Apache-2.0
"""Named cases: real data sets with a prompt made from a part of what is known, scored on the rest.

The data isn't part of the project. `data` is a folder with the data sets by the names below; the Middlebury pair comes
out of a public package and is downloaded into `cache` when it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.core.frames import DepthPrompt, Observation, RangeKind, Sweep
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.case import Case
from depth_anything_ros.evaluation.holdout import (
    hold_out_rings,
    low_resolution,
    random_points,
    scan_lines,
    sweep_at,
    unseen,
)
from depth_anything_ros.evaluation.kitti import read_calibration, read_kitti
from depth_anything_ros.evaluation.middlebury import motorcycle
from depth_anything_ros.evaluation.panorama_cases import panorama
from depth_anything_ros.evaluation.sample import Sample
from depth_anything_ros.evaluation.source import (
    ASSUMED_FOV_DEG,
    assumed_camera,
    point_set,
    read_depth_png,
    read_floats,
    read_image,
)
from depth_anything_ros.training.shards import colour_files, split_tenth

STAMP_NS = 1_000_000_000  # single images have no time
ASSUMED = f'The data set gives no intrinsics: a horizontal field of view of {ASSUMED_FOV_DEG:g} degrees is assumed.'
CAMERA_FRAME, LIDAR_FRAME, RADAR_FRAME = 'camera_optical_frame', 'lidar', 'radar'
DRAWS = 5  # of random points on a single image: one draw is off by up to 10 %


def load_cases(name: str, data: Path, cache: Path) -> list[Case]:
    """The rows of a named case (or 'all'). Raises RecordingError on an unknown name or data that is missing."""
    if name == 'all':
        return [case for known in CASES for case in load_cases(known, data, cache)]
    if name not in CASES:
        raise RecordingError(f'unknown case {name!r}: expected {", ".join(CASES)} or all')
    return CASES[name](cache if name == 'middlebury' else _folder(data, FOLDERS[name]))


def kitti(folder: Path) -> list[Case]:
    source = read_kitti(folder)

    def samples():
        for frame in source.frames:
            yield Sample(frame.image.stem, *hold_out_rings(source.observation(frame), 4))

    return [
        Case('kitti', 'Road, 64-beam LiDAR: every 4th ring prompts, the others score.', len(source.frames), samples)
    ]


def nuscenes(folder: Path) -> list[Case]:
    path = folder / 'calib.json'
    try:
        calibration = json.loads(path.read_text())
        images, lidar = calibration['images'], calibration['lidar']
        columns = read_floats(folder / lidar['file'], tuple(lidar['fields']))
    except (OSError, ValueError, KeyError) as error:
        raise RecordingError(f'{path}: expected images and lidar of a surround rig ({error!r})') from error
    points = point_set(columns, LIDAR_FRAME, STAMP_NS)

    def samples():
        for name, entry in images.items():
            image_rgb = read_image(folder / entry['file'])
            matrix = np.array(entry['cam2img'])
            camera = _pinhole(matrix, image_rgb)
            sweep = Sweep(points, RigidTransform(CAMERA_FRAME, LIDAR_FRAME, np.array(entry['lidar2cam'])))
            observation = Observation(image_rgb, camera, STAMP_NS, (sweep,))
            yield Sample(name, *hold_out_rings(observation, 2))

    description = 'Six surround cameras, 32-beam LiDAR: every other ring prompts, the others score.'
    return [Case('nuscenes', description, len(images), samples)]


def vod_radar(folder: Path) -> list[Case]:
    names = sorted(path.stem for path in (folder / 'image').glob('*.jpg'))

    def samples():
        for name in names:
            image_rgb = read_image(folder / 'image' / f'{name}.jpg')
            radar = read_floats(
                folder / 'radar' / f'{name}.bin', ('x', 'y', 'z', 'rcs', 'v_r', 'v_r_compensated', 'time')
            )
            lidar = read_floats(folder / 'lidar' / f'{name}.bin', ('x', 'y', 'z', 'intensity'))
            matrix, camera_from_radar = _kitti_object(folder / 'calib_radar' / f'{name}.txt', RADAR_FRAME)
            _, camera_from_lidar = _kitti_object(folder / 'calib_lidar' / f'{name}.txt', LIDAR_FRAME)
            camera = _pinhole(matrix, image_rgb)
            prompt = Sweep(point_set(radar, RADAR_FRAME, STAMP_NS, RangeKind.RADAR), camera_from_radar)
            truth = Sweep(point_set(lidar, LIDAR_FRAME, STAMP_NS), camera_from_lidar)
            observation = Observation(image_rgb, camera, STAMP_NS, (prompt,))
            full = Observation(image_rgb, camera, STAMP_NS, (truth,))
            yield Sample(name, observation, unseen(full, observation))

    return [Case('vod_radar', 'City, 3+1D radar alone prompts, 64-beam LiDAR scores.', len(names), samples)]


def tof(folder: Path) -> list[Case]:
    return [
        _single('tof/1 500 points', f'Indoors, 500 random points, {DRAWS} draws.', folder / '1', _from_truth, DRAWS),
        _single('tof/2 phone', "Indoors, a phone's ToF of 192x144.", folder / '2', _phone_tof),
        _single('tof/3 six lines', 'Indoors, a supplied pattern of six scan lines.', folder / '3', _pattern),
    ]


def middlebury(cache: Path) -> list[Case]:
    image_rgb, truth_m, camera = motorcycle(cache)

    def case(name: str, description: str, prompts: list[dict]) -> Case:
        def samples():
            for index, prompt in enumerate(prompts):
                observation = Observation(image_rgb, camera, STAMP_NS, **prompt)
                yield Sample(f'motorcycle {index}', observation, truth_m)

        return Case(f'middlebury/{name}', description, len(prompts), samples)

    rows = [
        case(
            f'{count} points',
            f'Workshop, {count} random points of the truth, {DRAWS} draws.',
            [{'sweeps': (random_points(truth_m, camera, count, STAMP_NS, seed),)} for seed in range(DRAWS)],
        )
        for count in (100, 500, 2000)
    ]
    rows += [
        case(
            f'{lines} lines',
            f'Workshop, {lines} scan lines through the truth.',
            [{'sweeps': (scan_lines(truth_m, camera, lines, STAMP_NS),)}],
        )
        for lines in (8, 16, 32)
    ]
    low = low_resolution(truth_m, 8, STAMP_NS)
    rows.append(case('8x', 'Workshop, the truth at an eighth of the resolution.', [{'depth_prompts': (low,)}]))
    return rows


def mosd(folder: Path) -> list[Case]:
    names = mosd_held_out(folder)
    camera = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5, CAMERA_FRAME)

    def samples():
        for index, name in enumerate(names):
            image_rgb = read_image(folder / f'{name}_color.jpg')
            truth_m = read_depth_png(folder / f'{name}_depth_mm.png', 0.001)
            sweep = random_points(truth_m, camera, 500, STAMP_NS, seed=index)
            yield Sample(name, Observation(image_rgb, camera, STAMP_NS, (sweep,)), truth_m)

    return [Case('mosd', 'Table tops, 500 random points; frames that training leaves out.', len(names), samples)]


def mosd_held_out(folder: Path) -> list[str]:
    """Names of the frames that are scored: those that training leaves out, by training's own rule."""
    return [path.name.removesuffix('_color.jpg') for path in split_tenth(colour_files(folder))[1]]


CASES: dict[str, Callable[[Path], list[Case]]] = {
    'middlebury': middlebury,
    'kitti': kitti,
    'nuscenes': nuscenes,
    'vod_radar': vod_radar,
    'tof': tof,
    'mosd': mosd,
    'panorama': panorama,
}
FOLDERS = {
    'kitti': 'kitti_raw_seq',
    'nuscenes': 'nuscenes_6cam_lidar',
    'vod_radar': 'vod_radar',
    'tof': 'prior_tof_samples',
    'mosd': 'pcl_mosd_rgbd',
    'panorama': 'realsee3d_pano',
}


def _single(name: str, description: str, folder: Path, prompts: Callable, draws: int = 1) -> Case:
    def samples():
        image = next((p for p in (folder / 'rgb.jpg', folder / 'rgb.png') if p.exists()), folder / 'rgb.jpg')
        image_rgb = read_image(image)
        truth_m = read_depth_png(folder / 'gt_depth.png', 0.001)
        camera = assumed_camera(image_rgb.shape[1], image_rgb.shape[0])
        for draw in range(draws):
            observation = Observation(image_rgb, camera, STAMP_NS, **prompts(folder, truth_m, camera, draw))
            yield Sample(f'image {folder.name}', observation, truth_m)

    return Case(name, description, draws, samples, (ASSUMED,))


def _from_truth(_folder: Path, truth_m: np.ndarray, camera: CameraModel, draw: int) -> dict:
    return {'sweeps': (random_points(truth_m, camera, 500, STAMP_NS, draw),)}


def _phone_tof(folder: Path, _truth_m: np.ndarray, _camera: CameraModel, _draw: int) -> dict:
    prior_m = read_depth_png(folder / 'prior_depth.png', 0.001)
    return {'depth_prompts': (DepthPrompt(prior_m, STAMP_NS, RangeKind.TOF),)}


def _pattern(folder: Path, truth_m: np.ndarray, camera: CameraModel, _draw: int) -> dict:
    prior_m = read_depth_png(folder / 'prior_depth.png', 0.001)
    if prior_m.shape != truth_m.shape:
        raise RecordingError(
            f'{folder}: expected prior_depth.png of {truth_m.shape} as gt_depth.png, got {prior_m.shape}'
        )
    v, u = np.nonzero(np.isfinite(prior_m))
    return {'sweeps': (sweep_at(v, u, prior_m, camera, STAMP_NS),)}


def _kitti_object(path: Path, source: str) -> tuple[np.ndarray, RigidTransform]:
    """(P2 (3, 4), camera_from_sensor) of a KITTI object calibration file."""
    values = read_calibration(path)
    try:
        projection, transform = values['P2'].reshape(3, 4), np.eye(4)
        transform[:3] = values['Tr_velo_to_cam'].reshape(3, 4)
    except (KeyError, ValueError) as error:
        raise RecordingError(f'{path}: expected P2 and Tr_velo_to_cam ({error!r})') from error
    return projection, RigidTransform(CAMERA_FRAME, source, transform)


def _pinhole(matrix: np.ndarray, image_rgb: np.ndarray) -> CameraModel:
    height, width = image_rgb.shape[:2]
    return CameraModel(width, height, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], CAMERA_FRAME)


def _folder(data: Path, name: str) -> Path:
    folder = data / name
    if not folder.is_dir():
        raise RecordingError(f'{folder}: the data set is not there; say where with --data')
    return folder
