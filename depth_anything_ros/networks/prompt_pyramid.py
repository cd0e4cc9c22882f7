# SPDX-License-Identifier: Apache-2.0
"""The sparse prompt at every scale of a network, built by operations that every exporter knows.

Pull-push interpolation (Gortler et al., The Lumigraph, SIGGRAPH 1996) of planes instead of values: the moments of the
returns are added up in ever coarser cells; at every scale a plane is fitted to each cell and its neighbours by
weighted least squares, and where there are few returns the plane of the next coarser scale stands in. Floors and
walls come out as such, where an average per cell would make them terraces.

Everything is in log depth relative to the prompt's own centre, so that a scene and the same scene ten times larger
look alike.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_anything_ros.networks.device_constant import device_constant
from depth_anything_ros.networks.nearest_return import nearest_returns
from depth_anything_ros.networks.single_precision import single_precision

FINEST_STRIDE = 4
UNKNOWN_SIGMA = 0.02  # of the depth: a return without sigma is taken for an ordinary LiDAR's or ToF camera's
TRUSTED_SIGMA = 0.03  # returns much worse than this lose their weight in a cell
WIDER = (8, 4, 2)  # windows of this many cells stand in for scales beyond the coarsest
FEW_RETURNS = 0.5  # with this many a cell's own plane counts as much as the coarser one
RIDGE = 0.15  # of a cell: returns that lie closer together than this say nothing of the slope
BEYOND = 0.2  # how far a plane may run out of the range of the returns, in log depth


class PromptLevel(NamedTuple):
    """One scale, each (B, 1, h, w) float32.

    mean: weighted log depth of the cell's returns minus the centre, 0 where it has none; weight: 1 for a good
    return, towards 0 for vague ones, 0 where empty; mask: 1 where the cell has a return; spread: standard
    deviation of the cell's returns; fill: the planes' log depth at the cell's middle minus the centre;
    support: near 1 where the returns are at this scale, less the coarser the scale that the plane came from;
    nearest: value of the nearest return; closeness: 1 on it, falling with the distance in cells.
    """

    mean: Tensor
    weight: Tensor
    mask: Tensor
    spread: Tensor
    fill: Tensor
    support: Tensor
    nearest: Tensor
    closeness: Tensor

    def features(self) -> Tensor:
        """(B, 8, h, w): what the network sees of this scale."""
        return torch.cat([self.mean, self.weight.sqrt(), *self[2:]], dim=1)


class PromptPyramid(NamedTuple):
    """levels: strides 4, 8, 16, 32 ...; centre (B, 1, 1, 1): log depth that all values are relative to;
    sparse (B, 1, H, W): every return at full resolution relative to the centre, 0 where none; weight likewise.
    """

    levels: list[PromptLevel]
    centre: Tensor
    sparse: Tensor
    weight: Tensor


@single_precision
def build_pyramid(depth_m: Tensor, sigma_m: Tensor, default_log_depth: Tensor, scales: int) -> PromptPyramid:
    """Pyramid of a sparse prompt; computed in single precision, also under autocast.

    depth_m, sigma_m: (B, 1, H, W), metres, <= 0 or NaN where empty (sigma: unknown), H and W divisible by the coarsest
    stride; default_log_depth (B, 1, 1, 1): the centre of a frame without any return.
    """
    mask = (depth_m > 0).to(depth_m.dtype)  # false for NaN too
    known = torch.where(depth_m > 0, depth_m, torch.ones_like(depth_m)).clamp(1e-3, 1e4)
    log_depth = known.log() * mask
    relative = torch.where(sigma_m > 0, sigma_m, UNKNOWN_SIGMA * known) / known
    weight = mask * (TRUSTED_SIGMA / (TRUSTED_SIGMA + relative)) ** 2
    weighted = weight * log_depth
    finest = _pulled(torch.cat([mask, weight, weighted, weighted * log_depth], dim=1), _GATHER)

    centre = _centre(_pulled(finest, _PULL), default_log_depth)
    moments = [_relative_to(finest, centre)]
    for _ in range(scales - 1):
        moments.append(_pulled(moments[-1], _PULL))
    nearest = _nearest_by_scale(moments[0], scales - 1)
    low, high = _range(moments[0])

    coarsest_px = float(FINEST_STRIDE << (scales - 1))
    planes, support = torch.zeros_like(moments[-1][:, :3]), torch.zeros_like(moments[-1][:, :1])
    for reach, cells in zip(WIDER, _widened(moments[-1]), strict=True):
        planes, support = _blended(cells, planes, support, coarsest_px, 0.5 / reach)
    levels = []
    for level, cells in reversed(list(enumerate(moments))):
        cell_px = float(FINEST_STRIDE << level)
        if levels:
            planes = F.interpolate(planes, scale_factor=2, mode='bilinear', align_corners=False)
            support = 0.5 * F.interpolate(support, scale_factor=2, mode='bilinear', align_corners=False)
        planes, support = _blended(_window(cells, 1), planes, support, cell_px, 1.0)
        fill = torch.minimum(torch.maximum(_value_at_cells(planes, cell_px), low), high)
        value, distance = nearest[level]
        levels.append(PromptLevel(*_statistics(cells), fill, support, value, 1 / (1 + distance)))
    return PromptPyramid(levels[::-1], centre, (log_depth - centre) * mask, weight)


# Moments of the returns in a cell, about its own middle in units of the cell. z: log depth.
_MOMENTS = ('n', 'w', 'wx', 'wy', 'wz', 'wzz', 'wxx', 'wxy', 'wyy', 'wxz', 'wyz')
_N, _W, _WX, _WY, _WZ, _WZZ, _WXX, _WXY, _WYY, _WXZ, _WYZ = range(len(_MOMENTS))


def _moved(scale: float, dx: float, dy: float) -> Tensor:
    """(11, 11) matrix: moments about a point -> about another, with x' = scale x + dx and y' = scale y + dy."""
    matrix = torch.eye(len(_MOMENTS))
    s, a, b = scale, dx, dy
    rows = {
        _WX: {_WX: s, _W: a},
        _WY: {_WY: s, _W: b},
        _WXX: {_WXX: s * s, _WX: 2 * a * s, _W: a * a},
        _WXY: {_WXY: s * s, _WY: s * a, _WX: s * b, _W: a * b},
        _WYY: {_WYY: s * s, _WY: 2 * b * s, _W: b * b},
        _WXZ: {_WXZ: s, _WZ: a},
        _WYZ: {_WYZ: s, _WZ: b},
    }
    for row, terms in rows.items():
        matrix[row] = 0
        for column, value in terms.items():
            matrix[row, column] = value
    return matrix


def _gather_kernel() -> Tensor:
    """(11, 4, 4, 4): n, w, wz, wzz of single pixels -> moments of a 4x4 cell."""
    kernel = torch.zeros(len(_MOMENTS), 4, FINEST_STRIDE, FINEST_STRIDE)
    for row in range(FINEST_STRIDE):
        for column in range(FINEST_STRIDE):
            place = [(p + 0.5) / FINEST_STRIDE - 0.5 for p in (column, row)]
            kernel[:, :, row, column] = _moved(1.0, *place)[:, [_N, _W, _WZ, _WZZ]]
    return kernel


def _pull_kernel() -> Tensor:
    """(11, 11, 2, 2): moments of four cells -> of the cell that holds them."""
    kernel = torch.zeros(len(_MOMENTS), len(_MOMENTS), 2, 2)
    for row in range(2):
        for column in range(2):
            kernel[:, :, row, column] = _moved(0.5, column * 0.5 - 0.25, row * 0.5 - 0.25)
    return kernel


def _window_kernel(reach: int) -> Tensor:
    """(11, 11, 3, 3): moments of a cell and those `reach` away, these at half and a quarter of their weight."""
    kernel = torch.zeros(len(_MOMENTS), len(_MOMENTS), 3, 3)
    for row in range(3):
        for column in range(3):
            share = (0.5, 1.0, 0.5)[row] * (0.5, 1.0, 0.5)[column]
            kernel[:, :, row, column] = share * _moved(1.0, reach * (column - 1.0), reach * (row - 1.0))
    return kernel


_GATHER, _PULL = _gather_kernel(), _pull_kernel()
_WINDOWS = {reach: _window_kernel(reach) for reach in (1, *WIDER)}


def _pulled(cells: Tensor, kernel: Tensor) -> Tensor:
    own = device_constant(('pull', *kernel.shape), lambda: kernel, cells)
    return F.conv2d(cells, own, stride=kernel.shape[-1])


def _window(cells: Tensor, reach: int) -> Tensor:
    kernel = device_constant(('window', reach), lambda: _WINDOWS[reach], cells)
    return F.conv2d(cells, kernel, padding=reach, dilation=reach)


def _widened(cells: Tensor) -> list[Tensor]:
    """Moments of ever wider windows (a trous), widest first as WIDER."""
    wider = []
    for reach in (1, *reversed(WIDER)):
        cells = _window(cells, reach)
        wider.append(cells)
    return wider[:0:-1]


def _centre(cells: Tensor, default_log_depth: Tensor) -> Tensor:
    """Mean over occupied cells, so that a dense corner of the prompt does not decide alone."""
    occupied = (cells[:, _N : _N + 1] > 0).to(cells.dtype)
    mean = cells[:, _WZ : _WZ + 1] / cells[:, _W : _W + 1].clamp_min(1e-12) * occupied
    count = occupied.sum((2, 3), keepdim=True)
    return torch.where(count > 0, mean.sum((2, 3), keepdim=True) / count.clamp_min(1), default_log_depth)


def _relative_to(cells: Tensor, centre: Tensor) -> Tensor:
    n, w, wx, wy, wz, wzz, wxx, wxy, wyy, wxz, wyz = cells.split(1, dim=1)
    wzz = wzz - 2 * centre * wz + centre**2 * w
    shifted = (n, w, wx, wy, wz - centre * w, wzz, wxx, wxy, wyy, wxz - centre * wx, wyz - centre * wy)
    return torch.cat(shifted, dim=1)


def _nearest_by_scale(cells: Tensor, pulls: int) -> list[tuple[Tensor, Tensor]]:
    mean, _, mask, _ = _statistics(cells)
    total = cells[:, _W : _W + 1].clamp_min(1e-12)
    return nearest_returns(cells[:, _WY : _WY + 1] / total, cells[:, _WX : _WX + 1] / total, mean, mask, pulls)


def _range(cells: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 1, 1, 1): lowest and highest value that a plane may take; 0 without returns."""
    mean, _, mask, _ = _statistics(cells)
    low = torch.where(mask > 0, mean, 100.0).amin((2, 3), keepdim=True)
    high = torch.where(mask > 0, mean, -100.0).amax((2, 3), keepdim=True)
    return low.clamp_max(0) - BEYOND, high.clamp_min(0) + BEYOND


