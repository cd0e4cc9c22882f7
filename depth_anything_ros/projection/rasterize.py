# SPDX-License-Identifier: Apache-2.0
"""Returns in the camera frame -> a sparse depth image in which the nearest return of a pixel wins."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.distortion import WIDEST_TAN
from depth_anything_ros.core.errors import InvalidInput

NEAREST_Z_M = 1e-6


@dataclass(frozen=True, eq=False)
class Raster:
    """depth_m, sigma_m (H, W) float32, NaN where empty; index (H, W) int32 of the return that won, or -1.

    pixel (count,): the flat numbers of the pixels that hold a return, in no order.
    rejected: reason -> returns that are not in the raster; with count they add up to all returns.
    """

    depth_m: np.ndarray
    sigma_m: np.ndarray
    index: np.ndarray
    pixel: np.ndarray
    rejected: dict[str, int]

    @property
    def count(self) -> int:
        return len(self.pixel)

    def without(self, dropped: np.ndarray, reason: str) -> Raster:
        """The raster less the returns where `dropped` (count,) is True for their `pixel`, counted under `reason`."""
        images = [image.copy() for image in (self.depth_m, self.sigma_m, self.index)]
        for image, nothing in zip(images, (np.nan, np.nan, -1), strict=True):
            image.ravel()[self.pixel[dropped]] = nothing
        rejected = {**self.rejected, reason: self.rejected.get(reason, 0) + int(dropped.sum())}
        return Raster(*images, self.pixel[~dropped], rejected)


def rasterize(
    points_camera_m: np.ndarray,
    camera: CameraModel,
    sigma_m: np.ndarray,
    *,
    min_depth_m: float = 0.0,
    max_depth_m: float = math.inf,
) -> Raster:
    """(N, 3) points in the camera's optical frame and their (N,) sigma -> Raster of the camera's image.

    Depth is what the camera means by it: z, or radial range for a panorama. Returns outside
    [min_depth_m, max_depth_m] can't win a pixel. Raises InvalidInput on shapes that disagree.
    """
    count = len(points_camera_m)
    if points_camera_m.shape != (count, 3) or sigma_m.shape != (count,):
        raise InvalidInput(f'expected (N, 3) points and (N,) sigma, got {points_camera_m.shape} and {sigma_m.shape}')
    chosen = _inside_frustum(points_camera_m, camera)
    points = np.take(points_camera_m, chosen, axis=0)
    pixels, valid = camera.project(points)
    depth_m = camera.depth_of(points)
    in_range = (depth_m >= min_depth_m) & (depth_m <= max_depth_m)
    in_view = int(valid.sum())
    keep = np.flatnonzero(valid & in_range)
    # project() guarantees that a valid pixel rounds to one of the image
    column, row = (np.rint(pixels[:, axis].take(keep)).astype(np.int32) for axis in (0, 1))
    index = chosen.take(keep)
    raster = scatter_nearest(
        row * camera.width + column, depth_m.take(keep), sigma_m.take(index), index, camera.height, camera.width
    )
    rejected = {'out of view': count - in_view, 'out of range': in_view - len(keep), **raster.rejected}
    return dataclasses.replace(raster, rejected=rejected)


def scatter_nearest(
    pixel: np.ndarray, depth_m: np.ndarray, sigma_m: np.ndarray, index: np.ndarray, height: int, width: int
) -> Raster:
    """Write returns (M,) to flat pixel numbers (M,) of a (height, width) image; the nearest of a pixel wins.

    index (M,): what Raster.index holds for each return.
    """
    # Write all in any order, then those that turn out nearer than what stands there, far to near: numpy
    # keeps the last value written to an element. Only the contested pixels need sorting.
    holder = np.full(height * width, -1, dtype=np.int32)
    number = np.arange(len(pixel), dtype=np.int32)
    holder[pixel] = number
    nearer = np.flatnonzero(depth_m < depth_m.take(holder.take(pixel)))
    nearer = nearer.take(np.argsort(-depth_m.take(nearer)))
    holder[pixel.take(nearer)] = nearer
    winners = np.flatnonzero(holder.take(pixel) == number)
    places = pixel.take(winners)
    shape = (height, width)
    depth, sigma = (np.full(height * width, np.nan, dtype=np.float32) for _ in range(2))
    depth[places] = depth_m.take(winners)
    sigma[places] = sigma_m.take(winners)
    holder[places] = index.take(winners)
    rejected = {'behind a nearer return': len(pixel) - len(winners)}
    return Raster(depth.reshape(shape), sigma.reshape(shape), holder.reshape(shape), places, rejected)


def _inside_frustum(points_m: np.ndarray, camera: CameraModel) -> np.ndarray:
    """Indices of the returns that may be in view: a cheap superset, so that project() sees few of a full turn."""
    if camera.is_equirectangular:
        return np.arange(len(points_m))
    x, y, z = points_m[:, 0], points_m[:, 1], points_m[:, 2]
    left, right, top, bottom = _tangents(camera)
    inside = z > NEAREST_Z_M
    inside &= x >= left * z
    inside &= x <= right * z
    inside &= y >= top * z
    inside &= y <= bottom * z
    return np.flatnonzero(inside)


@lru_cache(maxsize=32)
def _tangents(camera: CameraModel) -> tuple[float, float, float, float]:
    """Smallest and largest x / z, then y / z, that the image can show, half a pixel beyond its border included."""
    u, v = np.arange(-1, camera.width + 1), np.arange(-1, camera.height + 1)
    border = np.concatenate(
        [
            np.stack([u, np.full_like(u, -1)], -1),
            np.stack([u, np.full_like(u, camera.height)], -1),
            np.stack([np.full_like(v, -1), v], -1),
            np.stack([np.full_like(v, camera.width), v], -1),
        ]
    ).astype(np.float64)
    rays = camera.unproject(border, np.ones(len(border)))
    if np.isnan(rays).any():  # a lens whose image circle ends inside the image
        return (-WIDEST_TAN, WIDEST_TAN, -WIDEST_TAN, WIDEST_TAN)
    return (rays[:, 0].min(), rays[:, 0].max(), rays[:, 1].min(), rays[:, 1].max())
