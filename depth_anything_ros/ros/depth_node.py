# SPDX-License-Identifier: Apache-2.0
"""depth_node: cameras and rangers in, dense metric depth out. Packs, calls, publishes; the work is done elsewhere."""

from __future__ import annotations

import sys
from dataclasses import replace

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.engines.factory import create_engine
from depth_anything_ros.pipeline.batch import infer_together
from depth_anything_ros.ros.camera_stream import CameraStream
from depth_anything_ros.ros.depth_node_config import DepthNodeConfig
from depth_anything_ros.ros.health import Health, SharedHealth
from depth_anything_ros.ros.inputs import SweepInputs, image_topic, source_names
from depth_anything_ros.ros.parameters import Parameters
from depth_anything_ros.ros.spinning import run_node
from depth_anything_ros.ros.sub_node import SubNode
from depth_anything_ros.ros.transforms import TransformSource
from depth_anything_ros.ros.worker import Worker
from depth_anything_ros.ros.working_node import WorkingNode

LOOK_AGAIN_S = 0.02  # a waiting frame is looked at this often when no message comes
ALONE = ''  # the name of the only camera


class DepthNode(WorkingNode):
    """Lifecycle: configure loads the engine and opens the outputs, activate subscribes, deactivate unsubscribes.

    healths, streams: by the camera's name, of which a node without `cameras` has one, ''. Raises ConfigError at
    construction on a parameter that is unknown or out of range.
    """

    def __init__(self, node_name: str = 'depth_node', **kwargs):
        super().__init__(node_name, **kwargs)
        self.streams: dict[str, CameraStream] = {}
        self.parameters = Parameters(self, DepthNodeConfig(), self._on_parameters)
        config = self.parameters.config
        self._faces = {name: SubNode(self, name) for name in config.cameras} or {ALONE: self}
        self.healths = {
            name: Health(
                face,
                image_topic=image_topic(face, config.input),
                expects_prompt=bool(source_names(config.input)),
                camera=name,
            )
            for name, face in self._faces.items()
        }
        self._shared_health = SharedHealth(self.healths.values())
        for health in self.healths.values():
            health.active = False

    def _open(self) -> None:
        config = self.parameters.config
        calibration = Calibration.load(config.input.calibration) if config.input.calibration else None
        engine = create_engine(config.model, config.engine, config.engine_options)
        self._opened.callback(engine.close)
        extrinsics = calibration.transforms if calibration else ()
        transforms = TransformSource(self, extrinsics, warn=self._shared_health.warned)
        self._opened.callback(transforms.close)
        self._opened.callback(self.streams.clear)
        for name, face in self._faces.items():
            of_camera = _of_camera(calibration, name, config)
            stream = CameraStream(face, self.healths[name], engine, transforms, of_camera, config)
            self._opened.callback(stream.close)
            self.streams[name] = stream
        for key, value in engine.describe().items():
            self.get_logger().info(f'{key}: {value}')

    def _listen(self) -> None:
        config = self.parameters.config
        self._worker = Worker(self._work, LOOK_AGAIN_S)
        self._listening.callback(self._worker.close)
        for stream in self.streams.values():
            self._listening.callback(stream.rest)
            stream.listen(config, self._worker.wake)
        syncs = [stream.sync for stream in self.streams.values()]
        sweeps = SweepInputs(self, config.input, syncs, self._shared_health, self._worker.wake)
        self._listening.callback(sweeps.close)

    def _work(self) -> None:
        """The newest frame of every camera that has one ready. In the worker's thread: messages go on arriving.

        Nobody waits for a camera that has none: while a batch is worked on the next one gathers, so that the busier
        the engine, the fuller its batches.
        """
        config, now_ns = self.parameters.config, self.get_clock().now().nanoseconds
        started = [
            (stream, frame)
            for stream in self.streams.values()
            if (frame := stream.start(config, now_ns)) is not None
        ]  # fmt: skip
        if not started:
            return
        jobs = [frame.job for _, frame in started]
        answers = infer_together(jobs, on_split=lambda why: self._shared_health.warned('batch failed', why))
        for (stream, frame), answer in zip(started, answers, strict=True):
            stream.finish(frame, answer, config)

    def _on_parameters(self, config: DepthNodeConfig) -> None:
        for stream in self.streams.values():
            stream.configure(config)


def _of_camera(calibration: Calibration | None, name: str, config: DepthNodeConfig) -> Calibration | None:
    """What one of several cameras is to see of the calibration: itself as the only camera. Raises CalibrationError."""
    if calibration is None or name == ALONE or config.input.camera_model != 'calibration':
        return calibration
    return replace(calibration, cameras={name: calibration.camera(name)})


def main(args: list[str] | None = None) -> int:
    """Entry point of the executable."""
    return run_node(DepthNode, args)


if __name__ == '__main__':
    sys.exit(main())
