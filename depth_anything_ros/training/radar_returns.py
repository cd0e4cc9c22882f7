# SPDX-License-Identifier: Apache-2.0
"""Simulated radar returns from exact depth."""

from __future__ import annotations

import numpy as np

UPRIGHT_SLOPE = 0.002  # of depth from one row to the next
FEW_UPRIGHT_PX = 100


def radar_returns(
    rng: np.random.Generator, full_m: np.ndarray, intrinsics: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Few returns at a range that is right, in a direction that is not: wide in elevation; clutter besides.

    Mostly of upright things: the ground reflects a radar's pulse away.

    The claimed sigma grows with range as an elevation error on ground seen from a vehicle does (projection/radar.py).
    """
    height, width = full_m.shape
    fx, fy = intrinsics[:2]
    depth_m = np.full((height, width), np.nan, np.float32)
    rows, columns = np.nonzero(_upright(full_m))
    if len(rows) < FEW_UPRIGHT_PX or rng.random() < 0.2:
        rows, columns = np.nonzero(np.isfinite(full_m))
    count = int(np.exp(rng.uniform(np.log(5), np.log(300))))
    chosen = rng.integers(0, len(rows), count)
    range_m = full_m[rows[chosen], columns[chosen]] + rng.normal(0, rng.uniform(0.02, 0.3), count)
    # some look over or under what the camera sees, at something behind it
    behind = rng.random(count) < rng.uniform(0, 0.6)
    range_m = np.where(behind, range_m * np.exp(rng.uniform(0, 1.5, count)), range_m)
    low, high = log_range(full_m)
    ghosts = rng.random(count) < rng.uniform(0, 0.3)
    range_m = np.where(ghosts, np.exp(rng.uniform(low, high + 0.3, count)), range_m)
    azimuth_px, elevation_px = fx * np.radians(rng.uniform(0.2, 1.5)), fy * np.radians(rng.uniform(0.5, 5))
    rows = np.rint(rows[chosen] + rng.normal(0, elevation_px, count)).astype(int)
    columns = np.rint(columns[chosen] + rng.normal(0, azimuth_px, count)).astype(int)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width) & (range_m > 0)
    depth_m[rows[inside], columns[inside]] = range_m[inside]
    spread_m = np.minimum(depth_m**2 * np.radians(1.5) / 1.5, 0.5 * depth_m)
    return depth_m, np.hypot(0.25, spread_m).astype(np.float32) * np.float32(np.exp(rng.normal(0, 0.2)))


def _upright(depth_m: np.ndarray) -> np.ndarray:
    """(H, W) bool: depth hardly changes from row to row, as on walls, posts and vehicles and unlike on the ground."""
    upright = np.zeros(depth_m.shape, bool)
    with np.errstate(invalid='ignore'):
        upright[1:] = np.abs(np.diff(np.log(depth_m), axis=0)) < UPRIGHT_SLOPE
    return upright


def log_range(depth_m: np.ndarray) -> tuple[float, float]:
    """Robust range of log depth; NaN is unknown."""
    low, high = np.log(np.nanpercentile(depth_m, [2, 98]))
    return float(low), float(high)
