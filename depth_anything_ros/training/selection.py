# SPDX-License-Identifier: Apache-2.0
"""Which rendered frames are worth keeping."""

from __future__ import annotations

import numpy as np

LEAST_VALID = 0.4  # a scene that is mostly sky, or a camera inside a solid, teaches nothing
NEAREST_M = 0.15
FEW_EDGES = 0.006  # of the pixels
SKY_M = 300.0
LEAST_SPREAD = 30  # grey levels between the 5th and the 95th percentile of a picture
BRIGHTNESS = (25, 225)


def worth_keeping(rng: np.random.Generator, depth_m: np.ndarray, bare: float = 0.3) -> bool:
    """Whether a frame's depth (H, W), NaN unknown, has something to learn; bare walls are kept with chance `bare`."""
    if np.isfinite(depth_m).mean() < LEAST_VALID or np.nanpercentile(depth_m, 2) < NEAREST_M:
        return False
    return bool(edge_share(depth_m) > FEW_EDGES or rng.random() < bare)


def edge_share(depth_m: np.ndarray) -> float:
    """Share of the pixels next to a jump of more than a twentieth of the depth."""
    log_depth = np.log(np.nan_to_num(depth_m, nan=SKY_M))
    across, down = np.abs(np.diff(log_depth, axis=1)), np.abs(np.diff(log_depth, axis=0))
    return float((across > 0.05).mean() + (down > 0.05).mean())


def well_exposed(image_rgb: np.ndarray) -> bool:
    """Whether an image (H, W, 3) uint8 is neither black, burnt nor of one tone."""
    low, high = np.percentile(image_rgb, [5, 95])
    return bool(high - low >= LEAST_SPREAD and BRIGHTNESS[0] <= image_rgb.mean() <= BRIGHTNESS[1])
