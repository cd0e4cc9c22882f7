# SPDX-License-Identifier: Apache-2.0
"""One camera of depth_node: its messages, its scale memory, its outputs, its counts. A node has one, or several."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.core.frames import DepthFrame
from depth_anything_ros.core.settings import replaced
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.core.transform_tree import TransformUnavailable
from depth_anything_ros.engines.base import Engine
from depth_anything_ros.pipeline.batch import Answer, Job
from depth_anything_ros.pipeline.estimator import DepthEstimator, StageClock
from depth_anything_ros.projection.region import confined
from depth_anything_ros.ros.cloud_service import CloudService
from depth_anything_ros.ros.depth_node_config import DepthNodeConfig, PublishConfig
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.inputs import CameraInputs, image_topic, source_names
from depth_anything_ros.ros.observer import Observer
from depth_anything_ros.ros.outputs import Outputs
from depth_anything_ros.ros.sync import Bundle, FrameSync
from depth_anything_ros.ros.transforms import TransformSource


class Started(NamedTuple):
    """A frame that is under way: what the engine is asked, and what its answer will be published with."""

    job: Job
    bundle: Bundle
    decode_ms: dict[str, float]


class CameraStream:
    """Outputs are open from construction to `close()`, the inputs from `listen()` to `rest()`.

    node: the node, or the SubNode of this camera. Every image ends as published, dropped under a reason, or idle.
    Raises ConfigError and CalibrationError at construction.
    """

    def __init__(
        self,
        node,
        health: Health,
        engine: Engine,
        transforms: TransformSource,
        calibration: Calibration | None,
        config: DepthNodeConfig,
    ):
        self.health, self.outputs = health, Outputs(node, health, config.publish.cubemap.enabled)
        self.cloud = CloudService(node, health, config.publish.cloud_timeout_s)
        self.cloud.refuse('the node is not active')
        self.sync = FrameSync(
            config.sync,
            source_names(config.input),
            needs_info=config.input.camera_model == 'camera_info',
            image_topic=image_topic(node, config.input),
            info_topic=node.resolve_topic_name('camera_info'),
            on_drop=health.dropped,
            on_jump=self._on_time_jump,
            on_warn=health.warned,
        )
        self._node, self._transforms = node, transforms
        self._estimator = DepthEstimator(engine, config.estimator)
        self._observer = Observer(transforms, calibration)
        self._inputs: CameraInputs | None = None
        self._time_jumped = False

    def listen(self, config: DepthNodeConfig, wake: Callable[[], None]) -> None:
        """Subscribe. Raises ConfigError on a senseless QoS override."""
        self._inputs = CameraInputs(self._node, config.input, self.sync, self.health, wake)
        self.cloud.refuse('')
        self.health.active = True

    def rest(self) -> None:
        """Unsubscribe; requests for a cloud are refused."""
        self.health.active = False
        self.cloud.refuse('the node is not active')
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        self.sync.clear()

    def close(self) -> None:
        self.cloud.close()
        self.outputs.close()

    def configure(self, config: DepthNodeConfig) -> None:
        """Settings that were changed while running."""
        self._estimator.config = config.estimator
        self.cloud.timeout_s = config.publish.cloud_timeout_s
        self.sync.config = config.sync

    def start(self, config: DepthNodeConfig, now_ns: int) -> Started | None:
        """The newest frame, decoded and with its prompt; None: there is none yet, or it was dropped or let go."""
        with self._dropping(config):
            if self._time_jumped:  # here, not where it was noticed: an estimate may have been under way then
                self._time_jumped = False
                self._estimator.reset()
            bundle = self.sync.take(
                now_ns,
                max_age_s=config.max_age_s,
                ready=lambda bundle: self._ready(bundle, config),
                ready_wait_s=config.input.tf_tolerance_s,
            )
            if bundle is None:
                return None
            if not (self.cloud.wanted(bundle.stamp_ns) or self.outputs.wanted()):
                self.health.idle()
                return None
            clock = StageClock()
            observation = self._observer.observe(bundle, config.input)
            clock.lap('decode')
            return Started(Job(self._estimator, self._estimator.prepare(observation)), bundle, clock.laps_ms)

    def finish(self, started: Started, answer: Answer, config: DepthNodeConfig) -> None:
        """Publish what the engine said, or drop the frame for the reason why it said nothing."""
        with self._dropping(config):
            job, bundle, decode_ms = started
            frame = self._estimator.finish(job.prepared, answer.get(), answer.infer_ms)
            frame, publish, filter_ms = self._filtered(frame, bundle, config)
            image_rgb, header, clock = job.prepared.observation.image_rgb, bundle.image.header, StageClock()
            if self.cloud.wanted(bundle.stamp_ns):  # before the streams: somebody waits for it
                self.cloud.answer(frame, image_rgb, header, publish.flying_pixels)
                clock.lap('answer cloud')
            published_ms = self.outputs.publish(frame, image_rgb, header, publish)
            frame.timings_ms.update(decode_ms | filter_ms | clock.laps_ms | published_ms)
            latency_ms = (self._node.get_clock().now().nanoseconds - bundle.stamp_ns) * 1e-6
            facts = {'depth': 'radial range' if frame.camera.is_equirectangular else 'z'}
            self.health.published(frame, latency_ms, facts)

    def _filtered(
        self, frame: DepthFrame, bundle: Bundle, config: DepthNodeConfig
    ) -> tuple[DepthFrame, PublishConfig, dict[str, float]]:
        """The frame less flying pixels and what lies outside the region, how to publish it, stage -> milliseconds."""
        region, publish, clock = config.region, config.publish, StageClock()
        if region.everything and not publish.clean_depth:
            return frame, publish, {}
        frame = confined(frame, region, self._workspace_from_camera(bundle, config), publish.flying_pixels)
        publish = replaced(publish, {'flying_pixels.enabled': False})  # done
        if frame.report['region_px'] == '0' and not region.everything:
            self.health.warned('region is empty', 'no pixel of known depth lies in region.pixels and .workspace')
        clock.lap('filter')
        return frame, publish, clock.laps_ms

    def _workspace_from_camera(self, bundle: Bundle, config: DepthNodeConfig) -> RigidTransform | None:
        workspace, camera_frame = config.region.workspace.frame, bundle.image.header.frame_id
        return self._transforms.lookup(workspace, camera_frame, bundle.stamp_ns) if workspace else None

    def _ready(self, bundle: Bundle, config: DepthNodeConfig) -> bool:
        try:
            self._workspace_from_camera(bundle, config)
        except TransformUnavailable:
            return False
        return self._observer.ready(bundle, config.input)

    @contextlib.contextmanager
    def _dropping(self, config: DepthNodeConfig) -> Iterator[None]:
        """What is raised inside costs this camera one frame and is told."""
        try:
            yield
        except TransformUnavailable as error:
            self.health.dropped('no transform', str(error))
        except DepthError as error:
            self.health.dropped(type(error).__name__, f'{image_topic(self._node, config.input)}: {error}')
        except Exception as error:  # a fault of ours costs this frame, not the robot's depth
            self.health.dropped('internal error', repr(error))
            self._node.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _on_time_jump(self, detail: str) -> None:
        self.health.warned('time jump', detail)
        self._transforms.clear()
        self._time_jumped = True
