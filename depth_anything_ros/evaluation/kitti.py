# SPDX-License-Identifier: Apache-2.0
"""KITTI raw recordings: the official layout, and a flat folder with image_02/, velodyne/ and calib.json."""

from __future__ import annotations

import contextlib
import datetime
import json
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.rings import estimate_rings
from depth_anything_ros.evaluation.source import Source, SourceFrame, read_floats, read_image

CAMERA_FRAME, LIDAR_FRAME = 'camera_optical_frame', 'velodyne'
FLAT_START_NS = 1_317_000_000_000_000_000  # the flat layout has no stamps: any fixed day of the recordings does


def read_kitti(folder: Path) -> Source:
    """A drive folder (.../2011_09_26_drive_0001_sync), a date folder with one drive in it, or a flat folder.

    Raises RecordingError naming what is missing.
    """
    if not folder.is_dir():
        raise RecordingError(f'{folder}: expected a folder of KITTI raw data, there is none')
    if (folder / 'calib.json').exists():
        return _flat(folder)
    drives = [folder] if (folder / 'image_02').is_dir() else sorted(folder.glob('*_drive_*'))
    if len(drives) != 1:
        raise RecordingError(
            f'{folder}: expected image_02/ with calib.json, a KITTI raw drive, or a date folder with one drive;'
            f' found {len(drives)} drives'
        )
    return _official(drives[0])


def read_velodyne(path: Path) -> dict[str, np.ndarray]:
    """x y z intensity of one revolution, and ring where the order of the file tells it."""
    columns = read_floats(path, ('x', 'y', 'z', 'intensity'))
    with contextlib.suppress(InvalidInput):  # a cloud that its provider cropped or sorted goes on without rings
        columns['ring'] = estimate_rings(np.stack([columns['x'], columns['y'], columns['z']], axis=1))
    return columns


def read_calibration(path: Path) -> dict[str, np.ndarray]:
    """The 'key: numbers' lines of a KITTI calibration file."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise RecordingError(f'{path}: expected a KITTI calibration file ({error})') from error
    values = {}
    for line in lines:
        key, _, rest = line.partition(':')
        with contextlib.suppress(ValueError):  # calib_time and the like
            values[key.strip()] = np.array(rest.split(), float)
    return values


def _flat(folder: Path) -> Source:
    path = folder / 'calib.json'
    try:
        calibration = json.loads(path.read_text())
        projection = np.array(calibration['P_rect_02'], float).reshape(3, 4)
        rectification = np.array(calibration['R_rect_00'], float).reshape(3, 3)
        cam0_from_lidar = np.array(calibration['Tr_velo_to_cam0'], float).reshape(4, 4)
    except (ValueError, KeyError) as error:
        raise RecordingError(f'{path}: expected P_rect_02, R_rect_00 and Tr_velo_to_cam0 ({error!r})') from error
    period_ns = round(1e9 / calibration.get('fps', 10))
    images = sorted((folder / 'image_02').glob('*.png'))
    stamps = [FLAT_START_NS + index * period_ns for index in range(len(images))]
    clouds = [folder / 'velodyne' / f'{image.stem}.bin' for image in images]
    return _source(folder, images, stamps, clouds, stamps, projection, rectification, cam0_from_lidar)


def _official(drive: Path) -> Source:
    cameras = _calibration(drive, 'calib_cam_to_cam.txt')
    lidar = _calibration(drive, 'calib_velo_to_cam.txt')
    try:
        projection = cameras['P_rect_02'].reshape(3, 4)
        rectification = cameras['R_rect_00'].reshape(3, 3)
        cam0_from_lidar = np.eye(4)
        cam0_from_lidar[:3, :3] = lidar['R'].reshape(3, 3)
        cam0_from_lidar[:3, 3] = lidar['T']
    except (KeyError, ValueError) as error:
        raise RecordingError(f'{drive}: calibration lacks P_rect_02, R_rect_00, R or T ({error!r})') from error
    images = sorted((drive / 'image_02' / 'data').glob('*.png'))
    stamps = _stamps(drive / 'image_02' / 'timestamps.txt')
    lidar_stamps = _stamps(drive / 'velodyne_points' / 'timestamps.txt')
    if len(stamps) < len(images) or len(lidar_stamps) < len(images):
        raise RecordingError(
            f'{drive}: {len(images)} images, but {len(stamps)} image and {len(lidar_stamps)} LiDAR timestamps'
        )
    # files are numbered, and a drive may lack some of its sweeps
    numbers = [int(image.stem) for image in images]
    clouds = [drive / 'velodyne_points' / 'data' / f'{image.stem}.bin' for image in images]
    return _source(
        drive,
        images,
        [stamps[number] for number in numbers],
        clouds,
        [lidar_stamps[number] for number in numbers],
        projection,
        rectification,
        cam0_from_lidar,
    )


def _source(folder, images, stamps, clouds, cloud_stamps, projection, rectification, cam0_from_lidar) -> Source:
    if not images:
        raise RecordingError(f'{folder}: no PNG images in image_02')
    height, width = read_image(images[0]).shape[:2]
    camera = CameraModel(
        width, height, projection[0, 0], projection[1, 1], projection[0, 2], projection[1, 2], CAMERA_FRAME
    )
    # P = K [R | t]: the colour camera stands K^-1 p4 beside camera 0, in whose rectified frame R_rect puts the points
    rectified = np.eye(4)
    rectified[:3, :3] = rectification
    beside = np.eye(4)
    beside[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    transform = RigidTransform(CAMERA_FRAME, LIDAR_FRAME, beside @ rectified @ cam0_from_lidar)
    frames = tuple(
        SourceFrame(stamp, image, cloud if cloud.exists() else None, cloud_stamp)
        for stamp, image, cloud, cloud_stamp in zip(stamps, images, clouds, cloud_stamps, strict=True)
    )
    if not any(frame.points for frame in frames):
        raise RecordingError(f'{folder}: images, but no velodyne .bin with their names')
    return Source(folder.name, camera, frames, transform, read_points=read_velodyne)


def _calibration(drive: Path, name: str) -> dict[str, np.ndarray]:
    """The file from the drive folder or, as downloaded, the date folder above it."""
    for path in (drive / name, drive.parent / name):
        if path.exists():
            return read_calibration(path)
    raise RecordingError(f'{drive}: {name} is missing here and in the folder above (a flat folder has calib.json)')


def _stamps(path: Path) -> list[int]:
    """Lines such as '2011-09-26 13:02:25.964389445' (UTC) -> nanoseconds."""
    try:
        lines = path.read_text().split('\n')
    except OSError as error:
        raise RecordingError(f'{path}: expected a list of timestamps ({error})') from error
    stamps = []
    for line in filter(None, map(str.strip, lines)):
        try:
            whole, _, fraction = line.partition('.')
            second = datetime.datetime.strptime(whole, '%Y-%m-%d %H:%M:%S').replace(tzinfo=datetime.timezone.utc)
            stamps.append(int(second.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, '0')[:9] or 0))
        except ValueError as error:
            raise RecordingError(f'{path}: expected lines like 2011-09-26 13:02:25.964389445, got {line!r}') from error
    return stamps
