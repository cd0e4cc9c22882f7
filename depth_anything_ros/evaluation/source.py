# SPDX-License-Identifier: Apache-2.0
"""A recording as files: images, clouds and depth maps of a public layout, with their calibration and stamps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import MissingExtra, RecordingError
from depth_anything_ros.core.frames import Observation, PointSet, RangeKind, Sweep
from depth_anything_ros.core.transform import RigidTransform

ASSUMED_FOV_DEG = 60.0

Columns = Mapping[str, np.ndarray]  # x, y, z float32 and whatever else the file holds, of equal length


@dataclass(frozen=True)
class SourceFrame:
    """One image and what belongs to it; stamps in nanoseconds."""

    stamp_ns: int
    image: Path
    points: Path | None = None
    points_stamp_ns: int = 0
    depth: Path | None = None
    depth_stamp_ns: int = 0


@dataclass(frozen=True, eq=False)
class Source:
    """camera_from_points: where the ranger sits, if there is one; poses: (stamp_ns, world_from_camera) in time order.

    depth_unit_m: metres per count of the 16-bit depth files; read_points reads one cloud file.
    """

    name: str
    camera: CameraModel
    frames: tuple[SourceFrame, ...]
    camera_from_points: RigidTransform | None = None
    poses: tuple[tuple[int, RigidTransform], ...] = ()
    depth_unit_m: float = 0.001
    read_points: Callable[[Path], Columns] | None = None

    def __post_init__(self):
        if not self.frames:
            raise RecordingError(f'{self.name}: no images found')

    @property
    def points_from_camera(self) -> RigidTransform:
        return self.camera_from_points.inverse()

    def observation(self, frame: SourceFrame) -> Observation:
        """The frame as a robot would have it; sweeps without rings get them where they can be told."""
        sweeps = ()
        if frame.points is not None:
            points = point_set(self.read_points(frame.points), self.camera_from_points.source, frame.points_stamp_ns)
            sweeps = (Sweep(points, self.camera_from_points),)
        return Observation(read_image(frame.image), self.camera, frame.stamp_ns, sweeps)


def assumed_camera(width: int, height: int) -> CameraModel:
    """A pinhole camera with a horizontal field of view of 60 degrees: a guess, which the user must be told of."""
    focal_px = width / 2 / math.tan(math.radians(ASSUMED_FOV_DEG / 2))
    return CameraModel(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)


def point_set(columns: Columns, frame_id: str, stamp_ns: int, kind: RangeKind = RangeKind.LIDAR) -> PointSet:
    """Named columns -> PointSet, without returns that are not finite or lie in the sensor's origin."""
    xyz_m = np.stack([columns['x'], columns['y'], columns['z']], axis=1).astype(np.float32)
    good = np.isfinite(xyz_m).all(axis=1) & (xyz_m != 0).any(axis=1)

    def column(name, dtype):
        return columns[name][good].astype(dtype) if name in columns else None

    return PointSet(
        xyz_m[good],
        frame_id,
        stamp_ns,
        kind,
        ring=column('ring', np.uint16),
        velocity_mps=column('v_r', np.float32),
        rcs_dbsm=column('rcs', np.float32),
    )


def nanoseconds(seconds: str) -> int:
    """'1305031102.175304' -> nanoseconds, exactly: a float of that size only holds microseconds.

    Raises ValueError.
    """
    whole, _, fraction = seconds.partition('.')
    return int(whole) * 1_000_000_000 + int(fraction.ljust(9, '0')[:9])


def read_image(path: Path) -> np.ndarray:
    """An image file -> (H, W, 3) uint8 RGB. Raises RecordingError where it is missing or damaged."""
    import cv2

    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise RecordingError(f'{path}: expected an image, {_fault(path)}')
    return np.ascontiguousarray(bgr[:, :, ::-1])


def read_depth_png(path: Path, unit_m: float) -> np.ndarray:
    """A 16-bit PNG -> (H, W) float32 metres, 0 and 65535 (both used for 'none') as NaN."""
    import cv2

    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None:
        raise RecordingError(f'{path}: expected a 16-bit PNG, {_fault(path)}')
    if raw.dtype != np.uint16 or raw.ndim != 2:
        raise RecordingError(f'{path}: expected a 16-bit PNG with one channel, got {raw.dtype} {raw.shape}')
    return np.where((raw == 0) | (raw == 65535), np.float32(np.nan), raw * np.float32(unit_m)).astype(np.float32)


def read_floats(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """A raw float32 file with one record of `names` per return -> columns."""
    try:
        values = np.fromfile(path, np.float32)
    except OSError as error:
        raise RecordingError(f'{path}: cannot be read: {error}') from error
    if values.size == 0 or values.size % len(names):
        raise RecordingError(
            f'{path}: expected float32 records of {len(names)} ({", ".join(names)}),'
            f' got {values.size} values; truncated?'
        )
    table = values.reshape(-1, len(names))
    return {name: np.ascontiguousarray(table[:, index]) for index, name in enumerate(names)}


def read_ply(path: Path) -> dict[str, np.ndarray]:
    """The vertices of a PLY file -> columns x, y, z."""
    try:
        import trimesh
    except ImportError as error:
        raise MissingExtra('trimesh', 'bags', 'reading a PLY cloud') from error
    try:
        vertices = np.asarray(trimesh.load(path).vertices, np.float32)
    except Exception as error:  # trimesh raises whatever its parsers stumble over
        raise RecordingError(f'{path}: expected a PLY cloud, cannot be read: {error}') from error
    return dict(zip('xyz', np.ascontiguousarray(vertices.T), strict=True))


def _fault(path: Path) -> str:
    return 'the file is damaged or of another format' if path.exists() else 'there is no such file'
