# SPDX-License-Identifier: Apache-2.0
"""Dense depth -> organised coloured cloud, and the pixels that must not become points."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.projection.rays import blind_pixels, ray_planes

BAND_PIXELS = 1 << 16  # a cloud is made in bands of rows whose parts stay in the processor's cache


@dataclass(frozen=True)
class FlyingPixelConfig:
    """What counts as a pixel between two surfaces."""

    enabled: bool = setting(True, 'leave out pixels that hang between a nearer and a farther surface')
    jump: float = setting(0.05, 'least jump between the surfaces, of the nearer depth', low=0.001, high=1.0)
    margin: float = setting(0.1, 'share of the jump within which a pixel belongs to a surface', low=0.0, high=0.5)
    flatness: float = setting(
        0.3, 'largest slope of the two surfaces together, of the jump (1 on a plane)', low=0.0, high=1.0
    )
    width_px: int = setting(3, 'widest band of such pixels', unit='px', low=1, high=8)

    def __post_init__(self):
        validate(self)


def organised_cloud(
    depth_m: np.ndarray, camera: CameraModel, image_rgb: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """(H, W) float32 depth and (H, W, 3) uint8 colours -> (H, W, 4) float32: x, y, z in the optical frame, and rgb.

    rgb: the bits of 0x00RRGGBB in a float32, as PCL and RViz read the field 'rgb' of a PointCloud2. x, y, z are all
    NaN where depth is NaN or the pixel has no ray. out: written and returned instead of a new array; C-contiguous.
    Raises InvalidInput on shapes that disagree with the camera.
    """
    shape = (camera.height, camera.width)
    if depth_m.shape != shape or image_rgb.shape != (*shape, 3):
        raise InvalidInput(f'cloud: expected depth and image of {shape}, got {depth_m.shape} and {image_rgb.shape}')
    if out is None:
        out = np.empty((*shape, 4), dtype=np.float32)
    elif out.shape != (*shape, 4) or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise InvalidInput(f'cloud: expected out {(*shape, 4)} float32 contiguous, got {out.shape} {out.dtype}')
    rays, blind = ray_planes(camera), blind_pixels(camera)
    if blind is not None:
        depth_m = np.where(blind, np.float32(np.nan), depth_m)
    rows = max(1, BAND_PIXELS // camera.width)
    for top in range(0, camera.height, rows):
        band = slice(top, top + rows)
        _pack(depth_m[band], rays[:, band], image_rgb[band], out[band], camera.is_equirectangular)
    return out


def _pack(depth_m: np.ndarray, rays: np.ndarray, image_rgb: np.ndarray, out: np.ndarray, radial: bool) -> None:
    x_m, y_m = cv2.multiply(rays[0], depth_m), cv2.multiply(rays[1], depth_m)
    z_m = cv2.multiply(rays[2], depth_m) if radial else depth_m
    # BGRA bytes are 0xAARRGGBB on a little-endian machine; alpha off, for 0xFF would make NaNs of bright colours
    packed = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGRA).view('<u4')[..., 0]
    packed &= np.uint32(0x00FFFFFF)
    cv2.merge([x_m, y_m, z_m, packed.view('<f4')], out)


def remove_flying_pixels(depth_m: np.ndarray, camera: CameraModel, config: FlyingPixelConfig) -> np.ndarray:
    """(H, W) float32 depth, positive or NaN -> a copy with NaN where a pixel hangs between a near and a far surface.

    Interpolation across an edge leaves ramps: flat, one to `width_px` pixels in between, flat. A pixel goes where along
    its row or column inverse depth jumps across it, itself well between, while both sides beyond the jump
    are flat against it. Inverse depth is linear in the image on any plane, so a plane's slope beyond is as
    large as across, however grazing, and the plane stays; so does a crease, flat on one side only.
    """
    inverse = np.reciprocal(depth_m)
    margin = 2 * config.width_px
    # room all round, so that a neighbour is a constant offset away
    inverse = cv2.copyMakeBorder(inverse, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    if camera.is_equirectangular:
        inverse[:, :margin], inverse[:, -margin:] = (
            inverse[:, -2 * margin : -margin].copy(),
            inverse[:, margin : 2 * margin].copy(),
        )
    values, flying = inverse.ravel(), []
    start = margin * (inverse.shape[1] + 1)  # the first pixel within the margin, from which pixels are counted here
    near_jumps = _near_jumps(inverse, margin, config) - start

    def neighbour(pixel: np.ndarray, offset: int) -> np.ndarray:
        return values[start + offset :].take(pixel, mode='clip')  # none lies outside; the default would look

    for step in (1, inverse.shape[1]):  # along rows, along columns
        for reach in range(step, step * config.width_px + 1, step):
            # the test that fewest pass comes first: every further one is for those that are left
            one, other = neighbour(near_jumps, -reach), neighbour(near_jumps, reach)
            # inverse: the far side is smaller
            chosen = np.flatnonzero(np.abs(one - other) > config.jump * np.minimum(one, other))
            pixel, one, other = (array.take(chosen) for array in (near_jumps, one, other))
            jump = np.abs(one - other)
            slopes = np.abs(neighbour(pixel, -2 * reach) - one) + np.abs(neighbour(pixel, 2 * reach) - other)
            chosen = np.flatnonzero(slopes < config.flatness * jump)
            pixel, one, other, jump = (array.take(chosen) for array in (pixel, one, other, jump))
            here = neighbour(pixel, 0)
            between = np.minimum(np.abs(one - here), np.abs(other - here)) > config.margin * jump
            between &= (one < here) == (here < other)
            flying.append(pixel.compress(between))
    kept_m = depth_m.copy()
    kept_m[np.divmod(np.concatenate(flying), inverse.shape[1])] = np.nan
    return kept_m


def _near_jumps(inverse: np.ndarray, margin: int, config: FlyingPixelConfig) -> np.ndarray:
    """Flat numbers of the pixels within the margin that have a jump in reach: few, and only they are looked at."""
    known = inverse
    if np.isnan(known.min()):  # NaN would neither be the least nor the largest of a window
        known = cv2.patchNaNs(inverse.copy(), 0.0)
    window = np.ones((2 * config.width_px + 1, 2 * config.width_px + 1), np.uint8)
    near, far = cv2.dilate(known, window), cv2.erode(known, window)
    far *= np.float32(1 + config.jump)
    jumps = near > far
    for border in (jumps[:margin], jumps[-margin:], jumps[:, :margin], jumps[:, -margin:]):
        border[...] = False
    return np.flatnonzero(jumps)
