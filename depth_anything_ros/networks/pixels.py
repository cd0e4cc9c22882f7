# SPDX-License-Identifier: Apache-2.0
"""The raw image of the contract -> what backbones expect."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.networks.device_constant import device_constant

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MAX_ASPECT = 10.0  # beyond it nothing is left of the shorter side once the longer one fits a network


def as_pixels(image: Tensor, patch_px: int) -> Tensor:
    """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float32 in [0, 1].

    Raises InvalidInput for an image smaller than one patch of the backbone or more than ten times as long as short.
    """
    height, width = image.shape[1:3]
    if min(height, width) < patch_px:
        raise InvalidInput(f'image: expected {patch_px}x{patch_px} px at least, one patch; got {width}x{height}')
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise InvalidInput(f'image: expected sides in a ratio of {MAX_ASPECT:g}:1 at most, got {width}x{height}')
    return image.permute(0, 3, 1, 2).float() / 255


def imagenet_normalised(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> zero mean, unit deviation over ImageNet."""
    mean, std = (
        device_constant(values, lambda values=values: torch.tensor(values)[:, None, None], pixels)
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (pixels - mean) / std
