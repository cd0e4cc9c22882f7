# SPDX-License-Identifier: Apache-2.0
"""The depth-estimation pipeline of transformers with the weights of one of our cards, to be compared with."""

from __future__ import annotations

import logging

import numpy as np

from depth_anything_ros.core.errors import ConfigError, MissingExtra
from depth_anything_ros.networks.card import ModelCard

RESAMPLE_CUBIC = 3  # PIL's number
PIPELINE_PRECISIONS = {'fp32': 'float32', 'fp16': 'float16'}  # it gives depth to numpy, which has no bfloat16


class TransformersPipeline:
    """depth(image_rgb (H, W, 3) uint8) -> (H, W) float32, as the pipeline's users get it.

    Depth Anything only: the pipeline knows no prompts. Raises ConfigError for another network, MissingExtra without
    torch or transformers.
    """

    def __init__(self, card: ModelCard, precision: str = 'fp32'):
        if card.network != 'depth_anything':
            raise ConfigError(f'{card.name}: the transformers pipeline takes Depth Anything V1 and V2 only')
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtra(error.name or 'transformers', 'models', 'the transformers pipeline') from error
        from depth_anything_ros.networks.loading import load_network
        from depth_anything_ros.networks.pixels import IMAGENET_MEAN, IMAGENET_STD

        ours = load_network(card)
        model = transformers.DepthAnythingForDepthEstimation(ours.network.config)
        model.load_state_dict(ours.network.state_dict())
        model.head.max_depth = ours.network.head.max_depth
        side = ours.config.side_px
        transformers.logging.set_verbosity_error()  # it says that torchvision would be faster, which it is not
        logging.getLogger('transformers').setLevel(logging.ERROR)
        processor = transformers.DPTImageProcessor(
            size={'height': side, 'width': side},
            keep_aspect_ratio=True,
            ensure_multiple_of=14,
            resample=RESAMPLE_CUBIC,
            image_mean=list(IMAGENET_MEAN),
            image_std=list(IMAGENET_STD),
        )
        self._pipeline = transformers.pipeline(
            'depth-estimation',
            model=model.eval().to(getattr(torch, PIPELINE_PRECISIONS[precision])),
            image_processor=processor,
            device='cuda' if torch.cuda.is_available() else 'cpu',
        )

    def depth(self, image_rgb: np.ndarray) -> np.ndarray:
        from PIL import Image

        return self._pipeline(Image.fromarray(image_rgb))['predicted_depth'].float().cpu().numpy()
