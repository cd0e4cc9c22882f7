# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D recordings: rgb.txt, depth.txt and groundtruth.txt with the files they list."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.source import Source, SourceFrame, nanoseconds, read_image

CAMERA_FRAME, WORLD_FRAME = 'camera_optical_frame', 'world'
DEPTH_UNIT_M = 1 / 5000
MAX_APART_NS = 20_000_000  # the data set's own tools pair images that are less than 0.02 s apart
# the intrinsics that the depth maps are registered with, for 640x480, as the data set's page recommends
DEFAULT_CAMERA = (525.0, 525.0, 319.5, 239.5)


def read_tum(folder: Path, camera: CameraModel | None = None) -> Source:
    """A sequence folder; every colour image with the nearest depth map, poses of the camera where there are any.

    camera: None takes the data set's default intrinsics. Raises RecordingError naming the file at fault.
    """
    images = _list(folder / 'rgb.txt')
    depths = _list(folder / 'depth.txt') if (folder / 'depth.txt').exists() else []
    truth = folder / 'groundtruth.txt'
    poses = tuple(_pose(truth, *row) for row in _list(truth)) if truth.exists() else ()
    depth_stamps = np.array([stamp for stamp, _ in depths], np.int64)
    frames = []
    for stamp_ns, (name, *_) in images:
        depth, depth_stamp_ns = None, 0
        if len(depths):
            nearest = int(np.abs(depth_stamps - stamp_ns).argmin())
            if abs(int(depth_stamps[nearest]) - stamp_ns) < MAX_APART_NS:
                depth_stamp_ns, (depth_name, *_) = depths[nearest]
                depth = folder / depth_name
        frames.append(SourceFrame(stamp_ns, folder / name, depth=depth, depth_stamp_ns=depth_stamp_ns))
    if camera is None:
        height, width = read_image(first_image(folder)).shape[:2]
        camera = CameraModel(640, 480, *DEFAULT_CAMERA, CAMERA_FRAME).resized(width, height)
    return Source(folder.name, camera, tuple(frames), poses=poses, depth_unit_m=DEPTH_UNIT_M)


def first_image(folder: Path) -> Path:
    """The first colour image of a sequence, whose size is everyone's."""
    images = _list(folder / 'rgb.txt')
    if not images:
        raise RecordingError(f'{folder}: rgb.txt lists no images')
    return folder / images[0][1][0]


def _list(path: Path) -> list[tuple[int, list[str]]]:
    """Lines 'seconds word word ...', '#' starts a comment -> (stamp_ns, words), in time order."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise RecordingError(f'{path}: expected a list of a TUM RGB-D sequence ({error})') from error
    rows = []
    for number, line in enumerate(lines, 1):
        words = line.split('#')[0].split()
        if not words:
            continue
        try:
            rows.append((nanoseconds(words[0]), words[1:]))
        except ValueError as error:
            raise RecordingError(f'{path}:{number}: expected seconds first, got {words[0]!r}') from error
        if len(words) < 2:
            raise RecordingError(f'{path}:{number}: expected a file name or a pose after the stamp')
    return sorted(rows, key=lambda row: row[0])


def _pose(path: Path, stamp_ns: int, words: list[str]) -> tuple[int, RigidTransform]:
    try:
        numbers = [float(word) for word in words]
        if len(numbers) != 7:
            raise ValueError(f'{len(numbers)} numbers')
    except ValueError as error:
        raise RecordingError(f'{path}: expected tx ty tz qx qy qz qw at {stamp_ns / 1e9:.4f} ({error})') from error
    return stamp_ns, RigidTransform.from_quaternion(WORLD_FRAME, CAMERA_FRAME, numbers[:3], numbers[3:])
