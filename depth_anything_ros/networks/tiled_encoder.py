# SPDX-License-Identifier: Apache-2.0
"""One ViT over overlapping tiles of an image at three scales, as in Depth Pro (Bochkovskii et al. 2024).

Full scale 5x5 tiles that overlap by a quarter, half scale 3x3 that overlap by half, quarter scale 1: 35 in all. Their
tokens are put together to one grid a scale; overlaps are cut in the middle.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_anything_ros.networks.dinov3 import PATCH_PX, Dinov3, Dinov3Size

SCALES = 4  # the input is this many tiles wide
FULL_TILES, HALF_TILES = 25, 9


class TiledEncoder(nn.Module):
    """forward(pixels) -> seven feature maps; names of modules are those of MetricAnything's student DepthMap.

    pixels (B, 3, S, S), normalised, S = 4 tiles. The maps: blocks taps[0] at S/8, taps[1:] at S/4, what leaves the
    backbone at full scale at S/2, at half scale at S/16, and from the whole image at S/32.
    """

    def __init__(self, size: Dinov3Size, taps: tuple[int, ...], widths: tuple[int, int, int, int], tile_px: int):
        super().__init__()
        self.taps, self.tile_px = taps, tile_px
        latent, full, half, quarter = widths
        self.backbone = Dinov3(size)
        for i in range(len(taps)):
            self.add_module(f'upsample_latent{i}', _upsampler(size.hidden, latent, doublings=1 if i == 0 else 2))
        self.upsample0 = _upsampler(size.hidden, full, doublings=3)
        self.upsample1 = _upsampler(size.hidden, half, doublings=1)
        self.upsample2 = _upsampler(size.hidden, quarter, doublings=1)
        self.upsample_lowres = nn.ConvTranspose2d(size.hidden, quarter, 2, stride=2)
        self.fuse_lowres = nn.Conv2d(2 * quarter, quarter, 1)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        batch, tile = len(pixels), self.tile_px
        halves = F.interpolate(pixels, scale_factor=0.5, mode='bilinear', align_corners=False)
        quarters = F.interpolate(pixels, scale_factor=0.25, mode='bilinear', align_corners=False)
        tiles = torch.cat([_tiles(pixels, tile, 3 * tile // 4), _tiles(halves, tile, tile // 2), quarters])
        tapped, last = self.backbone(tiles, self.taps)
        full, half, whole = self._grid(self.backbone.norm(last)).split([FULL_TILES * batch, HALF_TILES * batch, batch])
        side = tile // PATCH_PX
        maps = [
            getattr(self, f'upsample_latent{i}')(_merged(self._grid(tokens[: FULL_TILES * batch]), batch, side // 8))
            for i, tokens in enumerate(tapped)
        ]
        maps.append(self.upsample0(_merged(full, batch, side // 8)))
        maps.append(self.upsample1(_merged(half, batch, side // 4)))
        maps.append(self.fuse_lowres(torch.cat([self.upsample2(whole), self.upsample_lowres(whole)], dim=1)))
        return maps

    def _grid(self, tokens: Tensor) -> Tensor:
        side = self.tile_px // PATCH_PX
        return tokens[:, self.backbone.prefix_tokens :].transpose(1, 2).unflatten(2, (side, side))


def _upsampler(before: int, after: int, doublings: int) -> nn.Sequential:
    deconvolutions = [nn.ConvTranspose2d(after, after, 2, stride=2, bias=False) for _ in range(doublings)]
    return nn.Sequential(nn.Conv2d(before, after, 1, bias=False), *deconvolutions)


def _tiles(x: Tensor, side: int, stride: int) -> Tensor:
    """(B, C, S, S) -> (n x n x B, C, side, side), row by row of tiles."""
    starts = range(0, x.shape[-1] - side + 1, stride)
    count = len(starts)
    places = torch.cat([torch.arange(start, start + side, device=x.device) for start in starts])
    x = x.index_select(2, places).index_select(3, places)
    x = x.unflatten(3, (count, side)).unflatten(2, (count, side))
    return x.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)


def _merged(grids: Tensor, batch: int, margin: int) -> Tensor:
    """(n x n x B, C, t, t) -> (B, C, T, T), `margin` tokens cut off wherever two tiles meet."""
    side = grids.shape[-1]
    count = round((len(grids) // batch) ** 0.5)
    x = grids.unflatten(0, (count, count, batch)).permute(2, 3, 0, 4, 1, 5).flatten(4, 5).flatten(2, 3)
    places = torch.arange(count * side, device=x.device).unflatten(0, (count, side))
    ends = [(margin if i else 0, side if i == count - 1 else side - margin) for i in range(count)]
    places = torch.cat([row[first:last] for row, (first, last) in zip(places, ends, strict=True)])
    return x.index_select(2, places).index_select(3, places)
