# SPDX-License-Identifier: Apache-2.0
"""Listens to a depth node and keeps what it says, frame by frame, on disk."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.messages import camera_from_message, depth_from_message, stamp_ns

DEPTH, CAMERA_INFO, POINTS = 'depth/image_rect', 'depth/camera_info', 'depth/points'
CONFIDENCE, STATUS = 'confidence', 'status'
DEPTH_OF_QUEUE = 100  # nothing may be lost here: what is missing must have been missing in the node


@dataclass
class Answer:
    """What came for one image stamp."""

    depth_file: Path | None = None
    sigma_file: Path | None = None
    camera: CameraModel | None = None
    cloud_points: int = 0
    has_cloud: bool = False
    latency_ms: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    asked_ns: int = 0  # system clock: when the player sent the image's camera_info
    arrived_ns: int = 0  # when the depth reached us

    @property
    def complete(self) -> bool:
        """One depth, one camera_info and one cloud with this stamp."""
        return self.depth_file is not None and self.camera is not None and self.has_cloud

    @property
    def end_to_end_ms(self) -> float:
        """From the player's publishing to the depth's arrival here; NaN where one of them is missing."""
        return (self.arrived_ns - self.asked_ns) / 1e6 if self.asked_ns and self.arrived_ns else float('nan')

    def depth_m(self) -> np.ndarray:
        return np.load(self.depth_file)

    def sigma_m(self) -> np.ndarray | None:
        return None if self.sigma_file is None else np.load(self.sigma_file)


class Collector:
    """Subscribes to everything a depth node publishes.

    answers: image stamp in ns -> Answer. repeated: outputs that came more than once with one stamp, by topic.
    """

    def __init__(self, node: Node, depth_node: str, camera_info: str, folder: Path):
        """depth_node: full name, as '/depth_node'; camera_info: the input's; folder: where the depth maps are kept."""
        self.answers: dict[int, Answer] = {}
        self.repeated: dict[str, int] = {}
        self.counts: dict[str, str] = {}  # of the node's last status
        self._depth_node, self._folder = depth_node, folder
        self._node = node
        self._last = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        # reliable: best effort would blame the node for what the middleware lost
        qos = QoSProfile(depth=DEPTH_OF_QUEUE, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE)
        for kind, name, callback in (
            (Image, DEPTH, self._on_depth),
            (CameraInfo, CAMERA_INFO, self._on_info),
            (PointCloud2, POINTS, self._on_points),
            (Image, CONFIDENCE, self._on_sigma),
            (DiagnosticStatus, STATUS, self._on_status),
        ):
            node.create_subscription(kind, f'{depth_node}/{name}', callback, qos)
        node.create_subscription(CameraInfo, camera_info, self._on_asked, qos)

    def node_ready(self) -> bool:
        """Whether the depth node is there and has opened its outputs."""
        return all(self._node.count_publishers(f'{self._depth_node}/{name}') for name in (DEPTH, CAMERA_INFO, POINTS))

    def complete(self, stamps: Iterable[int]) -> set[int]:
        """Those of the image stamps that got one of everything."""
        return {stamp for stamp in stamps if (answer := self.answers.get(stamp)) is not None and answer.complete}

    def silent_s(self) -> float:
        """How long ago the last answer came."""
        return time.monotonic() - self._last

    def _answer(self, header) -> Answer:
        self._last = time.monotonic()
        return self.answers.setdefault(stamp_ns(header.stamp), Answer())

    def _seen(self, already: bool, topic: str) -> None:
        if already:
            self.repeated[topic] = self.repeated.get(topic, 0) + 1

    def _on_asked(self, message: CameraInfo, info) -> None:
        self._answer(message.header).asked_ns = info['source_timestamp']

    def _on_depth(self, message: Image, info) -> None:
        answer = self._answer(message.header)
        self._seen(answer.depth_file is not None, DEPTH)
        answer.arrived_ns = info['received_timestamp']
        answer.depth_file = self._keep('depth', message)

    def _on_sigma(self, message: Image) -> None:
        self._answer(message.header).sigma_file = self._keep('sigma', message)

    def _on_info(self, message: CameraInfo) -> None:
        answer = self._answer(message.header)
        self._seen(answer.camera is not None, CAMERA_INFO)
        answer.camera = camera_from_message(message)

    def _on_points(self, message: PointCloud2) -> None:
        answer = self._answer(message.header)
        self._seen(answer.has_cloud, POINTS)
        answer.has_cloud, answer.cloud_points = True, message.width * message.height

    def _on_status(self, message: DiagnosticStatus) -> None:
        values = {item.key: item.value for item in message.values}
        self.counts = {k: v for k, v in values.items() if k.startswith(('published', 'dropped', 'warned'))}
        stamp = values.get('stamp_ns', '')
        if not stamp.isdigit():
            return
        answer = self.answers.setdefault(int(stamp), Answer())
        answer.facts = values
        for key, value in values.items():
            if key.startswith('latency.') and key.endswith('_ms'):
                answer.latency_ms[key.removeprefix('latency.').removesuffix('_ms')] = float(value)

    def _keep(self, name: str, message: Image) -> Path:
        path = self._folder / f'{stamp_ns(message.header.stamp)}_{name}.npy'
        np.save(path, depth_from_message(message))
        return path
