# SPDX-License-Identifier: Apache-2.0
"""The 3x3 neighbourhood of every cell, and sums over channels, as convolutions with fixed weights.

One operation that every runtime is fast at, where slices would be dozens and reductions over channels walk through
memory in steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_anything_ros.networks.device_constant import device_constant

NEIGHBOURS = tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1))
CENTRE = NEIGHBOURS.index((0, 0))


def picked(x: Tensor, neighbours: Sequence[int], reach: int = 1) -> Tensor:
    """(B, 1, h, w) -> (B, len(neighbours), h, w): what lies where NEIGHBOURS says around every cell, `reach` cells
    away, edges repeated.
    """

    def kernel() -> Tensor:
        return torch.eye(len(NEIGHBOURS))[list(neighbours)].reshape(-1, 1, 3, 3)

    padded = F.pad(x, (reach, reach, reach, reach), mode='replicate')
    return F.conv2d(padded, device_constant(('picked', *neighbours), kernel, x), dilation=reach)


def channel_sums(x: Tensor, groups: int) -> Tensor:
    """(B, k * groups, h, w) -> (B, groups, h, w): sums over every groups-th channel."""
    count = x.shape[1] // groups

    def kernel() -> Tensor:
        return torch.eye(groups).repeat(1, count)[:, :, None, None]

    return F.conv2d(x, device_constant(('sums', count, groups), kernel, x))
