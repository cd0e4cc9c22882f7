# SPDX-License-Identifier: Apache-2.0
"""Writes the simulated drive as a rosbag2 folder: metadata.yaml and one mcap file with zstd chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.core.errors import MissingExtra, RecordingError
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.training.scenes.lidar import POINT_DTYPE

IMAGE_TOPIC = '/camera/image_raw/compressed'
INFO_TOPIC = '/camera/camera_info'
POINTS_TOPIC = '/lidar/points'
TRUTH_TOPIC = '/ground_truth/depth'
CAMERA_FRAME, LIDAR_FRAME = 'camera_optical_frame', 'lidar'
# a camera's picture reaches the computer some time after its exposure; the sweep around it is complete by then
CAMERA_LATENCY_NS = 40_000_000

_TYPES = {
    IMAGE_TOPIC: 'sensor_msgs/msg/CompressedImage',
    INFO_TOPIC: 'sensor_msgs/msg/CameraInfo',
    POINTS_TOPIC: 'sensor_msgs/msg/PointCloud2',
    TRUTH_TOPIC: 'sensor_msgs/msg/CompressedImage',
    '/tf': 'tf2_msgs/msg/TFMessage',
    '/tf_static': 'tf2_msgs/msg/TFMessage',
}


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """One image with its exact depth and the sweep around it.

    image_bgr (H, W, 3) uint8; depth_m (H, W) float32 z-depth, inf where nothing is; focal_px: fx = fy;
    points POINT_DTYPE (N,), their times count from sweep_stamp_ns.
    """

    stamp_ns: int
    image_bgr: np.ndarray
    depth_m: np.ndarray
    focal_px: float
    sweep_stamp_ns: int
    points: np.ndarray


def write_recording(
    folder: Path,
    frames: Iterable[RenderedFrame],
    poses: Iterable[tuple[int, RigidTransform]],
    mounts: list[RigidTransform],
    jpeg_quality: int = 90,
) -> Path:
    """Writes `folder`/metadata.yaml and `folder`/`folder.name`.mcap; files of that name there are replaced.

    poses: stamp_ns and odom -> base_link, published on /tf at that stamp. mounts: /tf_static, latched.
    Returns the mcap's path. Raises RecordingError where the folder holds another recording.
    """
    try:
        from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise MissingExtra('rosbags', 'bags', 'writing a recording') from error

    strangers = [p.name for p in folder.glob('*.mcap') if p.stem != folder.name] if folder.exists() else []
    if strangers:
        raise RecordingError(f'{folder}: expected no other recording, found {strangers}; choose another --output')
    store = get_typestore(Stores.ROS2_JAZZY)
    events = _Messages(store.types, jpeg_quality)
    log: list[tuple[int, str, object]] = []
    poses = list(poses)
    log.append((poses[0][0], '/tf_static', events.transforms(poses[0][0], mounts)))
    log.extend((stamp_ns, '/tf', events.transforms(stamp_ns, [pose])) for stamp_ns, pose in poses)
    for frame in frames:
        log.extend(events.of_frame(frame))
    log.sort(key=lambda event: event[0])

    latched = Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        QosTime(0, 0),
        QosTime(0, 0),
        QosLiveliness.AUTOMATIC,
        QosTime(0, 0),
        False,
    )
    # rosbags insists on a folder that doesn't exist, but ours also holds the README
    scratch = folder.with_name(f'.{folder.name}.writing') / folder.name
    for stale in scratch.glob('*'):
        stale.unlink()
    if scratch.exists():
        scratch.rmdir()
    writer = Writer(scratch, version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connections = {
            topic: writer.add_connection(
                topic, kind, typestore=store, offered_qos_profiles=[latched] if topic == '/tf_static' else []
            )
            for topic, kind in _TYPES.items()
        }
        for log_ns, topic, message in log:
            writer.write(connections[topic], log_ns, store.serialize_cdr(message, _TYPES[topic]))
    folder.mkdir(parents=True, exist_ok=True)
    for written in scratch.iterdir():
        written.replace(folder / written.name)
    scratch.rmdir()
    scratch.parent.rmdir()
    return folder / f'{folder.name}.mcap'


class _Messages:
    """Fills ROS messages of the given typestore."""

    def __init__(self, types, jpeg_quality: int):
        self.types, self.jpeg_quality = types, jpeg_quality

    def of_frame(self, frame: RenderedFrame) -> Iterator[tuple[int, str, object]]:
        """(log time in ns, topic, message); the sweep is logged when its last return is in."""
        import cv2

        _, jpeg = cv2.imencode('.jpg', frame.image_bgr, [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
        millimetres = np.where(frame.depth_m < 65.5, np.round(1000 * frame.depth_m), 0).astype(np.uint16)
        _, png = cv2.imencode('.png', millimetres, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        image = self.types['sensor_msgs/msg/CompressedImage']
        header = self.header(frame.stamp_ns, CAMERA_FRAME)
        log_ns = frame.stamp_ns + CAMERA_LATENCY_NS
        sweep_end_ns = frame.sweep_stamp_ns + int(1e9 * float(frame.points['time'].max(initial=0)))
        yield sweep_end_ns, POINTS_TOPIC, self.cloud(frame.sweep_stamp_ns, frame.points)
        yield log_ns, IMAGE_TOPIC, image(header, 'jpeg', jpeg.reshape(-1))
        yield log_ns, INFO_TOPIC, self.camera_info(header, frame)
        yield log_ns, TRUTH_TOPIC, image(header, '16UC1; png compressed', png.reshape(-1))

    def header(self, stamp_ns: int, frame_id: str):
        stamp = self.types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
        return self.types['std_msgs/msg/Header'](stamp, frame_id)

    def camera_info(self, header, frame: RenderedFrame):
        height, width = frame.depth_m.shape
        f, cx, cy = frame.focal_px, (width - 1) / 2, (height - 1) / 2
        return self.types['sensor_msgs/msg/CameraInfo'](
            header=header,
            height=height,
            width=width,
            distortion_model='plumb_bob',
            d=np.zeros(5),
            k=np.array([f, 0, cx, 0, f, cy, 0, 0, 1], np.float64),
            r=np.eye(3).reshape(-1),
            p=np.array([f, 0, cx, 0, 0, f, cy, 0, 0, 0, 1, 0], np.float64),
            binning_x=0,
            binning_y=0,
            roi=self.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
        )

    def cloud(self, stamp_ns: int, points: np.ndarray):
        codes = {'<f4': 7, '<u2': 4}  # PointField.FLOAT32, UINT16
        field = self.types['sensor_msgs/msg/PointField']
        fields = [field(n, POINT_DTYPE.fields[n][1], codes[POINT_DTYPE[n].str], 1) for n in POINT_DTYPE.names]
        return self.types['sensor_msgs/msg/PointCloud2'](
            header=self.header(stamp_ns, LIDAR_FRAME),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=POINT_DTYPE.itemsize,
            row_step=POINT_DTYPE.itemsize * len(points),
            data=points.view(np.uint8).reshape(-1),
            is_dense=True,
        )

    def transforms(self, stamp_ns: int, transforms: list[RigidTransform]):
        vector, turn = self.types['geometry_msgs/msg/Vector3'], self.types['geometry_msgs/msg/Quaternion']
        pose, stamped = self.types['geometry_msgs/msg/Transform'], self.types['geometry_msgs/msg/TransformStamped']
        return self.types['tf2_msgs/msg/TFMessage'](
            [
                stamped(
                    self.header(stamp_ns, t.target),
                    t.source,
                    pose(vector(*map(float, t.translation_m)), turn(*map(float, t.quaternion_xyzw()))),
                )
                for t in transforms
            ]
        )
