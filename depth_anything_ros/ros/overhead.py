# SPDX-License-Identifier: Apache-2.0
"""What the node costs beside inference: real messages through decode, project, condition, pack and publish.

The engine is replaced by one that returns the same arrays at once; everything else is the node's own code, with
subscribers in another process listening to every output.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import PointCloud2, PointField

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import PointSet, RangeKind, Sweep
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.pipeline.estimator import DepthEstimator, StageClock
from depth_anything_ros.projection.accumulate import deskew, stamped_at_first_return
from depth_anything_ros.projection.rasterize import rasterize
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.depth_node_config import DepthNodeConfig
from depth_anything_ros.ros.environment import prepare_middleware
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.observer import Observer
from depth_anything_ros.ros.outputs import TOPICS, Outputs
from depth_anything_ros.ros.spinning import interruptible_node
from depth_anything_ros.ros.sync import Bundle, Stamped
from depth_anything_ros.ros.transforms import TransformSource

CAMERA, LIDAR = 'camera_optical_frame', 'lidar'
NODE = 'overhead'
ON_DEMAND = ('overlay', 'mask')  # a picture for debugging and a by-product: not part of the path that is timed
IN_VIEW_RAD = np.deg2rad(70)  # the whole sweep of the frame path lands in the image


def measure(width: int, height: int, points: int, frames: int, on_frame: Callable[[], None]) -> dict[str, list[float]]:
    """stage -> milliseconds of every frame; 'all' is their sum: the node's time on a frame without inference."""
    prepare_middleware()
    rclpy.init(args=[])
    node = rclpy.create_node(NODE)
    try:
        return _measure(node, width, height, points, frames, on_frame)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def measure_rasterize(points: int, frames: int) -> list[float]:
    """Milliseconds to transform, project and rasterise one full turn of `points` returns into 640x480."""
    camera = _camera(640, 480)
    sweep = Sweep(PointSet(_sweep(points), LIDAR, 0), _camera_from_lidar())
    sigma_m = np.full(points, 0.02, np.float32)
    laps = []
    for _ in range(frames):
        clock = StageClock()
        rasterize(deskew(sweep), camera, sigma_m)
        clock.lap('rasterize')
        laps.append(clock.laps_ms['rasterize'])
    return laps


def _measure(node, width, height, points, frames, on_frame) -> dict[str, list[float]]:
    config, health = DepthNodeConfig(), Health(node)
    health.active = False  # no camera is connected, and that is fine
    outputs, transforms = Outputs(node, health), TransformSource(node, [_camera_from_lidar()])
    observer = Observer(transforms, None)
    estimator = DepthEstimator(_Instant(width, height), config.estimator)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    stages: dict[str, list[float]] = {}
    with _listeners():
        _wait_for_listeners(outputs, executor)
        for number in range(frames + 10):
            stamp_ns = 10**9 + number * 33_000_000
            bundle, cloud = _messages(stamp_ns, image, _camera(width, height), points)
            clock = StageClock()
            sweep = stamped_at_first_return(messages.points_from_message(cloud, RangeKind.LIDAR)[0])
            clock.lap('decode points')
            bundle = Bundle(stamp_ns, bundle.image, bundle.camera_info, {'points': (Stamped(stamp_ns, sweep),)})
            observation = observer.observe(bundle, config.input)
            clock.lap('decode image')
            frame = estimator.estimate(observation)
            published = outputs.publish(frame, observation.image_rgb, bundle.image.header, config.publish)
            if number >= 10:  # the first frames warm caches and discovery
                laps = clock.laps_ms | frame.timings_ms | published
                for stage, value in (laps | {'all': sum(laps.values())}).items():
                    stages.setdefault(stage, []).append(value)
                on_frame()
            executor.spin_once(timeout_sec=0.0)
    return stages


