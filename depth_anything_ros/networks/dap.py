# SPDX-License-Identifier: Apache-2.0
"""Depth Any Panoramas (DAP, arXiv 2512.16913): equirectangular image -> metric radial depth.

DINOv3 ViT-L/16 and two DPT heads, depth and mask. The released weights were trained with a quirk of their adapter
that is part of the network: the first patch token of every tap is lost (taken for the class token), the others are
stretched over the grid in raster order, and a second LayerNorm comes after the backbone's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.dinov3 import PATCH_PX, Dinov3, Dinov3Size, official_dinov3_state
from depth_anything_ros.networks.dpt_head import DptHead, check_sizes
from depth_anything_ros.networks.masked_resize import resize_masked
from depth_anything_ros.networks.pixels import as_pixels, imagenet_normalised
from depth_anything_ros.networks.resize import cubic

NORMALISATIONS = ('imagenet', 'none')
NO_DEPTH = 0.5  # the mask is "sky or out of range" from here on
MODEL, ALIASES = 'core.pretrained.model.', 'core.pretrained.blocks.'
RENAMED = {
    'core.pretrained.norm.': 'norm.',
    'core.depth_head.': 'depth_head.',
    'core.mask_head.': 'mask_head.',
}


@dataclass(frozen=True)
class DapConfig:
    """The released ViT-L by default. taps: blocks whose output the heads see; height, width: of the network's input.

    normalisation: 'imagenet', as the official evaluation feeds the network, or 'none' ([0, 1]), as its inference
    script does.
    """

    hidden: int = 1024
    layers: int = 24
    heads: int = 16
    taps: tuple[int, ...] = (4, 11, 17, 23)
    features: int = 256
    channels: tuple[int, ...] = (256, 512, 1024, 1024)
    height: int = 512
    width: int = 1024
    max_depth_m: float = 100.0
    normalisation: str = 'imagenet'

    def __post_init__(self):
        check_sizes(self.layers, self.taps, self.features, self.channels)
        if self.height % PATCH_PX or self.width != 2 * self.height or self.height < PATCH_PX:
            raise CheckpointError(
                f'height, width: expected 1:2 and multiples of {PATCH_PX}, got {self.height}, {self.width}'
            )
        if not self.max_depth_m > 0:
            raise CheckpointError(f'max_depth_m: expected metres above 0, got {self.max_depth_m}')
        if self.normalisation not in NORMALISATIONS:
            raise CheckpointError(f'normalisation: expected {" or ".join(NORMALISATIONS)}, got {self.normalisation!r}')


class DapNet(nn.Module):
    """forward(image, depth_m, sigma_m, camera) -> (depth_m, sigma_m); prompt and camera are not looked at.

    image (B, H, W, 3) uint8, a full panorama. depth_m (B, H, W): radial, metres, 0 where the mask says sky or out of
    range (the official script writes 100 m there). sigma_m: 0, the network does not say.
    """

    needs_focal = False

    def __init__(self, config: DapConfig | None = None):
        super().__init__()
        self.config = config = config or DapConfig()
        self.backbone = Dinov3(Dinov3Size(config.hidden, config.layers, config.heads, 4 * config.hidden))
        self.norm = nn.LayerNorm(config.hidden)
        self.depth_head = DptHead(config.hidden, config.features, config.channels)
        self.mask_head = DptHead(config.hidden, config.features, config.channels)

    def forward(self, image: Tensor, depth_m: Tensor, sigma_m: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        pixels = as_pixels(image, PATCH_PX)
        size = tuple(pixels.shape[-2:])
        pixels = cubic(pixels, (self.config.height, self.config.width))
        if self.config.normalisation == 'imagenet':
            pixels = imagenet_normalised(pixels)
        share, mask = self.maps(pixels)
        radial_m = resize_masked(share * self.config.max_depth_m, mask, NO_DEPTH, size, wraps=True)
        return radial_m, torch.zeros_like(radial_m)

    def maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels (B, 3, height, width) -> depth as a share of the maximum, mask; (B, 1, height, width)."""
        grids = self.grids(pixels)
        size = pixels.shape[-2:]
        (depth,), (mask,) = self.depth_head(grids, size), self.mask_head(grids, size)
        return depth.sigmoid(), mask.sigmoid()

    def grids(self, pixels: Tensor) -> list[Tensor]:
        """What the heads see: four of (B, hidden, height / 16, width / 16)."""
        tapped, _ = self.backbone(pixels, self.config.taps)
        rows, columns = (side // PATCH_PX for side in pixels.shape[-2:])
        return [self._grid(tokens, rows, columns) for tokens in tapped]

    def _grid(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        patches = self.norm(self.backbone.norm(tokens)[:, self.backbone.prefix_tokens :])
        kept = patches[:, 1:].transpose(1, 2)[..., None]
        stretched = F.interpolate(kept, (rows * columns, 1), mode='bilinear', align_corners=False)
        return stretched.reshape(*kept.shape[:2], rows, columns)


def official_state(state: dict[str, Tensor], config: DapConfig) -> dict[str, Tensor]:
    """The released file's keys -> those of DapNet. Raises CheckpointError where a constant or a duplicate differs.

    The file holds every block twice, the second time as core.pretrained.blocks.*.
    """
    renamed = {}
    for key, tensor in state.items():
        original = state.get(f'{MODEL}blocks.{key.removeprefix(ALIASES)}') if key.startswith(ALIASES) else None
        if original is not None:
            if not torch.equal(original, tensor):
                raise CheckpointError(f'{key}: expected a duplicate of {MODEL}{key.removeprefix("core.pretrained.")}')
            continue
        prefix = next((prefix for prefix in RENAMED if key.startswith(prefix)), '')
        renamed[RENAMED.get(prefix, '') + key.removeprefix(prefix)] = tensor
    return official_dinov3_state(renamed, MODEL, 'backbone.')
