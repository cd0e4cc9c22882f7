# SPDX-License-Identifier: Apache-2.0
"""A ranger's own returns beside the depth that was made of them: where one is, it is the better measurement."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput

RADIUS_M = 0.05  # measured on recordings/room: less holds too little, more reaches over edges


def with_returns(
    depth_m: np.ndarray,
    sigma_m: np.ndarray | None,
    returns_m: np.ndarray,
    returns_sigma_m: np.ndarray,
    camera: CameraModel,
    radius_m: float = RADIUS_M,
) -> tuple[np.ndarray, np.ndarray | None]:
    """(depth_m, sigma_m) in which each return holds the pixels up to `radius_m` around it, at its own depth.

    All (H, W) float32, NaN = unknown; returns on the same pixels, as a SparsePrompt has them. A return alone on its
    pixel would be lost: a voxel is wider than a pixel, and a triangle needs eight of them. A pixel near several belongs
    to the nearest in the image. Raises InvalidInput on sizes that disagree.
    """
    import cv2

    if returns_m.shape != depth_m.shape or returns_sigma_m.shape != depth_m.shape:
        raise InvalidInput(
            f'returns: expected {depth_m.shape} as the depth, got {returns_m.shape} and {returns_sigma_m.shape}'
        )
    known = np.isfinite(returns_m)
    if not known.any():
        return depth_m, sigma_m
    away_px, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.zeros(label.max() + 1, np.int64)
    index[label[known]] = np.flatnonzero(known)
    nearest = index[label]
    nearest_m = returns_m.ravel()[nearest]
    held = away_px * nearest_m <= radius_m * camera.fx
    depth_m = np.where(held, nearest_m, depth_m)
    if sigma_m is not None:
        sigma_m = np.where(held, returns_sigma_m.ravel()[nearest], sigma_m)
    return depth_m, sigma_m
