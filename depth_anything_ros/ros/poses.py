# SPDX-License-Identifier: Apache-2.0
"""Where the camera was at a stamp: from /tf, or from a topic with odometry or poses."""

from __future__ import annotations

from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.messages import stamp_ns
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.core.transform_tree import TransformTree, TransformUnavailable
from depth_anything_ros.ros import qos
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.mapping_node_config import ODOMETRY, POSE, TF, PoseConfig
from depth_anything_ros.ros.transforms import TransformSource

CAMERA = 'the camera itself'  # as a frame: a pose topic that names no body tells the camera's own pose
QUEUE = 50  # poses come far oftener than depth
TYPES = {ODOMETRY: Odometry, POSE: PoseStamped}


class PoseSource:
    """Looks up map_from_camera; poses of a topic are interpolated between their stamps, as those of tf are.

    A topic's pose is of a body that the camera is mounted on (`pose.frame`); the mount itself comes from tf.
    """

    def __init__(self, node, config: PoseConfig, map_frame: str, transforms: TransformSource, health: Health, wake):
        self._config, self._map_frame, self._transforms = config, map_frame, transforms
        self._node, self._health, self._wake = node, health, wake
        self._tree = TransformTree()
        self._body = ''  # whose pose the topic tells, once it has
        self._subscription = None
        if config.source != TF:
            self._topic = config.source
            self._subscription = qos.subscribe(
                node, health, TYPES[config.source], self._topic, self._on_pose, depth=QUEUE
            )

    def lookup(self, camera_frame: str, at_ns: int) -> RigidTransform:
        """map_from_camera. Raises TransformUnavailable."""
        if self._config.source == TF:
            return self._transforms.lookup(self._map_frame, camera_frame, at_ns)
        topic = self._node.resolve_topic_name(self._topic)
        if not self._body:
            raise TransformUnavailable(f'{topic}: no usable message yet')
        try:
            map_from_body = self._tree.lookup(self._map_frame, self._body, at_ns)
        except TransformUnavailable as error:
            raise TransformUnavailable(f'{topic}: {error}', error.late_ns) from error
        if self._body in (CAMERA, camera_frame):
            return RigidTransform(self._map_frame, camera_frame, map_from_body.matrix)
        return map_from_body @ self._transforms.lookup(self._body, camera_frame, at_ns)

    def ready(self, camera_frame: str, at_ns: int) -> bool:
        try:
            self.lookup(camera_frame, at_ns)
        except TransformUnavailable:
            return False
        return True

    def clear(self) -> None:
        """Forget motion: after a jump in time."""
        self._tree.clear()

    def close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _on_pose(self, message) -> None:
        header = message.header
        odometry = self._config.source == ODOMETRY
        pose = message.pose.pose if odometry else message.pose
        body = self._config.frame or (message.child_frame_id if odometry else CAMERA)
        p, q = pose.position, pose.orientation
        try:
            if header.frame_id.lstrip('/') != self._map_frame.lstrip('/'):
                raise InvalidInput(
                    f'expected poses in {self._map_frame!r} (map_frame), got them in {header.frame_id!r}'
                )
            transform = RigidTransform.from_quaternion(self._map_frame, body, (p.x, p.y, p.z), (q.x, q.y, q.z, q.w))
            self._tree.add(transform, stamp_ns(header.stamp))
            self._body = body
        except InvalidInput as error:
            self._health.warned('bad pose', f'{self._node.resolve_topic_name(self._topic)}: {error}')
            return
        self._wake()
