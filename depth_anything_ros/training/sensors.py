# SPDX-License-Identifier: Apache-2.0
"""Simulated sparse metric prompts from exact depth: what LiDARs, ToF cameras and radars would have returned.

Every kind also errs as its sensor does: noise, drop-out, stray returns, calibration error and returns of surfaces
that the camera does not see. `simulate` draws a kind; each kind is a function of the random generator and a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from depth_anything_ros.projection.prompt import PromptConfig
from depth_anything_ros.training.radar_returns import log_range, radar_returns

USUAL = PromptConfig()
MAPS = ('grid', 'dense')  # kinds whose returns come as a depth image, of a ToF camera
PRISTINE = 0.3  # share of the prompts without any fault: exact sensors, and benchmarks that prompt with their truth
SMOOTHED = 0.2  # share of the low-resolution depth images that were smoothed over several of their own cells
FRAMED = 0.15  # share of the prompts whose sensor sees only a part of the image
CLEAR = 0.3  # chance of no return from which on a surface is taken for glass or polished metal

VLP_32C_DEG = (
    15, 10.333, 7, 4.667, 3.333, 2.333, 1.667, 1.333, 1, 0.667, 0.333, 0, -0.333, -0.667, -1, -1.333, -1.667,
    -2, -2.333, -2.667, -3, -3.333, -3.667, -4, -4.667, -5.333, -6.148, -7.254, -8.843, -11.31, -15.639, -25,
)  # fmt: skip

# degrees, top to bottom: HDL-64E, HDL-32E (nuScenes), VLP-32C, OS1-64, VLP-16 and two small ones
ELEVATIONS_DEG = {
    'hdl64': np.concatenate([np.linspace(2, -8.33, 32), np.linspace(-8.83, -24.33, 32)]),
    'hdl32': np.linspace(10.67, -30.67, 32),
    'vlp32c': np.array(VLP_32C_DEG),
    'os1_64': np.linspace(22.5, -22.5, 64),
    'vlp16': np.linspace(15, -15, 16),
    'line8': np.linspace(10, -10, 8),
    'line4': np.linspace(1.6, -1.6, 4),
}


@dataclass(frozen=True)
class SensorShares:
    """How often each kind of prompt is drawn in training; relative, not normalised."""

    points: float = 0.24
    lidar: float = 0.20
    rows: float = 0.15
    grid: float = 0.20
    dense: float = 0.04
    radar: float = 0.09
    beam: float = 0.03
    nothing: float = 0.05

    def draw(self, rng: np.random.Generator) -> str:
        shares = np.array(list(vars(self).values()))
        return str(rng.choice(list(vars(self)), p=shares / shares.sum()))


@dataclass(frozen=True, eq=False)
class Frame:
    """What a sensor ranges: depth_m (H, W) float32 exact, NaN unknown; intrinsics (4,) fx, fy, cx, cy; dropout (H, W)
    in [0, 1], chance that a pulse brings no return, None where the surfaces are not known.
    """

    depth_m: np.ndarray
    intrinsics: np.ndarray
    dropout: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class SimulatedPrompt:
    """depth_m, sigma_m (H, W) float32, NaN where empty; kind: name of the simulation."""

    depth_m: np.ndarray
    sigma_m: np.ndarray
    kind: str


@dataclass(frozen=True)
class Faults:
    """Sizes of the errors of one simulated recording; drawn anew for every frame."""

    noise: float  # standard deviation over depth
    floor_m: float  # added to it
    dropout: float  # share of returns lost
    strays: float  # share of returns at a random depth
    shift_px: tuple[int, int] = (0, 0)  # calibration error
    see_through_px: int = 0  # how far behind an edge a displaced sensor sees
    claimed: float = field(default=1.0)  # sigma that the sensor claims, over the true one
    usual: bool = True  # the sensor claims nothing: the package's own figure for its kind stands in
    bias: float = 0.0  # slowly varying error over depth, from surfaces and their distance
    smoothed_cells: int = 0  # a low-resolution depth image is the mean over as many of its cells; 0: it is not


def simulate(rng: np.random.Generator, frame: Frame, shares: SensorShares, kind: str | None = None) -> SimulatedPrompt:
    """A prompt of `kind` (a field of SensorShares; None: drawn by shares). Never reads depth where it is NaN."""
    kind = kind or shares.draw(rng)
    if kind == 'nothing':
        nothing = np.full(frame.depth_m.shape, np.nan, np.float32)
        return SimulatedPrompt(nothing, nothing, kind)
    if kind == 'radar':
        return SimulatedPrompt(*radar_returns(rng, frame.depth_m, frame.intrinsics), kind)
    faults = _draw_faults(rng, kind)
    seen_m = _displaced(rng, frame.depth_m, faults)
    if frame.dropout is not None and rng.random() < 0.6:
        seen_m = _through_glass(rng, seen_m, frame.dropout)
    if kind == 'grid':
        depth_m = _grid(rng, seen_m, faults.smoothed_cells)
    else:
        mask = _MASKS[kind](rng, Frame(seen_m, frame.intrinsics))
        depth_m = np.where(mask, seen_m, np.nan)
    if rng.random() < FRAMED:
        depth_m = _framed(rng, depth_m)
    if frame.dropout is not None:
        depth_m = np.where(rng.random(depth_m.shape, dtype=np.float32) < frame.dropout, np.float32(np.nan), depth_m)
    depth_m, claimed_m = _measured(rng, depth_m, frame.depth_m, faults)
    return SimulatedPrompt(depth_m, _usual_sigma(depth_m, kind) if faults.usual else claimed_m, kind)


def _usual_sigma(depth_m: np.ndarray, kind: str) -> np.ndarray:
    """What projection/prompt.py takes for the sigma of a sensor that doesn't tell."""
    constant_m, relative = USUAL.tof_sigma_m, USUAL.tof_sigma_relative
    if kind not in MAPS:
        constant_m, relative = USUAL.lidar_sigma_m, USUAL.lidar_sigma_relative
    return (constant_m + relative * depth_m).astype(np.float32)


