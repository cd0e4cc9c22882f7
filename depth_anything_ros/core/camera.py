# SPDX-License-Identifier: Apache-2.0
"""The camera as an object: pinhole with distortion, fisheye, or equirectangular.

Frames: optical (REP 103): x right, y down, z forward. Pixel (0, 0) is the centre of the top left pixel.
Depth means z for perspective and fisheye cameras and radial range for equirectangular ones; in both cases
point = ray * depth with the rays of `rays()`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from depth_anything_ros.core import distortion
from depth_anything_ros.core.errors import CalibrationError, InvalidInput

EQUIRECTANGULAR = 'equirectangular'
MODELS = (*distortion.COEFFICIENTS, EQUIRECTANGULAR)
MAX_SIDE_PX = 16384
ASPECT_TOLERANCE = 0.02  # of a panorama's width: sizes rounded to a codec's blocks


@dataclass(frozen=True)
class CameraModel:
    """Intrinsics of one image size.

    distortion_model: plumb_bob (0, 4 or 5 coefficients), rational_polynomial (8), equidistant (4) as in
    sensor_msgs/CameraInfo and OpenCV, or equirectangular (a full 360 x 180 degree panorama; fx, fy, cx, cy
    are then pixels per radian and the image centre and are derived from the size).
    Raises CalibrationError on a size, focal length or coefficient list that can't be.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    frame_id: str = 'camera_optical_frame'
    distortion_model: str = 'plumb_bob'
    coefficients: tuple[float, ...] = ()

    def __post_init__(self):
        who = f'camera {self.frame_id!r}'
        if not (0 < self.width <= MAX_SIDE_PX and 0 < self.height <= MAX_SIDE_PX):
            raise CalibrationError(f'{who}: expected 1 to {MAX_SIDE_PX} px a side, got {self.width}x{self.height}')
        if self.distortion_model not in MODELS:
            raise CalibrationError(f'{who}: expected a model of {", ".join(MODELS)}; got {self.distortion_model!r}')
        if not np.isfinite([self.fx, self.fy, self.cx, self.cy]).all() or self.fx <= 0 or self.fy <= 0:
            raise CalibrationError(
                f'{who}: expected positive focal lengths, got fx={self.fx} fy={self.fy} cx={self.cx} cy={self.cy};'
                ' is the camera calibrated?'
            )
        object.__setattr__(self, 'coefficients', tuple(float(c) for c in self.coefficients))
        distortion.check(self.distortion_model, self.coefficients, who)

    @classmethod
    def equirectangular(cls, width: int, height: int, frame_id: str = 'camera_optical_frame') -> CameraModel:
        """A full panorama: column 0 looks backwards, the centre along z, row 0 straight up.

        Raises CalibrationError unless it is about twice as wide as high: a crop or the raw image of two fisheye
        lenses has the same name in many drivers, and every ray of it would be wrong.
        """
        if abs(width - 2 * height) > ASPECT_TOLERANCE * width:
            raise CalibrationError(
                f'panorama {frame_id!r}: expected 360 x 180 degrees, twice as wide as high, got {width}x{height};'
                ' stitch the lenses, or fill a crop up to the full sphere with black'
            )
        per_rad = (width / (2 * np.pi), height / np.pi)
        centre = ((width - 1) / 2, (height - 1) / 2)
        return cls(width, height, *per_rad, *centre, frame_id, EQUIRECTANGULAR)

    @property
    def is_equirectangular(self) -> bool:
        return self.distortion_model == EQUIRECTANGULAR

    @property
    def is_distorted(self) -> bool:
        return self.distortion_model == 'equidistant' or any(self.coefficients)

    @property
    def matrix(self) -> np.ndarray:
        """K, (3, 3) float64."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def depth_of(self, xyz_m: np.ndarray) -> np.ndarray:
        """(..., 3) points in the optical frame -> (...) depth as this camera defines it: z, or radial range."""
        return np.linalg.norm(xyz_m, axis=-1) if self.is_equirectangular else xyz_m[..., 2]

    def project(self, xyz_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 3) points in the optical frame -> pixels (N, 2), valid (N,) bool.

        valid: in front of the camera, within the range where the distortion is one-to-one, and rounding to a
        pixel of the image. Pixels of points that are not valid have no meaning.
        """
        x, y, z = xyz_m[:, 0], xyz_m[:, 1], xyz_m[:, 2]
        if self.is_equirectangular:
            radius = np.linalg.norm(xyz_m, axis=1)
            valid = radius > 1e-6
            u = np.arctan2(x, z) * self.fx + self.cx
            v = np.arctan2(y, np.hypot(x, z)) * self.fy + self.cy
            # the seam: +pi and -pi are one column, and single precision reaches a little beyond both
            u = np.where(u >= self.width - 0.5, u - self.width, np.where(u < -0.5, u + self.width, u))
            u = np.minimum(u, np.nextafter(u.dtype.type(self.width - 0.5), u.dtype.type(0)))
            v = np.clip(v, 0, self.height - 1)
        else:
            valid = z > 1e-6
            depth = np.where(valid, z, 1)
            xn, yn, known = distortion.distort(
                self.distortion_model, self.coefficients, x / depth, y / depth, self._max_tan
            )
            valid &= known
            u = xn * self.fx + self.cx
            v = yn * self.fy + self.cy
        valid &= (u >= -0.5) & (u < self.width - 0.5) & (v >= -0.5) & (v < self.height - 0.5)
        return np.stack([u, v], axis=-1), valid

    def unproject(self, pixels: np.ndarray, depth_m: np.ndarray) -> np.ndarray:
        """(N, 2) pixels and (N,) depths -> (N, 3) points in the optical frame; NaN where the pixel has no ray."""
        return self._rays_of(pixels[:, 0], pixels[:, 1]) * np.asarray(depth_m)[:, None]

    def rays(self) -> np.ndarray:
        """(H, W, 3) float32, read-only: point = ray * depth. z = 1, or unit length for equirectangular."""
        return self._rays

    @cached_property
    def _rays(self) -> np.ndarray:
        u, v = np.meshgrid(np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64))
        rays = self._rays_of(u, v).astype(np.float32)
        rays.flags.writeable = False
        return rays

    @cached_property
    def _max_tan(self) -> float:
        return distortion.largest_invertible(self.distortion_model, self.coefficients)

    def _rays_of(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        if self.is_equirectangular:
            longitude, latitude = (u - self.cx) / self.fx, (v - self.cy) / self.fy
            cos = np.cos(latitude)
            return np.stack([cos * np.sin(longitude), np.sin(latitude), cos * np.cos(longitude)], axis=-1)
        xn, yn = distortion.undistort(
            self.distortion_model,
            self.coefficients,
            (u - self.cx) / self.fx,
            (v - self.cy) / self.fy,
            self._max_tan,
        )
        return np.stack([xn, yn, np.ones_like(xn)], axis=-1)

    def resized(self, width: int, height: int) -> CameraModel:
        """The camera of this image resized; pixel centres map as (u + 0.5) * scale - 0.5."""
        if self.is_equirectangular:
            return CameraModel.equirectangular(width, height, self.frame_id)
        sx, sy = width / self.width, height / self.height
        return dataclasses.replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def cropped(self, x0: int, y0: int, width: int, height: int) -> CameraModel:
        """The camera of image[y0:y0+height, x0:x0+width]. Raises InvalidInput outside the image or on a panorama."""
        if self.is_equirectangular:
            raise InvalidInput('a panorama cannot be cropped: it would no longer be a full sphere')
        if x0 < 0 or y0 < 0 or x0 + width > self.width or y0 + height > self.height:
            raise InvalidInput(
                f'crop {width}x{height} at ({x0}, {y0}) is not inside the image {self.width}x{self.height}'
            )
        return dataclasses.replace(self, width=width, height=height, cx=self.cx - x0, cy=self.cy - y0)

    def rectified(self) -> CameraModel:
        """The pinhole camera with the same size and K and no distortion; a panorama stays as it is."""
        if self.is_equirectangular:
            return self
        return dataclasses.replace(self, distortion_model='plumb_bob', coefficients=())

    def rectification_maps(self, target: CameraModel) -> tuple[np.ndarray, np.ndarray]:
        """For every pixel of `target`, where to look in this camera's image: two (h, w) float32 maps for cv2.remap.

        -1 where this camera does not see the ray.
        """
        rays = target.rays().reshape(-1, 3)
        pixels, valid = self.project(np.nan_to_num(rays, nan=0.0))
        pixels = np.where(valid[:, None], pixels, -1).astype(np.float32)
        shape = (target.height, target.width)
        return pixels[:, 0].reshape(shape), pixels[:, 1].reshape(shape)
