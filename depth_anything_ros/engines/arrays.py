# SPDX-License-Identifier: Apache-2.0
"""The raw arrays that every network takes and gives, the same for every engine and every model card."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import SparsePrompt
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.networks.card import SPARSE_PROMPT, ModelCard
from depth_anything_ros.projection.conditioning import ConditionedPrompt
from depth_anything_ros.projection.rasterize import scatter_nearest
from depth_anything_ros.projection.upsample import shrunk, upsample_depth

INPUT_NAMES = ('image', 'depth_m', 'sigma_m', 'camera')
OUTPUT_NAMES = ('depth', 'sigma')
STRIDE_PX = 32  # the coarsest scale of the sparse-prompt network: its sides are padded to a multiple
SMALLEST_PADDED_PX = 64  # two of its cells
SMALLEST_SIDE_PX = 16  # the patch of a transformer: below it there is nothing to see
LONGEST_ASPECT = 10.0  # beyond it resize rules leave nothing of the shorter side, or outgrow any memory
GREY = 118  # what networks take for the mean of an image: a border that says nothing
TYPICAL_SIGMA = 0.15  # of the depth, where a card knows nothing: about what metric systems reach on unseen scenes


@dataclass(frozen=True)
class Packing:
    """How frames become a network's arrays and back.

    The network resizes and normalises by itself, so an image goes in as it is. Three exceptions: the sparse-prompt
    network wants sides that are multiples of 32 (`padded`), a card may name the `largest_px` that its network is good
    at, and a graph with `size` (rows, columns) takes that size only. An image of another size is then resized into
    it, keeping its aspect, and depth is brought back to the image's own pixels by `upsample_depth`: the size of the
    graph sets speed and detail, not which cameras it fits.
    """

    card: ModelCard
    size: tuple[int, int] | None = None

    def inputs(
        self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel | None
    ) -> dict[str, np.ndarray]:
        """image (1, H, W, 3) uint8; depth_m, sigma_m (1, H, W) float32, 0 where empty; camera (1, 4) float32 fx, fy,
        cx, cy, all 0 where it is not known.

        Raises InvalidInput on an image that does not match the prompt, that the network can't see anything in, or
        whose camera the network was not made for.
        """
        check_frame(self.card, image_rgb, prompt, camera)
        given = camera
        if camera is None and self.card.prompt == 'sparse':
            given = prompt.sparse.camera  # its scale comes from the returns: a guessed camera does for the angles
        sparse = prompt.sparse
        height, width = image_rgb.shape[:2]
        rows, columns = self.fitted(height, width)
        if (rows, columns) != (height, width):
            image_rgb = shrunk(image_rgb, rows, columns)
            sparse = resized_prompt(sparse, rows, columns)
            given = None if given is None else given.resized(columns, rows)
        target = self.size or self.padded_size(rows, columns)
        arrays = (
            _padded(image_rgb, target, GREY),
            _padded(np.nan_to_num(sparse.depth_m, nan=0.0), target, 0),
            _padded(np.nan_to_num(sparse.sigma_m, nan=0.0), target, 0),
            np.array([given.fx, given.fy, given.cx, given.cy] if given else [0] * 4, np.float32),
        )
        return {name: np.ascontiguousarray(array[None]) for name, array in zip(INPUT_NAMES, arrays, strict=True)}

    def prediction(self, depth: np.ndarray, sigma: np.ndarray, image_rgb: np.ndarray) -> Prediction:
        """The network's outputs (1, H, W) for this image -> Prediction at its size: 0 becomes unknown."""
        height, width = image_rgb.shape[:2]
        rows, columns = self.fitted(height, width)
        depth, sigma = (np.ascontiguousarray(values[0, :rows, :columns], np.float32) for values in (depth, sigma))
        own_sigma = bool(sigma.any())
        known = depth > 0  # false for NaN too
        if not known.all():
            depth = np.where(known, depth, np.float32(np.nan))
        if own_sigma:
            unsaid = ~(sigma > 0)
            unsaid |= ~known
            if unsaid.any():
                sigma = np.where(unsaid, np.float32(np.nan), sigma)
        if (rows, columns) != (height, width):
            share = cv2.resize(sigma / depth, (width, height), interpolation=cv2.INTER_LINEAR) if own_sigma else None
            depth = upsample_depth(depth, height, width, image_rgb)
            sigma = depth * share if own_sigma else sigma
        if not own_sigma:
            sigma = np.full_like(depth, np.nan)
        return Prediction(
            depth,
            sigma,
            metric=self.card.metric,
            prompted=self.card.prompt != 'none',
            relative_sigma=None if own_sigma else self.card.relative_sigma or TYPICAL_SIGMA,
        )

    def fitted(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) that an image of this size has inside the network's arrays."""
        if self.size is not None:
            scale = min(self.size[0] / height, self.size[1] / width)
        elif self.card.largest_px is not None:
            scale = min(1.0, math.sqrt(self.card.largest_px / (height * width)))
        else:
            scale = 1.0
        if scale == 1.0:
            return height, width
        return max(1, round(height * scale)), max(1, round(width * scale))

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of the arrays that hold an image fitted to (height, width)."""
        if self.card.network != SPARSE_PROMPT:
            return height, width
        return tuple(max(SMALLEST_PADDED_PX, -(-side // STRIDE_PX) * STRIDE_PX) for side in (height, width))


def check_frame(card: ModelCard, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel | None) -> None:
    """Raise InvalidInput, one line, unless the model of this card can be run on such a frame."""
    height, width = image_rgb.shape[:2]
    if prompt.sparse.depth_m.shape != (height, width) or image_rgb.dtype != np.uint8:
        raise InvalidInput(
            f'expected a uint8 image and a prompt of one size, got {image_rgb.shape} {image_rgb.dtype}'
            f' and {prompt.sparse.depth_m.shape}'
        )
    check_size(card, height, width)
    if camera is None and card.needs_focal and card.prompt != 'sparse':
        raise InvalidInput(
            f'{card.name} turns what it sees into metres by the focal length, and the camera is not known:'
            ' give its camera_info, a calibration or --camera'
        )
    panorama = camera is not None and camera.is_equirectangular
    if card.camera == 'equirectangular' and not panorama:
        raise InvalidInput(
            f'{card.name} is for 360 x 180 degree panoramas and this camera is a pinhole camera:'
            ' choose another model, or say that it is a panorama (input.camera_model or --camera equirectangular)'
        )
    # the sparse-prompt network follows the returns, whatever the projection
    if panorama and card.camera != 'equirectangular' and card.prompt != 'sparse':
        raise InvalidInput(
            f'{card.name} is for pinhole images and this one is a panorama: choose a model for panoramas,'
            ' or set estimator.panorama.method to views'
        )


def check_size(card: ModelCard, height: int, width: int) -> None:
    """Raise InvalidInput, one line, unless a network can make something of images of this size."""
    short, long = sorted((height, width))
    if short < SMALLEST_SIDE_PX or long > LONGEST_ASPECT * short:
        raise InvalidInput(
            f'{card.name}: expected an image of at least {SMALLEST_SIDE_PX} px a side and no more than'
            f' {LONGEST_ASPECT:g} times as long as wide, got {width}x{height}'
        )


def static_size(shape) -> tuple[int, int] | None:
    """(rows, columns) of the image input of a graph, from its shape (1, H, W, 3); None where they are free."""
    rows, columns = shape[1:3]
    return (rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None


def resized_prompt(prompt: SparsePrompt, rows: int, columns: int) -> SparsePrompt:
    """The same returns on an image resized to (rows, columns); the nearest wins where several meet."""
    height, width = prompt.depth_m.shape
    at = np.flatnonzero(~np.isnan(prompt.depth_m))
    row, column = np.divmod(at, width)
    pixel = (row * rows // height) * columns + column * columns // width
    depth_m, sigma_m = prompt.depth_m.ravel()[at], prompt.sigma_m.ravel()[at]
    raster = scatter_nearest(pixel, depth_m, sigma_m, at, rows, columns)
    camera = prompt.camera.resized(columns, rows)
    return SparsePrompt(raster.depth_m, raster.sigma_m, camera, prompt.kind, prompt.stats)


def _padded(array: np.ndarray, size: tuple[int, int], value: int) -> np.ndarray:
    missing = [side - has for side, has in zip(size, array.shape[:2], strict=True)]
    if not any(missing):
        return array
    return np.pad(array, [(0, n) for n in missing] + [(0, 0)] * (array.ndim - 2), constant_values=value)
