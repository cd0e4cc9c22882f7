# SPDX-License-Identifier: Apache-2.0
"""A parallel-jaw gripper as boxes: two fingers that close along x and a palm behind them.

Its frame: z is the approach, x the closing direction, the origin between the fingertips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.settings import setting, validate

STEM_M = 0.06


@dataclass(frozen=True)
class Gripper:
    """Sizes of the gripper; the defaults are about those of a common 8 cm hand."""

    max_width_m: float = setting(0.08, 'widest opening between the fingers', unit='m', low=0.005, high=1.0)
    finger_depth_m: float = setting(0.045, 'fingertip to palm, along the approach', unit='m', low=0.005, high=1.0)
    finger_thickness_m: float = setting(0.012, 'of a finger along the closing direction', unit='m', low=0.001, high=0.2)
    finger_width_m: float = setting(0.02, 'of a finger across both', unit='m', low=0.001, high=0.2)
    palm_length_m: float = setting(
        0.2, 'of the hand behind the fingers, along the closing direction', unit='m', low=0.01, high=1.0
    )
    palm_width_m: float = setting(0.065, 'of the hand across both', unit='m', low=0.005, high=1.0)
    palm_depth_m: float = setting(
        0.12, 'of hand and flange along the approach: what must stay free behind', unit='m', low=0.005, high=2.0
    )

    def __post_init__(self):
        validate(self)

    def boxes(self, opening_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(G,) openings -> centres (3, G, 3) and half sizes (3, 3) of left finger, right finger and palm, in metres."""
        count = len(opening_m)
        centre = np.zeros((3, count, 3))
        centre[0, :, 0] = (opening_m + self.finger_thickness_m) / 2
        centre[1, :, 0] = -centre[0, :, 0]
        centre[:2, :, 2] = -self.finger_depth_m / 2
        centre[2, :, 2] = -self.finger_depth_m - self.palm_depth_m / 2
        finger = (self.finger_thickness_m, self.finger_width_m, self.finger_depth_m)
        palm = (self.palm_length_m, self.palm_width_m, self.palm_depth_m)
        return centre, np.array([finger, finger, palm]) / 2

    def lines(self, opening_m: float) -> np.ndarray:
        """(8, 3) ends of four lines, as it is drawn: two fingers, the palm between them, a stem behind."""
        side, back = opening_m / 2, -self.finger_depth_m
        left, right = (-side, 0, back), (side, 0, back)
        tips, palm = ((-side, 0, 0), (side, 0, 0)), (0, 0, back)
        return np.array([left, tips[0], right, tips[1], left, right, palm, (0, 0, back - STEM_M)], float)

    @property
    def reach_m(self) -> float:
        """No part of the gripper is farther from its origin than this."""
        back = self.finger_depth_m + self.palm_depth_m
        side = max(self.palm_length_m, self.max_width_m + 2 * self.finger_thickness_m) / 2
        return float(np.sqrt(back**2 + side**2 + max(self.palm_width_m, self.finger_width_m) ** 2 / 4))
