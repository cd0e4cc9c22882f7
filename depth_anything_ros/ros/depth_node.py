# SPDX-License-Identifier: Apache-2.0
"""depth_node: camera and ranger in, dense metric depth out. Packs, calls, publishes; the work is done elsewhere."""

from __future__ import annotations

import sys
import traceback

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.core.transform_tree import TransformUnavailable
from depth_anything_ros.engines.factory import create_engine
from depth_anything_ros.pipeline.estimator import DepthEstimator, StageClock
from depth_anything_ros.ros.depth_node_config import DepthNodeConfig
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.inputs import Inputs, image_topic, source_names
from depth_anything_ros.ros.observer import Observer
from depth_anything_ros.ros.outputs import Outputs
from depth_anything_ros.ros.parameters import Parameters
from depth_anything_ros.ros.spinning import run_node
from depth_anything_ros.ros.sync import Bundle, FrameSync
from depth_anything_ros.ros.transforms import TransformSource
from depth_anything_ros.ros.worker import Worker
from depth_anything_ros.ros.working_node import WorkingNode

LOOK_AGAIN_S = 0.02  # a waiting frame is looked at this often when no message comes


class DepthNode(WorkingNode):
    """Lifecycle: configure loads the engine and opens the outputs, activate subscribes, deactivate unsubscribes.

    Raises ConfigError at construction on a parameter that is unknown or out of range.
    """

    def __init__(self, node_name: str = 'depth_node', **kwargs):
        super().__init__(node_name, **kwargs)
        self._estimator: DepthEstimator | None = None
        self._inputs: Inputs | None = None
        self._time_jumped = False
        self.parameters = Parameters(self, DepthNodeConfig(), self._on_parameters)
        config = self.parameters.config
        self.health = Health(
            self, image_topic=image_topic(self, config.input), expects_prompt=bool(source_names(config.input))
        )
        self.health.active = False

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        config = self.parameters.config
        try:
            calibration = Calibration.load(config.input.calibration) if config.input.calibration else None
            self._estimator = DepthEstimator(create_engine(config.model, config.engine), config.estimator)
            self._outputs = Outputs(self, self.health, config.publish.cubemap.enabled)
        except DepthError as error:
            self.get_logger().error(f'cannot configure: {error}')
            return TransitionCallbackReturn.FAILURE
        self._transforms = TransformSource(self, calibration.transforms if calibration else (), warn=self.health.warned)
        self._observer = Observer(self._transforms, calibration)
        for key, value in self._estimator.engine.describe().items():
            self.get_logger().info(f'{key}: {value}')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        config = self.parameters.config
        self._sync = FrameSync(
            config.sync,
            source_names(config.input),
            needs_info=config.input.camera_model == 'camera_info',
            image_topic=image_topic(self, config.input),
            info_topic=self.resolve_topic_name('camera_info'),
            on_drop=self.health.dropped,
            on_jump=self._on_time_jump,
            on_warn=self.health.warned,
        )
        self._worker = Worker(self._work, LOOK_AGAIN_S)
        try:
            self._inputs = Inputs(self, config.input, self._sync, self.health, self._worker.wake)
        except DepthError as error:
            self.get_logger().error(f'cannot activate: {error}')
            self._worker.close()
            return TransitionCallbackReturn.FAILURE
        self.health.active = True
        return super().on_activate(state)

    def _work(self) -> None:
        """One frame, if one is ready: the newest. In the worker's thread, so that messages go on arriving."""
        try:
            self._take_and_answer(self.parameters.config)
        except TransformUnavailable as error:
            self.health.dropped('no transform', str(error))
        except DepthError as error:
            self.health.dropped(type(error).__name__, f'{image_topic(self, self.parameters.config.input)}: {error}')
        except Exception as error:  # a fault of ours costs this frame, not the robot's depth
            self.health.dropped('internal error', repr(error))
            self.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _take_and_answer(self, config: DepthNodeConfig) -> None:
        if self._time_jumped:  # here, not where it was noticed: an estimate may have been under way then
            self._time_jumped = False
            self._estimator.reset()
        bundle = self._sync.take(
            self.get_clock().now().nanoseconds,
            max_age_s=config.max_age_s,
            ready=lambda bundle: self._observer.ready(bundle, config.input),
            ready_wait_s=config.input.tf_tolerance_s,
        )
        if bundle is None:
            return
        if self._outputs.wanted():
            self._answer(bundle, config)
        else:
            self.health.idle()

    def _answer(self, bundle: Bundle, config: DepthNodeConfig) -> None:
        clock = StageClock()
        observation = self._observer.observe(bundle, config.input)
        clock.lap('decode')
        frame = self._estimator.estimate(observation)
        published_ms = self._outputs.publish(frame, observation.image_rgb, bundle.image.header, config.publish)
        frame.timings_ms.update(clock.laps_ms | published_ms)
        latency_ms = (self.get_clock().now().nanoseconds - bundle.stamp_ns) * 1e-6
        self.health.published(frame, latency_ms, {'depth': 'radial range' if frame.camera.is_equirectangular else 'z'})

    def _on_parameters(self, config: DepthNodeConfig) -> None:
        if self._estimator is not None:
            self._estimator.config = config.estimator
        if self._inputs is not None:
            self._sync.config = config.sync

    def _on_time_jump(self, detail: str) -> None:
        self.health.warned('time jump', detail)
        self._transforms.clear()
        self._time_jumped = True

    def _stop_listening(self) -> None:
        if self._inputs is None:
            return
        self.health.active = False
        self._inputs.close()
        self._inputs = None
        self._worker.close()

    def _release(self) -> None:
        if self._estimator is None:
            return
        self._estimator.engine.close()
        self._estimator = None
        self._outputs.close()
        self._transforms.close()


def main(args: list[str] | None = None) -> int:
    """Entry point of the executable."""
    return run_node(DepthNode, args)


if __name__ == '__main__':
    sys.exit(main())
