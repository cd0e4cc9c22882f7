# SPDX-License-Identifier: Apache-2.0
"""A real workspace_node, and a node that publishes the cloud of a rendered table for it."""

import sys
from pathlib import Path

import numpy as np
from geometry_msgs.msg import PoseArray, TransformStamped
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.transforms import TF_STATIC_QOS
from depth_anything_ros.ros.workspace_node import WorkspaceNode

sys.path.append(str(Path(__file__).resolve().parents[1] / 'grasping'))
from tabletop import View, box, can

SECOND = 10**9
SOLIDS = (box((0.0, 0.1), (0.05, 0.06, 0.1), 0.4), can((0.02, -0.08), 0.033, 0.12))
KINDS = {
    'objects': MarkerArray,
    'object_clouds': PointCloud2,
    'support_plane': Marker,
    'grasps': PoseArray,
    'grasp_markers': MarkerArray,
}


def organised(xyz_m: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (H, W, 4) with black."""
    return np.ascontiguousarray(np.concatenate([xyz_m, np.zeros((*xyz_m.shape[:2], 1))], axis=2).astype(np.float32))


class WorkspaceRig:
    """hears: outputs that somebody subscribes to."""

    view = View(SOLIDS, shape=(120, 160), focal=150.0, noise_m=0.001)

    def __init__(self, ros, *arguments, hears=tuple(KINDS)):
        self.ros = ros
        self.node = ros.node('workspace_node', kind=WorkspaceNode, arguments=arguments)
        self.robot = ros.node('robot')
        self.points = self.robot.create_publisher(PointCloud2, 'points', 10)
        self.got = {name: [] for name in hears}
        for name in hears:
            self.robot.create_subscription(KINDS[name], f'/workspace_node/{name}', self.got[name].append, 10)

    def start(self):
        assert self.node.trigger_configure().name == 'SUCCESS'
        assert self.node.trigger_activate().name == 'SUCCESS'
        assert self.ros.spin_until(self.points.get_subscription_count)
        names = [f'/workspace_node/{name}' for name in self.got]
        assert self.ros.spin_until(lambda: all(self.node.count_subscribers(name) for name in names))
        return self

    def message(self, stamp_ns=SECOND, cloud=None):
        cloud = organised(self.view.camera_xyz_m) if cloud is None else cloud
        return conversions.cloud_message(cloud, conversions.header_message(stamp_ns, 'camera'))

    def send(self, stamp_ns=SECOND, cloud=None):
        self.points.publish(self.message(stamp_ns, cloud))

    def stands(self):
        """The robot says on /tf_static where its camera is: base_link is the world of the view."""
        from tf2_msgs.msg import TFMessage

        publisher = self.robot.create_publisher(TFMessage, '/tf_static', TF_STATIC_QOS)
        transform = conversions.transform_message(RigidTransform('base_link', 'camera', self.view.pose), 0)
        assert isinstance(transform, TransformStamped)
        publisher.publish(TFMessage(transforms=[transform]))

    def counts(self):
        return self.node.health.counts()

    def counted(self, key, count=1, timeout_s=20.0):
        return self.ros.spin_until(lambda: self.counts().get(key, 0) >= count, timeout_s)

    def heard(self, timeout_s=30.0):
        return self.ros.spin_until(lambda: all(self.got.values()), timeout_s)
