# SPDX-License-Identifier: Apache-2.0
"""transformers' DINOv3 ViT as the networks here use it, and Meta's checkpoints in its names.

Two constants stand in Meta's checkpoints. `rope_embed.periods` is checked against the formula and then used as it
stands (files made in bfloat16 hold rounded ones). `bias_mask` switches the key third of the qkv bias off;
transformers has no key bias, so the mask is checked and goes, and that third with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DINOv3ViTConfig, DINOv3ViTModel

from depth_anything_ros.core.errors import CheckpointError

PATCH_PX = 16
ROPE_BASE = 100.0
ROPE_TOLERANCE = 5e-3  # relative; bfloat16 rounds by up to 4e-3
BLOCK = re.compile(r'blocks\.(\d+)\.(.+)')
TOKENS = {
    'cls_token': 'embeddings.cls_token',
    'storage_tokens': 'embeddings.register_tokens',
    'patch_embed.proj.weight': 'embeddings.patch_embeddings.weight',
    'patch_embed.proj.bias': 'embeddings.patch_embeddings.bias',
    'norm.weight': 'norm.weight',
    'norm.bias': 'norm.bias',
}
MODULES = {
    'norm1': 'norm1',
    'attn.proj': 'attention.o_proj',
    'ls1.gamma': 'layer_scale1.lambda1',
    'norm2': 'norm2',
    'mlp.fc1': 'mlp.up_proj',
    'mlp.fc2': 'mlp.down_proj',
    'mlp.w1': 'mlp.gate_proj',
    'mlp.w2': 'mlp.up_proj',
    'mlp.w3': 'mlp.down_proj',
    'ls2.gamma': 'layer_scale2.lambda1',
}


@dataclass(frozen=True)
class Dinov3Size:
    """hidden: channels of a token; mlp: channels inside a block; gated: SwiGLU instead of GELU."""

    hidden: int
    layers: int
    heads: int
    mlp: int
    gated: bool = False
    registers: int = 4

    def __post_init__(self):
        if min(self.hidden, self.layers, self.heads, self.mlp) < 1 or self.hidden % (4 * self.heads):
            raise CheckpointError(
                f'DINOv3 of {self.layers} layers: expected a hidden size that is a multiple of 4 x heads, got'
                f' {self.hidden} for {self.heads} heads'
            )


class Dinov3(nn.Module):
    """forward(pixels, taps) -> (tapped, last): what leaves the blocks `taps`, and what leaves the last block.

    pixels (B, 3, H, W), normalised, H and W multiples of 16. All (B, 1 + registers + H/16 x W/16, hidden), class token
    first, then registers, without the final norm (`norm`). The encoder of transformers would keep every layer's
    output: 3.4 GB for MetricAnything's 35 tiles.
    """

    def __init__(self, size: Dinov3Size):
        super().__init__()
        model = DINOv3ViTModel(
            DINOv3ViTConfig(
                hidden_size=size.hidden,
                num_hidden_layers=size.layers,
                num_attention_heads=size.heads,
                intermediate_size=size.mlp,
                use_gated_mlp=size.gated,
                hidden_act='silu' if size.gated else 'gelu',
                num_register_tokens=size.registers,
                patch_size=PATCH_PX,
                rope_theta=ROPE_BASE,
            )
        )
        self.prefix_tokens = 1 + size.registers
        self.embeddings, self.layer, self.norm = model.embeddings, model.model.layer, model.norm
        self.rope_embeddings = model.rope_embeddings
        # part of the state, so that a network built on the meta device is complete once its state is loaded
        self.rope_embeddings.inv_freq = nn.Buffer(self.rope_embeddings.inv_freq.clone(), persistent=True)

    def forward(self, pixels: Tensor, taps: tuple[int, ...] = ()) -> tuple[list[Tensor], Tensor]:
        tokens = self.embeddings(pixels)
        rotations = self.rope_embeddings(pixels)
        tapped = []
        for i, layer in enumerate(self.layer):
            tokens = layer(tokens, position_embeddings=rotations)
            if i in taps:
                tapped.append(tokens)
        return tapped, tokens


def official_dinov3_state(state: dict[str, Tensor], prefix: str, target: str) -> dict[str, Tensor]:
    """Meta's names under `prefix` -> names of `Dinov3` under `target`; other keys, and unknown ones, stay as they are.

    Raises CheckpointError where rope periods or a bias mask are not DINOv3's.
    """
    renamed = {}
    for key, tensor in state.items():
        if not key.startswith(prefix):
            renamed[key] = tensor
            continue
        name = key.removeprefix(prefix)
        block = BLOCK.fullmatch(name)
        if name in TOKENS:
            renamed[target + TOKENS[name]] = tensor
        elif name == 'mask_token':
            renamed[f'{target}embeddings.mask_token'] = tensor.reshape(1, 1, -1)
        elif name == 'rope_embed.periods':
            _check_periods(key, tensor)
            renamed[f'{target}rope_embeddings.inv_freq'] = 1 / tensor.float()
        elif block:
            renamed.update(_block_state(key, f'{target}layer.{block[1]}.', block[2], tensor))
        else:
            renamed[key] = tensor
    return renamed


def _block_state(key: str, layer: str, name: str, tensor: Tensor) -> dict[str, Tensor]:
    if name == 'attn.qkv.bias_mask':
        _check_bias_mask(key, tensor)
        return {}
    if name in ('attn.qkv.weight', 'attn.qkv.bias') and len(tensor) % 3 == 0:
        kind = name.rpartition('.')[2]
        thirds = zip('qkv', tensor.chunk(3), strict=True)
        return {f'{layer}attention.{part}_proj.{kind}': t for part, t in thirds if (part, kind) != ('k', 'bias')}
    module, _, kind = name.rpartition('.')
    if name in MODULES:  # LayerScale: a bare parameter
        return {layer + MODULES[name]: tensor}
    return {f'{layer}{MODULES[module]}.{kind}': tensor} if module in MODULES else {key: tensor}


def _check_periods(key: str, periods: Tensor):
    count = periods.numel()
    expected = ROPE_BASE ** (torch.arange(count, dtype=torch.float32) / count)
    found = periods.float().cpu()
    if found.shape != expected.shape or not ((found / expected - 1).abs() <= ROPE_TOLERANCE).all():
        raise CheckpointError(f"{key}: not DINOv3's rope periods: expected {ROPE_BASE:g} ** (i / {count})")


def _check_bias_mask(key: str, mask: Tensor):
    count = mask.numel()
    expected = torch.ones(count)
    expected[count // 3 : 2 * count // 3] = 0
    if not torch.equal(mask.float().cpu(), expected):
        raise CheckpointError(f'{key}: expected ones, and zeros in the middle third (the key bias)')
