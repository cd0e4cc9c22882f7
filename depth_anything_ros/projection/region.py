# SPDX-License-Identifier: Apache-2.0
"""A region of interest: the pixels and the part of space beyond which depth is nobody's business, and so unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError, InvalidInput
from depth_anything_ros.core.frames import DepthFrame
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.projection.cloud import FlyingPixelConfig, remove_flying_pixels
from depth_anything_ros.projection.rays import rays_of

BAND_PX = 32  # rows worked on at a time: what is in between stays in the processor's cache, four times as fast


@dataclass(frozen=True)
class PixelBoxConfig:
    """A rectangle of the published image."""

    left_px: int = setting(0, 'first column of the region of interest', unit='px', low=0)
    top_px: int = setting(0, 'first row of the region of interest', unit='px', low=0)
    width_px: int = setting(0, 'columns of the region of interest; 0: to the right edge', unit='px', low=0)
    height_px: int = setting(0, 'rows of the region of interest; 0: to the lower edge', unit='px', low=0)

    def __post_init__(self):
        validate(self)

    @property
    def whole_image(self) -> bool:
        return self == PixelBoxConfig()

    def of(self, camera: CameraModel) -> tuple[slice, slice]:
        """Rows and columns of this camera's image. Raises InvalidInput where the box lies beside it."""
        right = self.left_px + self.width_px if self.width_px else camera.width
        low = self.top_px + self.height_px if self.height_px else camera.height
        if self.left_px >= camera.width or self.top_px >= camera.height:
            raise InvalidInput(
                f'region.pixels begins at column {self.left_px}, row {self.top_px}:'
                f' outside the image of {camera.width}x{camera.height}'
            )
        return slice(self.top_px, min(low, camera.height)), slice(self.left_px, min(right, camera.width))


@dataclass(frozen=True)
class WorkspaceConfig:
    """A box in space, its sides along the axes of a frame."""

    frame: str = setting('', 'frame whose axes the workspace box follows (base_link, table); empty: no box')
    centre_m: list[float] = setting([0.0, 0.0, 0.0], 'middle of the workspace box, x y z in its frame', unit='m')
    size_m: list[float] = setting([1.0, 1.0, 1.0], 'sides of the workspace box along x y z of its frame', unit='m')

    def __post_init__(self):
        validate(self)
        for name, values in (('centre_m', self.centre_m), ('size_m', self.size_m)):
            if len(values) != 3 or not all(map(math.isfinite, values)):
                raise ConfigError(f'{name}: expected three finite numbers (x, y, z in metres), got {values}')
        if min(self.size_m) <= 0:
            raise ConfigError(f'size_m: expected three sides longer than 0 m, got {self.size_m}')


@dataclass(frozen=True)
class RegionConfig:
    """Depth outside of either box is unknown, in everything that is published of it."""

    pixels: PixelBoxConfig = field(default_factory=PixelBoxConfig)
    workspace: WorkspaceConfig = field(default_factory=WorkspaceConfig)

    @property
    def everything(self) -> bool:
        """Whether nothing is cut off."""
        return self.pixels.whole_image and not self.workspace.frame


def confined(
    frame: DepthFrame,
    config: RegionConfig,
    workspace_from_camera: RigidTransform | None,
    flying_pixels: FlyingPixelConfig,
) -> DepthFrame:
    """The frame with depth and sigma NaN outside the region and where a pixel flies between two surfaces.

    A surface that a pixel flies beside may lie outside: what is cut off is still looked at. `region_px` in the report:
    pixels known inside. workspace_from_camera: at the frame's stamp; None without a workspace box. Raises InvalidInput
    where the pixel box lies beside the image.
    """
    rows_columns = config.pixels.of(frame.camera)
    keep = np.zeros(frame.depth_m.shape, bool)
    keep[rows_columns] = np.isfinite(frame.depth_m[rows_columns])
    if workspace_from_camera is not None:
        box = config.workspace
        rows = rows_columns[0]
        keep[rows] &= inside_box(
            frame.depth_m, frame.camera, workspace_from_camera, box.centre_m, box.size_m, rows.start, rows.stop
        )
    if flying_pixels.enabled and keep.any():
        near = _around(keep, 2 * flying_pixels.width_px, frame.camera)
        keep[near] &= np.isfinite(remove_flying_pixels(frame.depth_m[near], frame.camera, flying_pixels))
    depth_m, sigma_m = np.full((2, *keep.shape), np.nan, np.float32)
    np.copyto(depth_m, frame.depth_m, where=keep)
    np.copyto(sigma_m, frame.sigma_m, where=keep)
    report = frame.report | {'region_px': str(np.count_nonzero(keep))}
    return replace(frame, depth_m=depth_m, sigma_m=sigma_m, report=report)


def inside_box(
    depth_m: np.ndarray,
    camera: CameraModel,
    box_from_camera: RigidTransform,
    centre_m,
    size_m,
    first_row: int = 0,
    end_row: int | None = None,
) -> np.ndarray:
    """(H, W) float32 depth -> bool for rows first_row to end_row: which pixels' points lie in an axis-aligned box.

    centre_m, size_m: (3,) in the box's frame. Unknown depth lies nowhere.
    """
    rotation = box_from_camera.rotation.astype(np.float32)
    offset_m = (box_from_camera.translation_m - np.asarray(centre_m)).astype(np.float32)
    half_m = np.asarray(size_m, np.float32) / 2
    end_row = camera.height if end_row is None else end_row
    towards = _pinhole_directions(camera, rotation) if _is_pinhole(camera) else _directions(camera, rotation)
    inside = np.empty((end_row - first_row, camera.width), bool)
    for top in range(first_row, end_row, BAND_PX):
        band = slice(top, min(top + BAND_PX, end_row))
        known = inside[band.start - first_row : band.stop - first_row]
        for axis in range(3):
            at_m = towards(axis, band)
            at_m *= depth_m[band]
            at_m += offset_m[axis]
            np.abs(at_m, out=at_m)
            within = at_m <= half_m[axis]
            known[:] = within if axis == 0 else known & within
    return inside


def _around(keep: np.ndarray, margin_px: int, camera: CameraModel) -> tuple[slice, slice]:
    """The rows and columns that hold all that is kept, and a margin: a small workspace costs little."""
    if camera.is_equirectangular:  # its left edge is beside its right one
        return slice(None), slice(None)
    rows, columns = np.flatnonzero(keep.any(axis=1)), np.flatnonzero(keep.any(axis=0))
    top, left = max(rows[0] - margin_px, 0), max(columns[0] - margin_px, 0)
    return slice(top, rows[-1] + 1 + margin_px), slice(left, columns[-1] + 1 + margin_px)


def _is_pinhole(camera: CameraModel) -> bool:
    return not (camera.is_distorted or camera.is_equirectangular)


def _pinhole_directions(camera: CameraModel, rotation: np.ndarray):
    """Rays along an axis of the box, for a band of rows: of a pinhole camera they are a sum over column and row."""
    x = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
    y = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)[:, None]
    return lambda axis, band: rotation[axis, 0] * x + (rotation[axis, 1] * y[band] + rotation[axis, 2])


def _directions(camera: CameraModel, rotation: np.ndarray):
    rays = rays_of(camera)
    return lambda axis, band: rays[band] @ rotation[axis]