def _draw_faults(rng, kind: str) -> Faults:
    claimed, usual = float(np.exp(rng.normal(0, 0.4))), rng.random() < 0.75
    if kind == 'grid' and rng.random() < SMOOTHED:  # a phone's: its errors are those of its processing, not of pulses
        cells, bias = int(rng.integers(1, 4)), float(np.exp(rng.uniform(np.log(0.004), np.log(0.03))))
        noise = float(rng.uniform(0, 0.005))
        return Faults(noise, 0.0, 0.0, 0.0, claimed=claimed, usual=usual, bias=bias, smoothed_cells=cells)
    if rng.random() < PRISTINE:
        return Faults(0.0, 0.0, 0.0, 0.0, claimed=claimed, usual=usual)
    clean = rng.random() < 0.3
    blurred = kind in MAPS
    worst = {'grid': 0.03, 'dense': 0.02}.get(kind, 0.015)
    return Faults(
        noise=0.0 if clean else float(rng.uniform(0, worst)),
        floor_m=0.0 if clean else float(rng.uniform(0, 0.02)),
        dropout=float(rng.choice([0, rng.uniform(0, 0.5)])),
        strays=0.0 if clean else float(rng.choice([0, rng.uniform(0, 0.03)])),
        shift_px=(0, 0) if rng.random() < 0.6 else tuple(int(s) for s in rng.integers(-2, 3, 2)),
        see_through_px=int(rng.integers(1, 9)) if kind in ('lidar', 'points') and rng.random() < 0.3 else 0,
        claimed=claimed,
        usual=usual,
        bias=float(np.exp(rng.uniform(np.log(0.002), np.log(0.03)))) if blurred and rng.random() < 0.6 else 0.0,
    )


def _displaced(rng, depth_m: np.ndarray, faults: Faults) -> np.ndarray:
    """Depth as the sensor sees it: shifted by a calibration error, with background showing through near edges."""
    seen = depth_m
    if faults.shift_px != (0, 0):
        seen = np.roll(seen, faults.shift_px, axis=(0, 1))
    if faults.see_through_px:
        reach = faults.see_through_px
        kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
        if rng.random() < 0.7:  # the sensor stands above the camera: it sees over upper edges
            kernel[: reach + 1, reach] = 1
        else:
            kernel[reach, :: int(rng.choice([-1, 1]))][: reach + 1] = 1
        behind = cv2.dilate(np.nan_to_num(seen, nan=0.0), kernel)
        through = (behind > 1.1 * seen) & (rng.random(seen.shape) < 0.4)
        seen = np.where(through, behind, seen)
    return seen


