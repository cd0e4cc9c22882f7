# SPDX-License-Identifier: Apache-2.0
"""The raw arrays that the sparse-prompt network takes, the same for every engine."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.projection.conditioning import ConditionedPrompt

INPUT_NAMES = ('image', 'depth_m', 'sigma_m', 'camera')
OUTPUT_NAMES = ('depth', 'sigma')
STRIDE_PX = 32  # the coarsest scale of the network: sides are padded to a multiple
SMALLEST_SIDE_PX = 64  # two of its cells
GREY = 118  # what the network takes for the mean of an image: a border that says nothing


def network_inputs(image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel) -> dict[str, np.ndarray]:
    """image (1, H, W, 3) uint8; depth_m, sigma_m (1, H, W) float32 with 0 where empty; camera (1, 4) float32.

    H, W: the image's size, padded below and to the right where it isn't a multiple of 32.
    Raises InvalidInput on an image that does not match the prompt.
    """
    height, width = image_rgb.shape[:2]
    if prompt.sparse.depth_m.shape != (height, width) or image_rgb.dtype != np.uint8:
        raise InvalidInput(
            f'expected a uint8 image and a prompt of one size, got {image_rgb.shape} {image_rgb.dtype}'
            f' and {prompt.sparse.depth_m.shape}'
        )
    arrays = (
        _padded(image_rgb, GREY),
        _padded(np.nan_to_num(prompt.sparse.depth_m, nan=0.0), 0),
        _padded(np.nan_to_num(prompt.sparse.sigma_m, nan=0.0), 0),
        np.array([camera.fx, camera.fy, camera.cx, camera.cy], dtype=np.float32),
    )
    return {name: np.ascontiguousarray(array[None]) for name, array in zip(INPUT_NAMES, arrays, strict=True)}


def as_prediction(depth_m: np.ndarray, sigma_m: np.ndarray, camera: CameraModel) -> Prediction:
    """The network's outputs (1, H, W), padding cut off -> Prediction in metres."""
    kept = np.s_[0, : camera.height, : camera.width]
    return Prediction(np.ascontiguousarray(depth_m[kept]), np.ascontiguousarray(sigma_m[kept]), metric=True)


def _padded(array: np.ndarray, value: int) -> np.ndarray:
    missing = [max(SMALLEST_SIDE_PX, -(-side // STRIDE_PX) * STRIDE_PX) - side for side in array.shape[:2]]
    if not any(missing):
        return array
    return np.pad(array, [(0, n) for n in missing] + [(0, 0)] * (array.ndim - 2), constant_values=value)
