# SPDX-License-Identifier: Apache-2.0
"""MetricAnything's student DepthMap (arXiv 2601.22054): image -> canonical inverse depth -> metres.

A DINOv3 ViT-H+/16 over tiles, a convolutional decoder over its seven maps. Canonical inverse depth is that of a camera
whose focal length is the image's width; the true one makes it metric: 1 / depth = C x width / fx. The authors' API
assumes 1000 px where nobody tells it the focal length and their script the image's width; here there is no guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.dinov3 import PATCH_PX, Dinov3Size, official_dinov3_state
from depth_anything_ros.networks.dpt_head import check_taps
from depth_anything_ros.networks.pixels import as_pixels, imagenet_normalised
from depth_anything_ros.networks.resize import stretched
from depth_anything_ros.networks.tiled_encoder import SCALES, TiledEncoder

INVERSE_DEPTH_RANGE = (1e-3, 1e3)  # 1/m
HEAD_CHANNELS, HEAD_LAYERS = 32, 4
ENCODER_MAPS = (4, 3, 2, 1, 0, 5, 6)  # which map of the encoder every step of the decoder takes, finest first
DOUBLES = (False, True, False, False, True, True, True)  # which steps enlarge


@dataclass(frozen=True)
class MetricAnythingConfig:
    """The released ViT-H+ by default. taps: blocks tapped at full scale; widths: channels of the encoder's maps.

    tile_px: side of a tile; the network sees 4x4 of them, 1536x1536 px.
    """

    hidden: int = 1280
    layers: int = 32
    heads: int = 20
    mlp: int = 5120
    taps: tuple[int, ...] = (7, 13, 19, 25)
    widths: tuple[int, ...] = (320, 256, 320, 640)
    features: int = 256
    tile_px: int = 384

    def __post_init__(self):
        check_taps(self.layers, self.taps)
        if len(self.widths) != 4 or min(self.widths) < 1 or self.features < 2:
            raise CheckpointError(
                f'widths, features: expected four widths and one from 2, got {self.widths}, {self.features}'
            )
        if self.tile_px < 1 or self.tile_px % (8 * PATCH_PX):
            raise CheckpointError(f'tile_px: expected a multiple of {8 * PATCH_PX}, got {self.tile_px}')


class MetricAnythingNet(nn.Module):
    """forward(image, depth_m, sigma_m, camera) -> (depth_m, sigma_m); there is no prompt in this student.

    image (B, H, W, 3) uint8; camera (B, 4) with fx in pixels of this image. depth_m (B, H, W): z, metres, 1 mm to
    1 km; 0 everywhere without a focal length (`needs_focal`: whoever calls it says so first). sigma_m: 0, unknown.
    """

    needs_focal = True

    def __init__(self, config: MetricAnythingConfig | None = None):
        super().__init__()
        self.config = config = config or MetricAnythingConfig()
        size = Dinov3Size(config.hidden, config.layers, config.heads, config.mlp, gated=True)
        self.encoder = TiledEncoder(size, config.taps, config.widths, config.tile_px)
        self.decoder = Decoder(config.widths, config.features)
        self.head = _head(config.features)

    def forward(self, image: Tensor, depth_m: Tensor, sigma_m: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        pixels = imagenet_normalised(as_pixels(image, PATCH_PX))
        height, width = pixels.shape[-2:]
        side = SCALES * self.config.tile_px
        canonical = self.canonical(stretched(pixels, (side, side)))
        focal_px = camera[:, 0, None, None]
        known = focal_px > 0
        inverse = canonical * (width / torch.where(known, focal_px, torch.ones_like(focal_px)))[:, None]
        inverse = stretched(inverse, (height, width))[:, 0]
        z_m = 1 / inverse.clamp(*INVERSE_DEPTH_RANGE)
        return torch.where(known, z_m, torch.zeros_like(z_m)), torch.zeros_like(z_m)

    def canonical(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (B, 3, S, S), S = 4 tiles -> canonical inverse depth (B, 1, S, S)."""
        return self.head(self.decoder(self.encoder(pixels)))


class Decoder(nn.Module):
    """The encoder's seven maps -> one, from the coarsest to the finest."""

    def __init__(self, widths: tuple[int, int, int, int], features: int):
        super().__init__()
        latent, full, half, quarter = widths
        befores = (full, latent, latent, latent, latent, half, quarter)
        self.convs = nn.ModuleList(nn.Conv2d(width, features, 3, padding=1, bias=False) for width in befores)
        coarsest = len(befores) - 1
        self.fusions = nn.ModuleList(
            Fusion(features, lateral=i < coarsest, doubles=doubles) for i, doubles in enumerate(DOUBLES)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        x = None
        for conv, fusion, source in reversed(list(zip(self.convs, self.fusions, ENCODER_MAPS, strict=True))):
            x = fusion(x, conv(maps[source]))
        return x


class Fusion(nn.Module):
    """Adds a finer map to what came from coarser ones; enlarges by two where `doubles`."""

    def __init__(self, features: int, lateral: bool, doubles: bool):
        super().__init__()
        if lateral:
            self.resnet1 = ResidualUnit(features)
        self.resnet2 = ResidualUnit(features)
        if doubles:
            self.deconv = nn.ConvTranspose2d(features, features, 2, stride=2, bias=False)
        self.out_conv = nn.Conv2d(features, features, 1)

    def forward(self, coarser: Tensor | None, finer: Tensor) -> Tensor:
        x = self.resnet2(finer if coarser is None else coarser + self.resnet1(finer))
        return self.out_conv(self.deconv(x) if hasattr(self, 'deconv') else x)


class ResidualUnit(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        convolutions = [nn.Conv2d(features, features, 3, padding=1) for _ in range(2)]
        self.residual = nn.Sequential(nn.ReLU(), convolutions[0], nn.ReLU(), convolutions[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.residual(x)


def _head(features: int) -> nn.Sequential:
    half = features // 2
    layers = [
        nn.Conv2d(features, half, 3, padding=1),
        nn.ConvTranspose2d(half, half, 2, stride=2),
        nn.Conv2d(half, HEAD_CHANNELS, 3, padding=1),
        nn.ReLU(),
    ]
    for _ in range(HEAD_LAYERS):
        layers += [nn.Conv2d(HEAD_CHANNELS, HEAD_CHANNELS, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(HEAD_CHANNELS, 1, 1), nn.ReLU())


def official_state(state: dict[str, Tensor], config: MetricAnythingConfig) -> dict[str, Tensor]:
    """Keys of student_depthmap.pt -> those of MetricAnythingNet. Raises CheckpointError where a constant differs."""
    return official_dinov3_state(state, 'encoder.patch_encoder.', 'encoder.backbone.')
