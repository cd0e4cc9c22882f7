# SPDX-License-Identifier: Apache-2.0
"""Draw an aligned depth to the returns around each pixel: a smooth field of log ratios that ends where returns end.

For networks that never saw the returns. After scale (and shift) fit the whole image, what is left varies slowly over
it: a ceiling too far, a corner too near. The field lives on coarse grids over (row, column, log depth), so that a
return corrects the surface it lies on and not what is in front of or behind it (the bilateral grid of Chen, Paris and
Durand 2007), fitted from coarse to fine, each to what the coarser ones left over (Lee, Wolberg and Shin 1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from depth_anything_ros.core.settings import setting, validate

STEP_PX, MOST_PLACES = 6, 128  # the field is evaluated at every sixth pixel, at most this often along a side
LOG_BIN = 0.15  # of log depth: surfaces more than two and a half bins apart don't correct each other
MOST_BINS, OUTER_BINS = 64, 3  # the outer ones hold no returns: what lies beyond them is left alone
LEVELS = 4  # each has half the cells' size of the one before
CELLS_OF_REACH = 2.5  # a return is splatted into a cell, blurred over one more and interpolated over another
PRIOR = 0.5  # returns' worth of belief in the field so far
STRAY = 2.5  # robust standard deviations at which a return counts half
OWN_PART = 0.6  # of a return's weight that interpolation gives back to it, on average
SMALLEST_SPREAD = 0.002  # of log depth: no ranger is better
FEWEST_RESIDUALS = 8  # for a spread that means something
STRAYS_SHOW = 4.0  # spreads beyond which a residual adds no more to sigma
SIGMA_OF_MEAN = 1.2  # half-width that holds 68 % of the errors, in mean absolute errors: 1.25 Gauss, 1.14 Laplace


@dataclass(frozen=True)
class RefinementConfig:
    """How depth that a network gave without seeing the returns is drawn to them after alignment."""

    enabled: bool = setting(True, 'networks that see no returns: draw the aligned depth to the returns around')
    min_returns: int = setting(50, 'not with fewer usable returns than this', low=8, high=100000)
    reach: float = setting(
        0.2, "a return changes nothing farther away than this share of the image's longer side", low=0.01, high=1.0
    )

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True, eq=False)
class Refined:
    """depth_m, sigma_m (H, W) float32; sigma from what the field leaves at the returns, growing away from them.

    before, after: robust standard deviation of log depth at the returns, each left out of its own correction.
    """

    depth_m: np.ndarray
    sigma_m: np.ndarray
    before: float
    after: float


def refine(depth_m: np.ndarray, sparse_m: np.ndarray, config: RefinementConfig, wrap: bool = False) -> Refined | None:
    """depth_m, sparse_m (H, W) float32, NaN = unknown or empty -> Refined; None with too few usable returns.

    Where no return is within reach, depth stays as it is; unknown depth stays unknown. wrap: the left and the right
    border of the image meet (a panorama).
    """
    returns = _Returns.on(depth_m, sparse_m, config.reach, wrap)
    if returns.count < config.min_returns:
        return None
    field, left = _fitted(returns)
    sigma = returns.enlarged(_sigma(returns, left, returns.local_variance(returns.ratio)))
    refined_m = depth_m * returns.enlarged(np.exp(field))
    return Refined(refined_m, refined_m * sigma, _spread(returns.ratio), _spread(left))


def residual_sigma(depth_m: np.ndarray, sparse_m: np.ndarray, typical: float, wrap: bool = False) -> np.ndarray:
    """(H, W) float32: the sigma of a depth that was made from these returns, from how well it meets them.

    Far from returns, and without enough of them, `typical`, the network's usual share of depth, or more where it
    meets those there are worse than that.
    """
    returns = _Returns.on(depth_m, sparse_m, RefinementConfig().reach, wrap)
    if returns.count < FEWEST_RESIDUALS:
        return depth_m * np.float32(typical)
    far = max(typical, _spread(returns.ratio))
    return depth_m * returns.enlarged(_sigma(returns, returns.ratio, np.float32(far**2)))


@dataclass(frozen=True, eq=False)
class _Returns:
    """N usable returns on an image of low resolution.

    shape: (H, W) of the image. low_m (h, w): its depth, with `border` repeated columns on both sides of a panorama.
    row, column (N,) in it; log_depth (N,): of the depth there; ratio (N,): log of return over depth; count: of the
    returns, without those repeated; cell_px: of the coarsest grid.
    """

    shape: tuple[int, int]
    low_m: np.ndarray
    border: int
    row: np.ndarray
    column: np.ndarray
    log_depth: np.ndarray
    ratio: np.ndarray
    count: int
    cell_px: float

    @classmethod
    def on(cls, depth_m: np.ndarray, sparse_m: np.ndarray, reach: float, wrap: bool) -> _Returns:
        height, width = depth_m.shape
        pixel = np.flatnonzero(~np.isnan(sparse_m))
        predicted_m = depth_m.ravel().take(pixel)
        usable = predicted_m > 0
        pixel, predicted_m = pixel[usable], predicted_m[usable]
        ratio = np.log(sparse_m.ravel().take(pixel) / predicted_m)
        step_px = max(STEP_PX, max(height, width) / MOST_PLACES)
        rows, columns = (max(1, round(side / step_px)) for side in (height, width))
        low_m = cv2.resize(depth_m, (columns, rows), interpolation=cv2.INTER_NEAREST)
        row, column = np.divmod(pixel, width)
        row, column = row * rows // height, column * columns // width
        reach_px = reach * max(rows, columns)
        border = min(columns, int(np.ceil(reach_px))) if wrap else 0
        if border:
            low_m = cv2.copyMakeBorder(low_m, 0, 0, border, border, cv2.BORDER_WRAP)
            row, column, predicted_m, ratio = _wrapped(row, column, predicted_m, ratio, border, columns)
        cell_px = reach_px / CELLS_OF_REACH
        return cls((height, width), low_m, border, row, column, np.log(predicted_m), ratio, len(pixel), cell_px)

    def enlarged(self, values: np.ndarray) -> np.ndarray:
        """(h, w) at low resolution, border included -> (H, W)."""
        kept = values[:, self.border : values.shape[1] - self.border]
        return cv2.resize(kept, self.shape[::-1], interpolation=cv2.INTER_LINEAR)

    def local_variance(self, residual: np.ndarray) -> np.ndarray:
        """(pixels,): square of the spread of residuals (N,) around every pixel, of all where none is around."""
        grid = _Grid(self, self.cell_px)
        known = grid.known(np.ones_like(residual))
        unknown = PRIOR / (PRIOR + self.pixels_at.of(grid.at_pixels(known)))
        spread = _spread(residual)
        mean = grid.mean(np.minimum(np.abs(residual), STRAYS_SHOW * spread), known)
        return (SIGMA_OF_MEAN * self.pixels_at.of(mean) + unknown * spread) ** 2

    @cached_property
    def bins(self) -> _Bins:
        return _Bins.around(self.log_depth)

    @cached_property
    def pixels_at(self) -> _Places:
        with np.errstate(invalid='ignore', divide='ignore'):
            return self.bins.places(np.nan_to_num(np.log(self.low_m.ravel()), nan=-np.inf))

    @cached_property
    def returns_at(self) -> _Places:
        return self.bins.places(self.log_depth, self.row * self.low_m.shape[1] + self.column)


def _fitted(returns: _Returns) -> tuple[np.ndarray, np.ndarray]:
    """The field of log ratios (h, w) float32, and what it leaves at each return (N,) when that one is left out."""
    left, places = returns.ratio, returns.returns_at
    total = np.zeros(returns.low_m.size, np.float32)
    for level in range(LEVELS):
        grid = _Grid(returns, returns.cell_px / 2**level)
        weight = 1 / (1 + (left / (STRAY * _spread(left))) ** 2)
        known = grid.known(weight)
        field = grid.mean(weight * left, known)
        total += returns.pixels_at.of(field)
        left = left - places.of(field)
    # each without its own part in the finest field: otherwise a lone return would seem to be met exactly
    own = OWN_PART * weight / (PRIOR + places.of(grid.at_pixels(known)))
    return total.reshape(returns.low_m.shape), left / (1 - own)


def _sigma(returns: _Returns, residual: np.ndarray, far_variance: np.ndarray) -> np.ndarray:
    """(h, w) float32: local spread of the residuals (N,) near returns, going over to `far_variance` away from all."""
    empty = np.ones(returns.low_m.shape, np.uint8)
    empty[returns.row, returns.column] = 0
    away = cv2.distanceTransform(empty, cv2.DIST_L2, 3).ravel() / np.float32(returns.cell_px)
    close = np.maximum(1 - away**3, 0)
    return np.sqrt(close * returns.local_variance(residual) + (1 - close) * far_variance).reshape(empty.shape)


@dataclass(frozen=True)
class _Bins:
    """Bins of log depth that reach a little beyond the returns on both sides."""

    first: float
    per_log: float
    count: int

    @classmethod
    def around(cls, log_depth: np.ndarray) -> _Bins:
        low, high = float(log_depth.min()), float(log_depth.max())
        width = max(LOG_BIN, (high - low) / (MOST_BINS - 2 * OUTER_BINS - 1))
        return cls(low - OUTER_BINS * width, 1 / width, round((high - low) / width) + 2 * OUTER_BINS + 1)

    def places(self, log_depth: np.ndarray, pixel: np.ndarray | None = None) -> _Places:
        """Where values of log depth lie; pixel: their flat numbers, None: one after the other."""
        at = np.clip((log_depth - self.first) * self.per_log, 0, self.count - 1).astype(np.float32)
        lower = np.minimum(at.astype(np.intp), self.count - 2)
        base = (np.arange(len(at)) if pixel is None else pixel) * self.count + lower
        return _Places(base, at - lower.astype(np.float32), np.rint(at).astype(np.intp))


@dataclass(frozen=True, eq=False)
class _Places:
    """Positions in volumes (pixels, bins): flat number of the lower of two bins, share of the upper, nearest bin."""

    base: np.ndarray
    share: np.ndarray
    bin: np.ndarray

    def of(self, volume: np.ndarray) -> np.ndarray:
        values = volume.ravel()
        lower = values.take(self.base)
        return lower + self.share * (values.take(self.base + 1) - lower)


class _Grid:
    """Cells over rows, columns and bins of log depth."""

    def __init__(self, returns: _Returns, cell_px: float):
        self._pixels = returns.low_m.shape
        (height, width), bins = self._pixels, returns.bins.count
        rows, columns = (max(1, round(side / cell_px)) for side in self._pixels)
        self._shape = (rows, columns, bins)
        cell = (returns.row * rows // height) * columns + returns.column * columns // width
        self._cell = cell * bins + returns.returns_at.bin

    def known(self, weight: np.ndarray) -> np.ndarray:
        """Weight (N,) of the returns around every cell: (rows, columns, bins)."""
        return _blurred(self._sums(weight))

    def mean(self, weighted: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Mean of the weighted values (N,) around every pixel and bin, drawn to 0 where little is known."""
        return self.at_pixels(_blurred(self._sums(weighted)) / (known + PRIOR))

    def at_pixels(self, values: np.ndarray) -> np.ndarray:
        """(rows, columns, bins) -> (pixels, bins), interpolated between cells."""
        height, width = self._pixels
        return cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height * width, -1)

    def _sums(self, values: np.ndarray) -> np.ndarray:
        size = int(np.prod(self._shape))
        return np.bincount(self._cell, values, minlength=size).astype(np.float32).reshape(self._shape)


def _blurred(values: np.ndarray) -> np.ndarray:
    """Over all three dimensions, half as much to each neighbour; a lone return keeps its weight in its own cell."""
    padded = np.pad(values, 1)
    padded = padded[1:-1] + 0.5 * (padded[:-2] + padded[2:])
    padded = padded[:, 1:-1] + 0.5 * (padded[:, :-2] + padded[:, 2:])
    return np.ascontiguousarray(padded[:, :, 1:-1] + 0.5 * (padded[:, :, :-2] + padded[:, :, 2:]))


def _wrapped(row, column, predicted_m, ratio, border: int, columns: int):
    """The returns of a panorama with `border` columns of it repeated on both sides."""
    left, right = column >= columns - border, column < border
    column = np.concatenate([column + border, column[left] - columns + border, column[right] + columns + border])
    row, predicted_m, ratio = (np.concatenate([a, a[left], a[right]]) for a in (row, predicted_m, ratio))
    return row, column, predicted_m, ratio


def _spread(residual: np.ndarray) -> float:
    """Robust standard deviation around 0."""
    return max(1.4826 * float(np.median(np.abs(residual))), SMALLEST_SPREAD)
