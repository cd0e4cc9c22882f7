# SPDX-License-Identifier: Apache-2.0
"""Estimates spread and refined by learned weights over neighbouring cells: spatial propagation, convex upsampling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_anything_ros.networks.neighbourhood import NEIGHBOURS, channel_sums, picked
from depth_anything_ros.networks.single_precision import single_precision

TAPS = 16  # upsampling by 2: four taps for each of four pixels


@single_precision
def propagated(estimate: Tensor, logits: Tensor, steps: int, reach: int = 1) -> Tensor:
    """Spatial propagation (CSPN, Cheng et al. 2018): weights not negative that sum to one, from cells `reach` away."""
    weights = _weights(logits)
    weights = weights / channel_sums(weights, 1)
    for _ in range(steps):
        estimate = channel_sums(picked(estimate, range(len(NEIGHBOURS)), reach) * weights, 1)
    return estimate


@single_precision
def upsampled(estimate: Tensor, logits: Tensor) -> Tensor:
    """Factor 2: each pixel is a convex combination of the four cells that bilinear interpolation would use.

    After RAFT (Teed & Deng 2020), with the taps of the pixel's own quadrant only. logits: (B, 4 taps x 4 quadrants,
    h, w).
    """
    weights = _weights(logits)
    taps = picked(estimate, _QUADRANT_TAPS)
    return F.pixel_shuffle(channel_sums(weights * taps, 4) / channel_sums(weights, 4), 2)


def _weights(logits: Tensor) -> Tensor:
    """What a softmax would divide by its sum; bounded logits need no maximum taken off, which graphs are slow at."""
    return logits.clamp(-15, 15).exp()


def _quadrant_taps() -> list[int]:
    """Index into NEIGHBOURS of tap t of quadrant q, tap-major: own cell, vertical, horizontal, diagonal neighbour."""
    taps = []
    for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):
        for quadrant_row in (-1, 1):
            for quadrant_column in (-1, 1):
                taps.append(NEIGHBOURS.index((row * quadrant_row, column * quadrant_column)))
    return taps


_QUADRANT_TAPS = _quadrant_taps()


def bilinear_logits() -> list[float]:
    """Logits (taps, quadrants), flat, that make `upsampled` bilinear interpolation."""
    shares = torch.tensor([9.0, 3.0, 3.0, 1.0]) / 16
    return shares.log()[:, None].expand(4, 4).flatten().tolist()
