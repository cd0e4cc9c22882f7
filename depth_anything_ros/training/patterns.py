# SPDX-License-Identifier: Apache-2.0
"""Where sensors measure: the pixels of exact depth that a LiDAR's rings, a ToF camera's grid or random points hit.

The masks take a random generator and a frame and give (H, W) bool; `grid` and `framed` give depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

VLP_32C_DEG = (
    15, 10.333, 7, 4.667, 3.333, 2.333, 1.667, 1.333, 1, 0.667, 0.333, 0, -0.333, -0.667, -1, -1.333, -1.667,
    -2, -2.333, -2.667, -3, -3.333, -3.667, -4, -4.667, -5.333, -6.148, -7.254, -8.843, -11.31, -15.639, -25,
)  # fmt: skip

# degrees, top to bottom: HDL-64E, HDL-32E (nuScenes), VLP-32C, OS1-64, VLP-16 and two small ones
ELEVATIONS_DEG = {
    'hdl64': np.concatenate([np.linspace(2, -8.33, 32), np.linspace(-8.83, -24.33, 32)]),
    'hdl32': np.linspace(10.67, -30.67, 32),
    'vlp32c': np.array(VLP_32C_DEG),
    'os1_64': np.linspace(22.5, -22.5, 64),
    'vlp16': np.linspace(15, -15, 16),
    'line8': np.linspace(10, -10, 8),
    'line4': np.linspace(1.6, -1.6, 4),
}


@dataclass(frozen=True, eq=False)
class Frame:
    """What a sensor ranges: depth_m (H, W) float32 exact, NaN unknown; intrinsics (4,) fx, fy, cx, cy; dropout (H, W)
    in [0, 1], chance that a pulse brings no return, None where the surfaces are not known.
    """

    depth_m: np.ndarray
    intrinsics: np.ndarray
    dropout: np.ndarray | None = None


def points(rng, frame: Frame) -> np.ndarray:
    """10 to 60,000 random pixels, log-uniform."""
    pixels = frame.depth_m.size
    count = np.exp(rng.uniform(np.log(10), np.log(60_000)))
    return rng.random(frame.depth_m.shape) < min(count / pixels, 0.7)


def lidar(rng, frame: Frame) -> np.ndarray:
    """Rings of a spinning LiDAR that stands off the camera, rolled and pitched a little; azimuth steps too."""
    height, width = frame.depth_m.shape
    fx, fy, cx, cy = frame.intrinsics
    beams = ELEVATIONS_DEG[str(rng.choice(list(ELEVATIONS_DEG)))]
    every = int(rng.choice([1, 1, 2, 4])) if len(beams) >= 16 else 1
    beams = np.radians(beams[int(rng.integers(every)) :: every])
    x = (np.arange(width, dtype=np.float32) - cx) / fx
    y = (np.arange(height, dtype=np.float32) - cy) / fy
    roll = rng.normal(0, 0.03)
    # the field of view of a crop may lie off the rings: aim the sensor near its middle half of the time
    aim = 0.0 if rng.random() < 0.5 else float(np.arctan(y[height // 2])) + rng.normal(0, 0.1)
    nearest = float(np.nanpercentile(frame.depth_m, 5))
    offset = rng.normal(0, [0.05, 0.12, 0.05]) * min(nearest, 3.0)
    points_x = x[None, :] * frame.depth_m - offset[0]
    points_y = y[:, None] * frame.depth_m - offset[1]
    points_z = frame.depth_m - offset[2]
    tilted = points_y * np.cos(roll) - points_x * np.sin(roll)
    elevation = np.arctan2(-tilted, np.hypot(points_x, points_z)) + aim
    ring = np.interp(elevation, beams[::-1], np.arange(len(beams))[::-1], left=np.nan, right=np.nan)
    azimuth = np.arctan2(points_x, points_z) / np.radians(rng.choice([0.1, 0.2, 0.4]))
    mask = np.zeros(frame.depth_m.shape, bool)
    with np.errstate(invalid='ignore'):
        drop = np.diff(ring, axis=0)
        crossed = (np.floor(ring[1:]) != np.floor(ring[:-1])) & (np.abs(drop) < 1)
        mask[1:] = crossed & np.isfinite(drop)
        step = np.floor(azimuth[:, 1:]) != np.floor(azimuth[:, :-1])
        mask[:, 1:] &= step
    return mask if mask.sum() >= 20 else rows(rng, frame)


def rows(rng, frame: Frame) -> np.ndarray:
    """Image rows, evenly spaced or rolled a little: structured light, solid-state LiDARs."""
    height, width = frame.depth_m.shape
    lines = int(rng.choice([2, 4, 6, 8, 12, 16, 24, 32, 48]))
    spacing = height / lines
    phase = rng.uniform(0, spacing) + rng.normal(0, 0.02) * np.arange(width)[None, :]
    rows = np.arange(height)[:, None] + phase
    mask = np.floor(rows / spacing) != np.floor((rows - 1) / spacing)
    step = int(rng.choice([1, 1, 2, 4]))
    mask[:, np.arange(width) % step != 0] = False
    return mask


def grid(rng, depth_m: np.ndarray, smoothed_cells: int) -> np.ndarray:
    """A low-resolution ToF or stereo depth image: one value in the middle of each cell.

    Single pixels, means of a cell or of `smoothed_cells` (which smear edges) or, as PromptDA (2024) does, points of a
    distorted grid.
    """
    height, width = depth_m.shape
    step = int(rng.choice([3, 4, 5, 7, 8, 8, 12, 16, 16, 24]))
    rows, columns = np.arange(step // 2, height, step), np.arange(step // 2, width, step)
    r, c = np.meshgrid(rows, columns, indexing='ij')
    out = np.full(depth_m.shape, np.nan, np.float32)
    way = rng.random()
    if smoothed_cells or way < 0.2:  # mean of the cell or of several: flying values at edges
        known = np.isfinite(depth_m).astype(np.float32)
        size = (step * max(smoothed_cells, 1),) * 2
        total = cv2.blur(np.nan_to_num(depth_m, nan=0.0), size)
        share = cv2.blur(known, size)
        out[r, c] = np.where(share > 0.5, total / np.maximum(share, 1e-6), np.nan)[r, c]
    elif way < 0.5:  # the grid is distorted: values come from beside where they are put
        jitter = rng.normal(0, 0.2 * step, (2, *r.shape))
        out[r, c] = depth_m[
            np.clip(np.rint(r + jitter[0]), 0, height - 1).astype(int),
            np.clip(np.rint(c + jitter[1]), 0, width - 1).astype(int),
        ]
    else:  # nearest
        out[r, c] = depth_m[r, c]
    return out


def framed(rng, depth_m: np.ndarray) -> np.ndarray:
    """Only what lies in the sensor's field of view, which is narrower than the camera's in one direction or in both."""
    seen_m = np.full_like(depth_m, np.nan)
    inside = tuple(
        slice(int(rng.uniform(0, 0.5) * side), int(rng.uniform(0.6, 1) * side)) if rng.random() < 0.7 else slice(None)
        for side in depth_m.shape
    )
    seen_m[inside] = depth_m[inside]
    return seen_m


def dense(rng, frame: Frame) -> np.ndarray:
    """An RGB-D camera: everything but holes, at edges and in patches."""
    depth = np.nan_to_num(frame.depth_m, nan=0.0)
    edge = cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0.1 * depth
    holes = cv2.resize(rng.random((8, 11), dtype=np.float32), depth.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (holes > np.quantile(holes, rng.uniform(0.1, 0.7))) & ~(edge & (rng.random() < 0.7))


def beam(rng, frame: Frame) -> np.ndarray:
    """A single-beam ranger or a planar LiDAR."""
    height, width = frame.depth_m.shape
    mask = np.zeros((height, width), bool)
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 5))):
            mask[int(rng.integers(height)), int(rng.integers(width))] = True
    else:
        mask[int(rng.integers(height // 4, height)), :: int(rng.choice([1, 2, 4]))] = True
    return mask


MASKS = {'points': points, 'lidar': lidar, 'rows': rows, 'dense': dense, 'beam': beam}
