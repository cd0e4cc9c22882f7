# SPDX-License-Identifier: Apache-2.0
"""What changes a frame without changing its depth: crop, zoom, mirror, light and camera faults."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.training.shards import Sample


def cropped(rng: np.random.Generator, sample: Sample, height: int, width: int, most_shrinking: float = 1.0) -> Sample:
    """A random window, shrunk by a random factor of 1 to `most_shrinking` as far as it fits, to (height, width)."""
    full_height, full_width = sample.depth_m.shape
    fits = min(full_height / height, full_width / width)
    factor = float(rng.uniform(min(1.0, fits), max(min(most_shrinking, fits), min(1.0, fits))))
    rows, columns = min(round(height * factor), full_height), min(round(width * factor), full_width)
    top, left = int(rng.integers(full_height - rows + 1)), int(rng.integers(full_width - columns + 1))
    image = sample.image_rgb[top : top + rows, left : left + columns]
    depth = sample.depth_m[top : top + rows, left : left + columns]
    dropout = None if sample.dropout is None else sample.dropout[top : top + rows, left : left + columns]
    fx, fy, cx, cy = sample.intrinsics
    sx, sy = width / columns, height / rows
    if (rows, columns) != (height, width):
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        depth = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST)
        dropout = None if dropout is None else cv2.resize(dropout, (width, height), interpolation=cv2.INTER_NEAREST)
    intrinsics = np.array(
        [fx * sx, fy * sy, (cx - left + 0.5) * sx - 0.5, (cy - top + 0.5) * sy - 0.5], dtype=np.float32
    )
    return Sample(image, depth, intrinsics, dropout)


def panoramic(rng: np.random.Generator, sample: Sample, height: int, width: int) -> Sample | None:
    """A part of a panorama (equirectangular, radial range, as core/camera.py has it) that shows the frame's scene.

    The camera is turned to any longitude, and to some latitude near the horizon: frames are mostly taken level, and
    so are panoramas. The part lies within what it sees. intrinsics: pixels per radian twice, and the column and row
    of longitude and latitude 0. None where the frame shows too little for a part of (height, width).
    """
    rows, columns = sample.depth_m.shape
    fx, fy, cx, cy = (float(value) for value in sample.intrinsics)
    scale = max(width / columns * fx, height / rows * fy) * float(rng.uniform(1.05, 1.6))  # pixels per radian
    latitude, longitude = np.radians(np.clip(rng.normal(0, 20), -60, 60)), rng.uniform(-np.pi, np.pi)
    east = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / scale  # of the part's middle
    down = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / scale + latitude
    level = np.cos(down)[:, None]
    x, y, z = level * np.sin(east), np.repeat(np.sin(down)[:, None], width, axis=1), level * np.cos(east)
    ahead = np.cos(latitude) * z + np.sin(latitude) * y
    below = np.cos(latitude) * y - np.sin(latitude) * z
    if abs(latitude) + height / 2 / scale > np.pi / 2 or ahead.min() < 0.2:
        return None
    u, v = (fx * x / ahead + cx).astype(np.float32), (fy * below / ahead + cy).astype(np.float32)
    if u.min() < 0 or v.min() < 0 or u.max() > columns - 1 or v.max() > rows - 1:
        return None
    image = cv2.remap(sample.image_rgb, u, v, cv2.INTER_LINEAR)
    depth, dropout = (
        None if values is None else cv2.remap(values, u, v, cv2.INTER_NEAREST)
        for values in (sample.depth_m, sample.dropout)
    )
    intrinsics = [scale, scale, (width - 1) / 2 - longitude * scale, (height - 1) / 2 - latitude * scale]
    return Sample(image, (depth / ahead).astype(np.float32), np.array(intrinsics, np.float32), dropout)


def mirrored(sample: Sample) -> Sample:
    """Left and right exchanged."""
    fx, fy, cx, cy = sample.intrinsics
    width = sample.depth_m.shape[1]
    intrinsics = np.array([fx, fy, width - 1 - cx, cy], dtype=np.float32)
    dropout = None if sample.dropout is None else sample.dropout[:, ::-1]
    return Sample(sample.image_rgb[:, ::-1], sample.depth_m[:, ::-1], intrinsics, dropout)


def photographed(rng: np.random.Generator, image_rgb: np.ndarray) -> np.ndarray:
    """Exposure, white balance, gamma, blur, sensor noise and compression of some other camera."""
    image = image_rgb.astype(np.float32)
    image = image * np.exp(rng.normal(0, 0.2)) * np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
    if rng.random() < 0.5:
        image = 255 * np.clip(image / 255, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.1:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.2)))
    if rng.random() < 0.6:
        image = image + rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(0, 8))
    image = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, packed = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))])
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return image
