# SPDX-License-Identifier: Apache-2.0
"""Sparse returns -> the dense low-resolution depth map that Prompt Depth Anything was trained on, in a graph.

Its own code takes 0 for a depth and divides by the map's range, so that a hole, a stray or a flat wall spoils
everything. Here holes take the depth of the nearest return, the range is bounded against strays and never zero.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from depth_anything_ros.networks.device_constant import device_constant
from depth_anything_ros.networks.nearest_return import nearest_returns
from depth_anything_ros.networks.single_precision import single_precision

PULLS = 5  # scales of the search for the nearest return; sides of the map are multiples of 2 ** PULLS cells
DEPTH_RANGE_M = (1e-2, 1e4)
TAIL = 0.02  # of the map: what may lie beyond the fences' base
FENCE = 1.25  # least factor from the base to a fence: legitimate tails of a flat scene
NARROWEST = 1.02  # far / near of a map at one depth
LONE_RETURN = 8.0  # far / near is 9 with one return, since it says little about the rest, and less the more there are
EMPTY_DEPTH_PER_FOCAL_PX = 0.006  # 3 m at f = 500 px: the middle of a room
EMPTY_DEPTH_M = 3.0  # without a focal length either
EMPTY_RATIO = 9.0  # far / near without any return


class DensePrompt(NamedTuple):
    """depth_m (B, 1, h, w), within near_m < far_m (B, 1, 1, 1): what sigmoid outputs 0 and 1 mean, metres."""

    depth_m: Tensor
    near_m: Tensor
    far_m: Tensor


@single_precision
def dense_prompt(depth_m: Tensor, camera: Tensor, size: tuple[int, int]) -> DensePrompt:
    """depth_m (B, H, W), metres, <= 0 or NaN where there is no return; camera (B, 4); size: (h, w) of the map, cells.

    A cell holds the mean of its returns or, empty, the depth of the nearest (the paper averages the four nearest).
    Strays are drawn in to fences about the middle 96 % of the map; a prompt that is a good map already, as those of
    a phone, stays as it is. Without returns: a flat map between 1/3 and 3 times a depth in proportion to the focal
    length, of which only the order of magnitude can be trusted.
    """
    mean, row, column, mask = _cells(depth_m, size)
    filled = nearest_returns(row, column, mean, mask, PULLS)[0][0]
    count = mask.sum((1, 2, 3), keepdim=True)
    flat = _empty_depth(camera)
    filled = torch.where(count > 0, filled, flat + torch.zeros_like(filled))
    low, high = _fences(filled)
    filled = torch.minimum(torch.maximum(filled, low), high)
    near, far = filled.amin((2, 3), keepdim=True), filled.amax((2, 3), keepdim=True)
    ratio = torch.where(count > 0, NARROWEST + LONE_RETURN / count.clamp_min(1), torch.full_like(count, EMPTY_RATIO))
    middle, reach = (near * far).sqrt(), ratio.sqrt()
    return DensePrompt(filled, torch.minimum(near, middle / reach), torch.maximum(far, middle * reach))


def _cells(depth_m: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean depth of every cell's returns, their mean place in it (from its middle, in cells) and 1 where there are
    any; each (B, 1, h, w).
    """
    height, width = depth_m.shape[-2:]
    mask = depth_m > 0  # false for NaN too
    known = torch.where(mask, depth_m, torch.ones_like(depth_m)).clamp(*DEPTH_RANGE_M)[:, None]
    mask = mask.to(depth_m.dtype)[:, None]
    rows, row_places = _assignment_of(height, size[0], depth_m)
    columns, column_places = (places.T for places in _assignment_of(width, size[1], depth_m))
    # a cell's sums as matrix products: a scatter is slow on some runtimes and missing on others
    by_row = torch.matmul(rows, torch.cat([mask, mask * known], dim=1))
    count, total = torch.matmul(by_row, columns).split(1, dim=1)
    row_total = torch.matmul(torch.matmul(row_places, mask), columns)
    column_total = torch.matmul(by_row[:, :1], column_places)
    divisor = count.clamp_min(1)
    return total / divisor, row_total / divisor, column_total / divisor, (count > 0).to(depth_m.dtype)


def _assignment_of(pixels: int, cells: int, like: Tensor) -> list[Tensor]:
    return [
        device_constant(('cells', pixels, cells, i), lambda i=i: torch.from_numpy(_assignment(pixels, cells)[i]), like)
        for i in range(2)
    ]


@lru_cache(maxsize=8)
def _assignment(pixels: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """(cells, pixels) twice: 1 where the pixel's middle lies in the cell, and how far it is from the cell's middle."""
    place = (np.arange(pixels) + 0.5) * cells / pixels
    mine = np.floor(place) == np.arange(cells)[:, None]
    return mine.astype(np.float32), (mine * (place - np.floor(place) - 0.5)).astype(np.float32)


def _empty_depth(camera: Tensor) -> Tensor:
    focal_px = camera[:, 0, None, None, None]
    return torch.where(focal_px > 0, focal_px * EMPTY_DEPTH_PER_FOCAL_PX, torch.full_like(focal_px, EMPTY_DEPTH_M))


def _fences(filled: Tensor) -> tuple[Tensor, Tensor]:
    """Beyond the middle 96 % of the map by half its width in log depth (after Tukey), (B, 1, 1, 1) each."""
    values = filled.flatten(2)
    tail = max(1, round(TAIL * values.shape[-1]))
    high = values.topk(tail, dim=-1).values.amin(-1)[..., None, None]
    low = -(-values).topk(tail, dim=-1).values.amin(-1)[..., None, None]
    factor = (high / low).sqrt().clamp_min(FENCE)
    return low / factor, high * factor
