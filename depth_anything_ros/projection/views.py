# SPDX-License-Identifier: Apache-2.0
"""Pinhole views into a panorama: six faces of a cube, with the tables to resample colour and depth into them.

A panorama's depth is radial and a view's is z, so depth is resampled and converted at once. Inverse range is linear in
the direction on any plane, so it is what is interpolated; across a jump nothing is: the nearest pixel stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.transform import RigidTransform

# the axes (x right, y down, z forward) of each face's optical frame, in the optical frame of the panorama
FACE_AXES = {
    'front': ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    'right': ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    'back': ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
    'left': ((0, 0, 1), (0, 1, 0), (-1, 0, 0)),
    'up': ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    'down': ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}
FACES = tuple(FACE_AXES)
JUMP = 0.1  # neighbours whose ranges differ by more than this share are not of one surface
CUBE_FOV_DEG = 90.0


@dataclass(frozen=True, eq=False)
class InverseDepth:
    """Depth made ready to be looked up between its pixels: per_m (h, w) float32 in 1/m, NaN unknown.

    jumps, uint8 of the same size: not 0 where the 2x2 pixels from here to the lower right are not of one surface.
    """

    per_m: np.ndarray
    jumps: np.ndarray

    @classmethod
    def of(cls, per_m: np.ndarray) -> InverseDepth:
        known = np.nan_to_num(per_m, nan=0.0)
        two = np.ones((2, 2), np.uint8)
        near, far = cv2.dilate(known, two, anchor=(0, 0)), cv2.erode(known, two, anchor=(0, 0))
        return cls(per_m, (near > far * np.float32(1 + JUMP)).astype(np.uint8))


class Lookup:
    """Where to look for each pixel of some image: x, y (h, w), in pixels of another."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self._maps = x.astype(np.float32), y.astype(np.float32)
        self._corners = cv2.convertMaps(*map(np.floor, self._maps), cv2.CV_16SC2, nninterpolation=True)[0]

    @cached_property
    def _fixed_point(self):
        return cv2.convertMaps(*self._maps, cv2.CV_16SC2)  # three times faster, good to 1/32 px

    def colour(self, image_rgb: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (h, w, 3) uint8."""
        return cv2.remap(image_rgb, *self._fixed_point, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def values(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 of anything smooth -> (h, w) float32."""
        return cv2.remap(image, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def surfaces(self, inverse: InverseDepth) -> np.ndarray:
        """Interpolated on surfaces, the nearest pixel's across their edges -> (h, w) float32 in 1/m."""
        linear = cv2.remap(inverse.per_m, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        nearest = cv2.remap(inverse.per_m, *self._maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        jumps = cv2.remap(inverse.jumps, self._corners, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return np.where((jumps > 0) | np.isnan(linear), nearest, linear)


@dataclass(frozen=True, eq=False)
class View:
    """One pinhole camera at the centre of a panorama.

    camera.frame_id is the view's own optical frame, `panorama_from_view` its rotation. Ready once constructed: the
    tables are made here, so keep the view for as long as the geometry stays (`cube_views` does).
    """

    name: str
    camera: CameraModel
    panorama: CameraModel
    panorama_from_view: RigidTransform

    def __post_init__(self):
        if not self.panorama.is_equirectangular or self.camera.is_equirectangular or self.camera.is_distorted:
            raise InvalidInput(f'view {self.name!r}: expected a pinhole camera in a panorama')
        rays = self.camera.rays().reshape(-1, 3) @ self.panorama_from_view.rotation.T
        pixels, _ = self.panorama.project(rays)
        shape = (self.camera.height, self.camera.width)
        # `bordered` moves everything by one pixel
        lookup = Lookup(*(pixels[:, axis].reshape(shape) + 1 for axis in (0, 1)))
        object.__setattr__(self, '_lookup', lookup)

    @cached_property
    def stretch(self) -> np.ndarray:
        """(h, w) float32, length of each ray with z = 1: range = z * stretch."""
        return np.linalg.norm(self.camera.rays(), axis=-1)

    def colour(self, bordered_rgb: np.ndarray) -> np.ndarray:
        """(H + 2, W + 2, 3) uint8 panorama as `bordered` gives it -> (h, w, 3) uint8."""
        return self._lookup.colour(bordered_rgb)

    def depth(self, inverse_range: InverseDepth) -> np.ndarray:
        """The panorama's range (see `inverse_range`) -> (h, w) float32 z-depth of this view, NaN where unknown."""
        return np.reciprocal(self._lookup.surfaces(inverse_range) * self.stretch)


def inverse_range(range_m: np.ndarray) -> InverseDepth:
    """(H, W) float32 radial depth of a panorama, NaN unknown -> what `View.depth` takes, with a border."""
    return InverseDepth.of(bordered(np.reciprocal(range_m)))


def bordered(image: np.ndarray) -> np.ndarray:
    """(H, W, ...) panorama -> (H + 2, W + 2, ...): one more pixel all round, taken from where the sphere goes on.

    Beyond the left border lies the right one; beyond a pole the same row on the opposite meridian.
    """
    height, width = image.shape[:2]
    out = np.empty((height + 2, width + 2, *image.shape[2:]), image.dtype)
    out[1:-1, 1:-1] = image
    half = width // 2
    for row, source in ((0, 0), (-1, -1)):
        out[row, 1 : 1 + half], out[row, 1 + half : -1] = image[source, width - half :], image[source, : width - half]
    out[:, 0], out[:, -1] = out[:, -2], out[:, 1]
    return out


def default_size_px(panorama: CameraModel, fov_deg: float = CUBE_FOV_DEG) -> int:
    """Side of a square view as fine as the faces of a cube a quarter as wide as the panorama; a multiple of 4."""
    return max(4, round(panorama.width / 4 * math.tan(math.radians(fov_deg / 2)) / 4) * 4)


@lru_cache(maxsize=4)
def cube_views(panorama: CameraModel, size_px: int = 0, fov_deg: float = CUBE_FOV_DEG) -> tuple[View, ...]:
    """Six square views, in the order of FACES: the faces of a cube at 90 degrees, overlapping beyond that.

    size_px: side of a view, 0: `default_size_px`. Frames are named <frame of the panorama>_<face>. The same objects for
    an equal panorama, so that their tables are made once. Raises InvalidInput on a camera that is no panorama.
    """
    if not panorama.is_equirectangular:
        raise InvalidInput(f'views of a panorama: got a {panorama.distortion_model} camera')
    size_px = size_px or default_size_px(panorama, fov_deg)
    focal_px = size_px / 2 / math.tan(math.radians(fov_deg / 2))
    centre = (size_px - 1) / 2
    views = []
    for name, axes in FACE_AXES.items():
        frame = f'{panorama.frame_id}_{name}'
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(axes, dtype=float).T
        camera = CameraModel(size_px, size_px, focal_px, focal_px, centre, centre, frame)
        views.append(View(name, camera, panorama, RigidTransform(panorama.frame_id, frame, matrix)))
    return tuple(views)
