# SPDX-License-Identifier: Apache-2.0
"""What a load test feeds a depth node with: the same few frames over and over, serialised once, stamped anew.

Synthetic ones or those of a recording. Nothing moves: every sweep gets the stamp of its image and the sensors' places
are given to the node as a calibration file, so that no frame waits for anything but its turn.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError, RecordingError
from depth_anything_ros.core.transform import RigidTransform

IMAGE, CAMERA_INFO, POINTS = '/load/image', '/load/camera_info', '/load/points'
CAMERA_FRAME, LIDAR_FRAME = 'camera_optical_frame', 'lidar'
PICTURES = 4  # different frames of the synthetic feed: more would only fill memory
RECORDED_FRAMES = 16  # of a recording
LINES, VIEW_RAD = 64, np.deg2rad(70)  # the LiDAR's lines and the sector that it scans, all of it in the image


class Packet(NamedTuple):
    """One serialised message whose first field is a std_msgs/Header."""

    topic: str
    msgtype: str
    raw: bytes


@dataclass(frozen=True)
class FeedConfig:
    """bag: a recording whose first frames are used; None: synthetic frames of this size and number of returns."""

    bag: Path | None = None
    width: int = 640
    height: int = 480
    points: int = 30000

    def __post_init__(self):
        if min(self.width, self.height) < 16 or self.points < LINES:
            raise ConfigError(
                f'expected images of at least 16x16 and {LINES} returns,'
                f' got {self.width}x{self.height} and {self.points}'
            )

    def arguments(self) -> list[str]:
        """As `load_source` takes them."""
        words = ['--size', str(self.width), str(self.height), '--points', str(self.points)]
        return words + (['--bag', str(self.bag)] if self.bag else [])


@dataclass(frozen=True, eq=False)
class Feed:
    """frames: the packets of each, the image last. parameters and remaps make depth_node listen to them."""

    frames: tuple[tuple[Packet, ...], ...]
    parameters: dict[str, object]
    remaps: dict[str, str]
    calibration: Calibration

    @property
    def topics(self) -> dict[str, str]:
        """topic -> message type"""
        return {packet.topic: packet.msgtype for frame in self.frames for packet in frame}


def make_feed(config: FeedConfig) -> Feed:
    """Raises RecordingError where the recording can't be read or has no frame with everything."""
    return _recorded(config.bag) if config.bag else _synthetic(config)


def stamped(packet: Packet, stamp_ns: int) -> bytes:
    """The packet's bytes with another stamp in their header: the first eight after CDR's four."""
    raw = bytearray(packet.raw)
    struct.pack_into('<iI' if raw[1] & 1 else '>iI', raw, 4, *divmod(stamp_ns, 10**9))
    return bytes(raw)


def _synthetic(config: FeedConfig) -> Feed:
    from rclpy.serialization import serialize_message

    from depth_anything_ros.ros import conversions

    width, height = config.width, config.height
    camera = CameraModel(width, height, 0.7 * width, 0.7 * width, (width - 1) / 2, (height - 1) / 2, CAMERA_FRAME)
    place = np.array([[0, -1, 0, 0.0], [0, 0, -1, -0.1], [1, 0, 0, 0.0], [0, 0, 0, 1.0]])
    header = conversions.header_message(0, CAMERA_FRAME)
    info = conversions.camera_info_message(camera, header)
    frames = []
    for number in range(PICTURES):
        messages = {
            POINTS: _cloud(_sweep(config.points, number)),
            CAMERA_INFO: info,
            IMAGE: conversions.image_message(_picture(width, height, number), header),
        }
        frames.append(tuple(Packet(t, _type(m), serialize_message(m)) for t, m in messages.items()))
    parameters = {'input.lidar_topics': [POINTS]}
    remaps = {'image': IMAGE, 'camera_info': CAMERA_INFO}
    return Feed(tuple(frames), parameters, remaps, Calibration({}, (RigidTransform(CAMERA_FRAME, LIDAR_FRAME, place),)))


def _recorded(bag: Path) -> Feed:
    from depth_anything_ros.evaluation.bag_reader import header_stamp_ns
    from depth_anything_ros.evaluation.recording import Recording
    from depth_anything_ros.ros.replay import node_parameters

    with Recording(bag) as recording:
        topics = recording.topics
        sources = [*(topic for topic, _ in topics.points), *topics.depth_prompts]
        latest: dict[str, Packet] = {}
        infos: dict[int, Packet] = {}
        images: list[tuple[int, Packet, list[Packet]]] = []
        for message in recording.reader.messages([topics.image, topics.camera_info, *sources]):
            packet = Packet(message.topic, message.msgtype, bytes(message.raw))
            if message.topic == topics.camera_info:
                infos[header_stamp_ns(message)] = packet
            elif message.topic != topics.image:
                latest[message.topic] = packet
            elif all(source in latest for source in sources):
                images.append((header_stamp_ns(message), packet, list(latest.values())))
            if len(images) > RECORDED_FRAMES:  # one more, so that the camera_info of all others has come
                break
        frames = tuple(
            (*sweeps, infos[stamp_ns], image) for stamp_ns, image, sweeps in images if stamp_ns in infos
        )  # fmt: skip
        if not frames:
            raise RecordingError(f'{bag}: no image has its camera_info and a sweep of every source before it')
        parameters = node_parameters(recording, None, 'auto', bag)
        calibration = Calibration(transforms=tuple(recording.statics.values()))
    for name in ('use_sim_time', 'engine', 'input.calibration'):
        del parameters[name]
    remaps = {'image': topics.image.removesuffix('/compressed'), 'camera_info': topics.camera_info}
    return Feed(frames, parameters, remaps, calibration)


def _picture(width: int, height: int, seed: int) -> np.ndarray:
    """(H, W, 3) uint8 noise: as costly to handle as any image, and no two alike."""
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def _sweep(points: int, seed: int) -> np.ndarray:
    """(N, 3) float32 returns from curved walls 5 to 9 m away, column by column as a spinning LiDAR sends them."""
    columns = -(-points // LINES)
    azimuth, line = np.meshgrid(np.linspace(-VIEW_RAD / 2, VIEW_RAD / 2, columns), np.arange(LINES), indexing='ij')
    azimuth, elevation = azimuth.ravel()[:points], np.deg2rad(-25 + 40 / (LINES - 1) * line.ravel()[:points])
    radius = 7 + 2 * np.sin(5 * azimuth + seed) * np.cos(3 * elevation)
    ahead = np.cos(elevation)
    direction = np.stack([ahead * np.cos(azimuth), ahead * np.sin(azimuth), np.sin(elevation)], -1)
    return (direction * radius[:, None]).astype(np.float32)


def _cloud(xyz_m: np.ndarray):
    """PointCloud2 of x y z and a float of padding, 16 bytes a return."""
    from sensor_msgs.msg import PointCloud2, PointField

    from depth_anything_ros.ros import conversions

    records = np.zeros((len(xyz_m), 4), np.float32)
    records[:, :3] = xyz_m
    cloud = PointCloud2(
        header=conversions.header_message(0, LIDAR_FRAME),
        height=1,
        width=len(records),
        point_step=16,
        row_step=16 * len(records),
        fields=[PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, n in enumerate('xyz')],
        is_dense=True,
    )
    cloud.data.frombytes(records.tobytes())
    return cloud


def _type(message) -> str:
    package, _, _ = type(message).__module__.partition('.')
    return f'{package}/msg/{type(message).__name__}'
