# SPDX-License-Identifier: Apache-2.0
"""A network for pinhole images on panoramas: overlapping views of the sphere, one after the other, fused into range.

Every view is given the returns that lie in it. A metric network's views are made to agree by a factor each, a relative
network's by a scale and a shift each, which the returns and the overlaps settle together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.engines.base import Engine, Prediction
from depth_anything_ros.pipeline.view_alignment import metric_views
from depth_anything_ros.pipeline.view_fusion import fused
from depth_anything_ros.projection.conditioning import ConditionedPrompt, ConditioningConfig, condition
from depth_anything_ros.projection.outliers import OutlierConfig
from depth_anything_ros.projection.rasterize import rasterize
from depth_anything_ros.projection.views import View, bordered, cube_views, default_size_px

UNGATED = ConditioningConfig(outliers=OutlierConfig(enabled=False))  # the panorama's prompt went through the gate
STRIDE_PX = 32  # views of such sides need no padding


@dataclass(frozen=True)
class PanoramaConfig:
    """How a network that was made for pinhole images is run on an equirectangular one."""

    method: str = setting(
        'views',
        'a network for pinhole images on a panorama: views: on six overlapping views, fused; direct: as if it were one',
        choices=('views', 'direct'),
    )
    view_fov_deg: float = setting(105.0, 'field of view of each of the six views', unit='deg', low=92.0, high=140.0)
    view_size_px: int = setting(
        0, "side of a view; 0: as fine as a cube's faces a quarter as wide as the image", unit='px', low=0, high=4096
    )

    def __post_init__(self):
        validate(self)


def engine_for(engine: Engine, camera: CameraModel, config: PanoramaConfig) -> Engine:
    """The engine itself, or one that runs it on views where the image is a panorama and it was made for others."""
    if camera.is_equirectangular and config.method == 'views' and engine.camera == 'pinhole':
        return PanoramaViews(engine, config)
    return engine


class PanoramaViews(Engine):
    """An engine of pinhole images, as an engine of panoramas. Views run one after the other: memory is that of one."""

    camera = 'equirectangular'

    def __init__(self, engine: Engine, config: PanoramaConfig):
        self.engine, self.config = engine, config
        self.name, self.model = engine.name, engine.model

    def infer(self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel | None) -> Prediction:
        """(H, W, 3) uint8 panorama and the prompt on its pixels -> radial Prediction.

        camera is the prompt's: what a panorama's pixels mean is never a guess. Raises what the engine raises on a
        view, and InvalidInput for a relative network without returns.
        """
        panorama = prompt.sparse.camera
        border_rgb = bordered(image_rgb)
        xyz_m, sigma_m = returns_of(prompt.sparse)
        seen = []
        for view in self.views(panorama):
            own = view_prompt(view, xyz_m, sigma_m, prompt.sparse)
            seen.append((view, own, self.engine.infer(view.colour(border_rgb), condition(own, UNGATED), view.camera)))
        if not all(prediction.metric for _, _, prediction in seen):
            seen = metric_views(seen)
        return fused(seen, panorama)

    def views(self, panorama: CameraModel) -> tuple[View, ...]:
        """The views of such a panorama; the same objects every time."""
        fov_deg = self.config.view_fov_deg
        size_px = self.config.view_size_px or -(-default_size_px(panorama, fov_deg) // STRIDE_PX) * STRIDE_PX
        return cube_views(panorama, size_px, fov_deg)

    def describe(self) -> dict[str, str]:
        views = f'{self.config.view_fov_deg:g} degrees each'
        return {**self.engine.describe(), 'panorama': f'six views of {views}, fused'}

    def close(self) -> None:
        self.engine.close()


def returns_of(prompt: SparsePrompt) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) float32 points in the camera's frame and their (N,) sigma."""
    at = np.flatnonzero(~np.isnan(prompt.depth_m))
    rays = prompt.camera.rays().reshape(-1, 3).take(at, axis=0)
    return rays * prompt.depth_m.ravel().take(at)[:, None], prompt.sigma_m.ravel().take(at)


def view_prompt(view: View, xyz_m: np.ndarray, sigma_m: np.ndarray, panorama: SparsePrompt) -> SparsePrompt:
    """The returns (N, 3) in the panorama's frame that lie in a view, as its prompt."""
    raster = rasterize(xyz_m @ view.panorama_from_view.rotation.astype(np.float32), view.camera, sigma_m)
    stats = PromptStats(raster.count, raster.count / raster.depth_m.size, panorama.stats.age_s)
    return SparsePrompt(raster.depth_m, raster.sigma_m, view.camera, panorama.kind, stats)
