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
from depth_anything_ros.training.patterns import MASKS, Frame, framed, grid
from depth_anything_ros.training.radar_returns import log_range, radar_returns

USUAL = PromptConfig()
MAPS = ('grid', 'dense')  # kinds whose returns come as a depth image, of a ToF camera
PRISTINE = 0.3  # share of the prompts without any fault: exact sensors, and benchmarks that prompt with their truth
SMOOTHED = 0.2  # share of the low-resolution depth images that were smoothed over several of their own cells
FRAMED = 0.15  # share of the prompts whose sensor sees only a part of the image
CLEAR = 0.3  # chance of no return from which on a surface is taken for glass or polished metal


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
        depth_m = grid(rng, seen_m, faults.smoothed_cells)
    else:
        mask = MASKS[kind](rng, Frame(seen_m, frame.intrinsics))
        depth_m = np.where(mask, seen_m, np.nan)
    if rng.random() < FRAMED:
        depth_m = framed(rng, depth_m)
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
