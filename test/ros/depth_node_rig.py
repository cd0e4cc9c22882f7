# SPDX-License-Identifier: Apache-2.0
"""A robot in front of a wall: a real depth_node, and a node that publishes what its sensors would see."""

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.depth_node import DepthNode

CAMERA = CameraModel(160, 120, 120, 120, 79.5, 59.5, 'camera')
SECOND = 10**9
WALL_M = 4.0


def calibration_file(folder):
    """camera below a LiDAR whose x looks forward."""
    path = folder / 'calibration.yaml'
    path.write_text(
        'extrinsics:\n'
        '  - parent: lidar\n    child: camera\n'
        '    matrix: [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, -0.1], [0, 0, 0, 1]]\n'
    )
    return path


def wall_returns(lines=16, columns=60):
    """(N, 3) float32 in the LiDAR's frame: a grid on a wall at WALL_M."""
    y, z = np.meshgrid(np.linspace(-3, 3, columns), np.linspace(-2, 2, lines))
    return np.stack([np.full(y.size, WALL_M), y.ravel(), z.ravel()], -1).astype(np.float32)


class Rig:
    def __init__(self, ros, folder, *arguments, subscribe=('depth', 'info', 'cloud', 'sigma', 'status')):
        self.ros = ros
        own = ('-p', f'input.calibration:={calibration_file(folder)}', '-p', 'model:=classical')
        own += ('-p', 'sync.wait_for_sweep_s:=2.0')  # a busy machine delivers late
        self.node = ros.node('depth_node', kind=DepthNode, arguments=(*own, *arguments))
        self.robot = ros.node('robot')
        self.image = self.robot.create_publisher(Image, 'image', 10)
        self.compressed = self.robot.create_publisher(CompressedImage, 'image/compressed', 10)
        self.info = self.robot.create_publisher(CameraInfo, 'camera_info', 10)
        self.points = self.robot.create_publisher(PointCloud2, 'points', 10)
        self.depth_prompt = self.robot.create_publisher(Image, 'tof', 10)
        self.got = {}
        from diagnostic_msgs.msg import DiagnosticStatus

        topics = {
            'depth': (Image, 'depth/image_rect'),
            'info': (CameraInfo, 'depth/camera_info'),
            'cloud': (PointCloud2, 'depth/points'),
            'sigma': (Image, 'confidence'),
            'overlay': (Image, 'debug/prompt_overlay'),
            'status': (DiagnosticStatus, 'status'),
        }
        for name in subscribe:
            self.got[name] = []
            kind, topic = topics[name]
            self.robot.create_subscription(kind, f'/depth_node/{topic}', self.got[name].append, 10)

    @property
    def stream(self):
        """The only camera's."""
        return self.node.streams['']

    @property
    def health(self):
        return self.node.healths['']

    def start(self):
        assert self.node.trigger_configure().name == 'SUCCESS'
        assert self.node.trigger_activate().name == 'SUCCESS'
        assert self.heard()
        if self.got:
            assert self.ros.spin_until(lambda: self.stream.outputs.wanted() or list(self.got) == ['status'])
        return self

    def heard(self):
        """Whether the node's subscriptions have found this robot."""
        sides = ((self.image, self.compressed), (self.points, self.depth_prompt))

        def found():
            return all(any(publisher.get_subscription_count() for publisher in side) for side in sides)

        return self.ros.spin_until(found)

    def header(self, stamp_ns, frame='camera'):
        return conversions.header_message(stamp_ns, frame)

    def picture(self, stamp_ns, camera=CAMERA):
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 255, (camera.height, camera.width, 3), dtype=np.uint8)
        return conversions.image_message(pixels, self.header(stamp_ns))

    def cloud(self, stamp_ns, xyz_m, frame='lidar'):
        message = PointCloud2(header=self.header(stamp_ns, frame), height=1, width=len(xyz_m), point_step=12)
        message.row_step = 12 * len(xyz_m)
        message.fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate('xyz')]
        message.data = xyz_m.astype(np.float32).tobytes()
        return message

    def send(self, stamp_ns, camera=CAMERA, xyz_m=None, image=None, info=True, cloud=None):
        xyz_m = wall_returns() if xyz_m is None else xyz_m
        if cloud is not False:
            self.points.publish(cloud or self.cloud(stamp_ns, xyz_m))
        if info is not False:
            if info is True:
                info = conversions.camera_info_message(camera, self.header(stamp_ns))
            self.info.publish(info)
        self.image.publish(image or self.picture(stamp_ns, camera))

    def answered(self, stamp_ns, name='depth', timeout_s=10.0):
        """The message of this stamp, or None."""

        def find():
            return next((m for m in self.got[name] if messages.stamp_ns(m.header.stamp) == stamp_ns), None)

        self.ros.spin_until(lambda: find() is not None, timeout_s)
        return find()

    def counts(self):
        return self.health.counts()

    def counted(self, key, timeout_s=5.0):
        return self.ros.spin_until(lambda: self.counts().get(key, 0) > 0, timeout_s)
