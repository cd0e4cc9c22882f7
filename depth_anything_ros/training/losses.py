# SPDX-License-Identifier: Apache-2.0
"""Losses on log depth. Errors e = predicted - true log depth, (B, 1, H, W); mask 1 where the truth is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRADIENT_SCALES = 4
BEYOND_ERROR = 1.5  # in log depth: what the uncertainty of a pixel without any surface should cover


def mean_absolute(error: Tensor, mask: Tensor) -> Tensor:
    """L1 in log depth: relative error, to first order."""
    return (error.abs() * mask).sum() / mask.sum().clamp_min(1)


def shift_invariant(error: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
    """L1 after each image's own mean error is taken off, over the images `chosen` (B,): relative depth alone.

    A shift in log depth is a scale in depth (Eigen et al. 2014, with L1 in place of the variance).
    """
    count = mask.sum((1, 2, 3), keepdim=True).clamp_min(1)
    centred = error - (error * mask).sum((1, 2, 3), keepdim=True) / count
    return mean_absolute(centred, mask * chosen[:, None, None, None])


def gradient(error: Tensor, mask: Tensor) -> Tensor:
    """Multi-scale gradient matching (MegaDepth, Li & Snavely 2018): L1 of differences of the error, by scale."""
    total = error.new_zeros(())
    for _ in range(GRADIENT_SCALES):
        for axis in (2, 3):
            both = mask.narrow(axis, 1, mask.shape[axis] - 1) * mask.narrow(axis, 0, mask.shape[axis] - 1)
            total = total + mean_absolute(error.diff(dim=axis), both)
        error, mask = _halved(error, mask)
    return total / (2 * GRADIENT_SCALES)


def laplace_nll(error: Tensor, log_scale: Tensor, mask: Tensor, beyond: Tensor) -> Tensor:
    """Negative log likelihood of a Laplace distribution of the error, constants left out.

    The error is taken as given (no gradient), so that doubt cannot buy off a better estimate.
    """
    size = torch.where(beyond, BEYOND_ERROR, error.detach().abs())
    known = torch.where(beyond, torch.ones_like(mask), mask)
    return ((size * (-log_scale).exp() + log_scale) * known).sum() / known.sum().clamp_min(1)


def at_scales(estimates: list[Tensor], target: Tensor, mask: Tensor) -> Tensor:
    """L1 of every coarse estimate against the mean of the known truth in its cells."""
    total = target.new_zeros(())
    for estimate in estimates:
        size = estimate.shape[-2:]
        share = F.adaptive_avg_pool2d(mask, size)
        mean = F.adaptive_avg_pool2d(target * mask, size) / share.clamp_min(1e-6)
        total = total + mean_absolute(estimate - mean, (share > 0.3).to(mask.dtype))
    return total / len(estimates)


def _halved(error: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    share = F.avg_pool2d(mask, 2)
    return F.avg_pool2d(error * mask, 2) / share.clamp_min(1e-6), (share > 0.9).to(mask.dtype)
