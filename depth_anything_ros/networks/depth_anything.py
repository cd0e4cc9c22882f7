# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V1 (arXiv 2401.10891), V2 and V2 metric (2406.09414): transformers' network behind our contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DepthAnythingConfig as TransformersConfig
from transformers import DepthAnythingForDepthEstimation

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.dinov2 import PATCH_PX, TRAINED_PX, with_official_positions
from depth_anything_ros.networks.dpt_config import DptConfig, huggingface_dpt_state, official_dpt_state
from depth_anything_ros.networks.dpt_fusion import with_early_projection
from depth_anything_ros.networks.pixels import as_pixels, imagenet_normalised
from depth_anything_ros.networks.resize import lower_bound


@dataclass(frozen=True)
class DepthAnythingConfig(DptConfig):
    """version: 1 taps the last four blocks. max_depth_m: of a metric network (20 Hypersim, 80 VKITTI), None: disparity.

    side_px: the shorter side of what the network sees.
    """

    version: int = 2
    max_depth_m: float | None = None
    side_px: int = TRAINED_PX

    def __post_init__(self):
        if self.version not in (1, 2):
            raise CheckpointError(f'version: expected 1 or 2, got {self.version}')
        super().__post_init__()
        if self.max_depth_m is not None and not self.max_depth_m > 0:
            raise CheckpointError(f'max_depth_m: expected metres above 0 or null, got {self.max_depth_m}')
        if self.side_px < PATCH_PX or self.side_px % PATCH_PX:
            raise CheckpointError(f'side_px: expected a multiple of {PATCH_PX}, got {self.side_px}')

    def _defaults(self) -> dict[str, Any]:
        defaults = super()._defaults()
        layers = self.layers or defaults['layers']
        return {**defaults, 'taps': tuple(range(layers - 4, layers))} if self.version == 1 else defaults


class DepthAnythingNet(nn.Module):
    """forward(image, depth_m, sigma_m, camera) -> (depth, sigma); prompt and camera are not looked at.

    image (B, H, W, 3) uint8. depth (B, H, W): metres along the optical axis, or disparity up to scale and shift, from 0
    (infinitely far). sigma: 0, the network does not say.
    """

    needs_focal = False

    def __init__(self, config: DepthAnythingConfig | None = None):
        super().__init__()
        self.config = config = config or DepthAnythingConfig()
        kind = 'relative' if config.max_depth_m is None else 'metric'
        settings = TransformersConfig(depth_estimation_type=kind, **config.transformers_settings())
        self.network = with_early_projection(DepthAnythingForDepthEstimation(settings))
        self.network.head.max_depth = config.max_depth_m or 1  # transformers' settings take whole metres only
        with_official_positions(self.network.backbone)

    def forward(self, image: Tensor, depth_m: Tensor, sigma_m: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        pixels = imagenet_normalised(lower_bound(as_pixels(image, PATCH_PX), self.config.side_px, PATCH_PX))
        depth = self.predict(pixels)
        if depth.shape[1:] != image.shape[1:3]:
            # V1's own script maps pixel middles onto each other, V2's the corners
            corners = self.config.version == 2
            depth = F.interpolate(depth[:, None], image.shape[1:3], mode='bilinear', align_corners=corners)[:, 0]
        return depth, depth.new_zeros(depth.shape)

    def predict(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (B, 3, h, w), multiples of 14 -> depth or disparity (B, h, w)."""
        return self.network(pixel_values=pixels).predicted_depth


def official_state(state: dict[str, Tensor], config: DepthAnythingConfig) -> dict[str, Tensor]:
    """Keys of the authors' .pth files -> those of DepthAnythingNet."""
    return official_dpt_state(state)


def huggingface_state(state: dict[str, Tensor], config: DepthAnythingConfig) -> dict[str, Tensor]:
    """Keys of the `-hf` files -> those of DepthAnythingNet."""
    return huggingface_dpt_state(state)
