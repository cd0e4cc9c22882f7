# SPDX-License-Identifier: Apache-2.0
"""The DPT head of the Depth Anything family (Ranftl et al. 2021): four grids of tokens -> maps at the image's size.

Names of modules are those of the official checkpoints, so its state needs no renaming.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from depth_anything_ros.core.errors import CheckpointError

LAST_CHANNELS = 32


def check_sizes(layers: int, taps: tuple[int, ...], features: int, channels: tuple[int, ...]):
    """Raises CheckpointError unless four of a backbone's blocks feed a head of four channels."""
    check_taps(layers, taps)
    if len(channels) != 4 or min(channels) < 1 or features < 2:
        raise CheckpointError(f'channels, features: expected four widths and one from 2, got {channels}, {features}')


def check_taps(layers: int, taps: tuple[int, ...]):
    """Raises CheckpointError unless `taps` are four of the blocks 0 to layers - 1, in rising order."""
    if len(taps) != 4 or sorted(set(taps)) != list(taps) or not 0 <= taps[0] <= taps[-1] < layers:
        raise CheckpointError(f'taps: expected four rising block numbers below {layers}, got {taps}')


class DptHead(nn.Module):
    """forward(grids, size) -> one map (B, 1, *size) for every name in `outputs`, before any activation.

    grids: four of (B, dim, h, w), from shallow to deep. outputs: names of the last convolutions, which share
    everything before them. spare_unit: the deepest fusion has weights that nothing uses, as in the checkpoints of
    V1, V2 and DAP; those of Depth Anything 3 lack them.
    """

    def __init__(
        self,
        dim: int,
        features: int,
        channels: tuple[int, int, int, int],
        outputs: tuple[str, ...] = ('output_conv2',),
        spare_unit: bool = True,
    ):
        super().__init__()
        self.outputs = outputs
        self.projects = nn.ModuleList(nn.Conv2d(dim, width, 1) for width in channels)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            ]
        )
        self.scratch = scratch = nn.Module()
        for i, width in enumerate(channels, start=1):
            scratch.add_module(f'layer{i}_rn', nn.Conv2d(width, features, 3, padding=1, bias=False))
            scratch.add_module(f'refinenet{i}', Fusion(features, lateral=i < 4 or spare_unit))
        scratch.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        for name in outputs:
            last = nn.Sequential(
                nn.Conv2d(features // 2, LAST_CHANNELS, 3, padding=1), nn.ReLU(), nn.Conv2d(LAST_CHANNELS, 1, 1)
            )
            scratch.add_module(name, last)

    def forward(self, grids: list[Tensor], size: tuple[int, int]) -> list[Tensor]:
        scratch = self.scratch
        steps = zip(grids, self.projects, self.resize_layers, strict=True)
        first, second, third, fourth = (resize(project(grid)) for grid, project, resize in steps)
        first, second = scratch.layer1_rn(first), scratch.layer2_rn(second)
        third, fourth = scratch.layer3_rn(third), scratch.layer4_rn(fourth)
        x = scratch.refinenet4(fourth, None, third.shape[-2:])
        x = scratch.refinenet3(x, third, second.shape[-2:])
        x = scratch.refinenet2(x, second, first.shape[-2:])
        x = scratch.refinenet1(x, first, (2 * first.shape[-2], 2 * first.shape[-1]))
        x = _resized(scratch.output_conv1(x), size)
        return [getattr(scratch, name)(x) for name in self.outputs]


class Fusion(nn.Module):
    """Adds a finer scale and enlarges the sum. lateral: whether it has weights for that finer scale."""

    def __init__(self, features: int, lateral: bool):
        super().__init__()
        if lateral:
            self.resConfUnit1 = ResidualUnit(features)
        self.resConfUnit2 = ResidualUnit(features)
        self.out_conv = nn.Conv2d(features, features, 1)

    def forward(self, coarser: Tensor, finer: Tensor | None, size: tuple[int, int]) -> Tensor:
        x = coarser if finer is None else coarser + self.resConfUnit1(finer)
        # the 1x1 convolution before the interpolation: the same, as its weights sum to one, on a quarter of the pixels
        return _resized(self.out_conv(self.resConfUnit2(x)), size)


class ResidualUnit(nn.Module):
    def __init__(self, features: int):
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode='bilinear', align_corners=True)
