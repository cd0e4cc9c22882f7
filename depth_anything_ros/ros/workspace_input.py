# SPDX-License-Identifier: Apache-2.0
"""workspace_node's subscription: the newest cloud, until its transforms are there, and what is read of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from sensor_msgs.msg import PointCloud2

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.messages import stamp_ns
from depth_anything_ros.core.pointcloud import read_points
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.projection.region import WorkspaceConfig
from depth_anything_ros.ros import qos
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.sync import SUPERSEDED

POINTS = 'points'
BACK_S = 0.5  # stamps that go back by more than this mean that time was turned back


class NewestCloud:
    """Subscribes at construction, unsubscribes at `close()`. wake is called when a cloud came, on_jump(detail) when
    time was turned back."""

    def __init__(self, node, health: Health, wake: Callable[[], None], on_jump: Callable[[str], None]):
        self._node, self._health, self._wake, self._on_jump = node, health, wake, on_jump
        self._lock = threading.Lock()
        self._cloud: PointCloud2 | None = None
        self._came_at_s = 0.0
        self._last_ns: int | None = None
        group = MutuallyExclusiveCallbackGroup()
        self._subscription = qos.subscribe(node, health, PointCloud2, POINTS, self._on_points, group=group, depth=1)

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)

    def take(self, ready: Callable[[PointCloud2], bool], wait_s: float) -> PointCloud2 | None:
        """The newest cloud, once it is ready or has waited long enough; None: nothing to do yet."""
        with self._lock:
            cloud, waited_s = self._cloud, time.monotonic() - self._came_at_s
        if cloud is None or (waited_s < wait_s and not ready(cloud)):
            return None
        with self._lock:
            if self._cloud is cloud:
                self._cloud = None
        return cloud

    def _on_points(self, cloud: PointCloud2) -> None:
        at_ns = stamp_ns(cloud.header.stamp)
        if self._last_ns is not None and at_ns < self._last_ns - BACK_S * 1e9:
            self._on_jump(f'clouds went back by {(self._last_ns - at_ns) * 1e-9:.1f} s')
        self._last_ns = at_ns
        with self._lock:
            superseded = self._cloud is not None
            self._cloud, self._came_at_s = cloud, time.monotonic()
        if superseded:
            self._health.dropped(SUPERSEDED)
        self._wake()


def usable_points(cloud: PointCloud2) -> np.ndarray:
    """(N, 3) float32, finite, in the cloud's frame. Raises InvalidInput on a cloud that is not one camera's view."""
    if cloud.height == 1 and cloud.width:
        raise InvalidInput(
            f'expected an organised cloud, as a camera sees it (depth_node: ~/depth/points), got {cloud.width} points'
            ' in one row: where it was seen from, and so what it hides, is not known'
        )
    points = read_points(
        cloud.data, cloud.fields, cloud.point_step, cloud.row_step, cloud.height, cloud.width, cloud.is_bigendian
    )
    if not len(points.xyz_m):
        raise InvalidInput(f'none of {cloud.width}x{cloud.height} points is finite')
    return points.xyz_m


def inside(points_m: np.ndarray, box: WorkspaceConfig, box_from_points: RigidTransform | None) -> np.ndarray:
    """Which of the points (N, 3) lie in the box, (N,) bool; without a box all. Raises InvalidInput where none does."""
    if box_from_points is None:
        return np.ones(len(points_m), bool)
    local = box_from_points.apply(points_m) - np.asarray(box.centre_m, np.float32)
    within = (np.abs(local) <= np.asarray(box.size_m, np.float32) / 2).all(axis=1)
    if not within.any():
        raise InvalidInput(
            f'none of {len(points_m)} points lies in the workspace: {box.size_m} m around {box.centre_m} in'
            f' {box.frame!r}; their middle is at {(local.mean(axis=0) + np.asarray(box.centre_m)).round(2).tolist()}'
        )
    return within
