# SPDX-License-Identifier: Apache-2.0
"""What is scored: an observation as a robot would have it, and the depth it should lead to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import Observation


@dataclass(frozen=True, eq=False)
class Sample:
    """observation with its prompts; truth_m (H, W) float32 on the observation's camera, NaN = not scored."""

    name: str
    observation: Observation
    truth_m: np.ndarray

    def __post_init__(self):
        camera = self.observation.camera
        if self.truth_m.shape != (camera.height, camera.width):
            raise InvalidInput(
                f'{self.name}: expected truth of {(camera.height, camera.width)} as its image, got {self.truth_m.shape}'
            )
