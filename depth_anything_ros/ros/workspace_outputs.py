# SPDX-License-Identifier: Apache-2.0
"""workspace_node's publications, with the header of the cloud that they were found in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import PoseArray
from sensor_msgs.msg import PointCloud2, PointField
from visualization_msgs.msg import Marker, MarkerArray

from depth_anything_ros.grasping.antipodal import Grasp
from depth_anything_ros.grasping.box import OrientedBox
from depth_anything_ros.ros import conversions, qos
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.workspace_markers import grasp_markers, object_markers, pose_message, support_marker
from depth_anything_ros.ros.workspace_node_config import WorkspaceNodeConfig

TOPICS = {
    'objects': (MarkerArray, '~/objects'),
    'clouds': (PointCloud2, '~/object_clouds'),
    'support': (Marker, '~/support_plane'),
    'grasps': (PoseArray, '~/grasps'),
    'grasp markers': (MarkerArray, '~/grasp_markers'),
}
_XYZL = [
    *(PointField(name=name, offset=4 * at, datatype=PointField.FLOAT32, count=1) for at, name in enumerate('xyz')),
    PointField(name='label', offset=12, datatype=PointField.UINT32, count=1),
]


class WorkspaceOutputs:
    """Publishers of one node; `wanted` is asked before any work is done."""

    def __init__(self, node, health: Health):
        self._node = node
        self._publishers = {name: qos.advertise(node, health, kind, topic) for name, (kind, topic) in TOPICS.items()}

    def close(self) -> None:
        while self._publishers:
            qos.withdraw(self._node, self._publishers.popitem()[1])

    def wanted(self, *names: str) -> bool:
        """Whether anybody subscribes to one of these outputs; without names: to any."""
        return any(self._publishers[name].get_subscription_count() for name in names or TOPICS)

    def publish(
        self,
        border_m: np.ndarray,
        boxes: Sequence[OrientedBox],
        clouds_m: Sequence[np.ndarray],
        grasps: Sequence[Sequence[Grasp]],
        config: WorkspaceNodeConfig,
        header,
    ) -> None:
        """Everything that is wanted of one cloud; nothing found is said too, so that nobody acts on what was."""
        made = {
            'objects': lambda: object_markers(boxes, header),
            'clouds': lambda: labelled_cloud(clouds_m, header),
            'support': lambda: support_marker(border_m, header),
            'grasps': lambda: PoseArray(
                header=header, poses=[pose_message(grasp.frame_from_gripper) for some in grasps for grasp in some]
            ),
            'grasp markers': lambda: grasp_markers(grasps, config.gripper, config.plan.drawn, header),
        }
        for name, make in made.items():
            if self.wanted(name):
                self._publishers[name].publish(make())


def labelled_cloud(clouds_m: Sequence[np.ndarray], header) -> PointCloud2:
    """(N, 3) float32 of each object -> one cloud of x, y, z and label, the object's number."""
    cloud = np.zeros((1, sum(map(len, clouds_m)), 4), np.float32)
    if clouds_m:
        cloud[0, :, :3] = np.concatenate(clouds_m)
        cloud.view(np.uint32)[0, :, 3] = np.repeat(np.arange(len(clouds_m)), [len(points) for points in clouds_m])
    message = conversions.cloud_message(cloud, header)
    message.fields, message.is_dense = _XYZL, True
    return message
