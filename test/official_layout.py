# SPDX-License-Identifier: Apache-2.0
"""transformers' Depth Anything models as their authors would have saved and run them: the other way round from what
the package does, for comparison with it.
"""

import torch

PLAIN = {
    'backbone.embeddings.cls_token': 'pretrained.cls_token',
    'backbone.embeddings.position_embeddings': 'pretrained.pos_embed',
    'backbone.embeddings.mask_token': 'pretrained.mask_token',
    'backbone.embeddings.patch_embeddings.projection': 'pretrained.patch_embed.proj',
    'backbone.layernorm': 'pretrained.norm',
    'head.conv1': 'depth_head.scratch.output_conv1',
    'head.conv2': 'depth_head.scratch.output_conv2.0',
    'head.conv3': 'depth_head.scratch.output_conv2.2',
}
BLOCK = {
    'norm1': 'norm1',
    'attention.o_proj': 'attn.proj',
    'layer_scale1.lambda1': 'ls1.gamma',
    'norm2': 'norm2',
    'mlp.fc1': 'mlp.fc1',
    'mlp.fc2': 'mlp.fc2',
    'layer_scale2.lambda1': 'ls2.gamma',
}
FUSION = {
    'projection': 'out_conv',
    **{f'residual_layer{i}.convolution{j}': f'resConfUnit{i}.conv{j}' for i in (1, 2) for j in (1, 2)},
    **{f'prompt_depth_layer.convolution{1 + i}': f'resConfUnit_depth.{2 * i}' for i in range(3)},
}


def official_layout(model) -> dict[str, torch.Tensor]:
    """The state of a (Prompt)DepthAnythingForDepthEstimation under the names of the authors' files."""
    theirs = model.state_dict()
    names = dict(PLAIN)
    for i in range(model.config.backbone_config.num_hidden_layers):
        names |= {f'backbone.encoder.layer.{i}.{k}': f'pretrained.blocks.{i}.{v}' for k, v in BLOCK.items()}
    for i in range(4):
        names[f'neck.reassemble_stage.layers.{i}.projection'] = f'depth_head.projects.{i}'
        names[f'neck.reassemble_stage.layers.{i}.resize'] = f'depth_head.resize_layers.{i}'
        names[f'neck.convs.{i}'] = f'depth_head.scratch.layer{i + 1}_rn'
        deepest_first = f'depth_head.scratch.refinenet{4 - i}'
        names |= {f'neck.fusion_stage.layers.{i}.{k}': f'{deepest_first}.{v}' for k, v in FUSION.items()}
    state, used = {}, set()
    for i in range(model.config.backbone_config.num_hidden_layers):
        for kind in ('weight', 'bias'):
            parts = [f'backbone.encoder.layer.{i}.attention.{part}_proj.{kind}' for part in 'qkv']
            state[f'pretrained.blocks.{i}.attn.qkv.{kind}'] = torch.cat([theirs[part] for part in parts])
            used |= set(parts)
    for old, new in names.items():
        for suffix in ('', '.weight', '.bias'):
            if old + suffix in theirs:
                state[new + suffix] = theirs[old + suffix]
                used.add(old + suffix)
    assert used == set(theirs)
    return state


def with_official_positions(model):
    """The model, its position embeddings resized as DINOv2 does it with an `interpolate_offset` of 0.1."""
    embeddings = model.backbone.embeddings

    def resized(tokens, height, width):
        positions = embeddings.position_embeddings
        count = positions.shape[1] - 1
        if tokens.shape[1] - 1 == count and height == width:
            return positions
        side = int(count**0.5)
        patches = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        patches = torch.nn.functional.interpolate(
            patches, scale_factor=((height // 14 + 0.1) / side, (width // 14 + 0.1) / side), mode='bicubic'
        )
        assert patches.shape[-2:] == (height // 14, width // 14)
        return torch.cat([positions[:, :1], patches.permute(0, 2, 3, 1).reshape(1, -1, positions.shape[-1])], dim=1)

    embeddings.interpolate_pos_encoding = resized
    return model
