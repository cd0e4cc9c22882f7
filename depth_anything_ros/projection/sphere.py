# SPDX-License-Identifier: Apache-2.0
"""The nearest return of every pixel of a panorama, over the seam and around the poles.

The image itself measures distance well up to 45 degrees of latitude. Beyond, a row's pixels crowd together, so each
cap is looked at on a chart of its own (azimuthal equidistant: true from the pole, up to 11 % too long across).
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np


def nearest_on_sphere(depth_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) sparse range of a panorama, NaN where empty -> (H, W) float32: the nearest return's, and its distance.

    The distance is in pixels of the image's equator; at least one return is needed.
    """
    width = depth_m.shape[1]
    half = width // 2
    around = np.concatenate([depth_m[:, -half:], depth_m, depth_m[:, :half]], axis=1)
    filled_m, distance_px = (np.ascontiguousarray(a[:, half : half + width]) for a in nearest_in_image(around))
    for upside_down in (False, True):
        depth_from_pole, *out_from_pole = (a[::-1] if upside_down else a for a in (depth_m, filled_m, distance_px))
        _fill_cap(depth_from_pole, *out_from_pole)
    return filled_m, distance_px


def nearest_in_image(depth_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) sparse depth, NaN where empty -> (H, W) float32: depth of the nearest return, its distance in pixels."""
    empty = np.isnan(depth_m)
    distance_px, label = cv2.distanceTransformWithLabels(
        empty.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    depth_of_label = np.empty(int(label.max()) + 1, dtype=np.float32)
    holds = np.flatnonzero(~empty)
    depth_of_label[label.ravel().take(holds)] = depth_m.ravel().take(holds)
    return depth_of_label.take(label), distance_px


def _fill_cap(depth_m: np.ndarray, filled_m: np.ndarray, distance_px: np.ndarray) -> None:
    """Write the rows within 45 degrees of the pole, which is above row 0."""
    height, width = depth_m.shape
    place, side = _chart(height, width)
    hemisphere = depth_m[: height // 2]
    holds = np.flatnonzero(~np.isnan(hemisphere))
    if not len(holds):
        return
    chart = np.full(side * side, np.nan, np.float32)
    chart[place.take(holds)] = hemisphere.ravel().take(holds)
    cap = np.s_[: height // 4]
    at = place.reshape(-1, width)[cap]
    for out, values in zip((filled_m, distance_px), nearest_in_image(chart.reshape(side, side)), strict=True):
        out[cap] = values.ravel().take(at)


@lru_cache(maxsize=4)
def _chart(height: int, width: int) -> tuple[np.ndarray, int]:
    """Flat place (H // 2 * W,) on the chart of each pixel of the upper half, and the chart's side."""
    reach = height // 2
    from_pole = np.arange(reach)[:, None] + 0.5
    azimuth = (np.arange(width) + 0.5) * (2 * np.pi / width)
    side = 2 * reach + 1
    row, column = (np.rint(reach + from_pole * along(azimuth)).astype(np.int32) for along in (np.cos, np.sin))
    return (row * side + column).ravel(), side
