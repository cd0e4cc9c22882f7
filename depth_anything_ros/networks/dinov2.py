# SPDX-License-Identifier: Apache-2.0
"""transformers' DINOv2 as the official depth systems use it, and their checkpoints in its names.

The one difference lies in the position embeddings away from the size they were trained at: transformers resizes them to
the grid of patches, the official code by the factor (patches + 0.1) / side, which shifts every sample a little.
"""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Dinov2Config
from transformers.models.dinov2.modeling_dinov2 import Dinov2Embeddings

PATCH_PX = 14
TRAINED_PX = 518
OFFSET = 0.1  # patches; the official code's guard against a size that rounding makes one patch too small
TOKENS = {
    'cls_token': 'embeddings.cls_token',
    'pos_embed': 'embeddings.position_embeddings',
    'mask_token': 'embeddings.mask_token',
    'patch_embed.proj.weight': 'embeddings.patch_embeddings.projection.weight',
    'patch_embed.proj.bias': 'embeddings.patch_embeddings.projection.bias',
    'norm.weight': 'layernorm.weight',
    'norm.bias': 'layernorm.bias',
}
MODULES = {
    'norm1': 'norm1',
    'attn.proj': 'attention.o_proj',
    'ls1.gamma': 'layer_scale1.lambda1',
    'norm2': 'norm2',
    'mlp.fc1': 'mlp.fc1',
    'mlp.fc2': 'mlp.fc2',
    'ls2.gamma': 'layer_scale2.lambda1',
}
BLOCK = re.compile(r'blocks\.(\d+)\.(.+)')
# Files on the hub were written before transformers 5 renamed these.
RENAMED_IN_V5 = {
    'attention.attention.query.': 'attention.q_proj.',
    'attention.attention.key.': 'attention.k_proj.',
    'attention.attention.value.': 'attention.v_proj.',
    'attention.output.dense.': 'attention.o_proj.',
}


def dinov2_config(hidden: int, layers: int, heads: int, taps: tuple[int, ...], mask_token: bool = True) -> Dinov2Config:
    """Settings of a backbone whose blocks `taps` (0 = first) come out as tokens, normalised, class token first."""
    return Dinov2Config(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=TRAINED_PX,
        patch_size=PATCH_PX,
        out_indices=[tap + 1 for tap in taps],
        apply_layernorm=True,
        reshape_hidden_states=False,
        use_mask_token=mask_token,
    )


class OfficialEmbeddings(Dinov2Embeddings):
    """Tokens of an image with the position embeddings of the official code."""

    def interpolate_pos_encoding(self, embeddings: Tensor, height: int, width: int) -> Tensor:
        """(1, 1 + patches, hidden) for an image of height x width px; cubic, not antialiased."""
        positions = self.position_embeddings
        side = round((positions.shape[1] - 1) ** 0.5)
        rows, columns = height // self.patch_embeddings.patch_size[0], width // self.patch_embeddings.patch_size[1]
        if rows == columns == side:
            return positions
        grid = positions[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
        factors = ((rows + OFFSET) / side, (columns + OFFSET) / side)
        grid = F.interpolate(grid, scale_factor=factors, mode='bicubic', align_corners=False)
        return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2).to(positions.dtype)], dim=1)


def with_official_positions(backbone: nn.Module) -> nn.Module:
    """A Dinov2 model or backbone of transformers, its `embeddings` replaced; their weights start anew."""
    backbone.embeddings = OfficialEmbeddings(backbone.config)
    return backbone


def official_dinov2_state(state: dict[str, Tensor], prefix: str, target: str) -> dict[str, Tensor]:
    """Meta's names under `prefix` -> transformers' under `target`; other keys, and unknown ones, stay as they are."""
    renamed = {}
    for key, tensor in state.items():
        name = key.removeprefix(prefix)
        block = BLOCK.fullmatch(name)
        if name == key and prefix:
            renamed[key] = tensor
        elif name in TOKENS:
            renamed[target + TOKENS[name]] = tensor
        elif block:
            renamed.update(_block_state(key, f'{target}encoder.layer.{block[1]}.', block[2], tensor))
        else:
            renamed[key] = tensor
    return renamed


def huggingface_dinov2_key(key: str) -> str:
    """A key of a file on the hub, of whatever age -> the name that transformers 5 has for it."""
    for old, new in RENAMED_IN_V5.items():
        key = key.replace(old, new)
    return key


def _block_state(key: str, layer: str, name: str, tensor: Tensor) -> dict[str, Tensor]:
    module, _, kind = name.rpartition('.')
    if module == 'attn.qkv' and len(tensor) % 3 == 0:
        thirds = zip('qkv', tensor.chunk(3), strict=True)
        return {f'{layer}attention.{part}_proj.{kind}': third for part, third in thirds}
    if name in MODULES:  # LayerScale: a bare parameter
        return {layer + MODULES[name]: tensor}
    return {f'{layer}{MODULES[module]}.{kind}': tensor} if module in MODULES else {key: tensor}
