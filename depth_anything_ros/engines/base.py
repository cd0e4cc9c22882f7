# SPDX-License-Identifier: Apache-2.0
"""What every engine is: something that turns an image and its conditioned prompt into depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.projection.conditioning import ConditionedPrompt


@dataclass(frozen=True, eq=False)
class Prediction:
    """depth_m, sigma_m (H, W) float32 at the image's size, NaN = unknown.

    metric False: depth_m holds relative disparity instead (larger is nearer) and sigma_m is ignored; the pipeline
    aligns it to the returns.
    """

    depth_m: np.ndarray
    sigma_m: np.ndarray
    metric: bool = True


class Engine(Protocol):
    """Runs one model. Resizing, normalisation and upsampling are inside, so that all engines are given the same."""

    name: str
    model: str

    def infer(self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel) -> Prediction:
        """(H, W, 3) uint8 RGB and the prompt on its pixels -> Prediction.

        Raises InvalidInput where the model can't do with this prompt or camera, EngineError where it fails to run.
        """

    def describe(self) -> dict[str, str]:
        """Facts for ~/status and logs: engine, model, device or provider, why this engine was chosen."""

    def close(self) -> None:
        """Give back what the engine holds."""
