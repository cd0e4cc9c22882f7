# SPDX-License-Identifier: Apache-2.0
"""Depth Pro (arXiv 2410.02073): transformers' network behind our contract, with the camera's focal length where known.

The network gives canonical inverse depth C, that of a camera whose focal length is the image's width;
1 / depth = C x width / focal length. transformers' own post-processing always takes the estimated field of view.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DepthProConfig as TransformersConfig
from transformers import DepthProForDepthEstimation, Dinov2Config

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.dinov2 import huggingface_dinov2_key, official_dinov2_state
from depth_anything_ros.networks.pixels import as_pixels
from depth_anything_ros.networks.resize import stretched

PATCH_PX = 16
SCALES = 4  # the image is this many tiles wide
INVERSE_DEPTH_RANGE = (1e-4, 1e4)  # 1/m
NETWORK = 'network.'
FOV_KEYS = ('fov.', 'fov_model.')
ENCODERS = {  # official -> transformers'
    'encoder.patch_encoder.': 'depth_pro.encoder.patch_encoder.model.',
    'encoder.image_encoder.': 'depth_pro.encoder.image_encoder.model.',
    'fov.encoder.0.': 'fov_model.fov_encoder.model.',
}
NECK = 'depth_pro.neck.'
MODULES = (  # transformers counts scales from the coarsest, the authors from the finest
    (
        r'encoder\.upsample_latent([01])\.(.+)',
        lambda m: f'{NECK}feature_upsample.intermediate.{1 - int(m[1])}.layers.{m[2]}',
    ),
    (
        r'encoder\.upsample([012])\.(.+)',
        lambda m: f'{NECK}feature_upsample.scaled_images.{2 - int(m[1])}.layers.{m[2]}',
    ),
    (r'encoder\.upsample_lowres\.(.+)', lambda m: f'{NECK}feature_upsample.image_block.layers.0.{m[1]}'),
    (r'encoder\.fuse_lowres\.(.+)', lambda m: f'{NECK}fuse_image_with_low_res.{m[1]}'),
    (r'decoder\.convs\.([1-4])\.(.+)', lambda m: f'{NECK}feature_projection.projections.{4 - int(m[1])}.{m[2]}'),
    (r'decoder\.fusions\.([0-4])\.(.+)', lambda m: _fusion_key(int(m[1]), m[2])),
    (r'head\.(.+)', lambda m: f'head.layers.{m[1]}'),
    (r'fov\.encoder\.1\.(.+)', lambda m: f'fov_model.fov_encoder.neck.{m[1]}'),
    (r'fov\.downsample\.0\.(.+)', lambda m: f'fov_model.conv.{m[1]}'),
    (r'fov\.head\.(.+)', lambda m: f'fov_model.head.layers.{m[1]}'),
)


@dataclass(frozen=True)
class DepthProConfig:
    """The released three ViT-L/16 by default. taps: blocks tapped at full scale; widths: channels of the encoder's maps
    at full, half and quarter scale; tile_px: side of a tile, the network sees 4x4 of them, 1536x1536 px.

    fov_head: estimate the field of view where the camera is not known. Without it a third of the weights is neither
    loaded nor run, and there is no depth without a focal length.
    """

    hidden: int = 1024
    layers: int = 24
    heads: int = 16
    taps: tuple[int, int] = (5, 11)
    widths: tuple[int, int, int] = (512, 1024, 1024)
    features: int = 256
    tile_px: int = 384
    fov_head: bool = True

    def __post_init__(self):
        if min(self.hidden, self.layers, self.heads) < 1 or self.hidden % self.heads:
            raise CheckpointError(f'hidden: expected a multiple of heads, got {self.hidden} for {self.heads} heads')
        if len(self.taps) != 2 or not 0 <= self.taps[0] < self.taps[1] < self.layers:
            raise CheckpointError(f'taps: expected two rising block numbers below {self.layers}, got {self.taps}')
        if len(self.widths) != 3 or min(self.widths) < 1:
            raise CheckpointError(f'widths: expected three, got {self.widths}')
        if self.features < 8 or self.features % 8:
            raise CheckpointError(f'features: expected a multiple of 8, got {self.features}')
        if self.tile_px < 4 * PATCH_PX or self.tile_px % (4 * PATCH_PX):
            raise CheckpointError(f'tile_px: expected a multiple of {4 * PATCH_PX}, got {self.tile_px}')


class DepthProNet(nn.Module):
    """forward(image, depth_m, sigma_m, camera) -> (depth_m, sigma_m); the prompt is not looked at.

    image (B, H, W, 3) uint8; camera (B, 4) with fx in pixels of this image, 0 where it is not known. depth_m (B, H, W):
    along the optical axis, metres, 0.1 mm to 10 km; 0 everywhere with neither focal length nor FOV head.
    sigma_m: 0, the network does not say.
    """

    def __init__(self, config: DepthProConfig | None = None):
        super().__init__()
        self.config = config = config or DepthProConfig()
        self.needs_focal = not config.fov_head
        self.network = DepthProForDepthEstimation(_transformers_config(config))

    def forward(self, image: Tensor, depth_m: Tensor, sigma_m: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        height, width = image.shape[1:3]
        side = SCALES * self.config.tile_px
        canonical, fov_deg = self.predict(stretched((as_pixels(image, PATCH_PX) - 0.5) / 0.5, (side, side)))
        focal_px = camera[:, 0]
        if fov_deg is not None:
            estimated_px = 0.5 * width / torch.tan(0.5 * torch.deg2rad(fov_deg))
            focal_px = torch.where(focal_px > 0, focal_px, estimated_px)
        known = (focal_px > 0)[:, None, None]
        factor = width / torch.where(focal_px > 0, focal_px, torch.ones_like(focal_px))
        inverse = (canonical * factor[:, None, None])[:, None]
        inverse = F.interpolate(inverse, (height, width), mode='bilinear', align_corners=False)[:, 0]
        z_m = 1 / inverse.clamp(*INVERSE_DEPTH_RANGE)
        return torch.where(known, z_m, torch.zeros_like(z_m)), z_m.new_zeros(z_m.shape)

    def predict(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Pixels in [-1, 1] (B, 3, S, S), S = 4 tiles -> canonical inverse depth (B, S, S); horizontal field of view
        (B,) in degrees, or None without the head.
        """
        outputs = self.network(pixel_values=pixels)
        return outputs.predicted_depth, outputs.field_of_view


