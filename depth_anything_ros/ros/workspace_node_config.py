# SPDX-License-Identifier: Apache-2.0
"""Every parameter of workspace_node, with its one default; those of the algorithms are grasping/'s."""

from __future__ import annotations

from dataclasses import dataclass, field

from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.settings import PlannerConfig, SegmentationConfig
from depth_anything_ros.projection.region import WorkspaceConfig


@dataclass(frozen=True)
class PlanConfig:
    """Whether grasps are planned, and of how many objects."""

    enabled: bool = setting(True, 'plan grasps; false: objects only')
    max_objects: int = setting(8, 'of so many objects at most, the largest first', low=1, high=100)
    seed: int = setting(0, 'of the sampling: the same cloud gives the same grasps', low=0)
    drawn: int = setting(5, 'grippers drawn for each object in ~/grasp_markers', low=0, high=100)

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class WorkspaceNodeConfig:
    """workspace_node: an organised cloud in; the support, the objects on it and grasps out."""

    autostart: bool = setting(True, 'configure and activate at start, without a lifecycle manager', read_only=True)
    up_frame: str = setting(
        '', 'frame whose z axis points up (base_link, odom); empty: the widest plane is the support'
    )
    tf_tolerance_s: float = setting(0.2, 'how long a cloud waits for its transforms', unit='s', low=0.0, high=5.0)
    max_age_s: float = setting(
        0.0, 'a cloud older than this when its turn comes is dropped; 0: never', unit='s', low=0.0
    )
    workspace: WorkspaceConfig = field(default_factory=WorkspaceConfig)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    planner: PlannerConfig = field(default_factory=PlannerConfig)
    gripper: Gripper = field(default_factory=Gripper)

    def __post_init__(self):
        validate(self)
