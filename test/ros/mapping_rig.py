# SPDX-License-Identifier: Apache-2.0
"""A robot in front of a wall: a real mapping_node, and a node that publishes depth, colour and poses for it."""

import numpy as np
from geometry_msgs.msg import PoseStamped, TransformStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import Marker

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.map_outputs import LATCHED
from depth_anything_ros.ros.mapping_node import MappingNode
from depth_anything_ros.ros.transforms import TF_QOS, TF_STATIC_QOS

CAMERA = CameraModel(160, 120, 120, 120, 79.5, 59.5, 'camera')
SECOND = 10**9
WALL_M = 2.013
SMALL = ('-p', 'tsdf.voxel_size_m:=0.04', '-p', 'tsdf.device:=cpu', '-p', 'publish.period_s:=0.1')


class MappingRig:
    """looks: whether somebody listens to mesh and cloud."""

    def __init__(self, ros, folder, *arguments, looks=True, tf=True):
        self.ros, self.folder = ros, folder
        files = ('-p', f'files.mesh:={folder}/map.ply', '-p', f'files.map:={folder}/room.map')
        self.node = ros.node('mapping_node', kind=MappingNode, arguments=(*SMALL, *files, *arguments))
        self.robot = ros.node('robot')
        self.depth = self.robot.create_publisher(Image, 'depth/image', 10)
        self.info = self.robot.create_publisher(CameraInfo, 'depth/camera_info', 10)
        self._extras = {}  # colour and confidence are offered from their first message on
        self.odometry = self.robot.create_publisher(Odometry, 'odometry', 10)
        self.pose = self.robot.create_publisher(PoseStamped, 'pose', 10)
        self.clients = {
            name: self.robot.create_client(SetBool if name == 'pause' else Trigger, f'/mapping_node/{name}')
            for name in ('save', 'save_map', 'load_map', 'reset', 'pause')
        }
        self.got = {'mesh': [], 'cloud': []}
        if looks:
            self.robot.create_subscription(Marker, '/mapping_node/mesh', self.got['mesh'].append, LATCHED)
            self.robot.create_subscription(PointCloud2, '/mapping_node/cloud', self.got['cloud'].append, LATCHED)
        self.tf = self.tf_static = None
        if tf:
            from tf2_msgs.msg import TFMessage

            self._message = TFMessage
            self.tf = self.robot.create_publisher(TFMessage, '/tf', TF_QOS)
            self.tf_static = self.robot.create_publisher(TFMessage, '/tf_static', TF_STATIC_QOS)

    def start(self):
        assert self.node.trigger_configure().name == 'SUCCESS'
        assert self.node.trigger_activate().name == 'SUCCESS'
        publishers = [self.depth, self.info, *((self.tf,) if self.tf else ())]
        assert self.ros.spin_until(lambda: all(p.get_subscription_count() for p in publishers))
        return self

    def header(self, stamp_ns, frame='camera'):
        return conversions.header_message(stamp_ns, frame)

    def at(self, stamp_ns, x_m=0.0, quaternion=(0.0, 0.0, 0.0, 1.0), parent='odom', child='camera', z_m=0.0):
        """The robot says on /tf where it is."""
        stamped = TransformStamped(header=self.header(stamp_ns, parent), child_frame_id=child)
        stamped.transform.translation.x, stamped.transform.translation.z = x_m, z_m
        q = stamped.transform.rotation
        q.x, q.y, q.z, q.w = quaternion
        self.tf.publish(self._message(transforms=[stamped]))

    def send(self, stamp_ns, depth_m=WALL_M, info_stamp_ns=None, sigma_m=None, rgb=None, frame='camera'):
        """depth_m: of the wall, or a map (H, W)."""
        shape = (CAMERA.height, CAMERA.width)
        if rgb is not None:
            header = self.header(stamp_ns, frame)
            self.extra(CameraInfo, 'color/camera_info').publish(conversions.camera_info_message(CAMERA, header))
            picture = conversions.image_message(np.full((*shape, 3), rgb, np.uint8), header)
            self.extra(Image, 'color/image').publish(picture)
        if sigma_m is not None:
            sigma = conversions.depth_message(np.full(shape, sigma_m, np.float32), self.header(stamp_ns, frame))
            self.extra(Image, 'confidence').publish(sigma)
        info_header = self.header(stamp_ns if info_stamp_ns is None else info_stamp_ns, frame)
        self.info.publish(conversions.camera_info_message(CAMERA, info_header))
        values = np.broadcast_to(np.float32(depth_m), shape)
        self.depth.publish(conversions.depth_message(np.ascontiguousarray(values), self.header(stamp_ns, frame)))

    def extra(self, kind, topic):
        if topic not in self._extras:
            self._extras[topic] = self.robot.create_publisher(kind, topic, 10)
            assert self.ros.spin_until(self._extras[topic].get_subscription_count)
        return self._extras[topic]

    def call(self, name, **request):
        """(success, message) of a service."""
        client = self.clients[name]
        assert self.ros.spin_until(client.service_is_ready), f'~/{name} is not offered'
        kind = SetBool if name == 'pause' else Trigger
        future = client.call_async(kind.Request(**request))
        assert self.ros.spin_until(future.done, 30.0), f'~/{name} was not answered'
        return future.result().success, future.result().message

    def counts(self):
        return self.node.health.counts()

    def counted(self, key, count=1, timeout_s=10.0):
        return self.ros.spin_until(lambda: self.counts().get(key, 0) >= count, timeout_s)

    def map_frames(self, count, start_ns=SECOND, **more):
        """Send frames one by one until they are in the map."""
        before = self.counts()['integrated']
        for number in range(count):
            stamp_ns = start_ns + number * SECOND // 10
            if self.tf:
                self.at(stamp_ns, 0.01 * number)
            self.send(stamp_ns, **more)
            assert self.counted('integrated', before + number + 1), self.counts()
        return self


def corners(marker) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in marker.points])


def cloud_xyz(message) -> np.ndarray:
    return np.frombuffer(message.data, np.float32).reshape(-1, 4)[:, :3]
