# SPDX-License-Identifier: Apache-2.0
"""What every engine is: something that turns an image and its conditioned prompt into depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.projection.conditioning import ConditionedPrompt


@dataclass(frozen=True, eq=False)
class Prediction:
    """depth_m, sigma_m (H, W) float32 at the image's size, NaN = unknown.

    metric False: depth_m holds relative disparity instead (larger is nearer), which the pipeline aligns to the
    returns. prompted False: the network was not given the returns, so that they can correct its depth afterwards.
    relative_sigma: None where sigma_m is the network's own; else its typical error as a share of depth, and sigma_m
    is NaN.
    """

    depth_m: np.ndarray
    sigma_m: np.ndarray
    metric: bool = True
    prompted: bool = True
    relative_sigma: float | None = None


class Request(NamedTuple):
    """One frame: (H, W, 3) uint8 RGB, the prompt on its pixels, and the camera, None where it is not known."""

    image_rgb: np.ndarray
    prompt: ConditionedPrompt
    camera: CameraModel | None


class Engine(Protocol):
    """Runs one model. Resizing, normalisation and upsampling are inside, so that all engines are given the same.

    A class that derives from it says either `infer_batch` or `infer`; the other follows.
    """

    name: str
    model: str
    camera: str  # what images it is for: 'pinhole', 'equirectangular' or 'any'

    def infer(self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel | None) -> Prediction:
        """One frame, as a Request's fields -> Prediction.

        Raises InvalidInput where the model can't do with this image, prompt or camera, EngineError where it fails
        to run.
        """
        return self.infer_batch([Request(image_rgb, prompt, camera)])[0]

    def infer_batch(self, requests: Sequence[Request]) -> list[Prediction]:
        """Several frames, of several cameras say -> a Prediction each, in their order; raises as `infer` does."""
        return [self.infer(*request) for request in requests]

    def describe(self) -> dict[str, str]:
        """Facts for ~/status and logs: engine, model, device or provider, why this engine was chosen."""

    def close(self) -> None:
        """Give back what the engine holds."""
