# SPDX-License-Identifier: Apache-2.0
"""Returns in the camera frame -> a sparse depth image in which the nearest return of a pixel wins."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.distortion import WIDEST_TAN
from depth_anything_ros.core.errors import InvalidInput

NEAREST_Z_M = 1e-6


@dataclass(frozen=True, eq=False)
class Raster:
    """The returns that hold a pixel of a (height, width) image, one a pixel, in no order; images of them on demand.

    pixel (count,): flat numbers of their pixels; pixel_depth_m, pixel_sigma_m (count,) float32; pixel_index (count,):
    which return each of them is. rejected: reason -> returns that are not in the raster; with count they add up to all.
    """

    pixel: np.ndarray
    pixel_depth_m: np.ndarray
    pixel_sigma_m: np.ndarray
    pixel_index: np.ndarray
    height: int
    width: int
    rejected: dict[str, int]

    @property
    def count(self) -> int:
        return len(self.pixel)

    @cached_property
    def depth_m(self) -> np.ndarray:
        """(H, W) float32, NaN where empty."""
        return self.image(self.pixel_depth_m, np.nan)

    @cached_property
    def sigma_m(self) -> np.ndarray:
        """(H, W) float32, NaN where empty."""
        return self.image(self.pixel_sigma_m, np.nan)

    @cached_property
    def index(self) -> np.ndarray:
        """(H, W) int32: the return that won, or -1."""
        return self.image(self.pixel_index.astype(np.int32), -1)

    def image(self, values: np.ndarray, empty: float) -> np.ndarray:
        """(H, W) of the type of `values` (count,), which are of the pixels that hold a return; `empty` elsewhere."""
        image = np.full(self.height * self.width, empty, values.dtype)
        image[self.pixel] = values
        return image.reshape(self.height, self.width)

    def without(self, dropped: np.ndarray, reason: str) -> Raster:
        """The raster less the returns where `dropped` (count,) is True for their `pixel`, counted under `reason`."""
        number = int(np.count_nonzero(dropped))
        left = self.kept(np.flatnonzero(~dropped)) if number else self
        return dataclasses.replace(left, rejected={**self.rejected, reason: self.rejected.get(reason, 0) + number})

    def kept(self, chosen: np.ndarray) -> Raster:
        """The raster of the returns with these places in `pixel`."""
        lists = (self.pixel, self.pixel_depth_m, self.pixel_sigma_m, self.pixel_index)
        return Raster(*(values.take(chosen) for values in lists), self.height, self.width, self.rejected)


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
    planes = axes_of(points_camera_m)
    chosen = _inside_frustum(planes, camera)
    if len(chosen) < count:
        planes = planes.take(chosen, axis=1)
    pixels, seen = camera.project(planes.T)
    in_view = int(np.count_nonzero(seen))
    depth_m = camera.depth_of(planes.T)
    seen &= depth_m >= min_depth_m
    seen &= depth_m <= max_depth_m
    keep = np.flatnonzero(seen)
    if len(keep) < len(seen):
        pixels, depth_m, chosen = pixels.take(keep, axis=0), depth_m.take(keep), chosen.take(keep)
    if len(chosen) < count:
        sigma_m = sigma_m.take(chosen)
    # project() guarantees that a valid pixel rounds to one of the image
    column, row = np.rint(pixels, out=pixels).astype(np.intp).T
    raster = scatter_nearest(row * camera.width + column, depth_m, sigma_m, chosen, camera.height, camera.width)
    rejected = {'out of view': count - in_view, 'out of range': in_view - len(keep), **raster.rejected}
    return dataclasses.replace(raster, rejected=rejected)


def scatter_nearest(
    pixel: np.ndarray, depth_m: np.ndarray, sigma_m: np.ndarray, index: np.ndarray, height: int, width: int
) -> Raster:
    """Write returns (M,) to flat pixel numbers (M,) of a (height, width) image; the nearest of a pixel wins.

    index (M,): what Raster.pixel_index holds for each return.
    """
    # Write all in any order, then those that turn out nearer than what stands there, far to near: numpy
    # keeps the last value written to an element. Only the contested pixels need looking at.
    pixel = pixel.astype(np.intp, copy=False)  # any other type makes numpy convert it at every use
    number = np.arange(len(pixel), dtype=np.int32)
    holder = np.empty(height * width, dtype=np.int32)  # only read where a return was written
    holder[pixel] = number
    standing = holder.take(pixel)
    winners = number
    beaten = np.flatnonzero(standing != number)
    if len(beaten):
        nearer = beaten[depth_m.take(beaten) < depth_m.take(standing.take(beaten))]
        nearer = nearer.take(np.argsort(-depth_m.take(nearer)))
        holder[pixel.take(nearer)] = nearer
        winners = np.flatnonzero(holder.take(pixel) == number)
    rejected = {'behind a nearer return': len(pixel) - len(winners)}
    raster = Raster(pixel, depth_m, sigma_m, index, height, width, rejected)
    return raster.kept(winners) if len(winners) < len(pixel) else raster


def axes_of(points_m: np.ndarray) -> np.ndarray:
    """(N, 3) points -> (3, N) float32, contiguous along each axis: what vector instructions read fastest."""
    planes = np.empty((3, len(points_m)), np.float32)
    if len(points_m):
        # as rows of an image: OpenCV 5 takes a (N,) array for another shape and would not write to it
        rows = np.ascontiguousarray(points_m, dtype=np.float32).reshape(1, -1, 3)
        cv2.split(rows, list(planes.reshape(3, 1, -1)))  # seven times faster than numpy's transpose
    return planes


def _inside_frustum(planes: np.ndarray, camera: CameraModel) -> np.ndarray:
    """Indices of the returns (3, N) that may be in view: a cheap superset, so that project() sees few of a turn."""
    if camera.is_equirectangular:
        return np.arange(planes.shape[1])
    x, y, z = planes
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
    (left, top), (right, bottom) = rays[:, :2].min(axis=0).tolist(), rays[:, :2].max(axis=0).tolist()
    return left, right, top, bottom  # no numpy scalars: they would make every product a float64
