# SPDX-License-Identifier: Apache-2.0
"""A recording as a robot would have seen it: observations with their sweeps, and the truth where there is one."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import DepthError, InvalidInput, RecordingError
from depth_anything_ros.core.frames import DepthPrompt, Observation, PointSet, RangeKind, Sweep
from depth_anything_ros.core.messages import (
    camera_from_message,
    depth_from_message,
    image_from_message,
    points_from_message,
    stamp_ns,
    transform_from_message,
)
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.core.transform_tree import TransformTree, TransformUnavailable
from depth_anything_ros.evaluation.bag_reader import POINTS, TRANSFORMS, BagMessage, BagReader, header_stamp_ns
from depth_anything_ros.evaluation.holdout import unseen
from depth_anything_ros.evaluation.recording_topics import RecordingTopics, find_topics
from depth_anything_ros.evaluation.sample import Sample
from depth_anything_ros.pipeline.rectification import Rectifier
from depth_anything_ros.projection.accumulate import middle_ns, stamped_at_first_return

FIXED_FRAMES = ('odom', 'map', 'world')
LOOK_AHEAD_NS = 500_000_000  # how much later than an image its sweeps may have been recorded


@dataclass(frozen=True)
class RecordingConfig:
    """How messages are brought together; the same meaning as in depth_node."""

    sweep_window_s: float = setting(0.15, 'a sweep this far from the image still prompts it', unit='s', low=0.0)
    sweeps: int = setting(1, 'how many sweeps of each source are put together, the nearest ones', low=1, high=100)
    truth_window_s: float = setting(0.02, 'a truth image this far from the image is its truth', unit='s', low=0.0)
    fixed_frame: str = setting('', 'frame that stands still; empty: odom, map or world where the recording has one')
    image_is_rectified: bool = setting(False, 'the camera is P of camera_info, without distortion')

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """observation: on the rectified camera; truth_m (H, W) float32 or None; truth_sweeps: clouds to score on."""

    observation: Observation
    truth_m: np.ndarray | None
    truth_sweeps: tuple[Sweep, ...] = ()

    def sample(self, name: str) -> Sample | None:
        """Scored on the truth image or on what the truth's cloud sees and the prompt doesn't; None without truth."""
        if self.truth_m is not None:
            return Sample(name, self.observation, self.truth_m)
        if self.truth_sweeps:
            full = Observation(
                self.observation.image_rgb, self.observation.camera, self.observation.stamp_ns, self.truth_sweeps
            )
            return Sample(name, self.observation, unseen(full, self.observation))
        return None


class Recording:
    """An open recording; a context manager. `skipped` counts images that made no observation, by reason.

    Raises RecordingError where the bag can't be read or lacks an image or camera_info.
    """

    def __init__(self, path: Path | str, topics: dict | None = None, config: RecordingConfig | None = None):
        """topics: arguments of `find_topics` by name."""
        self.config = config or RecordingConfig()
        self.skipped: Counter[str] = Counter()
        self.statics: dict[str, RigidTransform] = {}  # child frame -> parent_from_child that never changes
        self.reader = BagReader(path)
        try:
            self.topics: RecordingTopics = find_topics(self.reader, **(topics or {}))
            self.tree = self._transforms()
            self._cameras = self._camera_infos()
        except BaseException:
            self.reader.close()
            raise
        frames = self.tree.frames()
        self.fixed_frame = self.config.fixed_frame or next((f for f in FIXED_FRAMES if f in frames), '')
        self._rectifiers: dict[CameraModel, tuple[Rectifier, np.ndarray, np.ndarray]] = {}

    @property
    def count(self) -> int:
        """How many images there are."""
        return self.reader.topics[self.topics.image].count

    def frames(self) -> Iterator[RecordedFrame]:
        """One per image that has its camera_info and transforms, in order; holds a second of messages at a time."""
        recent: dict[str, deque[tuple[int, BagMessage | PointSet]]] = {}
        waiting: deque[tuple[int, BagMessage]] = deque()
        topics = [name for name in self.topics.all if name != self.topics.camera_info]
        for message in self.reader.messages(topics):
            if message.topic == self.topics.image:
                waiting.append((header_stamp_ns(message), message))
            elif message.msgtype == POINTS:
                recent.setdefault(message.topic, deque()).extend(self._points(message))
            else:
                recent.setdefault(message.topic, deque()).append((header_stamp_ns(message), message))
            while waiting and message.log_ns > waiting[0][1].log_ns + LOOK_AHEAD_NS:
                yield from self._frame(*waiting.popleft(), recent)
            self._forget(recent, waiting)
        while waiting:
            yield from self._frame(*waiting.popleft(), recent)

    def close(self) -> None:
        self.reader.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def _frame(self, stamp_ns: int, message: BagMessage, recent) -> Iterator[RecordedFrame]:
        info = self._cameras.get(stamp_ns)
        if info is None:
            self.skipped['no camera_info with the stamp of the image'] += 1
            return
        try:
            camera = camera_from_message(info, self.config.image_is_rectified)
            image_rgb = image_from_message(self.reader.decode(message))
            sweeps = tuple(
                sweep for topic, _ in self.topics.points for sweep in self._sweeps(topic, camera, stamp_ns, recent)
            )
            prompts = tuple(
                DepthPrompt(depth_from_message(self.reader.decode(near)), near_ns)
                for topic in self.topics.depth_prompts
                for near_ns, near in self._near(recent.get(topic, ()), stamp_ns, self.config.sweep_window_s, 1)
            )
            truth_m, truth_sweeps = self._truth(camera, stamp_ns, recent)
            image_rgb, camera, seen = self._rectified(image_rgb, camera)
            pose = self._pose(camera.frame_id, stamp_ns)
            observation = Observation(image_rgb, camera, stamp_ns, sweeps, prompts, pose, seen)
        except TransformUnavailable as error:
            self.skipped[str(error).split(':')[0]] += 1
            return
        except RecordingError:
            raise
        except DepthError as error:
            self.skipped[str(error)] += 1
            return
        yield RecordedFrame(observation, truth_m, truth_sweeps)

    def _points(self, message: BagMessage) -> Iterator[tuple[int, PointSet]]:
        """(the stamp of the sweep's middle, its returns); nothing where there are none."""
        kinds = dict(self.topics.points)
        try:
            kind = kinds.get(message.topic, RangeKind.LIDAR)
            points = stamped_at_first_return(points_from_message(self.reader.decode(message), kind)[0])
        except InvalidInput as error:
            self.skipped[f'{message.topic}: {error}'] += 1
            return
        if len(points):
            yield middle_ns(points), points

    def _sweeps(self, topic: str, camera: CameraModel, stamp_ns: int, recent) -> Iterator[Sweep]:
        for _, points in self._near(recent.get(topic, ()), stamp_ns, self.config.sweep_window_s, self.config.sweeps):
            start = self._camera_from(camera.frame_id, stamp_ns, points.frame_id, points.stamp_ns)
            end = None
            if points.time_offset_ns is not None and self.fixed_frame:
                last_ns = points.stamp_ns + int(points.time_offset_ns.max())
                end = self._camera_from(camera.frame_id, stamp_ns, points.frame_id, last_ns)
            yield Sweep(points, start, end)

    def _truth(self, camera: CameraModel, stamp_ns: int, recent):
        topic = self.topics.truth
        if topic is None:
            return None, ()
        if self.reader.topics[topic].msgtype == POINTS:
            return None, tuple(self._sweeps(topic, camera, stamp_ns, recent))
        for _, message in self._near(recent.get(topic, ()), stamp_ns, self.config.truth_window_s, 1):
            truth_m = depth_from_message(self.reader.decode(message))
            if truth_m.shape != (camera.height, camera.width):
                raise RecordingError(
                    f'{topic}: expected depth of {camera.width}x{camera.height} as the image, got'
                    f' {truth_m.shape[1]}x{truth_m.shape[0]}; score on another topic with --truth'
                )
            return self._rectified_depth(truth_m, camera), ()
        self.skipped['no truth near the image (not scored)'] += 1
        return None, ()

    def _camera_from(self, camera: str, stamp_ns: int, sensor: str, sensor_ns: int):
        if self.fixed_frame:
            return self.tree.lookup_through(camera, stamp_ns, sensor, sensor_ns, self.fixed_frame)
        return self.tree.lookup(camera, sensor, stamp_ns)

    def _pose(self, camera: str, stamp_ns: int):
        if not self.fixed_frame:
            return None
        try:
            return self.tree.lookup(self.fixed_frame, camera, stamp_ns)
        except TransformUnavailable:
            return None

    def _rectified(self, image_rgb: np.ndarray, camera: CameraModel):
        if not camera.is_distorted or camera.is_equirectangular:
            return image_rgb, camera, None
        rectifier, _, _ = self._rectifier(camera)
        return rectifier.apply(image_rgb), rectifier.camera, rectifier.seen

    def _rectified_depth(self, depth_m: np.ndarray, camera: CameraModel) -> np.ndarray:
        if not camera.is_distorted or camera.is_equirectangular:
            return depth_m
        import cv2

        # nearest: between two surfaces there is no depth to interpolate
        _, x, y = self._rectifier(camera)
        return cv2.remap(depth_m, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float('nan'))

    def _rectifier(self, camera: CameraModel):
        if camera not in self._rectifiers:
            self._rectifiers[camera] = (Rectifier(camera), *camera.rectification_maps(camera.rectified()))
        return self._rectifiers[camera]

    def _transforms(self) -> TransformTree:
        tree = TransformTree(max_age_s=(self.reader.end_ns - self.reader.start_ns) / 1e9 + 60.0)
        topics = self.reader.of_type(TRANSFORMS)
        for message in self.reader.messages(topics) if topics else ():
            static = message.topic.endswith('/tf_static')
            for item in self.reader.decode(message).transforms:
                transform = transform_from_message(item)
                tree.add(transform, stamp_ns(item.header.stamp), static)
                if static:
                    self.statics[transform.source] = transform
        return tree

    def _camera_infos(self) -> dict[int, object]:
        """header stamp -> CameraInfo."""
        messages = self.reader.messages([self.topics.camera_info])
        return {header_stamp_ns(message): self.reader.decode(message) for message in messages}

    def _forget(self, recent, waiting) -> None:
        """Drop what no image to come can use."""
        for entries in filter(None, recent.values()):
            oldest = waiting[0][0] if waiting else entries[-1][0]
            reach_ns = LOOK_AHEAD_NS + int(self.config.sweep_window_s * 1e9) * max(1, self.config.sweeps)
            while entries and entries[0][0] < oldest - reach_ns:
                entries.popleft()

    @staticmethod
    def _near(entries, stamp_ns: int, window_s: float, count: int) -> list:
        """The `count` nearest by stamp within the window, nearest first."""
        inside = [entry for entry in entries if abs(entry[0] - stamp_ns) <= window_s * 1e9]
        return sorted(inside, key=lambda entry: abs(entry[0] - stamp_ns))[:count]
