# SPDX-License-Identifier: Apache-2.0
"""Many quick views of one Blender scene: scene-referred radiance, exact z-depth and sensor drop-out.

Two renderings a view. The picture: a few light paths a pixel, indirect light approximated by ambient occlusion after
the first bounce, denoised. The depth: one path through the narrowest pixel filter, as in `blender_camera`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from depth_anything_ros.core.errors import MissingExtra
from depth_anything_ros.training.scenes.quiet import quiet_stdout

DROPOUT_STEPS = 100  # Blender's material index is an integer; this many steps make a drop-out of 1
NOTHING_M = 1e6  # Cycles writes 1e10 for the sky


@dataclass(frozen=True, eq=False)
class RenderedView:
    """radiance (H, W, 3) float32, linear RGB; depth_m (H, W) float32 z-depth, NaN where nothing is hit;
    dropout (H, W) float32: chance in [0, 1] that a ranging pulse on that surface brings no return.
    """

    radiance: np.ndarray
    depth_m: np.ndarray
    dropout: np.ndarray


class ViewCamera:
    """A pinhole camera in the open scene. Pixel centres at integers; the principal point is the middle."""

    def __init__(self, width: int, height: int, samples: int, threads: int, work: Path):
        try:
            import OpenEXR  # noqa: F401
        except ImportError as error:
            raise MissingExtra('OpenEXR', 'scenes', 'reading rendered views') from error
        self.width, self.height, self.samples, self.work = width, height, samples, work
        data = bpy.data.cameras.new('view')
        data.sensor_fit, data.sensor_width = 'HORIZONTAL', 36.0
        data.clip_start, data.clip_end = 0.02, 400.0
        self.body = bpy.data.objects.new('view', data)
        scene = bpy.context.scene
        scene.collection.objects.link(self.body)
        scene.camera = self.body
        scene.render.engine = 'CYCLES'
        scene.render.resolution_x, scene.render.resolution_y = width, height
        scene.render.resolution_percentage = 100
        scene.render.use_persistent_data = True
        scene.render.threads_mode, scene.render.threads = 'FIXED', threads
        scene.render.image_settings.media_type = 'MULTI_LAYER_IMAGE'
        scene.render.image_settings.file_format = 'OPEN_EXR_MULTILAYER'
        scene.render.image_settings.color_depth = '32'
        scene.render.image_settings.exr_codec = 'NONE'
        scene.view_layers[0].use_pass_z = True
        scene.view_layers[0].use_pass_material_index = True
        for material in bpy.data.materials:
            material.pass_index = round(DROPOUT_STEPS * material.get('lidar_dropout', 0.0))
        cycles = scene.cycles
        cycles.device = 'CPU'
        cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces, cycles.transmission_bounces = 4, 1, 2, 4
        cycles.use_fast_gi, cycles.fast_gi_method = True, 'REPLACE'
        cycles.ao_bounces_render = 1
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.sample_clamp_indirect = 3.0
        cycles.use_adaptive_sampling = False
        cycles.denoiser, cycles.denoising_input_passes = 'OPENIMAGEDENOISE', 'RGB_ALBEDO_NORMAL'
        cycles.denoising_quality, cycles.denoising_prefilter = 'FAST', 'NONE'
        cycles.use_light_tree = True

    def look_from(self, world_from_optical: tuple[np.ndarray, np.ndarray], fov_deg: float) -> np.ndarray:
        """Takes rotation (3, 3) and eye (3,) of an optical frame; returns fx, fy, cx, cy in pixels."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = world_from_optical
        self.body.matrix_world = Matrix((pose @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist())
        half = np.tan(np.radians(fov_deg) / 2)
        self.body.data.lens = 18.0 / half
        focal_px = 0.5 * self.width / half
        return np.array([focal_px, focal_px, (self.width - 1) / 2, (self.height - 1) / 2], np.float32)

    def render_depth(self) -> tuple[np.ndarray, np.ndarray]:
        """(depth_m, dropout) as in RenderedView."""
        scene = bpy.context.scene
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.max_bounces = 1, False, 0
        scene.cycles.pixel_filter_type, scene.cycles.filter_width = 'BOX', 0.01
        layers = self._render()
        depth_m = layers['ViewLayer.Depth.Z']
        depth_m = np.where(depth_m > NOTHING_M, np.nan, depth_m).astype(np.float32)
        index = next(layers[name] for name in layers if name.startswith('ViewLayer.Material Index.'))
        return depth_m, np.where(np.isfinite(depth_m), index / DROPOUT_STEPS, 0).astype(np.float32)

    def render_picture(self, seed: int) -> np.ndarray:
        """Denoised radiance (H, W, 3)."""
        scene = bpy.context.scene
        scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.max_bounces = self.samples, True, 4
        scene.cycles.pixel_filter_type, scene.cycles.filter_width = 'BLACKMAN_HARRIS', 1.5
        scene.cycles.seed = seed
        layers = self._render()
        return np.stack([layers[f'ViewLayer.Combined.{channel}'] for channel in 'RGB'], axis=-1)

    def _render(self) -> dict[str, np.ndarray]:
        import OpenEXR

        path = self.work / 'view.exr'
        bpy.context.scene.render.filepath = str(path)
        with quiet_stdout():
            bpy.ops.render.render(write_still=True)
        with OpenEXR.File(str(path), separate_channels=True) as file:
            return {
                name: np.array(channel.pixels, np.float32)
                for part in file.parts
                for name, channel in part.channels.items()
            }


def probe_m(eye_m: np.ndarray, rotation: np.ndarray) -> tuple[float, np.ndarray]:
    """(distance to the nearest surface around the eye, (35,) distances over a field of 60 degrees ahead)."""
    graph = bpy.context.evaluated_depsgraph_get()

    def range_m(direction) -> float:
        hit, place, *_ = bpy.context.scene.ray_cast(graph, eye_m.tolist(), direction.tolist())
        return float(np.linalg.norm(np.array(place) - eye_m)) if hit else np.inf

    around = [
        np.array([x, y, z], float) / np.sqrt(x * x + y * y + z * z)
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
        for z in (-1, 0, 1)
        if (x, y, z) != (0, 0, 0)
    ]
    ahead = [rotation @ np.array([x, y, 1.0]) for y in (-0.4, -0.2, 0, 0.2, 0.4) for x in np.linspace(-0.6, 0.6, 7)]
    ahead = [direction / np.linalg.norm(direction) for direction in ahead]
    return min(range_m(direction) for direction in around), np.array([range_m(direction) for direction in ahead])
