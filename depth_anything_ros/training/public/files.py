# SPDX-License-Identifier: Apache-2.0
"""Picture and HDF5 files of public data sets -> arrays; a damaged one is named, never half read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CalibrationError, MissingExtra, RecordingError
from depth_anything_ros.training.shards import Sample

PNG_START, PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND'
JPEG_START, JPEG_END = b'\xff\xd8', b'\xff\xd9'
TAIL_BYTES = 64


def read_colour(path: Path) -> np.ndarray:
    """A PNG or JPEG -> (H, W, 3) uint8 RGB. Raises RecordingError."""
    return np.ascontiguousarray(_decoded(path, cv2.IMREAD_COLOR)[..., ::-1])


def read_depth(path: Path, per_metre: float) -> np.ndarray:
    """A 16-bit PNG of `per_metre` counts a metre, 0 for none -> (H, W) float32 metres, NaN unknown."""
    counts = _decoded(path, cv2.IMREAD_UNCHANGED)
    if counts.dtype != np.uint16 or counts.ndim != 2:
        raise RecordingError(f'{path}: expected a 16-bit PNG with one channel, got {counts.dtype} {counts.shape}')
    return known(counts / np.float32(per_metre))


def known(depth_m: np.ndarray) -> np.ndarray:
    """float32 with NaN where depth is not positive and finite."""
    depth_m = depth_m.astype(np.float32)
    return np.where((depth_m > 0) & np.isfinite(depth_m), depth_m, np.float32(np.nan))


def sample_of(image_rgb: np.ndarray, depth_m: np.ndarray, camera: CameraModel, path: Path) -> Sample:
    """Raises RecordingError naming `path`, the depth map, unless all three are of one size."""
    height, width = image_rgb.shape[:2]
    if depth_m.shape != (height, width):
        raise RecordingError(
            f'{path}: expected depth of the size of its image, {width}x{height}, '
            f'got {depth_m.shape[1]}x{depth_m.shape[0]}'
        )
    if (camera.width, camera.height) != (width, height):
        raise RecordingError(
            f'{path}: its camera is calibrated for {camera.width}x{camera.height}, its image is {width}x{height}'
        )
    return Sample(image_rgb, depth_m, np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32))


def numbers(path: Path, count: int, expected: str) -> list[float]:
    """All numbers of a small text file. Raises CalibrationError unless there are `count`."""
    try:
        values = [float(word) for word in path.read_text().split()]
    except (OSError, ValueError) as error:
        raise CalibrationError(f'{path}: expected {expected}: {error}') from error
    if len(values) != count:
        raise CalibrationError(f'{path}: expected {expected}, got {len(values)} numbers')
    return values


def folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def existing(folder: str | Path, dataset: str) -> Path:
    """Raises RecordingError where there is nothing at that path."""
    folder = Path(folder)
    if not folder.exists():
        raise RecordingError(f'{folder}: expected {dataset}, there is nothing there')
    return folder


@contextmanager
def hdf5(path: Path) -> Iterator:
    """An open h5py.File. Raises MissingExtra without h5py, RecordingError on a missing, damaged or foreign file."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra('h5py', 'train', 'reading HDF5') from error
    try:
        with h5py.File(path, 'r') as file:
            yield file
    except (OSError, KeyError, ValueError) as error:
        raise RecordingError(f'{path}: expected HDF5, cannot be read: {error}') from error


def _decoded(path: Path, flags: int) -> np.ndarray:
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise RecordingError(f'{path}: expected a picture: {error}') from error
    tail = packed[-TAIL_BYTES:]
    whole = (packed.startswith(PNG_START) and PNG_END in tail) or (packed.startswith(JPEG_START) and JPEG_END in tail)
    # OpenCV would fill what is missing of a truncated picture with grey
    pixels = cv2.imdecode(np.frombuffer(packed, np.uint8), flags) if whole else None
    if pixels is None:
        raise RecordingError(f'{path}: expected a PNG or JPEG, got {len(packed)} bytes of another format or cut off')
    return pixels
