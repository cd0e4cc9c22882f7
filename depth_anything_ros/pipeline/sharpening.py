# SPDX-License-Identifier: Apache-2.0
"""Depth boundaries that a network blurred, made sharp: pixels that hang between two surfaces go to one of them.

A shock filter (Osher and Rudin 1990; with the toggle of Kramer and Bruckner 1975): within a ramp, values take the
largest or smallest of their neighbours, step by step, so that both surfaces grow towards each other until they meet.
No value appears that was not there, so nothing overshoots. Which way a pixel goes is decided by its colour, where the
two surfaces differ in it, and by where it stands between them. A ramp is told from a slanted plane by what lies beyond
it: over twice the distance the inverse depth of a plane changes twice as much, that of a boundary hardly more.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.settings import setting, validate

CONTRAST = 1.1  # inverse depths of two surfaces differ at least by this factor
FLAT = 1.4  # growth of the range from one window to one twice as large that is still a step: a plane has 2
STEEP = 0.05  # of a step: a pixel of its ramp has neighbours at least that much higher and lower
COLOUR_WEIGHT = 0.4  # of a clear colour against a pixel's place between the two surfaces
COLOUR_NOISE = 20.0  # grey levels between the colours of two surfaces that are half clear
COLOUR_STEP_PX = 4  # mean colours of surfaces are wanted at low resolution only
NEIGHBOURS = np.ones((3, 3), np.uint8)
BEYOND = np.float32(1e9)  # larger than any inverse depth


@dataclass(frozen=True)
class SharpConfig:
    """A refinement of depth boundaries at the image's resolution."""

    enabled: bool = setting(False, 'depths between two surfaces are given to one of them, guided by the image')
    radius_px: int = setting(3, 'half the width of the blur that is undone', unit='px', low=1, high=16)

    def __post_init__(self):
        validate(self)


def sharpened(depth_m: np.ndarray, image_rgb: np.ndarray, config: SharpConfig) -> np.ndarray:
    """(H, W) float32 depth, NaN = unknown, and its image (H, W, 3) uint8 -> depth with sharp boundaries.

    Only pixels that hang between two surfaces change, and each to a depth that stands within radius_px + 2 pixels.
    """
    known = depth_m > 0
    inverse = np.reciprocal(depth_m, where=known, out=np.zeros_like(depth_m))
    upper, lower = inverse, np.where(known, inverse, BEYOND)  # unknown pixels are nobody's neighbours
    place, ramp = _ramps(inverse, upper, lower, config.radius_px)
    ramp &= known
    if not ramp.any():
        return depth_m
    score = cv2.blur(_score(place, image_rgb, ramp, config.radius_px), (3, 3))
    near, far = ((ramp & side).astype(np.uint8) for side in (score > 0, score <= 0))
    for _ in range(config.radius_px + 2):
        highest, lowest = cv2.dilate(upper, NEIGHBOURS), cv2.erode(lower, NEIGHBOURS)
        upper, lower = upper.copy(), lower.copy()
        for values in (upper, lower):
            cv2.copyTo(highest, near, values)
            cv2.copyTo(lowest, far, values)
    return np.reciprocal(upper, where=ramp, out=depth_m.copy())


def _ramps(inverse, upper, lower, radius_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel stands between the farthest (0) and the nearest (1) around it, and which are on a ramp."""
    window = np.ones((2 * radius_px + 1,) * 2, np.uint8)
    high, low = cv2.dilate(upper, window), cv2.erode(lower, window)
    wider = cv2.dilate(high, window) - cv2.erode(low, window)
    size = np.maximum(high - low, 1e-9)
    step = (high > CONTRAST * low) & (wider < FLAT * size)
    ramp = cv2.dilate(step.astype(np.uint8), window).astype(bool)
    for rise in (cv2.dilate(upper, NEIGHBOURS) - inverse, inverse - cv2.erode(lower, NEIGHBOURS)):
        ramp &= rise > STEEP * wider
    return np.clip((inverse - low) / size, 0, 1), ramp


def _score(place: np.ndarray, image_rgb: np.ndarray, ramp: np.ndarray, radius_px: int) -> np.ndarray:
    """(H, W): above 0 a pixel of a ramp belongs to the near surface, by its place between the two and its colour."""
    height, width = place.shape
    rows, columns = (max(1, side // COLOUR_STEP_PX) for side in (height, width))
    small = cv2.resize(image_rgb, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    at = cv2.resize(place, (columns, rows), interpolation=cv2.INTER_AREA)
    window = (4 * radius_px // COLOUR_STEP_PX | 1,) * 2
    means = []
    for weight in (np.square(1 - at), np.square(at)):
        mass = cv2.blur(weight, window) + np.float32(1e-6)
        means.append(cv2.blur(small * weight[..., None], window) / mass[..., None])
    far, near = (cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR)[ramp] for mean in means)
    axis = near - far
    length2 = np.square(axis).sum(1)
    along = ((image_rgb[ramp] - far) * axis).sum(1) / np.maximum(length2, 1e-6)
    clear = COLOUR_WEIGHT * length2 / (length2 + np.float32(COLOUR_NOISE**2))
    score = place - np.float32(0.5)
    score[ramp] += clear * (np.clip(along, 0, 1) - place[ramp])
    return score
