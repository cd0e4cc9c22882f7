# SPDX-License-Identifier: Apache-2.0
"""A bundle of messages becomes a View: depth with its pose, sigma, colour and returns, decoded and checked."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import DepthError, InvalidInput
from depth_anything_ros.core.frames import Observation, PointSet, Sweep
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.core.transform_tree import TransformUnavailable
from depth_anything_ros.mapping.integration import View, make_view
from depth_anything_ros.mapping.returns import with_returns
from depth_anything_ros.pipeline.rectification import Rectifier
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.health import Health
from depth_anything_ros.ros.mapping_inputs import COLOR, COLOR_INFO, CONFIDENCE, Companions
from depth_anything_ros.ros.mapping_node_config import TF, MappingNodeConfig
from depth_anything_ros.ros.sync import Bundle
from depth_anything_ros.ros.transforms import TransformSource


class NoConfidence(DepthError):
    """Sigma is published, and none came for this frame: unweighed, its worst pixels would count as its best."""


class ViewMaker:
    """Colour or returns that are missing cost a warning, not the frame."""

    def __init__(self, transforms: TransformSource, companions: Companions, health: Health):
        self._transforms, self._companions, self._health = transforms, companions, health
        self._rectifier: Rectifier | None = None

    def make(self, bundle: Bundle, map_from_camera: RigidTransform, config: MappingNodeConfig) -> View:
        """Raises InvalidInput or CalibrationError on depth that cannot be used, NoConfidence."""
        camera = messages.camera_from_message(bundle.camera_info, rectified=True)
        depth_m = messages.depth_from_message(bundle.image)
        if depth_m.shape != (camera.height, camera.width):
            raise InvalidInput(
                f'the camera_info is of {camera.width}x{camera.height},'
                f' the depth of {depth_m.shape[1]}x{depth_m.shape[0]}'
            )
        sigma_m = self._sigma(bundle, config, depth_m.shape)
        if bundle.sweeps:
            depth_m, sigma_m = self._held_by_returns(bundle, camera, depth_m, sigma_m, config)
        image_rgb, rgb_camera = self._colour(bundle, config)
        return make_view(depth_m, camera, map_from_camera, config.tsdf, sigma_m, image_rgb, rgb_camera)

    def _sigma(self, bundle: Bundle, config: MappingNodeConfig, shape: tuple[int, int]) -> np.ndarray | None:
        message = self._companions.get(CONFIDENCE, bundle.stamp_ns)
        if message is None:
            if not config.input.confidence:
                return None
            if self._companions.expected(CONFIDENCE):
                raise NoConfidence('none came with the stamp of the depth')
            self._health.warned(
                'no confidence', 'nobody publishes it: pixels are not weighed (input.confidence: false)'
            )
            return None
        try:
            sigma_m = messages.depth_from_message(message)
            if sigma_m.shape != shape:
                raise InvalidInput(f'expected {shape} as the depth, got {sigma_m.shape}')
        except DepthError as error:
            self._health.warned('bad confidence', str(error))
            return None
        return sigma_m

    def _colour(self, bundle: Bundle, config: MappingNodeConfig) -> tuple[np.ndarray | None, CameraModel | None]:
        if not config.input.color:
            return None, None
        image, info = (self._companions.get(name, bundle.stamp_ns) for name in (COLOR, COLOR_INFO))
        if image is None or info is None:
            missing = COLOR if image is None else COLOR_INFO
            why = 'none has the stamp of the depth' if self._companions.expected(missing) else 'nobody publishes it'
            self._health.warned(f'no {missing}', f'{why}: the frame stays without colour')
            return None, None
        try:
            if image.header.frame_id.lstrip('/') != bundle.image.header.frame_id.lstrip('/'):
                raise InvalidInput(
                    f'expected colour in {bundle.image.header.frame_id!r} as the depth, got {image.header.frame_id!r}:'
                    ' register one to the other'
                )
            image_rgb = conversions.image_from_message(image)
            camera = messages.camera_from_message(info, rectified=config.input.color_is_rectified)
            if image_rgb.shape[:2] != (camera.height, camera.width):
                raise InvalidInput(f'expected {camera.width}x{camera.height} as its camera_info says')
            if camera.is_distorted:
                if self._rectifier is None or self._rectifier.source != camera:
                    self._rectifier = Rectifier(camera)
                image_rgb, camera = self._rectifier.apply(image_rgb), self._rectifier.camera
        except DepthError as error:
            self._health.warned('bad colour', str(error))
            return None, None
        return image_rgb, camera

    def _held_by_returns(self, bundle: Bundle, camera: CameraModel, depth_m, sigma_m, config: MappingNodeConfig):
        try:
            sweeps = tuple(
                self._sweep(bundle, stamped.message, config)
                for sweeps in bundle.sweeps.values()
                for stamped in sweeps
                if len(stamped.message)
            )
        except TransformUnavailable as error:
            self._health.warned('returns not used', str(error))
            return depth_m, sigma_m
        if not sweeps:
            return depth_m, sigma_m
        blank = np.zeros((camera.height, camera.width, 3), np.uint8)  # prompts are built from returns alone
        prompt = build_prompt(Observation(blank, camera, bundle.stamp_ns, sweeps), PromptConfig())
        return with_returns(depth_m, sigma_m, prompt.depth_m, prompt.sigma_m, camera, config.returns.radius_m)

    def _sweep(self, bundle: Bundle, points: PointSet, config: MappingNodeConfig) -> Sweep:
        fixed_frame = config.map_frame if config.pose.source == TF else ''

        def camera_from_sensor(stamp_ns: int) -> RigidTransform:
            return self._transforms.camera_from_sensor(
                bundle.image.header.frame_id, bundle.stamp_ns, points.frame_id, stamp_ns, fixed_frame
            )

        if not fixed_frame or points.time_offset_ns is None:
            return Sweep(points, camera_from_sensor(points.stamp_ns))
        last_ns = points.stamp_ns + int(points.time_offset_ns.max())
        return Sweep(points, camera_from_sensor(points.stamp_ns), camera_from_sensor(last_ns))
