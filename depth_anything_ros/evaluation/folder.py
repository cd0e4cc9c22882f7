# SPDX-License-Identifier: Apache-2.0
"""A plain folder: images/, with depth/ or points/ beside it whose files have the same names, and a calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.source import Columns, Source, SourceFrame, nanoseconds, read_floats, read_ply

IMAGE_ENDINGS = ('.png', '.jpg', '.jpeg')
POINT_ENDINGS = ('.npy', '.bin', '.ply')


def read_folder(folder: Path, calibration: Path, rate_hz: float = 10.0) -> Source:
    """images/*.png|jpg with depth/*.png (16-bit mm) and/or points/*.npy|bin|ply.

    calibration: a YAML of core/calibration with one camera and, for points, the transform between the camera's frame
    and one other frame. Stamps are the file names where these are nanoseconds (16 digits or more) or seconds with a
    decimal point, else they are counted at rate_hz. Raises RecordingError or CalibrationError.
    """
    images = sorted(p for p in (folder / 'images').glob('*') if p.suffix.lower() in IMAGE_ENDINGS)
    if not images:
        raise RecordingError(f'{folder}: expected images/*.png or *.jpg, found none')
    known = Calibration.load(calibration)
    camera = known.camera()
    clouds = {p.stem: p for p in (folder / 'points').glob('*') if p.suffix in POINT_ENDINGS}
    depths = {p.stem: p for p in (folder / 'depth').glob('*.png')}
    frames = []
    for image, stamp_ns in zip(images, _stamps(images, rate_hz), strict=True):
        frames.append(SourceFrame(stamp_ns, image, clouds.get(image.stem), stamp_ns, depths.get(image.stem), stamp_ns))
    camera_from_points = _camera_from_points(known, camera, calibration) if clouds else None
    return Source(folder.name, camera, tuple(frames), camera_from_points, read_points=read_points)


def read_points(path: Path) -> Columns:
    """.npy (N, 3 or more: x y z ...) or structured with named columns; .bin float32 x y z intensity; .ply vertices."""
    if path.suffix == '.bin':
        return read_floats(path, ('x', 'y', 'z', 'intensity'))
    if path.suffix == '.ply':
        return read_ply(path)
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RecordingError(f'{path}: expected a .npy array, cannot be read: {error}') from error
    if values.dtype.names:
        if not {'x', 'y', 'z'} <= set(values.dtype.names):
            raise RecordingError(f'{path}: expected columns x, y, z; got {", ".join(values.dtype.names)}')
        return {name: values[name] for name in values.dtype.names}
    if values.ndim != 2 or values.shape[1] < 3:
        raise RecordingError(f'{path}: expected (N, 3) or wider, got {values.shape}')
    return {name: values[:, index].astype(np.float32) for index, name in enumerate('xyz')}


def _camera_from_points(known: Calibration, camera: CameraModel, path: Path) -> RigidTransform:
    others = [t for t in known.transforms if camera.frame_id in (t.target, t.source)]
    if len(known.transforms) != 1 or not others:
        raise RecordingError(
            f'{path}: expected one extrinsic between {camera.frame_id!r} and the frame of the points,'
            f' got {len(known.transforms)} extrinsics'
        )
    (transform,) = others
    return transform if transform.target == camera.frame_id else transform.inverse()


def _stamps(images: list[Path], rate_hz: float) -> list[int]:
    names = [image.stem for image in images]
    if all(name.isdigit() and len(name) >= 16 for name in names):
        return [int(name) for name in names]
    try:
        if all('.' in name for name in names):
            return [nanoseconds(name) for name in names]
    except ValueError:
        pass  # a dot that is no decimal point
    start_ns = 1_000_000_000  # a stamp of zero means 'unknown' to many consumers
    return [start_ns + round(index * 1e9 / rate_hz) for index in range(len(names))]
