# SPDX-License-Identifier: Apache-2.0
"""Is this pose one that the robot can have come to since the last? One frame at a wrong place scars a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.core.transform import RigidTransform


@dataclass(frozen=True)
class PoseGateConfig:
    """How a pose may differ from the one before."""

    max_speed_mps: float = setting(3.0, 'faster than this the camera does not move; 0: no check', unit='m/s', low=0.0)
    max_turn_dps: float = setting(180.0, 'faster than this it does not turn; 0: no check', unit='deg/s', low=0.0)
    slack_m: float = setting(0.05, 'a step of this size is fine at any speed', unit='m', low=0.0)
    slack_deg: float = setting(3.0, 'a turn of this size is fine at any speed', unit='deg', low=0.0)
    settle_frames: int = setting(
        10, 'so many poses that agree with each other, at another place, are believed; 0: never', low=0
    )

    def __post_init__(self):
        validate(self)


class PoseJump(DepthError):
    """A pose that no motion explains."""


class PoseGate:
    """Checks poses in the order of their stamps; `settled` says of a jump that was believed in the end."""

    def __init__(self, config: PoseGateConfig):
        self.config = config
        self._last: tuple[int, RigidTransform] | None = None
        self._other: tuple[int, RigidTransform] | None = None  # the last pose that was refused
        self._agreeing = 0

    def reset(self) -> None:
        self._last = self._other = None
        self._agreeing = 0

    def check(self, stamp_ns: int, map_from_camera: RigidTransform) -> str:
        """'' for a pose to use; else it is used as well, and the text tells that the map goes on at another place.

        Raises PoseJump on a pose to leave out.
        """
        pose, told = (stamp_ns, map_from_camera), ''
        problem = self._problem(self._last, pose)
        if problem:
            self._agreeing = self._agreeing + 1 if self._other and not self._problem(self._other, pose) else 1
            self._other = pose
            if not self.config.settle_frames or self._agreeing < self.config.settle_frames:
                raise PoseJump(f'{problem} (pose.max_speed_mps, pose.max_turn_dps)')
            told = f'{problem}; {self._agreeing} poses agree, so the map goes on there: reset it if it is now double'
        self._last, self._other, self._agreeing = pose, None, 0
        return told

    def _problem(self, before: tuple[int, RigidTransform] | None, now: tuple[int, RigidTransform]) -> str:
        if before is None:
            return ''
        elapsed_s = abs(now[0] - before[0]) / 1e9
        step = before[1].inverse().matrix @ now[1].matrix
        moved_m = float(np.linalg.norm(step[:3, 3]))
        turned_deg = float(np.degrees(np.arccos(np.clip((np.trace(step[:3, :3]) - 1) / 2, -1, 1))))
        config = self.config
        if config.max_speed_mps and moved_m > config.slack_m + config.max_speed_mps * elapsed_s:
            return f'the pose jumped by {moved_m:.2f} m in {elapsed_s:.3f} s'
        if config.max_turn_dps and turned_deg > config.slack_deg + config.max_turn_dps * elapsed_s:
            return f'the pose turned by {turned_deg:.0f} degrees in {elapsed_s:.3f} s'
        return ''
