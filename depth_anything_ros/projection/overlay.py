# SPDX-License-Identifier: Apache-2.0
"""Depth as colour, and returns drawn on their image: what people look at first."""

from __future__ import annotations

import cv2
import numpy as np

_TURBO = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1]


def depth_range_m(depth_m: np.ndarray) -> tuple[float, float]:
    """The 2nd to 98th percentile of the known depths, apart from each other; (0, 1) where nothing is known."""
    known = depth_m[np.isfinite(depth_m)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, (2, 98))
    return float(low), float(max(high, low * 1.05 + 1e-3))


def colourise(depth_m: np.ndarray, low_m: float, high_m: float) -> np.ndarray:
    """(H, W) depth -> (H, W, 3) uint8 RGB, near red to far blue in inverse depth; unknown is black."""
    known = np.isfinite(depth_m) & (depth_m > 0)
    low_m = max(low_m, 1e-3)
    inverse = 1.0 / np.where(known, np.clip(depth_m, low_m, high_m), high_m)
    shade = (inverse - 1 / high_m) / (1 / low_m - 1 / high_m) * 255
    return np.where(known[..., None], _TURBO[shade.astype(np.uint8)], np.uint8(0))


def overlay_prompt(image_rgb: np.ndarray, sparse_depth_m: np.ndarray, high_m: float = 0.0) -> np.ndarray:
    """The image, dimmed, with every return as a dot in its depth's colour; far returns are drawn first.

    image_rgb (H, W, 3) uint8, sparse_depth_m (H, W) NaN where empty; high_m: depth of the last colour, 0: by frame.
    """
    picture = image_rgb // 2
    v, u = np.nonzero(np.isfinite(sparse_depth_m))
    depth_m = sparse_depth_m[v, u]
    low, by_frame = depth_range_m(depth_m)
    colours = colourise(depth_m[None], low, high_m or by_frame)[0]
    far_first = np.argsort(-depth_m)
    v, u, colours = v[far_first], u[far_first], colours[far_first]
    size = max(1, round(image_rgb.shape[1] / 640))  # a dot stays visible on a large image
    reach = np.arange(-(size // 2), size // 2 + 2)
    rows = np.clip(v[:, None, None] + reach[:, None], 0, picture.shape[0] - 1)
    columns = np.clip(u[:, None, None] + reach, 0, picture.shape[1] - 1)
    picture[rows, columns] = colours[:, None, None]  # numpy writes in order: the nearest return stays on top
    return picture
