# SPDX-License-Identifier: Apache-2.0
"""Sizes and key names that Depth Anything V1, V2 and Prompt Depth Anything share: DINOv2 below a DPT decoder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.dinov2 import (
    PATCH_PX,
    dinov2_config,
    huggingface_dinov2_key,
    official_dinov2_state,
)

ENCODERS = {
    'vits': {
        'hidden': 384,
        'layers': 12,
        'heads': 6,
        'features': 64,
        'channels': (48, 96, 192, 384),
        'taps': (2, 5, 8, 11),
    },
    'vitb': {
        'hidden': 768,
        'layers': 12,
        'heads': 12,
        'features': 128,
        'channels': (96, 192, 384, 768),
        'taps': (2, 5, 8, 11),
    },
    'vitl': {
        'hidden': 1024,
        'layers': 24,
        'heads': 16,
        'features': 256,
        'channels': (256, 512, 1024, 1024),
        'taps': (4, 11, 17, 23),
    },
}
NETWORK = 'network.'  # where a net of ours holds transformers' model
# Names of the decoder in the official files -> in transformers'; its fusion stage counts from the deepest.
DECODER = (
    (r'projects\.(\d)\.(.+)', r'neck.reassemble_stage.layers.\1.projection.\2'),
    (r'resize_layers\.(\d)\.(.+)', r'neck.reassemble_stage.layers.\1.resize.\2'),
    (r'scratch\.layer([1-4])_rn\.(.+)', lambda m: f'neck.convs.{int(m[1]) - 1}.{m[2]}'),
    (r'scratch\.refinenet([1-4])\.(.+)', lambda m: f'neck.fusion_stage.layers.{4 - int(m[1])}.{m[2]}'),
    (r'scratch\.output_conv1\.(.+)', r'head.conv1.\1'),
    (r'scratch\.output_conv2\.([02])\.(.+)', lambda m: f'head.conv{2 + int(m[1]) // 2}.{m[2]}'),
)
FUSION = (
    (r'out_conv\.(.+)', r'projection.\1'),
    (r'resConfUnit([12])\.conv([12])\.(.+)', r'residual_layer\1.convolution\2.\3'),
    (r'resConfUnit_depth\.([024])\.(.+)', lambda m: f'prompt_depth_layer.convolution{1 + int(m[1]) // 2}.{m[2]}'),
)
FUSION_STAGE = re.compile(r'(neck\.fusion_stage\.layers\.\d\.)(.+)')


@dataclass(frozen=True)
class DptConfig:
    """Size of the network. encoder: 'vits', 'vitb' or 'vitl'; the other fields replace what belongs to it.

    hidden, layers, heads: of the ViT; features, channels: of the decoder; taps: blocks whose tokens it is given.
    """

    encoder: str = 'vits'
    hidden: int | None = None
    layers: int | None = None
    heads: int | None = None
    features: int | None = None
    channels: tuple[int, ...] | None = None
    taps: tuple[int, ...] | None = None

    def __post_init__(self):
        if self.encoder not in ENCODERS:
            raise CheckpointError(f'encoder: expected one of {", ".join(ENCODERS)}; got {self.encoder!r}')
        for name, value in self._defaults().items():
            given = getattr(self, name)
            object.__setattr__(self, name, value if given is None else given)
        if min(self.hidden, self.layers, self.heads) < 1 or self.hidden % self.heads:
            raise CheckpointError(f'hidden: expected a multiple of heads, got {self.hidden} for {self.heads} heads')
        if len(self.channels) != 4 or min(self.channels) < 1 or self.features < 2:
            raise CheckpointError(
                f'channels, features: expected four widths and one from 2, got {self.channels}, {self.features}'
            )
        if len(self.taps) != 4 or sorted(set(self.taps)) != list(self.taps) or not 0 <= self.taps[-1] < self.layers:
            raise CheckpointError(f'taps: expected four rising block numbers below {self.layers}, got {self.taps}')

    def _defaults(self) -> dict[str, Any]:
        return ENCODERS[self.encoder]

    def transformers_settings(self) -> dict[str, Any]:
        """What transformers' configurations of this family are made from."""
        return {
            'backbone_config': dinov2_config(self.hidden, self.layers, self.heads, self.taps),
            'patch_size': PATCH_PX,
            'reassemble_hidden_size': self.hidden,
            'neck_hidden_sizes': list(self.channels),
            'fusion_hidden_size': self.features,
        }


def official_dpt_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys of the released .pth and .ckpt files -> those of our nets; unknown ones stay as they are."""
    state = official_dinov2_state(state, 'pretrained.', f'{NETWORK}backbone.')
    return {_decoder_key(key): tensor for key, tensor in state.items()}


def huggingface_dpt_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys of transformers' files -> those of our nets."""
    return {NETWORK + huggingface_dinov2_key(key): tensor for key, tensor in state.items()}


def _decoder_key(key: str) -> str:
    prefix, name = 'depth_head.', key.removeprefix('depth_head.')
    renamed = _renamed(name, DECODER) if key.startswith(prefix) else None
    fusion = FUSION_STAGE.fullmatch(renamed or '')
    if fusion:
        unit = _renamed(fusion[2], FUSION)
        renamed = unit and fusion[1] + unit
    return NETWORK + renamed if renamed else key


def _renamed(name: str, rules) -> str | None:
    for pattern, replacement in rules:
        match = re.fullmatch(pattern, name)
        if match:
            return replacement(match) if callable(replacement) else match.expand(replacement)
    return None
