# SPDX-License-Identifier: Apache-2.0
"""Completion without a network: the fallback that always works, and the baselines that a network has to beat."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput, MissingExtra
from depth_anything_ros.core.frames import SparsePrompt
from depth_anything_ros.engines.base import Engine, Prediction
from depth_anything_ros.projection.conditioning import ConditionedPrompt, ConditioningConfig, condition

SAME_SURFACE = 0.15  # neighbours whose depths differ by less than this share are smoothed together
WIDEST_SMOOTHING_PX = 65
SEAM_PX = 64  # how far a window, or all windows of the dilation together, reach across a panorama's seam


class ClassicalEngine(Engine):
    """Nearest return, smoothed where the neighbourhood is one surface; sigma grows with the distance to a return."""

    name, model, camera = 'classical', 'classical', 'any'

    def __init__(self, reason: str = 'asked for'):
        self._reason = reason

    def infer(self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel | None) -> Prediction:
        """Raises InvalidInput without returns: there is no network to tell depth from the image."""
        if prompt.sparse.empty:
            raise InvalidInput('the classical completion needs returns, and none is in view')
        fill_m = prompt.filled_m
        seam = min(SEAM_PX, fill_m.shape[1]) if prompt.sparse.camera.is_equirectangular else 0
        if seam:
            fill_m = _across_seam(fill_m, seam)
        spacing_px = float(np.mean(prompt.distance_px)) * 4
        window = int(np.clip(spacing_px, 3, WIDEST_SMOOTHING_PX)) | 1
        low_m, high_m = _spread(fill_m, window)
        smooth_m = cv2.blur(fill_m, (window, window), borderType=cv2.BORDER_REPLICATE)
        spread_m = high_m - low_m
        depth_m = np.where(spread_m < SAME_SURFACE * fill_m, smooth_m, fill_m)
        if seam:
            depth_m, spread_m = (np.ascontiguousarray(image[:, seam:-seam]) for image in (depth_m, spread_m))
        return Prediction(depth_m, _sigma(depth_m, spread_m, prompt, camera or prompt.sparse.camera))

    def describe(self) -> dict[str, str]:
        return {'engine': self.name, 'model': 'none (completion of the prompt)', 'reason': self._reason}

    def close(self) -> None:
        pass


def nearest_fill(prompt: SparsePrompt) -> np.ndarray:
    """(H, W) float32: every pixel takes the depth of the nearest return in the image; NaN without returns."""
    return condition(prompt, ConditioningConfig()).filled_m


def linear_fill(prompt: SparsePrompt) -> np.ndarray:
    """(H, W) float32: linear interpolation over the Delaunay triangles of the returns, nearest outside their hull.

    Fewer than three returns, or all on one line, give the nearest fill.
    """
    try:
        from scipy.interpolate import LinearNDInterpolator
        from scipy.spatial import QhullError
    except ImportError as error:
        raise MissingExtra('scipy', 'report', 'linear interpolation of the prompt') from error
    nearest_m = nearest_fill(prompt)
    v, u = np.nonzero(np.isfinite(prompt.depth_m))
    if len(v) < 3:
        return nearest_m
    depth_m = prompt.depth_m[v, u]
    if prompt.camera.is_equirectangular:  # triangles go on across the seam
        width = prompt.camera.width
        left, right = u < width // 4, u >= width - width // 4
        u = np.concatenate([u, u[left] + width, u[right] - width])
        v, depth_m = (np.concatenate([a, a[left], a[right]]) for a in (v, depth_m))
    try:
        interpolate = LinearNDInterpolator(np.stack([u, v], -1), depth_m)
    except QhullError:
        return nearest_m
    rows, columns = np.mgrid[: prompt.camera.height, : prompt.camera.width]
    linear_m = interpolate(columns, rows).astype(np.float32)
    return np.where(np.isfinite(linear_m), linear_m, nearest_m)


def dilation_fill(prompt: SparsePrompt) -> np.ndarray:
    """(H, W) float32: IP-Basic's recipe (Ku, Harakeh and Waslander, CRV 2018).

    Near returns are dilated over far ones (5x5 diamond), small holes closed, the columns extended upwards, the rest
    filled by wide dilations, then blurred by a median; what is still empty takes the nearest return.
    """
    known = np.isfinite(prompt.depth_m)
    if not known.any():
        return prompt.depth_m.copy()
    highest_m = float(np.nanmax(prompt.depth_m)) + 1.0
    inverted = np.where(known, highest_m - prompt.depth_m, 0).astype(np.float32)  # near is large, empty is 0
    seam = min(SEAM_PX, known.shape[1]) if prompt.camera.is_equirectangular else 0
    if seam:
        inverted = _across_seam(inverted, seam)
    diamond = cv2.getStructuringElement(cv2.MORPH_CROSS, (5, 5))
    diamond[1:4, 1:4] = 1
    inverted = cv2.dilate(inverted, diamond)
    inverted = cv2.morphologyEx(inverted, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    inverted = _filled_empty(inverted, cv2.dilate(inverted, np.ones((7, 7), np.uint8)))
    first = np.argmax(inverted > 0, axis=0)  # the topmost value of a column goes up to the border
    top = inverted[first, np.arange(inverted.shape[1])]
    above = np.arange(inverted.shape[0])[:, None] < first
    inverted = np.where(above, top, inverted)
    inverted = _filled_empty(inverted, cv2.dilate(inverted, np.ones((31, 31), np.uint8)))
    inverted = cv2.medianBlur(inverted, 5)
    if seam:
        inverted = np.ascontiguousarray(inverted[:, seam:-seam])
    return np.where(inverted > 0, highest_m - inverted, nearest_fill(prompt)).astype(np.float32)


def _across_seam(image: np.ndarray, reach_px: int) -> np.ndarray:
    """(H, W) panorama -> (H, W + 2 reach_px): what lies beyond the left and the right border goes on there."""
    return np.concatenate([image[:, -reach_px:], image, image[:, :reach_px]], axis=1)


def _filled_empty(values: np.ndarray, filling: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, filling)


def _spread(depth_m: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest depth within the window; a quarter of the resolution is enough and ten times faster."""
    height, width = depth_m.shape
    quarter = np.ascontiguousarray(depth_m[::4, ::4])
    kernel = np.ones((window // 4 * 2 + 1,) * 2, np.uint8)
    both = (cv2.erode(quarter, kernel), cv2.dilate(quarter, kernel))
    return tuple(cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST) for values in both)


def _sigma(depth_m, spread_m, prompt: ConditionedPrompt, camera: CameraModel) -> np.ndarray:
    """One standard deviation: the returns' own, what lies between them, and the spread of a depth edge nearby."""
    returns_m = float(np.nanmedian(prompt.sparse.sigma_m))
    away = prompt.distance_px / np.float32(camera.fx)  # as a slope: independent of the resolution
    return np.sqrt(returns_m**2 + (depth_m * (0.005 + away)) ** 2 + (0.5 * spread_m) ** 2).astype(np.float32)
