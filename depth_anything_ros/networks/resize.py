# SPDX-License-Identifier: Apache-2.0
"""The resize rules of the published systems, in operations that every exporter knows.

Each takes pixels (B, 3, H, W) in [0, 1] and gives them at the size that its network wants. Sizes are Python integers,
so an exported graph has them built in. Nothing here smooths before it shrinks, because the systems don't (area
averaging aside). Sources: Resize of Depth Anything V1 and V2, load_image of Prompt Depth Anything, infer of Depth Pro,
InputProcessor of Depth Anything 3.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.networks.device_constant import device_constant
from depth_anything_ros.networks.single_precision import single_precision


def lower_bound(pixels: Tensor, side_px: int, multiple: int) -> Tensor:
    """Shorter side `side_px`, aspect kept, sides rounded to `multiple`; cubic (cv2.INTER_CUBIC)."""
    return cubic(pixels, lower_bound_size(*pixels.shape[-2:], side_px, multiple))


def longest_side(pixels: Tensor, side_px: int, multiple: int) -> Tensor:
    """Longer side `side_px` at most, sides rounded down to `multiple`; area averages (cv2.INTER_AREA)."""
    return area(pixels, longest_side_size(*pixels.shape[-2:], side_px, multiple))


def stretched(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """To `size` (height, width) whatever the aspect; bilinear, not antialiased."""
    return F.interpolate(pixels, size, mode='bilinear', align_corners=False)


def cubic(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """As cv2.INTER_CUBIC of floats does it: a = -0.75, edges repeated, overshoot kept."""
    if pixels.shape[-2:] == tuple(size):
        return pixels
    return F.interpolate(pixels, size, mode='bicubic', align_corners=False)


@single_precision
def area(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """As cv2.INTER_AREA does it where no side grows: the mean over the pixels, and parts of pixels, below each."""
    height, width = pixels.shape[-2:]
    if size[0] < height:
        pixels = torch.matmul(_shares_of(height, size[0], pixels), pixels)
    if size[1] < width:
        pixels = torch.matmul(pixels, _shares_of(width, size[1], pixels).T)
    return pixels


def lower_bound_size(height: int, width: int, side_px: int, multiple: int) -> tuple[int, int]:
    """(height, width) of `lower_bound`."""
    scale = max(side_px / height, side_px / width)

    def rounded(side: float) -> int:
        nearest = round(side / multiple) * multiple
        return nearest if nearest >= side_px else math.ceil(side / multiple) * multiple

    return rounded(scale * height), rounded(scale * width)


def longest_side_size(height: int, width: int, side_px: int, multiple: int) -> tuple[int, int]:
    """(height, width) of `longest_side`. Raises InvalidInput where less than `multiple` is left of a side."""
    limit = side_px // multiple * multiple
    scale = min(1.0, limit / max(height, width))
    size = tuple(int(side * scale // multiple) * multiple for side in (height, width))
    return _at_least_one_patch(size, height, width, multiple)


def upper_bound_sizes(height: int, width: int, side_px: int, multiple: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(height, width) of Depth Anything 3's two steps: longer side `side_px`, then both to the nearest multiple.

    Raises InvalidInput as `longest_side_size`.
    """
    scale = side_px / max(height, width)
    first = tuple(max(1, round(side * scale)) for side in (height, width))
    second = tuple((side + multiple // 2) // multiple * multiple for side in first)  # of two equally near, the larger
    return first, _at_least_one_patch(second, height, width, multiple)


def _at_least_one_patch(size: tuple[int, int], height: int, width: int, multiple: int) -> tuple[int, int]:
    if min(size) < multiple:
        raise InvalidInput(
            f'image: expected sides that leave {multiple} px of the shorter one after resizing, got {width}x{height},'
            f' which becomes {size[1]}x{size[0]}'
        )
    return size


def _shares_of(before: int, after: int, like: Tensor) -> Tensor:
    return device_constant(('shares', before, after), lambda: torch.from_numpy(_shares(before, after)), like)


@lru_cache(maxsize=8)
def _shares(before: int, after: int) -> np.ndarray:
    """(after, before): which share of each new pixel an old one has; rows sum to one."""
    step = before / after
    low = np.arange(after)[:, None] * step
    old = np.arange(before)
    overlap = np.minimum(low + step, old + 1) - np.maximum(low, old)
    return (overlap.clip(0) / step).astype(np.float32)
