# SPDX-License-Identifier: Apache-2.0
"""One depth map into the voxels: which blocks it touches, how much each pixel weighs, what it clears away.

The update is Curless and Levoy's running average (A Volumetric Method for Building Complex Models from Range Images,
SIGGRAPH 1996). Open3D's kernel counts every pixel as 1. Here pixels are put into a few classes of weight, and the
voxels' weights are divided by the class's before, and multiplied by it after, its pass: the same average, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.mapping.blocks import contains_rows, unique_rows
from depth_anything_ros.mapping.settings import TsdfConfig
from depth_anything_ros.mapping.voxels import VoxelGrid, open3d

# weight of a class: sigma doubles from one to the next, and the best weight of a measurement is 1 / sigma^2
CLASS_WEIGHTS = (1.0, 1 / 4, 1 / 16, 1 / 64)
SURE_CLASSES = 2  # only these may clear a surface away
SPARSE = 20_000  # fewer known pixels than this: all of them choose blocks, else every STRIDE-th
STRIDE = 4
FAR_M = 1e4  # to Open3D: no pixel is too far, our own choice of blocks is the limit


@dataclass(frozen=True)
class Integrated:
    """What one frame did. pixels: used; left_out: reason -> pixels; touched (N, 3): keys of blocks that may differ.

    refused: blocks that found no room.
    """

    pixels: int
    touched: np.ndarray
    left_out: dict[str, int] = field(default_factory=dict)
    refused: int = 0


@dataclass(frozen=True, eq=False)
class View:
    """A depth map and where it was seen from, checked.

    depth_m (H, W) float32, 0 where unknown; weight_class (H, W) uint8, index into CLASS_WEIGHTS;
    image_rgb (h, w, 3) uint8 of rgb_camera, which sits where the depth camera sits, or None.
    """

    depth_m: np.ndarray
    weight_class: np.ndarray
    camera: CameraModel
    map_from_camera: RigidTransform
    image_rgb: np.ndarray | None
    rgb_camera: CameraModel | None
    left_out: dict[str, int]


def make_view(
    depth_m: np.ndarray,
    camera: CameraModel,
    map_from_camera: RigidTransform,
    config: TsdfConfig,
    sigma_m: np.ndarray | None = None,
    image_rgb: np.ndarray | None = None,
    rgb_camera: CameraModel | None = None,
) -> View:
    """Gate and weigh the pixels of (H, W) float32 depth, NaN = unknown; sigma_m (H, W): its standard deviation.

    rgb_camera: intrinsics of image_rgb where they differ. Raises InvalidInput on sizes that disagree, a camera that is
    not a pinhole, and a depth map without a single usable pixel.
    """
    shape = (camera.height, camera.width)
    for name, values in (('depth', depth_m), ('sigma', sigma_m)):
        if values is not None and values.shape != shape:
            raise InvalidInput(f'{name}: expected {shape} as its camera, got {values.shape}')
    _refuse_other_than_pinhole(camera)
    rgb_camera = rgb_camera or camera
    if image_rgb is not None and image_rgb.shape != (rgb_camera.height, rgb_camera.width, 3):
        raise InvalidInput(
            f'colour: expected {(rgb_camera.height, rgb_camera.width, 3)} as its camera, got {image_rgb.shape}'
        )
    with np.errstate(invalid='ignore'):
        known = np.isfinite(depth_m) & (depth_m > 0)
        usable = known & (depth_m >= config.min_depth_m)
        left_out = {'unknown': int(known.size - known.sum()), 'too near': int(known.sum() - usable.sum())}
        if sigma_m is not None and config.max_relative_sigma > 0:
            before = int(usable.sum())
            usable &= sigma_m <= config.max_relative_sigma * depth_m
            left_out['unsure'] = before - int(usable.sum())
    if not usable.any():
        raise InvalidInput(
            f'no usable pixel in a depth map of {depth_m.size}:'
            f' {", ".join(f"{n} {why}" for why, n in left_out.items() if n)}'
        )
    weight_class = np.zeros(shape, np.uint8)
    if sigma_m is not None and config.weighting == 'sigma':
        for border in range(len(CLASS_WEIGHTS) - 1):
            weight_class += ~(sigma_m <= config.voxel_size_m * 2**border)
    depth_m = np.where(usable, depth_m, np.float32(0))
    return View(depth_m, weight_class, camera, map_from_camera, image_rgb, rgb_camera, left_out)


def surface_blocks(view: View, config: TsdfConfig, block_size_m: float, known: np.ndarray) -> np.ndarray:
    """(N, 3) int32: blocks within the truncation distance, along the ray, of the known (H, W) pixels in range."""
    depth_m = np.where(known & (view.depth_m <= config.max_depth_m), view.depth_m, 0)
    if np.count_nonzero(depth_m) > SPARSE:
        start = STRIDE // 2
        depth_m, rays = depth_m[start::STRIDE, start::STRIDE], view.camera.rays()[start::STRIDE, start::STRIDE]
    else:
        rays = view.camera.rays()
    seen = depth_m > 0
    rays, depth_m = rays[seen], depth_m[seen]
    band_m = config.truncation_voxels * config.voxel_size_m
    # steps of at most half a block along the band
    steps = np.linspace(-band_m, band_m, 1 + max(2, int(np.ceil(4 * band_m / block_size_m))), dtype=np.float32)
    points_m = rays[None] * (depth_m[None] + steps[:, None])[..., None]
    points_m = view.map_from_camera.apply(points_m.reshape(-1, 3))
    return unique_rows(np.floor(points_m / block_size_m).astype(np.int32))


def looked_through(view: View, config: TsdfConfig, block_size_m: float, keys: np.ndarray) -> np.ndarray:
    """(M, 3) of the blocks `keys` (N, 3) that lie wholly or partly in front of what sure pixels see."""
    if not len(keys):
        return keys
    camera_from_map = view.map_from_camera.inverse()
    centres_m = camera_from_map.apply(((keys + 0.5) * block_size_m).astype(np.float32))
    pixels, inside = view.camera.project(centres_m)
    column, row = np.rint(pixels[inside]).astype(np.int64).T
    depth_m = np.where(view.weight_class < SURE_CLASSES, view.depth_m, 0)[row, column]
    in_front = centres_m[inside, 2] < depth_m - config.truncation_voxels * config.voxel_size_m
    return keys[np.flatnonzero(inside)[in_front]]


def integrate(view: View, grid: VoxelGrid, config: TsdfConfig, known_keys: np.ndarray) -> Integrated:
    """Update the grid; known_keys (N, 3): its blocks now. New blocks that find no room are refused, nearest kept."""
    core, image = open3d().core, open3d().t.geometry.Image
    intrinsic = core.Tensor(view.camera.matrix)
    extrinsic = core.Tensor(np.ascontiguousarray(view.map_from_camera.inverse().matrix))
    colour = ()
    if view.image_rgb is not None:
        colour = (image(core.Tensor(view.image_rgb.astype(np.float32), device=grid.device)),)
        intrinsic = (intrinsic, core.Tensor(view.rgb_camera.matrix))
    else:
        intrinsic = (intrinsic,)
    touched, refused, all_keys = [], 0, known_keys
    clears = looked_through(view, config, grid.block_size_m, known_keys) if config.carve else known_keys[:0]
    for number, weight in enumerate(CLASS_WEIGHTS):
        of_class = (view.weight_class == number) & (view.depth_m > 0)
        if not of_class.any():
            continue
        keys = surface_blocks(view, config, grid.block_size_m, of_class)
        new = keys[~contains_rows(keys, all_keys)]
        if len(all_keys) + len(new) > grid.capacity:
            room = grid.capacity - len(all_keys)
            refused += len(new) - room
            distance = np.linalg.norm((new + 0.5) * grid.block_size_m - view.map_from_camera.translation_m, axis=1)
            allowed = new[np.argsort(distance, kind='stable')[:room]]
            keys = keys[~contains_rows(keys, new) | contains_rows(keys, allowed)]
            new = allowed
        all_keys = np.concatenate([all_keys, new])
        if number < SURE_CLASSES and len(clears):
            keys = unique_rows(np.concatenate([keys, clears]))
        if not len(keys):
            continue
        if weight != 1:
            grid.scale_weight(keys, 1 / weight)
        depth = image(core.Tensor(np.where(of_class, view.depth_m, np.float32(0)), device=grid.device))
        for part in grid.chunks(keys):
            grid.grid.integrate(
                grid.tensor(part), depth, *colour, *intrinsic, extrinsic, 1.0, FAR_M, float(config.truncation_voxels)
            )
        if weight != 1 or config.max_weight:
            grid.scale_weight(keys, weight, config.max_weight)
        touched.append(keys)
    touched = unique_rows(np.concatenate(touched)) if touched else known_keys[:0]
    return Integrated(int(np.count_nonzero(view.depth_m)), touched, view.left_out, refused)


def _refuse_other_than_pinhole(camera: CameraModel) -> None:
    if camera.is_equirectangular or camera.is_distorted:
        raise InvalidInput(
            f'mapping: expected a rectified pinhole camera, got {camera.distortion_model}'
            ' (depth_node publishes rectified depth; a panorama cannot be integrated)'
        )
