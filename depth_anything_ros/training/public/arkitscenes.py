# SPDX-License-Identifier: Apache-2.0
"""ARKitScenes, depth upsampling: FOLDER holds Training/, or is a folder of videos, or one video.

Layout and units from its DATA.md, depth_upsampling/README.md and dataset.py (github.com/apple/ARKitScenes):
VIDEO/wide/VIDEO_STAMP.png (color/ in the readme), 1920x1440; VIDEO/highres_depth of the same names, laser scans, 16-bit
PNGs in millimetres, 0 for none. The upsampling download has no intrinsics (issue 73 there): take
lowres_wide_intrinsics or vga_wide_intrinsics of the same video from the raw download; they are the same camera's at
256x192 or 640x480, .pincam files of 'width height fx fy cx cy', and are matched by time.

lowres_depth is left aside: it is the phone's own estimate, and prompts are simulated from the truth. Pictures are
turned upright where metadata.csv (video_id, sky_direction) is beside Training/ or the videos, else they stay on the
side that the phone was held on. Where FOLDER has Training/ and Validation/, only Training/ is read.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from functools import partial
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CalibrationError, RecordingError
from depth_anything_ros.training.public.files import existing, folders, numbers, read_colour, read_depth, sample_of
from depth_anything_ros.training.public.frames import PublicDataset, PublicFrame, Terms
from depth_anything_ros.training.shards import Sample

TERMS = Terms('ARKitScenes', 'CC BY-NC-SA 4.0', 'github.com/apple/ARKitScenes', may_ship=False)
PER_METRE = 1000
TRUTH = 'highres_depth'
COLOURS = ('wide', 'color')
INTRINSICS = ('wide_intrinsics', 'vga_wide_intrinsics', 'lowres_wide_intrinsics')
METADATA = 'metadata.csv'
TURNS = {'Up': 0, 'Right': 1, 'Down': 2, 'Left': 3}  # to the left, by quarters, until the sky is up
MAX_APART_S = 0.1  # the focus, and with it the focal length, moves slowly


def open_arkitscenes(folder: str | Path) -> PublicDataset:
    """Raises RecordingError or CalibrationError naming what is missing."""
    folder = existing(folder, 'ARKitScenes')
    places = [[folder], folders(folder / 'Training') if (folder / 'Training').is_dir() else [], folders(folder)]
    videos = next((found for place in places if (found := [v for v in place if (v / TRUTH).is_dir()])), [])
    if not videos:
        raise RecordingError(f'{folder}: expected [Training/]VIDEO/{TRUTH}/*.png (the upsampling download)')
    turns = _turns(videos[0])
    return PublicDataset(TERMS, tuple(frame for video in videos for frame in _frames(video, turns.get(video.name, 0))))


def _frames(video: Path, turns: int) -> list[PublicFrame]:
    colours = next((video / name for name in COLOURS if (video / name).is_dir()), video / COLOURS[0])
    cameras = _cameras(video)
    stamps = [stamp for stamp, _ in cameras]
    frames = []
    for depth in sorted((video / TRUTH).glob('*.png')):
        image, stamp = colours / depth.name, _stamp(depth)
        if not image.exists():
            raise RecordingError(f'{depth}: expected its image, {image}')
        after = bisect_left(stamps, stamp)
        nearest = min(cameras[max(after - 1, 0) : after + 1], key=lambda camera: abs(camera[0] - stamp))
        if abs(nearest[0] - stamp) > MAX_APART_S:
            raise CalibrationError(f'{depth}: expected a .pincam within {MAX_APART_S} s, the nearest is {nearest[1]}')
        frames.append(PublicFrame(video.name, depth.stem, partial(_read, image, depth, nearest[1], turns)))
    return frames


def _cameras(video: Path) -> list[tuple[float, Path]]:
    for name in INTRINSICS:
        found = sorted((_stamp(path), path) for path in (video / name).glob('*.pincam'))
        if found:
            return found
    raise CalibrationError(
        f'{video}: expected {" or ".join(INTRINSICS)}/*.pincam; take lowres_wide_intrinsics from the raw download'
    )


def _stamp(path: Path) -> float:
    try:
        return float(path.stem.rpartition('_')[2])
    except ValueError as error:
        raise RecordingError(f'{path}: expected a name VIDEO_SECONDS') from error


def _turns(video: Path) -> dict[str, int]:
    """Video -> quarter turns to the left; without the videos whose sky is nowhere, empty without metadata."""
    path = next((place / METADATA for place in video.parents[:2] if (place / METADATA).exists()), None)
    if path is None:
        return {}
    try:
        with path.open(newline='') as file:
            skies = {row['video_id'].partition('.')[0]: row['sky_direction'] for row in csv.DictReader(file)}
    except KeyError as error:
        raise RecordingError(f'{path}: expected columns video_id and sky_direction, there is no {error}') from error
    return {name: TURNS[sky] for name, sky in skies.items() if sky in TURNS}


def _read(image: Path, depth: Path, pincam: Path, turns: int) -> Sample:
    colour = read_colour(image)
    width, height, fx, fy, cx, cy = numbers(pincam, 6, 'width height fx fy cx cy')
    camera = CameraModel(int(width), int(height), fx, fy, cx, cy).resized(colour.shape[1], colour.shape[0])
    return _turned(sample_of(colour, read_depth(depth, PER_METRE), camera, depth), turns)


def _turned(sample: Sample, turns: int) -> Sample:
    image, depth_m, (fx, fy, cx, cy) = sample.image_rgb, sample.depth_m, sample.intrinsics
    for _ in range(turns):  # (u, v) becomes (v, width - 1 - u)
        fx, fy, cx, cy = fy, fx, cy, depth_m.shape[1] - 1 - cx
        image, depth_m = np.rot90(image), np.rot90(depth_m)
    intrinsics = np.array([fx, fy, cx, cy], np.float32)
    return Sample(np.ascontiguousarray(image), np.ascontiguousarray(depth_m), intrinsics)
