# SPDX-License-Identifier: Apache-2.0
"""Resizes depth beside sky or "no depth" without mixing the two."""

from __future__ import annotations

import torch
from torch import Tensor


def resize_masked(depth: Tensor, void: Tensor, threshold: float, size: tuple[int, int], wraps: bool = False) -> Tensor:
    """(B, 1, h, w) depth -> (B, *size), bilinear over valid neighbours only, 0 where there is no depth.

    void: a score of the same shape, depth is valid where it is below the threshold; its outline is that of the
    interpolated score. wraps: left and right edge are neighbours (a panorama). At the same size nothing is blended.
    """
    valid = (void < threshold).to(depth.dtype)
    share = _resized(valid, size, wraps)
    outside = torch.zeros_like(depth[:, :, :1, :1])
    near = _resized(torch.where(valid > 0, depth, outside), size, wraps) / torch.where(share > 0, share, outside + 1)
    # an interpolated score below the threshold has a valid neighbour, so there is always something to average
    return torch.where(_resized(void, size, wraps) < threshold, near, outside)[:, 0]


def _resized(x: Tensor, size: tuple[int, int], wraps: bool) -> Tensor:
    return _resized_along(_resized_along(x, 2, size[0], False), 3, size[1], wraps)


def _resized_along(x: Tensor, dim: int, count: int, wraps: bool) -> Tensor:
    before = x.shape[dim]
    place = (torch.arange(count, device=x.device, dtype=torch.float32) + 0.5) * (before / count) - 0.5
    low = place.floor()
    weight = (place - low).to(x.dtype).reshape([count if d == dim else 1 for d in range(x.ndim)])
    first, second = low.long(), low.long() + 1
    if wraps:
        first, second = first % before, second % before
    else:
        first, second = first.clamp(0, before - 1), second.clamp(0, before - 1)
    return x.index_select(dim, first) * (1 - weight) + x.index_select(dim, second) * weight
