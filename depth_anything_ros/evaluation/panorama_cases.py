# SPDX-License-Identifier: Apache-2.0
"""Panoramas as cases: a real one with a scanner's depth and a rendered one, prompted by what a robot might carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import Observation, Sweep
from depth_anything_ros.evaluation.case import Case
from depth_anything_ros.evaluation.holdout import random_points, sweep_at
from depth_anything_ros.evaluation.sample import Sample
from depth_anything_ros.evaluation.source import read_depth_png, read_image

STAMP_NS = 1_000_000_000  # single images have no time
CAMERA_FRAME = 'camera_optical_frame'
POINTS, DRAWS = 500, 3
SIXTEEN_DEG = tuple(np.arange(-15.0, 15.1, 2.0))  # a VLP-16's lines
THIRTY_TWO_DEG = tuple(np.linspace(-30.67, 10.67, 32))  # an HDL-32E's
REACH_PX = 3  # a line of the simulated LiDAR takes the known pixel nearest to it within this; real depth has gaps
SCENES = {
    'real': ('panoImage_real.jpg', 'depth_image.png', 500),
    'rendered': ('panoImage_synthesis.jpg', 'depth_image_synthesis.png', 4000),
}
SCALE_NOTE = (
    'The data set does not say its unit: {unit} counts a metre are assumed. AbsRel and δ do not depend on it,'
    ' MAE, RMSE and ranges do.'
)


def panorama(folder: Path) -> list[Case]:
    """Rows of every scene: random points, 16 and 32 LiDAR lines all around, and no returns at all."""
    return [case for scene in SCENES for case in _of_scene(folder, scene)]


def spinning_lidar(truth_m: np.ndarray, camera: CameraModel, elevations_deg: tuple[float, ...], stamp_ns: int) -> Sweep:
    """Returns of a spinning LiDAR in the place of a panoramic camera: one per column and line, where depth is known.

    The returns lie where the truth was measured, up to REACH_PX rows off their line.
    """
    columns = np.arange(camera.width)
    rows, hits, rings = [], [], []
    for ring, elevation_deg in enumerate(elevations_deg):
        middle = round(camera.cy - np.radians(elevation_deg) * camera.fy)
        row = np.full(camera.width, -1)
        for off in sorted(range(-REACH_PX, REACH_PX + 1), key=abs, reverse=True):  # the nearest is written last
            known = np.isfinite(truth_m[middle + off])
            row[known] = middle + off
        hit = row >= 0
        rows.append(row[hit])
        hits.append(columns[hit])
        rings.append(np.full(hit.sum(), ring, np.uint16))
    return sweep_at(np.concatenate(rows), np.concatenate(hits), truth_m, camera, stamp_ns, np.concatenate(rings))


def read_scene(folder: Path, scene: str) -> tuple[np.ndarray, np.ndarray, CameraModel]:
    """(image (H, W, 3) uint8, range (H, W) float32 metres, NaN unknown, panoramic camera)."""
    image, depth, counts_per_m = SCENES[scene]
    image_rgb, truth_m = read_image(folder / image), read_depth_png(folder / depth, 1 / counts_per_m)
    return image_rgb, truth_m, CameraModel.equirectangular(*image_rgb.shape[1::-1], CAMERA_FRAME)


def _of_scene(folder: Path, scene: str) -> list[Case]:
    def case(name: str, description: str, sweeps_of, draws: int = 1) -> Case:
        def samples():
            image_rgb, truth_m, camera = read_scene(folder, scene)
            for draw in range(draws):
                sweeps = sweeps_of(truth_m, camera, draw)
                yield Sample(f'{scene} {name}', Observation(image_rgb, camera, STAMP_NS, sweeps), truth_m)

        note = SCALE_NOTE.format(unit=SCENES[scene][2])
        return Case(f'panorama/{scene} {name}', f'{described[scene]}, {description}', draws, samples, (note,))

    described = {
        'real': "A flat all around, a scanner's depth on 29 % of the pixels",
        'rendered': 'A rendered flat all around',
    }
    return [
        case(
            f'{POINTS} points',
            f'{POINTS} random points of the truth, {DRAWS} draws.',
            lambda truth_m, camera, draw: (random_points(truth_m, camera, POINTS, STAMP_NS, draw),),
            DRAWS,
        ),
        case(
            '16 lines',
            'a simulated 16-line LiDAR of +-15 degrees: most of the sphere lies beyond its reach.',
            lambda truth_m, camera, _: (spinning_lidar(truth_m, camera, SIXTEEN_DEG, STAMP_NS),),
        ),
        case(
            '32 lines',
            'a simulated 32-line LiDAR of -31 to +11 degrees.',
            lambda truth_m, camera, _: (spinning_lidar(truth_m, camera, THIRTY_TWO_DEG, STAMP_NS),),
        ),
        case('no returns', 'nothing prompts: depth from the image alone.', lambda *_: ()),
    ]
