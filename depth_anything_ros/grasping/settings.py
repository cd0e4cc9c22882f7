# SPDX-License-Identifier: Apache-2.0
"""Every setting of segmentation and of the grasp planner, with its one default."""

from __future__ import annotations

from dataclasses import dataclass, field

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.settings import setting, validate


@dataclass(frozen=True)
class SegmentationConfig:
    """How a cloud falls into a support plane and the objects that stand on it."""

    resolution_m: float = setting(
        0.005, 'the cloud is thinned to a point in a cube of this edge first', unit='m', low=0.001, high=0.05
    )
    plane_tolerance_m: float = setting(
        0.01, 'how far a point of the support may lie from its plane', unit='m', low=0.001, high=0.1
    )
    max_tilt_deg: float = setting(
        30.0, 'how far the plane may lean from the horizontal, where up is known', unit='deg', low=1.0, high=90.0
    )
    min_support: float = setting(
        0.1, 'share of the cloud that must lie on the plane, else there is none', low=0.01, high=1.0
    )
    min_height_m: float = setting(
        0.015, 'lower than this above the plane nothing is told from it', unit='m', low=0.001, high=0.5
    )
    min_top_m: float = setting(
        0.025, 'an object reaches at least this high above it: what stays lower is a bump of the depth', unit='m',
        low=0.001, high=1.0,
    )  # fmt: skip
    veil_deg: float = setting(
        15.0, 'a surface seen at a flatter angle than this is depth guessed between two things; 0: none is',
        unit='deg', low=0.0, high=45.0,
    )  # fmt: skip
    max_height_m: float = setting(0.5, 'higher above the plane nothing belongs to it', unit='m', low=0.01, high=5.0)
    border_m: float = setting(
        0.0, 'objects may reach this far over the border of the plane that is seen', unit='m', low=0.0, high=1.0
    )
    gap_m: float = setting(
        0.012, 'points nearer to each other than this are one object; more than the distance between neighbouring'
        ' pixels', unit='m', low=0.002, high=0.2,
    )  # fmt: skip
    min_size_m: float = setting(
        0.03, 'smaller than this along its longest side is no object', unit='m', low=0.002, high=1.0
    )
    max_size_m: float = setting(1.0, 'longer than this is no object but furniture', unit='m', low=0.02, high=10.0)

    def __post_init__(self):
        validate(self)
        if self.min_height_m >= self.max_height_m:
            raise ConfigError(f'expected min_height_m < max_height_m, got {self.min_height_m} and {self.max_height_m}')
        if self.min_size_m >= self.max_size_m:
            raise ConfigError(f'expected min_size_m < max_size_m, got {self.min_size_m} and {self.max_size_m}')
        if self.gap_m < self.resolution_m:
            raise ConfigError(f'expected gap_m of at least resolution_m, got {self.gap_m} and {self.resolution_m}')


@dataclass(frozen=True)
class ScoreWeights:
    """What a good grasp is, each part from 0 to 1; the score is their weighted mean."""

    friction: float = setting(1.0, 'how far inside their friction cones both contacts are', low=0.0)
    centring: float = setting(1.0, "how near the object's centre passes to the gripper's axis", low=0.0)
    hold: float = setting(0.5, 'how much of the fingers has object between them', low=0.0)
    seen: float = setting(1.0, 'how much of the space that the fingers take the camera has seen to be free', low=0.0)
    clearance: float = setting(0.5, 'how far fingers and palm stay from everything, up to 2 cm', low=0.0)
    approach: float = setting(0.5, 'how near the approach is to straight from above', low=0.0)

    def __post_init__(self):
        validate(self)
        if not self.total > 0:
            raise ConfigError('score: expected at least one weight above 0')

    @property
    def total(self) -> float:
        return self.friction + self.centring + self.hold + self.seen + self.clearance + self.approach


@dataclass(frozen=True)
class PlannerConfig:
    """How grasps are sampled, refused and ranked."""

    friction: float = setting(0.5, 'coefficient of friction between fingers and object', low=0.05, high=5.0)
    samples: int = setting(300, 'contacts tried on an object', low=10, high=10_000)
    resolution_m: float = setting(
        0.004, 'object and scene are thinned to a point in a cube of this edge', unit='m', low=0.001, high=0.05
    )
    min_width_m: float = setting(0.002, 'thinner than this nothing is gripped', unit='m', low=0.0, high=0.5)
    finger_clearance_m: float = setting(
        0.01, 'how far each finger opens beyond the object; half of it must fit', unit='m', low=0.0, high=0.1
    )
    support_clearance_m: float = setting(
        0.005, 'how far the gripper stays above the support plane', unit='m', low=0.0, high=0.1
    )
    stray_points: int = setting(2, 'so many points inside the gripper count as noise', low=0, high=1000)
    max_tilt_deg: float = setting(
        80.0, 'how far the approach may lean from straight down (without a plane: from the view)', unit='deg',
        low=0.0, high=180.0,
    )  # fmt: skip
    max_grasps: int = setting(20, 'so many of the best grasps of an object are kept', low=1, high=1000)
    apart_m: float = setting(
        0.01, 'grasps nearer to a better one than this, and within 20 degrees of it, are left out', unit='m', low=0.0
    )
    score: ScoreWeights = field(default_factory=ScoreWeights)

    def __post_init__(self):
        validate(self)