def official_state(state: dict[str, Tensor], config: DepthProConfig) -> dict[str, Tensor]:
    """Keys of depth_pro.pt -> those of DepthProNet; the FOV head's are left out where `config` leaves it out."""
    state = _without_unused_head(state, config)
    for prefix, target in ENCODERS.items():
        state = official_dinov2_state(state, prefix, NETWORK + target)
    return {_own_key(key): tensor for key, tensor in state.items()}


def huggingface_state(state: dict[str, Tensor], config: DepthProConfig) -> dict[str, Tensor]:
    """Keys of the `-hf` file -> those of DepthProNet; the FOV head's are left out where `config` leaves it out."""
    state = _without_unused_head(state, config)
    return {NETWORK + huggingface_dinov2_key(key): tensor for key, tensor in state.items()}


def _without_unused_head(state: dict[str, Tensor], config: DepthProConfig) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state.items() if config.fov_head or not key.startswith(FOV_KEYS)}


def _own_key(key: str) -> str:
    for pattern, replacement in MODULES:
        match = re.fullmatch(pattern, key)
        if match:
            return NETWORK + replacement(match)
    return key


def _fusion_key(index: int, name: str) -> str:
    stage = f'fusion_stage.intermediate.{4 - index}' if index else 'fusion_stage.final'
    unit = re.fullmatch(r'resnet([12])\.residual\.([13])\.(.+)', name)
    if unit:
        return f'{stage}.residual_layer{unit[1]}.convolution{(int(unit[2]) + 1) // 2}.{unit[3]}'
    return f'{stage}.{name.replace("out_conv.", "projection.")}'


def _transformers_config(config: DepthProConfig) -> TransformersConfig:
    encoder = {
        'hidden_size': config.hidden,
        'num_hidden_layers': config.layers,
        'num_attention_heads': config.heads,
        'image_size': config.tile_px,
        'patch_size': PATCH_PX,
        'use_mask_token': False,
    }
    return TransformersConfig(
        fusion_hidden_size=config.features,
        patch_size=config.tile_px,
        intermediate_hook_ids=list(config.taps[::-1]),
        intermediate_feature_dims=[config.features] * 2,
        scaled_images_feature_dims=list(config.widths[::-1]),
        use_fov_model=config.fov_head,
        image_model_config=Dinov2Config(**encoder),
        patch_model_config=Dinov2Config(**encoder),
        fov_model_config=Dinov2Config(**encoder),
    )
