# SPDX-License-Identifier: Apache-2.0
"""What a camera makes of scene-referred radiance: exposure, white balance, response, vignetting, noise."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.core.errors import InvalidInput


def photograph(rng: np.random.Generator, radiance: np.ndarray, metered: np.ndarray | None = None) -> np.ndarray:
    """radiance (H, W, 3) linear RGB of any scale -> (H, W, 3) uint8 sRGB-like image of some camera.

    Exposure is automatic, as a camera's: the middle brightness of what is metered, (H, W) bool, by default
    everything, lands at 8 to 40 % of full scale (18 % is a photographer's grey), pulled down where highlights would
    burn. The response is Reinhard's x (1 + x / w^2) / (1 + x) (SIGGRAPH 2002, eq. 4) with a random white point, then
    gamma.
    """
    if radiance.ndim != 3 or radiance.shape[2] != 3:
        raise InvalidInput(f'radiance: expected (H, W, 3), got {radiance.shape}')
    linear = np.nan_to_num(np.maximum(radiance, 0), posinf=0).astype(np.float32)
    brightness = linear.mean(axis=2)
    if metered is not None and metered.any():
        brightness = brightness[metered]
    middle, bright = np.percentile(brightness, [50, 97])
    gain = min(rng.uniform(0.08, 0.4) / max(middle, 1e-6), rng.uniform(2.0, 6.0) / max(bright, 1e-6))
    exposed = linear * (gain * np.exp(rng.normal(0, 0.06, 3))).astype(np.float32)
    rows, columns = exposed.shape[:2]
    v, u = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j].astype(np.float32)
    exposed *= (1 - rng.uniform(0, 0.25) * (u * u + v * v) / 2)[..., None]
    white = np.float32(rng.uniform(1.2, 4.0))
    toned = exposed * (1 + exposed / white**2) / (1 + exposed)
    grey = toned.mean(axis=2, keepdims=True)
    toned = grey + (toned - grey) * np.float32(rng.uniform(0.75, 1.25))
    image = 255 * np.clip(toned, 0, 1) ** np.float32(1 / rng.uniform(2.0, 2.5))
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.6)))
    noise = rng.uniform(0.3, 3.5)
    image = image + rng.standard_normal(image.shape, dtype=np.float32) * np.float32(noise)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)
