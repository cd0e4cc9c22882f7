# SPDX-License-Identifier: Apache-2.0
"""Prompt Depth Anything (PromptDA, arXiv 2412.14015): transformers' network behind our contract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PromptDepthAnythingConfig as TransformersConfig
from transformers import PromptDepthAnythingForDepthEstimation

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.dense_prompt import PULLS, DensePrompt, dense_prompt
from depth_anything_ros.networks.dinov2 import PATCH_PX, with_official_positions
from depth_anything_ros.networks.dpt_config import DptConfig, huggingface_dpt_state, official_dpt_state
from depth_anything_ros.networks.dpt_fusion import with_early_projection
from depth_anything_ros.networks.pixels import IMAGENET_MEAN, IMAGENET_STD, as_pixels, imagenet_normalised
from depth_anything_ros.networks.resize import longest_side

CONSTANTS = {'_mean': IMAGENET_MEAN, '_std': IMAGENET_STD}
CONSTANT_TOLERANCE = 1e-3  # half precision rounds by less


@dataclass(frozen=True)
class PromptDepthAnythingConfig(DptConfig):
    """longest_px: the longer side of what the network sees, at most; prompt_cells: (short, long) side of its prompt."""

    longest_px: int = 1008
    prompt_cells: tuple[int, int] = (192, 256)

    def __post_init__(self):
        super().__post_init__()
        if self.longest_px < PATCH_PX:
            raise CheckpointError(f'longest_px: expected {PATCH_PX} or more, got {self.longest_px}')
        short, long = self.prompt_cells
        if short > long or short < 1 << PULLS or short % (1 << PULLS) or long % (1 << PULLS):
            raise CheckpointError(
                f'prompt_cells: expected two rising multiples of {1 << PULLS}, got {self.prompt_cells}'
            )


class PromptDepthAnythingNet(nn.Module):
    """forward(image, depth_m, sigma_m, camera) -> (depth_m, sigma_m).

    image (B, H, W, 3) uint8; depth_m (B, H, W) metres, <= 0 or NaN where there is no return, from none to all pixels
    (dense_prompt.py says what becomes of it); sigma_m is not looked at; of camera (B, 4) the focal length, and only
    where the prompt is empty. depth_m (B, H, W): along the optical axis, always above 0. sigma_m: 0, not known.
    """

    needs_focal = False

    def __init__(self, config: PromptDepthAnythingConfig | None = None):
        super().__init__()
        self.config = config = config or PromptDepthAnythingConfig()
        settings = TransformersConfig(depth_estimation_type='metric', max_depth=1, **config.transformers_settings())
        self.network = with_early_projection(PromptDepthAnythingForDepthEstimation(settings))
        with_official_positions(self.network.backbone)

    def forward(self, image: Tensor, depth_m: Tensor, sigma_m: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        height, width = image.shape[1:3]
        pixels = imagenet_normalised(longest_side(as_pixels(image, PATCH_PX), self.config.longest_px, PATCH_PX))
        short, long = self.config.prompt_cells
        prompt = dense_prompt(depth_m, camera, (short, long) if width >= height else (long, short))
        depth = self._metric(pixels, prompt)[:, None]
        depth = F.interpolate(depth, (height, width), mode='bilinear', align_corners=False)[:, 0]
        return depth, depth.new_zeros(depth.shape)

    def predict(self, pixels: Tensor, prompt_m: Tensor) -> Tensor:
        """Normalised pixels (B, 3, h, w), multiples of 14, and a dense prompt (B, 1, any, any), metres -> metres
        (B, h, w), as the official network takes them; NaN where the prompt is flat.
        """
        near, far = prompt_m.amin((1, 2, 3), keepdim=True), prompt_m.amax((1, 2, 3), keepdim=True)
        return self._metric(pixels, DensePrompt(prompt_m, near, far))

    def _metric(self, pixels: Tensor, prompt: DensePrompt) -> Tensor:
        # transformers' own forward would take the range from the prompt; its parts are called one by one instead
        network = self.network
        rows, columns = (side // PATCH_PX for side in pixels.shape[-2:])
        span = prompt.far_m - prompt.near_m
        tokens = network.backbone(pixels).feature_maps
        features = network.neck(tokens, rows, columns, prompt_depth=(prompt.depth_m - prompt.near_m) / span)
        share = network.head(features, rows, columns)
        return share * span[:, 0] + prompt.near_m[:, 0]


def official_state(state: dict[str, Tensor], config: PromptDepthAnythingConfig) -> dict[str, Tensor]:
    """Keys of the authors' model.ckpt -> those of PromptDepthAnythingNet.

    The mean and deviation that it normalises images with are constants here; CheckpointError where they differ.
    """
    state = dict(state)
    for key, expected in CONSTANTS.items():
        found = state.pop(key, None)
        if found is None:
            raise CheckpointError(f'{key} is missing, which every official file of this system has')
        values = found.flatten().tolist()
        if len(values) != 3 or not np.allclose(values, expected, rtol=0, atol=CONSTANT_TOLERANCE):
            raise CheckpointError(f'{key}: expected {expected}, got {values[:3]}')
    return official_dpt_state(state)


def huggingface_state(state: dict[str, Tensor], config: PromptDepthAnythingConfig) -> dict[str, Tensor]:
    """Keys of the `-hf` files -> those of PromptDepthAnythingNet."""
    return huggingface_dpt_state(state)
