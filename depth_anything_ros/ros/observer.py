# SPDX-License-Identifier: Apache-2.0
"""A bundle of messages becomes an Observation: decoded, rectified, with every sweep's place at its own time."""

from __future__ import annotations

from depth_anything_ros.core import messages
from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import DepthPrompt, Observation, PointSet, Sweep
from depth_anything_ros.core.transform_tree import TransformUnavailable
from depth_anything_ros.pipeline.rectification import Rectifier
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.depth_node_config import InputConfig
from depth_anything_ros.ros.sync import Bundle
from depth_anything_ros.ros.transforms import TransformSource


class Observer:
    """Keeps what stays the same from frame to frame: the camera and its rectification maps."""

    def __init__(self, transforms: TransformSource, calibration: Calibration | None):
        self._transforms = transforms
        self._calibration = calibration
        self._camera: CameraModel | None = None
        self._rectifier: Rectifier | None = None

    def ready(self, bundle: Bundle, config: InputConfig) -> bool:
        """Whether the transforms of this bundle are there; False while waiting for them may help."""
        try:
            self._sweeps(bundle, config)
        except TransformUnavailable:
            return False
        return True

    def observe(self, bundle: Bundle, config: InputConfig) -> Observation:
        """Raises InvalidInput or CalibrationError on messages that can't be used, TransformUnavailable."""
        image_rgb = conversions.image_from_message(bundle.image)
        camera = self._camera_of(bundle, config, *image_rgb.shape[1::-1])
        seen = None
        if camera.is_distorted and not camera.is_equirectangular:
            if self._rectifier is None or self._rectifier.source != camera:
                self._rectifier = Rectifier(camera)
            image_rgb, camera, seen = self._rectifier.apply(image_rgb), self._rectifier.camera, self._rectifier.seen
        prompts = (sweep.message for sweeps in bundle.sweeps.values() for sweep in sweeps)
        return Observation(
            image_rgb,
            camera,
            bundle.stamp_ns,
            self._sweeps(bundle, config),
            tuple(prompt for prompt in prompts if isinstance(prompt, DepthPrompt)),
            seen=seen,
        )

    def _camera_of(self, bundle: Bundle, config: InputConfig, width: int, height: int) -> CameraModel:
        frame_id = bundle.image.header.frame_id
        if config.camera_model == 'equirectangular':
            camera = CameraModel.equirectangular(width, height, frame_id)
        elif config.camera_model == 'calibration':
            camera = self._calibration.camera()
        else:
            camera = messages.camera_from_message(bundle.camera_info, rectified=config.image_is_rectified)
        if (camera.width, camera.height) != (width, height):
            raise InvalidInput(
                f'the camera is {camera.width}x{camera.height}, its image {width}x{height}: '
                'resize them together (image_proc/resize does) or publish the camera_info of this image'
            )
        if camera == self._camera:
            return self._camera  # keeps its cached rays
        self._camera = camera
        return camera

    def _sweeps(self, bundle: Bundle, config: InputConfig) -> tuple[Sweep, ...]:
        return tuple(
            self._sweep(bundle, stamped.message, config)
            for sweeps in bundle.sweeps.values()
            for stamped in sweeps
            if isinstance(stamped.message, PointSet) and len(stamped.message)
        )

    def _sweep(self, bundle: Bundle, points: PointSet, config: InputConfig) -> Sweep:
        camera_frame = bundle.image.header.frame_id

        def camera_from_sensor(stamp_ns: int):
            return self._transforms.camera_from_sensor(
                camera_frame, bundle.stamp_ns, points.frame_id, stamp_ns, config.fixed_frame
            )

        if not config.fixed_frame or points.time_offset_ns is None:
            return Sweep(points, camera_from_sensor(points.stamp_ns))
        last_ns = points.stamp_ns + int(points.time_offset_ns.max())
        return Sweep(points, camera_from_sensor(points.stamp_ns), camera_from_sensor(last_ns))
