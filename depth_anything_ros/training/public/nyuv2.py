# SPDX-License-Identifier: Apache-2.0
"""NYU Depth v2: FOLDER holds nyu_depth_v2_labeled.mat (or is it), or SCENE/rgb_N.jpg with SCENE/sync_depth_N.png.

The .mat is HDF5 (MATLAB 7.3), so h5py sees its arrays with the axes reversed: images (N, 3, W, H) uint8, rawDepths
(N, W, H) float32 metres on the colour camera's image plane, 0 where the Kinect saw nothing (cs.nyu.edu/~silberman/
datasets/nyu_depth_v2.html). rawDepths are read and not depths, whose holes were filled by colourisation: what was
never measured is no truth. The pairs are the 16-bit millimetre layout that BTS (cleinc/bts, utils/) made common.

Colour intrinsics and the window with data on all sides (rows 45-471, columns 41-601; the rest is a white margin left
by undistortion) are those of the data set's toolbox, camera_params.m and get_projection_mask.m, where pixels count
from 1 (rgb_plane2rgb_world.m).
Its 654 test frames are among the 1449: don't score a network trained on them there.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.training.public.files import existing, hdf5, known, read_colour, read_depth, sample_of
from depth_anything_ros.training.public.frames import PublicDataset, PublicFrame, Terms
from depth_anything_ros.training.shards import Sample

TERMS = Terms(
    'NYU Depth v2',
    'no licence stated by its authors',
    'cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html',
    may_ship=False,
)
LABELED = 'nyu_depth_v2_labeled.mat'
PER_METRE = 1000
KINECT_REACH_M = 10.0  # where the toolbox clips
CAMERA = CameraModel(640, 480, 518.857901, 519.469611, 325.582449 - 1, 253.736166 - 1)
ROWS, COLUMNS = slice(44, 471), slice(40, 601)


def open_nyuv2(folder: str | Path) -> PublicDataset:
    """Raises RecordingError naming what is missing, MissingExtra without h5py for the .mat."""
    folder = existing(folder, f'{LABELED} or scenes of rgb_N.jpg + sync_depth_N.png')
    labeled = folder if folder.is_file() else folder / LABELED
    frames = _labeled(labeled) if labeled.exists() else _pairs(folder)
    return PublicDataset(TERMS, tuple(frames))


def _labeled(path: Path) -> list[PublicFrame]:
    with hdf5(path) as file:
        count, *_ = file['rawDepths'].shape
        for name, shape in (('images', (count, 3, 640, 480)), ('rawDepths', (count, 640, 480))):
            if file[name].shape != shape:
                raise RecordingError(f'{path}: {name}: expected {shape}, got {file[name].shape}')
        scenes = [''.join(map(chr, file[reference][:].ravel())) for reference in file['scenes'][:].ravel()]
    if len(scenes) != count:
        raise RecordingError(f'{path}: expected a scene for each of the {count} frames, got {len(scenes)}')
    return [PublicFrame(scene, f'{i:04d}', partial(_read_labeled, path, i)) for i, scene in enumerate(scenes)]


def _read_labeled(path: Path, index: int) -> Sample:
    with hdf5(path) as file:
        image, depth_m = file['images'][index].T, file['rawDepths'][index].T
    return _windowed(np.ascontiguousarray(image), known(depth_m), path)


def _pairs(folder: Path) -> list[PublicFrame]:
    frames = []
    for depth in sorted([*folder.glob('sync_depth_*.png'), *folder.glob('*/sync_depth_*.png')]):
        number = depth.stem.removeprefix('sync_depth_')
        images = [depth.with_name(f'rgb_{number}{ending}') for ending in ('.jpg', '.png')]
        image = next((path for path in images if path.exists()), None)
        if image is None:
            raise RecordingError(f'{depth}: expected {images[0].name} beside it')
        frames.append(PublicFrame(depth.parent.name, number, partial(_read_pair, image, depth)))
    if not frames:
        raise RecordingError(f'{folder}: expected {LABELED} or SCENE/rgb_N.jpg + SCENE/sync_depth_N.png')
    return frames


def _read_pair(image: Path, depth: Path) -> Sample:
    return _windowed(read_colour(image), read_depth(depth, PER_METRE), depth)


def _windowed(image: np.ndarray, depth_m: np.ndarray, path: Path) -> Sample:
    whole = sample_of(image, np.where(depth_m < KINECT_REACH_M, depth_m, np.float32(np.nan)), CAMERA, path)
    window = CAMERA.cropped(COLUMNS.start, ROWS.start, COLUMNS.stop - COLUMNS.start, ROWS.stop - ROWS.start)
    return sample_of(whole.image_rgb[ROWS, COLUMNS], whole.depth_m[ROWS, COLUMNS], window, path)
