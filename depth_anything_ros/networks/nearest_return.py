# SPDX-License-Identifier: Apache-2.0
"""The nearest return of every cell at every scale, in a graph: a search through a pyramid.

Going up, each cell keeps the return nearest to its middle. At the coarsest scale returns jump from cell to cell in
steps of 8, 4, 2, 1 (jump flooding, Rong & Tan 2006); going down, a cell takes the nearest of its own return and
those of the nine coarser cells around it. Not always the very nearest, but never far from it, in a handful of
operations that every exporter knows (a distance transform is none of them).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_anything_ros.networks.device_constant import device_constant

FAR_CELLS = 1e4  # where a scale has no return at all
JUMPS = (8, 4, 2, 1)  # cells of the coarsest scale


class Returns(NamedTuple):
    """One return a cell: row, column (B, 1, h, w) in cells of this scale, and its value; far away where none."""

    row: Tensor
    column: Tensor
    value: Tensor


def nearest_returns(
    row: Tensor, column: Tensor, value: Tensor, mask: Tensor, pulls: int
) -> list[tuple[Tensor, Tensor]]:
    """Per scale, finest first: (value of the nearest return, distance to it in cells), each (B, 1, h, w).

    row, column (B, 1, h, w): where in its cell the return lies, from the cell's middle, in cells; mask: 1 where the
    cell has one; h, w divisible by 2 ** pulls. Without any return: value 0, distance FAR_CELLS.
    """
    rows, columns = _middles(value)
    far = torch.full_like(value, FAR_CELLS)
    own = [
        Returns(
            torch.where(mask > 0, rows + row, far),
            torch.where(mask > 0, columns + column, far),
            torch.where(mask > 0, value, torch.zeros_like(value)),
        )
    ]
    for _ in range(pulls):
        own.append(_pulled(own[-1]))
    found = own[-1]
    for jump in JUMPS:
        found = _nearest([_around(found, jump)])
    scales = [_outcome(found)]
    for returns in reversed(own[:-1]):
        coarser = Returns(*(F.interpolate(place, scale_factor=2, mode='nearest') for place in _around(found, 1)))
        found = _nearest([returns, Returns(2 * coarser.row, 2 * coarser.column, coarser.value)])
        scales.append(_outcome(found))
    found = _nearest([_around(found, 1)])
    scales[-1] = _outcome(found)
    return scales[::-1]


def _middles(like: Tensor) -> tuple[Tensor, Tensor]:
    height, width = like.shape[-2:]
    zeros = torch.zeros_like(like)
    rows = torch.arange(height, device=like.device, dtype=like.dtype) + 0.5
    columns = torch.arange(width, device=like.device, dtype=like.dtype) + 0.5
    return rows[:, None] + zeros, columns + zeros


def _pulled(returns: Returns) -> Returns:
    children = Returns(*(F.pixel_unshuffle(place, 2) for place in returns))
    return _nearest([Returns(children.row * 0.5, children.column * 0.5, children.value)])


def _around(returns: Returns, jump: int) -> Returns:
    """(B, 9, h, w): the returns of the cells `jump` away in all directions, and the cell's own."""
    # a convolution that picks: one operation where slices would be dozens
    pick = device_constant('pick', lambda: torch.eye(9).reshape(9, 1, 3, 3).repeat(3, 1, 1, 1), returns.value)
    beyond = (jump,) * 4
    places = F.pad(torch.cat([returns.row, returns.column], dim=1), beyond, value=FAR_CELLS)
    places = torch.cat([places, F.pad(returns.value, beyond)], dim=1)
    return Returns(*F.conv2d(places, pick, dilation=jump, groups=3).split(9, dim=1))


def _nearest(candidates: list[Returns]) -> Returns:
    rows, columns, values = (torch.cat(places, dim=1) for places in zip(*candidates, strict=True))
    middle_rows, middle_columns = _middles(values[:, :1])
    squared = (rows - middle_rows) ** 2 + (columns - middle_columns) ** 2
    chosen = squared.argmin(dim=1, keepdim=True)
    return Returns(*(places.gather(1, chosen) for places in (rows, columns, values)))


def _outcome(returns: Returns) -> tuple[Tensor, Tensor]:
    rows, columns = _middles(returns.value)
    distance = ((returns.row - rows) ** 2 + (returns.column - columns) ** 2).sqrt()
    return returns.value, distance.clamp_max(FAR_CELLS)
