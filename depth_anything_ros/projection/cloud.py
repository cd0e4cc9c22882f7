# SPDX-License-Identifier: Apache-2.0
"""Dense depth -> organised coloured cloud, and the pixels that must not become points."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.projection.rays import blind_pixels, rays_of


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
    rays, blind = rays_of(camera), blind_pixels(camera)
    if blind is not None:
        depth_m = np.where(blind, np.float32(np.nan), depth_m)
    for axis in range(3):
        np.multiply(rays[..., axis], depth_m, out=out[..., axis])
    # BGRA bytes are 0xAARRGGBB on a little-endian machine; alpha off, for 0xFF would make NaNs of bright colours
    packed = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGRA).view('<u4')[..., 0]
    np.bitwise_and(packed, 0x00FFFFFF, out=out.view(np.uint32)[..., 3])
    return out


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
    values = inverse.ravel()
    flying = np.zeros(inverse.shape, dtype=bool)
    near_jumps = _near_jumps(inverse, margin, config)
    for step in (1, inverse.shape[1]):  # along rows, along columns
        for reach in range(step, step * config.width_px + 1, step):
            one, other = values.take(near_jumps - reach), values.take(near_jumps + reach)
            jump = np.abs(one - other)
            chosen = np.flatnonzero(jump > config.jump * np.minimum(one, other))  # inverse: the far side is smaller
            pixel, one, other, jump = (array.take(chosen) for array in (near_jumps, one, other, jump))
            here = values.take(pixel)
            between = np.minimum(np.abs(one - here), np.abs(other - here)) > config.margin * jump
            between &= (one < here) == (here < other)
            slopes = np.abs(values.take(pixel - 2 * reach) - one) + np.abs(values.take(pixel + 2 * reach) - other)
            flying.ravel()[pixel[between & (slopes < config.flatness * jump)]] = True
    kept_m = depth_m.copy()
    kept_m[flying[margin:-margin, margin:-margin]] = np.nan
    return kept_m


def _near_jumps(inverse: np.ndarray, margin: int, config: FlyingPixelConfig) -> np.ndarray:
    """Flat numbers of the pixels within the margin that have a jump in reach: few, and only they are looked at."""
    inside = (slice(margin, -margin),) * 2
    known = cv2.patchNaNs(inverse.copy(), 0.0)
    window = np.ones((2 * config.width_px + 1, 2 * config.width_px + 1), np.uint8)
    near, far = cv2.dilate(known, window), cv2.erode(known, window)
    jumps = np.zeros(inverse.shape, dtype=bool)
    jumps[inside] = (near > far * np.float32(1 + config.jump))[inside]
    return np.flatnonzero(jumps)