def _through_glass(rng, depth_m: np.ndarray, dropout: np.ndarray) -> np.ndarray:
    """Some pulses on glass, or on metal that mirrors, come back from what lies behind or around it: the depth of the
    nearest pixel beside that surface, where that is farther.
    """
    clear = dropout > CLEAR
    beside = ~clear & np.isfinite(depth_m)
    if not clear.any() or not beside.any():
        return depth_m
    _, label = cv2.distanceTransformWithLabels(
        (~beside).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    depth_of_label = np.zeros(label.max() + 1, np.float32)
    depth_of_label[label[beside]] = depth_m[beside]
    passed = clear & (rng.random(depth_m.shape, dtype=np.float32) < rng.uniform(0.2, 1))
    return np.where(passed, np.fmax(depth_m, depth_of_label[label]), depth_m)


def _measured(rng, depth_m: np.ndarray, true_m: np.ndarray, faults: Faults) -> tuple[np.ndarray, np.ndarray]:
    shape = depth_m.shape
    sigma_m = np.hypot(faults.noise * depth_m, faults.floor_m).astype(np.float32)
    # a centimetre's floor on a tabletop prompt would drown it
    sigma_m = np.minimum(sigma_m, 0.05 * depth_m)
    noisy = depth_m + sigma_m * rng.standard_normal(shape, dtype=np.float32)
    if faults.bias:
        field_ = cv2.resize(rng.standard_normal((4, 5), dtype=np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
        noisy *= 1 + np.float32(faults.bias) * (field_ + np.float32(rng.normal(0, 0.5)))
    if faults.strays:
        low, high = log_range(true_m)
        stray = rng.random(shape) < faults.strays
        noisy = np.where(stray & ~np.isnan(depth_m), np.exp(rng.uniform(low - 0.7, high + 0.3, shape)), noisy)
    if faults.dropout:
        lost = rng.random(shape) < faults.dropout
        if rng.random() < 0.5:  # whole regions: dark, glossy or transparent surfaces
            patches = cv2.resize(rng.random((5, 7), dtype=np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
            lost = patches < np.quantile(patches, faults.dropout)
        noisy = np.where(lost, np.nan, noisy)
    claimed_m = np.maximum(sigma_m, 0.003 * depth_m) * faults.claimed
    noisy = np.where(noisy > 0, noisy, np.nan).astype(np.float32)
    return noisy, np.where(np.isnan(noisy), np.nan, claimed_m).astype(np.float32)


def _points(rng, frame: Frame) -> np.ndarray:
    pixels = frame.depth_m.size
    count = np.exp(rng.uniform(np.log(10), np.log(60_000)))
    return rng.random(frame.depth_m.shape) < min(count / pixels, 0.7)


def _lidar(rng, frame: Frame) -> np.ndarray:
    """Rings of a spinning LiDAR that stands off the camera, rolled and pitched a little; azimuth steps too."""
    height, width = frame.depth_m.shape
    fx, fy, cx, cy = frame.intrinsics
    beams = ELEVATIONS_DEG[str(rng.choice(list(ELEVATIONS_DEG)))]
    every = int(rng.choice([1, 1, 2, 4])) if len(beams) >= 16 else 1
    beams = np.radians(beams[int(rng.integers(every)) :: every])
    x = (np.arange(width, dtype=np.float32) - cx) / fx
    y = (np.arange(height, dtype=np.float32) - cy) / fy
    roll = rng.normal(0, 0.03)
    # the field of view of a crop may lie off the rings: aim the sensor near its middle half of the time
    aim = 0.0 if rng.random() < 0.5 else float(np.arctan(y[height // 2])) + rng.normal(0, 0.1)
    nearest = float(np.nanpercentile(frame.depth_m, 5))
    offset = rng.normal(0, [0.05, 0.12, 0.05]) * min(nearest, 3.0)
    points_x = x[None, :] * frame.depth_m - offset[0]
    points_y = y[:, None] * frame.depth_m - offset[1]
    points_z = frame.depth_m - offset[2]
    tilted = points_y * np.cos(roll) - points_x * np.sin(roll)
    elevation = np.arctan2(-tilted, np.hypot(points_x, points_z)) + aim
    ring = np.interp(elevation, beams[::-1], np.arange(len(beams))[::-1], left=np.nan, right=np.nan)
    azimuth = np.arctan2(points_x, points_z) / np.radians(rng.choice([0.1, 0.2, 0.4]))
    mask = np.zeros(frame.depth_m.shape, bool)
    with np.errstate(invalid='ignore'):
        drop = np.diff(ring, axis=0)
        crossed = (np.floor(ring[1:]) != np.floor(ring[:-1])) & (np.abs(drop) < 1)
        mask[1:] = crossed & np.isfinite(drop)
        step = np.floor(azimuth[:, 1:]) != np.floor(azimuth[:, :-1])
        mask[:, 1:] &= step
    return mask if mask.sum() >= 20 else _rows(rng, frame)


def _rows(rng, frame: Frame) -> np.ndarray:
    """Image rows, evenly spaced or rolled a little: structured light, solid-state LiDARs."""
    height, width = frame.depth_m.shape
    lines = int(rng.choice([2, 4, 6, 8, 12, 16, 24, 32, 48]))
    spacing = height / lines
    phase = rng.uniform(0, spacing) + rng.normal(0, 0.02) * np.arange(width)[None, :]
    rows = np.arange(height)[:, None] + phase
    mask = np.floor(rows / spacing) != np.floor((rows - 1) / spacing)
    step = int(rng.choice([1, 1, 2, 4]))
    mask[:, np.arange(width) % step != 0] = False
    return mask


def _grid(rng, depth_m: np.ndarray, smoothed_cells: int) -> np.ndarray:
    """A low-resolution ToF or stereo depth image: one value in the middle of each cell.

    Block values (median-like or mean, which smears edges) or, as PromptDA (2024) does, points of a distorted grid.
    """
    height, width = depth_m.shape
    step = int(rng.choice([3, 4, 5, 7, 8, 8, 12, 16, 16, 24]))
    rows, columns = np.arange(step // 2, height, step), np.arange(step // 2, width, step)
    r, c = np.meshgrid(rows, columns, indexing='ij')
    out = np.full(depth_m.shape, np.nan, np.float32)
    way = rng.random()
    if smoothed_cells or way < 0.2:  # mean of the cell or of several: flying values at edges
        known = np.isfinite(depth_m).astype(np.float32)
        size = (step * max(smoothed_cells, 1),) * 2
        total = cv2.blur(np.nan_to_num(depth_m, nan=0.0), size)
        share = cv2.blur(known, size)
        out[r, c] = np.where(share > 0.5, total / np.maximum(share, 1e-6), np.nan)[r, c]
    elif way < 0.5:  # the grid is distorted: values come from beside where they are put
        jitter = rng.normal(0, 0.2 * step, (2, *r.shape))
        out[r, c] = depth_m[
            np.clip(np.rint(r + jitter[0]), 0, height - 1).astype(int),
            np.clip(np.rint(c + jitter[1]), 0, width - 1).astype(int),
        ]
    else:  # nearest
        out[r, c] = depth_m[r, c]
    return out


def _framed(rng, depth_m: np.ndarray) -> np.ndarray:
    """Only what lies in the sensor's field of view, which is narrower than the camera's in one direction or in both."""
    framed = np.full_like(depth_m, np.nan)
    inside = tuple(
        slice(int(rng.uniform(0, 0.5) * side), int(rng.uniform(0.6, 1) * side)) if rng.random() < 0.7 else slice(None)
        for side in depth_m.shape
    )
    framed[inside] = depth_m[inside]
    return framed


def _dense(rng, frame: Frame) -> np.ndarray:
    """An RGB-D camera: everything but holes, at edges and in patches."""
    depth = np.nan_to_num(frame.depth_m, nan=0.0)
    edge = cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0.1 * depth
    holes = cv2.resize(rng.random((8, 11), dtype=np.float32), depth.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (holes > np.quantile(holes, rng.uniform(0.1, 0.7))) & ~(edge & (rng.random() < 0.7))


def _beam(rng, frame: Frame) -> np.ndarray:
    """A single-beam ranger or a planar LiDAR."""
    height, width = frame.depth_m.shape
    mask = np.zeros((height, width), bool)
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 5))):
            mask[int(rng.integers(height)), int(rng.integers(width))] = True
    else:
        mask[int(rng.integers(height // 4, height)), :: int(rng.choice([1, 2, 4]))] = True
    return mask


_MASKS = {'points': _points, 'lidar': _lidar, 'rows': _rows, 'dense': _dense, 'beam': _beam}