def _statistics(cells: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """mean, weight, mask, spread of the returns of each cell itself."""
    n, w, wz, wzz = (cells[:, i : i + 1] for i in (_N, _W, _WZ, _WZZ))
    mask = (n > 0).to(cells.dtype)
    total = w.clamp_min(1e-12)
    mean = wz / total * mask
    spread = ((wzz / total - mean**2).clamp_min(0) + 1e-6).sqrt() * mask
    return mean, w / n.clamp_min(1), mask, spread


def _blended(window: Tensor, planes: Tensor, support: Tensor, cell_px: float, own_support: float):
    """The windows' own planes over the coarser `planes` and `support`, the more the more returns they have.

    Planes (B, 3, h, w): value at the image's corner and slopes a pixel; window: moments in cells of cell_px.
    """
    n, w, wx, wy, wz, _, wxx, wxy, wyy, wxz, wyz = window.split(1, dim=1)
    total = w.clamp_min(1e-12)
    mx, my, mz = wx / total, wy / total, wz / total
    sxx, sxy, syy = wxx / total - mx * mx + RIDGE**2, wxy / total - mx * my, wyy / total - my * my + RIDGE**2
    sxz, syz = wxz / total - mx * mz, wyz / total - my * mz
    determinant = (sxx * syy - sxy**2).clamp_min(0.5 * RIDGE**4)
    slope_x = (syy * sxz - sxy * syz) / determinant
    slope_y = (sxx * syz - sxy * sxz) / determinant
    middle = mz - slope_x * mx - slope_y * my
    rows, columns = _cell_middles(window, cell_px)
    slope_x, slope_y = slope_x / cell_px, slope_y / cell_px
    own = torch.cat([middle - slope_x * columns - slope_y * rows, slope_x, slope_y], dim=1)
    share = n / (n + FEW_RETURNS)
    return planes + share * (own - planes), support + share * (own_support - support)


def _value_at_cells(planes: Tensor, cell_px: float) -> Tensor:
    rows, columns = _cell_middles(planes, cell_px)
    value, slope_x, slope_y = planes.split(1, dim=1)
    return value + slope_x * columns + slope_y * rows


def _cell_middles(like: Tensor, cell_px: float) -> tuple[Tensor, Tensor]:
    """Rows (h, 1) and columns (w,) of the cells' middles, in pixels from the image's corner."""
    height, width = like.shape[-2:]
    rows = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) * cell_px
    columns = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * cell_px
    return rows[:, None], columns
