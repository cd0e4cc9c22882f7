# SPDX-License-Identifier: Apache-2.0
"""Depth map -> the image's size, without inventing depths at edges."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.core.errors import InvalidInput

EDGE = 0.04  # jump within four neighbouring depths, of the nearest, above which they are two surfaces
SLIGHT = 1.5  # up to this factor bilinear interpolation leaves hardly any pixel out
COLOUR_SIGMA = 12.0  # grey levels per channel that still look like one surface


def shrunk(image_rgb: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The image at another size: averaged where it gets much smaller, else bilinear, in a sixth of the time."""
    averaged = columns * SLIGHT < image_rgb.shape[1]
    return cv2.resize(image_rgb, (columns, rows), interpolation=cv2.INTER_AREA if averaged else cv2.INTER_LINEAR)


def upsample_depth(depth_m: np.ndarray, height: int, width: int, image_rgb: np.ndarray | None = None) -> np.ndarray:
    """(h, w) float32 depth -> (height, width) float32; pixel grids scale, corners don't coincide.

    On a surface bilinear. Where the four depths around a pixel are of two surfaces, the pixel is given to one of
    them and interpolated from that one's depths only: to the one whose share of the four, weighted by distance and,
    with image_rgb (height, width, 3) uint8, by likeness of colour, is larger. So every output is within the
    smallest and largest of its four. Unknown (NaN) depths take part as a surface of their own.
    Raises InvalidInput where the image doesn't have the size asked for.
    """
    if image_rgb is not None and image_rgb.shape != (height, width, 3):
        raise InvalidInput(f'guide: expected an image of {(height, width, 3)}, got {image_rgb.shape}')
    rows, columns = depth_m.shape
    smooth = cv2.resize(depth_m, (width, height), interpolation=cv2.INTER_LINEAR)
    upper, lower, down = _neighbours(height, rows)
    left, right, across = _neighbours(width, columns)
    pixel = _at_edges(depth_m, upper, left)
    row, column = np.divmod(pixel, width)
    near_rows, near_columns = (upper[row], lower[row]), (left[column], right[column])
    shares_y, shares_x = (1 - down[row], down[row]), (1 - across[column], across[column])
    corner = np.stack([y * columns + x for y in near_rows for x in near_columns])  # (4, M) flat numbers in depth_m
    weight = np.stack([y * x for y in shares_y for x in shares_x])
    if image_rgb is not None:
        weight *= _likeness(image_rgb, (rows, columns), pixel, corner)
    smooth.ravel()[pixel] = _of_one_surface(depth_m.ravel()[corner], weight)
    return smooth


def _neighbours(size: int, source_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `size` places: the two source places around it and the share of the second, as in cv2.resize."""
    at = np.clip((np.arange(size) + 0.5) * source_size / size - 0.5, 0, source_size - 1)
    first = at.astype(np.intp)
    return first, np.minimum(first + 1, source_size - 1), (at - first).astype(np.float32)


def _at_edges(depth_m: np.ndarray, upper: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Flat numbers of the output pixels whose four source depths are not all of one surface."""
    known = np.nan_to_num(depth_m, nan=0.0)  # unknown beside known is an edge too
    square = np.ones((2, 2), np.uint8)
    # anchored at the first of the four; the border repeats, as it does in the interpolation
    near, far = (
        operation(known, square, anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
        for operation in (cv2.erode, cv2.dilate)
    )
    edge = far > near * np.float32(1 + EDGE)
    edge |= np.isnan(depth_m)
    return np.flatnonzero(edge[upper][:, left])


def _likeness(image_rgb: np.ndarray, shape: tuple[int, int], pixel: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """(4, M) in (0, 1]: how alike a pixel's colour is to the mean colour under each of its four source pixels."""
    small = shrunk(image_rgb, *shape)
    own = image_rgb.reshape(-1, 3)[pixel].astype(np.float32)
    difference = small.reshape(-1, 3)[corner].astype(np.float32) - own
    likeness = np.exp(-(difference**2).mean(axis=2) / (2 * COLOUR_SIGMA**2))
    return np.maximum(likeness, 1e-6)  # an unlike colour must not leave a pixel without any neighbour


def _of_one_surface(depths_m: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(4, M) depths and weights -> (M,) mean of the surface with the largest weight, NaN where that is the unknown."""
    known = ~np.isnan(depths_m)
    nearest = np.where(known, depths_m, np.inf).min(axis=0)
    farthest = np.where(known, depths_m, -np.inf).max(axis=0)
    near = known & (depths_m * depths_m <= nearest * farthest)  # split at the geometric mean
    groups = (near, known & ~near, ~known)
    shares = np.stack([np.where(group, weight, 0).sum(axis=0) for group in groups])
    chosen = shares.argmax(axis=0)
    means = [
        np.where(group, weight * np.where(known, depths_m, 0), 0).sum(axis=0) / np.maximum(share, 1e-12)
        for group, share in zip(groups[:2], shares[:2], strict=True)
    ]
    result = np.where(chosen == 0, means[0], means[1])
    result = np.clip(result, nearest, farthest)  # rounding of the weights
    return np.where(chosen == 2, np.nan, result).astype(np.float32)
