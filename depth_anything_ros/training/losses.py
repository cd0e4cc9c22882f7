# SPDX-License-Identifier: Apache-2.0
"""Losses on log depth, one value a sample (B,).

Errors e = predicted - true log depth, (B, 1, H, W); mask 1 where the truth is known, else 0, where e must be finite.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRADIENT_SCALES = 3
LARGE_ERROR = 1.0  # in log depth: from here on the relative error is continued as a straight line
SMALLEST_ERROR = 1e-4  # relative: smaller ones need not be told apart
BEYOND_ERROR = 1.5  # relative: what the uncertainty of a pixel without any surface should cover


def mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over each sample's known pixels; 0 where it has none."""
    return (values * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(1)


def absolute(error: Tensor, mask: Tensor) -> Tensor:
    """MAE in log depth."""
    return mean(error.abs(), mask)


def relative(error: Tensor, mask: Tensor) -> Tensor:
    """AbsRel, |exp(e) - 1|, which is what accuracy tables hold: too far costs more than too near."""
    small = torch.expm1(error.clamp_max(LARGE_ERROR)).abs()
    return mean(small + (error - LARGE_ERROR).clamp_min(0) * torch.e, mask)


def shift_invariant(error: Tensor, mask: Tensor) -> Tensor:
    """MAE after the sample's own mean error is taken off: relative depth alone.

    A shift in log depth is a scale in depth (Eigen et al. 2014, with L1 in place of the variance).
    """
    return absolute(error - mean(error, mask)[:, None, None, None], mask)


def derivatives(error: Tensor, mask: Tensor, operator: str, power: int) -> Tensor:
    """Mean of |derivative of e|^power over GRADIENT_SCALES scales, each half of the one before.

    Depth Pro's (Bochkovskii et al. 2024, eq. 3) MAGE = ('scharr', 1), MALE = ('laplace', 1), MSGE = ('scharr', 2),
    with fewer scales for the smaller images.
    """
    total = error.new_zeros(len(error))
    for _ in range(GRADIENT_SCALES):
        known = 1 - F.max_pool2d(1 - mask, 3, stride=1)
        for derivative in _OPERATORS[operator](error):
            total = total + mean(derivative.abs() ** power, known)
        error, mask = _halved(error, mask)
    return total / GRADIENT_SCALES


def width_quantile(error: Tensor, log_width: Tensor, mask: Tensor, beyond: Tensor, share: float = 0.68) -> Tensor:
    """Pinball loss (Koenker & Bassett 1978) of a quantile of the error's size relative to the predicted depth.

    Least where exp(log_width) holds `share` of the errors, whatever their distribution; in logs, so that small and
    large widths count alike. beyond (B, 1, H, W) bool: no surface there. The error is taken as given (no
    gradient), so that doubt can't buy off a better estimate.
    """
    size = torch.expm1(-error.detach().clamp(-3, 3)).abs()
    size = torch.where(beyond, BEYOND_ERROR, size)
    known = torch.where(beyond, torch.ones_like(mask), mask)
    excess = (size + SMALLEST_ERROR).log() - log_width
    return mean(torch.maximum(share * excess, (share - 1) * excess), known)


def at_scales(estimates: list[Tensor], target: Tensor, mask: Tensor) -> Tensor:
    """MAE of every coarse estimate against the mean of the known truth in its cells."""
    total = target.new_zeros(len(target))
    for estimate in estimates:
        total = total + _against_cells(estimate, target, mask)
    return total / len(estimates)


def fill_error(fills: list[Tensor], target: Tensor, mask: Tensor) -> Tensor:
    """MAE of the better of several fills of the prompt: how hard the sample is."""
    return torch.stack([_against_cells(fill, target, mask) for fill in fills]).amin(0).detach()


def _against_cells(estimate: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    factor = target.shape[-1] // estimate.shape[-1]
    share = F.avg_pool2d(mask, factor)
    middle = F.avg_pool2d(target * mask, factor) / share.clamp_min(1e-6)
    return absolute(estimate - middle, (share > 0.3).to(mask.dtype))


def _scharr(x: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives along columns and rows at the inner pixels."""
    across = 0.5 * (x[..., 2:] - x[..., :-2])
    down = 0.5 * (x[..., 2:, :] - x[..., :-2, :])
    across = (3 * (across[..., 2:, :] + across[..., :-2, :]) + 10 * across[..., 1:-1, :]) / 16
    down = (3 * (down[..., 2:] + down[..., :-2]) + 10 * down[..., 1:-1]) / 16
    return across, down


def _laplace(x: Tensor) -> tuple[Tensor]:
    inner = x[..., 1:-1, 1:-1]
    return (x[..., 2:, 1:-1] + x[..., :-2, 1:-1] + x[..., 1:-1, 2:] + x[..., 1:-1, :-2] - 4 * inner,)


_OPERATORS = {'scharr': _scharr, 'laplace': _laplace}


def _halved(error: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    share = F.avg_pool2d(mask, 2)
    return F.avg_pool2d(error * mask, 2) / share.clamp_min(1e-6), (share > 0.9).to(mask.dtype)
