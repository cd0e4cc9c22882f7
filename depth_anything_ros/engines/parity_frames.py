# SPDX-License-Identifier: Apache-2.0
"""Frames that an engine is compared on: a folder of images, each with its prompt beside it.

`name.jpg` or `name.png`, and `name.npz` with depth_m (H, W), 0 or NaN where there is no return, and where known
sigma_m (H, W) and camera (fx, fy, cx, cy in pixels of the image). An image alone is a frame without returns.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.core.resources import resource
from depth_anything_ros.engines.base import Request
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition

IMAGES = ('.jpg', '.jpeg', '.png')
GUESSED_FOV_DEG = 60.0  # horizontal, of an image without a camera: two engines need the same one, not the right one
UNSAID_SIGMA = 0.01  # of the depth
JPEG_QUALITY = 92


def default_frames() -> list[Request]:
    """Those that come with the package: a furnished room and a 16-line LiDAR (recordings/parity/README.md)."""
    return read_frames(resource('recordings', 'parity'))


def read_frames(folder: Path) -> list[Request]:
    """Every frame in a folder, by name. Raises InvalidInput where there is none or one can't be used."""
    images = sorted(path for path in folder.glob('*') if path.suffix.lower() in IMAGES)
    if not images:
        raise InvalidInput(f'{folder}: expected images ({", ".join(IMAGES)}) with prompts (.npz) beside them, got none')
    return [_frame(path) for path in images]


def write_frames(folder: Path, requests: Sequence[Request]) -> None:
    """As `read_frames` reads them; images as JPEG."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, (image_rgb, prompt, camera) in enumerate(requests):
        path = folder / f'{index:03d}.jpg'
        cv2.imwrite(str(path), image_rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        arrays = {name: np.nan_to_num(getattr(prompt.sparse, name), nan=0.0) for name in ('depth_m', 'sigma_m')}
        if camera is not None:
            arrays['camera'] = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        np.savez_compressed(path.with_suffix('.npz'), **arrays)


def as_panorama(request: Request) -> Request:
    """The same pixels called a full panorama, for models that take nothing else: what they make of it is no scene's
    depth, but two engines have to make the same of it.
    """
    half = request.image_rgb.shape[0] // 2
    size = (4 * half, 2 * half)
    camera = CameraModel.equirectangular(*size)
    image_rgb = cv2.resize(request.image_rgb, size, interpolation=cv2.INTER_LINEAR)
    return Request(image_rgb, condition(SparsePrompt.none(camera), ConditioningConfig()), camera)


def _frame(path: Path) -> Request:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InvalidInput(f'{path}: expected an image, the file is damaged or of another format')
    image_rgb = np.ascontiguousarray(bgr[:, :, ::-1])
    arrays = _arrays(path.with_suffix('.npz'), image_rgb.shape[:2])
    camera = _camera(arrays.get('camera'), image_rgb.shape[1], image_rgb.shape[0])
    sparse = SparsePrompt.none(camera)
    if 'depth_m' in arrays:
        depth_m = np.where(arrays['depth_m'] > 0, arrays['depth_m'], np.nan).astype(np.float32)
        sigma_m = arrays.get('sigma_m', depth_m * UNSAID_SIGMA)
        sigma_m = np.where(np.isnan(depth_m) | ~(sigma_m > 0), np.nan, sigma_m).astype(np.float32)
        count = int(np.isfinite(depth_m).sum())
        sparse = SparsePrompt(depth_m, sigma_m, camera, stats=PromptStats(count, count / depth_m.size))
    return Request(image_rgb, condition(sparse, ConditioningConfig()), camera)


def _arrays(path: Path, size: tuple[int, int]) -> dict[str, np.ndarray]:
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:  # TypeError: one bare array
        raise InvalidInput(f'{path}: expected arrays, cannot be read: {error}') from error
    for name in ('depth_m', 'sigma_m'):
        if name in arrays and arrays[name].shape != size:
            raise InvalidInput(f'{path}: {name}: expected the size of its image {size}, got {arrays[name].shape}')
    if 'camera' in arrays and arrays['camera'].shape != (4,):
        raise InvalidInput(f'{path}: camera: expected fx, fy, cx, cy, got shape {arrays["camera"].shape}')
    return arrays


def _camera(intrinsics: np.ndarray | None, width: int, height: int) -> CameraModel:
    if intrinsics is None:
        focal_px = width / 2 / math.tan(math.radians(GUESSED_FOV_DEG / 2))
        intrinsics = (focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)
    return CameraModel(width, height, *(float(value) for value in intrinsics))
