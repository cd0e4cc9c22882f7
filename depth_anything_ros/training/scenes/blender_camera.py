# SPDX-License-Identifier: Apache-2.0
"""One camera view rendered by Cycles: the picture, and exact z-depth at the pixel centres."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from depth_anything_ros.core.errors import MissingExtra

HORIZONTAL_FOV_DEG = 70.0


class BlenderCamera:
    """A pinhole camera in the open scene, of `width` x `height` pixels, with intrinsics fx = fy, cx, cy in pixels.

    Pixel centres are at integer coordinates, so that Blender's centred sensor has its principal point at
    (width - 1) / 2, (height - 1) / 2.
    """

    def __init__(self, width: int, height: int, samples: int):
        self.width, self.height, self.samples = width, height, samples
        data = bpy.data.cameras.new('camera')
        data.sensor_fit, data.sensor_width = 'HORIZONTAL', 36.0
        data.lens = 18.0 / np.tan(np.radians(HORIZONTAL_FOV_DEG) / 2)
        data.clip_start, data.clip_end = 0.02, 200.0
        self.body = bpy.data.objects.new('camera', data)
        scene = bpy.context.scene
        scene.collection.objects.link(self.body)
        scene.camera = self.body
        scene.render.engine = 'CYCLES'
        scene.render.resolution_x, scene.render.resolution_y = width, height
        scene.render.resolution_percentage = 100
        scene.render.use_persistent_data = True
        scene.render.use_motion_blur = False
        scene.view_layers[0].use_pass_z = True
        scene.view_settings.view_transform = 'AgX'
        scene.view_settings.look = 'AgX - Medium High Contrast'
        scene.view_settings.exposure = 0.55

        cycles = scene.cycles
        cycles.device = 'CPU'
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 7, 4, 3
        cycles.transmission_bounces = 6
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.sample_clamp_indirect = 4.0
        cycles.denoiser, cycles.denoising_input_passes = 'OPENIMAGEDENOISE', 'RGB_ALBEDO_NORMAL'
        cycles.adaptive_threshold = 0.02
        cycles.seed = 1

    @property
    def focal_px(self) -> float:
        return 0.5 * self.width / np.tan(np.radians(HORIZONTAL_FOV_DEG) / 2)

    def look_from(self, odom_from_camera: np.ndarray) -> None:
        """Takes the pose (4, 4) of an optical frame (x right, y down, z ahead); Blender's camera looks along -z."""
        self.body.matrix_world = Matrix((odom_from_camera @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist())

    def render_picture(self, path: Path) -> None:
        """Writes the denoised view as an 8-bit PNG."""
        scene = bpy.context.scene
        scene.cycles.samples = self.samples
        scene.cycles.use_adaptive_sampling = True
        scene.cycles.use_denoising = True
        scene.cycles.pixel_filter_type, scene.cycles.filter_width = 'BLACKMAN_HARRIS', 1.5
        scene.render.image_settings.media_type = 'IMAGE'
        scene.render.image_settings.file_format = 'PNG'
        scene.render.image_settings.color_mode = 'RGB'
        self._write(path)

    def render_depth(self, path: Path) -> np.ndarray:
        """z-depth (H, W) float32 in metres at the pixel centres, inf where nothing is hit.

        A rendering of its own: one sample through the narrowest pixel filter, because the picture's wide filter
        would move the depth sample away from the pixel's centre. `path` is an EXR file that is left behind.
        """
        try:
            import OpenEXR
        except ImportError as error:
            raise MissingExtra('OpenEXR', 'scenes', 'reading rendered depth') from error
        scene = bpy.context.scene
        scene.cycles.samples = 1
        scene.cycles.use_adaptive_sampling = False
        scene.cycles.use_denoising = False
        scene.cycles.pixel_filter_type, scene.cycles.filter_width = 'BOX', 0.01
        scene.render.image_settings.media_type = 'MULTI_LAYER_IMAGE'
        scene.render.image_settings.file_format = 'OPEN_EXR_MULTILAYER'
        scene.render.image_settings.color_depth = '32'
        self._write(path)
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: channel for part in file.parts for name, channel in part.channels.items()}
            depth_m = np.array(channels['ViewLayer.Depth.Z'].pixels, np.float32)
        depth_m[depth_m > 1e6] = np.inf  # Cycles writes 1e10 for the sky
        return depth_m

    @staticmethod
    def _write(path: Path) -> None:
        bpy.context.scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