class _Instant:
    """An engine that costs nothing."""

    name, model, metric = 'none', 'none', True

    def __init__(self, width: int, height: int):
        depth_m = _surfaces(width, height)
        self._prediction = Prediction(depth_m, depth_m * 0.02, metric=True)

    def infer(self, image_rgb, prompt, camera) -> Prediction:
        return self._prediction

    def describe(self) -> dict[str, str]:
        return {'engine': 'none'}

    def close(self) -> None:
        pass


def _camera(width: int, height: int) -> CameraModel:
    return CameraModel(width, height, 0.7 * width, 0.7 * width, (width - 1) / 2, (height - 1) / 2, CAMERA)


def _camera_from_lidar() -> RigidTransform:
    matrix = np.array([[0, -1, 0, 0.0], [0, 0, -1, -0.2], [1, 0, 0, 0.0], [0, 0, 0, 1.0]])
    return RigidTransform(CAMERA, LIDAR, matrix)


def _sweep(points: int, view_rad: float = 2 * np.pi) -> np.ndarray:
    """(N, 3) float32 returns of a 64-line sensor among curved walls 5 to 9 m away."""
    columns = -(-points // 64)
    azimuth, line = np.meshgrid(np.linspace(-view_rad / 2, view_rad / 2, columns), np.arange(64), indexing='ij')
    azimuth, elevation = azimuth.ravel()[:points], np.deg2rad(-25 + 40 / 63 * line.ravel()[:points])
    radius = 7 + 2 * np.sin(5 * azimuth) * np.cos(3 * elevation)
    direction = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    return (np.stack(direction, -1) * radius[:, None]).astype(np.float32)


def _surfaces(width: int, height: int) -> np.ndarray:
    """(H, W) float32 depth of a curved wall and boxes before it, their edges a pixel or two wide as a network's are."""
    row, column = np.mgrid[:height, :width].astype(np.float32)
    depth_m = 7 + 2 * np.sin(5 * (column / width - 0.5))
    for left, top, side, near_m in (
        (0.1, 0.2, 0.15, 2.5),
        (0.35, 0.5, 0.25, 3.0),
        (0.7, 0.15, 0.1, 4.0),
        (0.75, 0.6, 0.2, 1.8),
    ):
        box = (
            slice(int(top * height), int((top + side) * height)),
            slice(int(left * width), int((left + side) * width)),
        )
        depth_m[box] = near_m + 0.1 * row[box] / height
    return cv2.GaussianBlur(depth_m, (3, 3), 0)


def _messages(stamp_ns: int, image, camera: CameraModel, points: int):
    header = conversions.header_message(stamp_ns, CAMERA)
    bundle = Bundle(
        stamp_ns, conversions.image_message(image, header), conversions.camera_info_message(camera, header), {}
    )
    records = np.zeros((points, 4), np.float32)
    records[:, :3] = _sweep(points, IN_VIEW_RAD)
    cloud = PointCloud2(
        header=conversions.header_message(stamp_ns, LIDAR),
        height=1,
        width=points,
        point_step=16,
        row_step=16 * points,
        fields=[PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate('xyz')],
    )
    cloud._data = records.reshape(-1).view(np.uint8)
    return bundle, cloud


@contextlib.contextmanager
def _listeners() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, '-m', __spec__.name])
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for_listeners(outputs: Outputs, executor) -> None:
    deadline = time.monotonic() + 20
    while not all(outputs.wanted(name) for name in TOPICS if name not in ON_DEMAND):
        executor.spin_once(timeout_sec=0.05)
        if time.monotonic() > deadline:
            raise TimeoutError('the listening process did not come up within 20 s')


def _listen() -> None:
    """The other process: takes every output as a best-effort subscriber would, without reading it."""
    with interruptible_node('overhead_listener') as (node, stop):  # rclpy.spin() now and then outlives its SIGTERM
        for name, (message_type, topic) in TOPICS.items():
            if name not in ON_DEMAND:
                full = topic.replace('~', f'/{NODE}')
                node.create_subscription(message_type, full, lambda _: None, qos_profile_sensor_data, raw=True)
        stop.wait()


if __name__ == '__main__':
    _listen()
