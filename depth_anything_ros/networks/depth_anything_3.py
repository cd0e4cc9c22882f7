# SPDX-License-Identifier: Apache-2.0
"""Depth Anything 3, the monocular metric model (DA3METRIC-LARGE, arXiv 2511.10647): image -> metric depth and sky.

DINOv2 ViT-L/14 and a DPT head with two outputs. Its depth is that of a camera with a focal length of 300 px; metres =
focal x depth / 300, with the focal length in pixels of the image that the network sees (the authors' nested model
scales it that way), not of the raw one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Dinov2Backbone

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.dinov2 import PATCH_PX, dinov2_config, official_dinov2_state, with_official_positions
from depth_anything_ros.networks.dpt_head import DptHead, check_sizes
from depth_anything_ros.networks.masked_resize import resize_masked
from depth_anything_ros.networks.pixels import as_pixels, imagenet_normalised
from depth_anything_ros.networks.resize import area, cubic, upper_bound_sizes

CANONICAL_FOCAL_PX = 300.0
SKY = 0.3  # the sky map says sky from here on
OUTPUTS = ('output_conv2', 'sky_output_conv2')


@dataclass(frozen=True)
class DepthAnything3Config:
    """The released ViT-L by default. taps: blocks whose output the head sees; side_px: longer side of the input."""

    hidden: int = 1024
    layers: int = 24
    heads: int = 16
    taps: tuple[int, ...] = (4, 11, 17, 23)
    features: int = 256
    channels: tuple[int, ...] = (256, 512, 1024, 1024)
    side_px: int = 504

    def __post_init__(self):
        check_sizes(self.layers, self.taps, self.features, self.channels)
        if min(self.hidden, self.heads) < 1 or self.hidden % self.heads:
            raise CheckpointError(f'hidden: expected a multiple of heads, got {self.hidden} for {self.heads} heads')
        if self.side_px < PATCH_PX or self.side_px % PATCH_PX:
            raise CheckpointError(f'side_px: expected a multiple of {PATCH_PX}, got {self.side_px}')


class DepthAnything3Net(nn.Module):
    """forward(image, depth_m, sigma_m, camera) -> (depth_m, sigma_m); the prompt is not looked at.

    image (B, H, W, 3) uint8; camera (B, 4) with fx, fy in pixels of this image. depth_m (B, H, W): z, metres, 0 in the
    sky, and 0 everywhere without a focal length (`needs_focal`: whoever calls it says so first). sigma_m: 0, unknown.
    """

    needs_focal = True

    def __init__(self, config: DepthAnything3Config | None = None):
        super().__init__()
        self.config = config = config or DepthAnything3Config()
        settings = dinov2_config(config.hidden, config.layers, config.heads, config.taps, mask_token=False)
        self.backbone = with_official_positions(Dinov2Backbone(settings))
        self.head = DptHead(config.hidden, config.features, config.channels, OUTPUTS, spare_unit=False)

    def forward(self, image: Tensor, depth_m: Tensor, sigma_m: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        pixels = as_pixels(image, PATCH_PX)
        height, width = pixels.shape[-2:]
        pixels = imagenet_normalised(resized(pixels, self.config.side_px))
        depth, sky = self.maps(pixels)
        seen_height, seen_width = pixels.shape[-2:]
        focal_px = (camera[:, 0] * (seen_width / width) + camera[:, 1] * (seen_height / height)) / 2
        metres = depth * (focal_px / CANONICAL_FOCAL_PX).clamp_min(0)[:, None, None, None]
        z_m = resize_masked(metres, sky, SKY, (height, width))
        return z_m, torch.zeros_like(z_m)

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (B, 3, h, w), multiples of 14 -> depth of the canonical camera, sky; (B, 1, h, w)."""
        size = pixels.shape[-2:]
        depth, sky = self.head(self.grids(pixels), size)
        return depth.exp(), F.relu(sky)

    def grids(self, pixels: Tensor) -> list[Tensor]:
        """What the head sees: four of (B, hidden, h / 14, w / 14)."""
        rows, columns = (side // PATCH_PX for side in pixels.shape[-2:])
        tapped = self.backbone(pixels).feature_maps
        return [tokens[:, 1:].transpose(1, 2).unflatten(2, (rows, columns)) for tokens in tapped]


def resized(pixels: Tensor, side_px: int) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> longer side `side_px`, then both to the nearest multiple of 14; area or cubic.

    The authors round to 8 bits after each step. Here nothing is rounded, at most half a grey level away from theirs:
    a value near the middle of two levels would fall to one side in torch and to the other in an exported graph, and
    with it the outline of the sky.
    """
    for size in upper_bound_sizes(*pixels.shape[-2:], side_px, PATCH_PX):
        grows = size[0] > pixels.shape[-2] or size[1] > pixels.shape[-1]
        pixels = cubic(pixels, size).clamp(0, 1) if grows else area(pixels, size)
    return pixels


def official_state(state: dict[str, Tensor], config: DepthAnything3Config) -> dict[str, Tensor]:
    """The released file's keys, without its "model." before each -> those of DepthAnything3Net."""
    return official_dinov2_state(state, 'backbone.pretrained.', 'backbone.')
