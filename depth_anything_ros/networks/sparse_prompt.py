# SPDX-License-Identifier: Apache-2.0
"""The package's own network: image + sparse metric prompt -> dense metric depth and its uncertainty.

A plain-convolution encoder-decoder that refines the fill of the prompt (planes, prompt_pyramid.py) from coarse to
fine. At every scale the estimate is drawn towards that scale's fill and returns as far as the network trusts them,
and corrected by a learned residual. Heads that say nothing leave the fill, which is where learning starts from.
Everything is in log depth relative to the prompt's own centre, so that what is learnt in a room holds on a road;
without any return the centre is a depth in proportion to the focal length (the canonical camera of Metric3D, Yin et
al. 2023). The image is seen by two pairs of eyes: frozen features learnt from photographs (efficientnet_lite.py) at
half the resolution, which know what things look like, and a few own layers, which know where exactly edges are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_anything_ros.networks.efficientnet_lite import WIDTHS, EfficientNetLite
from depth_anything_ros.networks.neighbourhood import CENTRE, NEIGHBOURS
from depth_anything_ros.networks.prompt_pyramid import PromptLevel, PromptPyramid, build_pyramid
from depth_anything_ros.networks.propagation import TAPS, bilinear_logits, propagated, upsampled

CANONICAL_DEPTH_PER_FOCAL_PX = 0.006  # 3 m at f = 500 px: the middle of a room
GREY, CONTRAST = 118.0, 60.0  # mean and spread of ordinary images, 0 to 255
LOG_WIDTH_START = -2.5
LOG_WIDTH_RANGE = (-8.0, 1.0)
PROMPT_FEATURES = len(PromptLevel._fields)
STATE_FEATURES, FINE_STATE_FEATURES = 4, 2
# residual, trust in a cell, propagation, upsampling, trust in a return, log width
HEADS = (1, 1, len(NEIGHBOURS), TAPS, 1, 1)
KEEP = [5.0 if i == CENTRE else 0.0 for i in range(len(NEIGHBOURS))]  # logits of a propagation that hardly does


@dataclass(frozen=True)
class SparsePromptConfig:
    """Size of the network. channels: at strides 2, 4, 8, 16, 32; blocks: residual blocks at strides 4, 8, 16, 32.

    fine_blocks: residual blocks at stride 2; propagation_steps: of spatial propagation there; propagation_reaches: of
    one step each at every coarser scale but the coarsest, in cells; pretrained: with the frozen features of
    EfficientNet-Lite0 besides its own.
    """

    channels: tuple[int, ...] = (16, 32, 64, 128, 192)
    blocks: tuple[int, ...] = (0, 1, 2, 1)
    fine_channels: int = 16
    fine_blocks: int = 1
    propagation_steps: int = 2
    propagation_reaches: tuple[int, ...] = ()
    pretrained: bool = False

    def __post_init__(self):
        # a card's YAML brings lists
        object.__setattr__(self, 'channels', tuple(self.channels))
        object.__setattr__(self, 'blocks', tuple(self.blocks))
        object.__setattr__(self, 'propagation_reaches', tuple(self.propagation_reaches))


class SparsePromptNet(nn.Module):
    """forward(image, depth_m, sigma_m, camera) -> (depth_m, sigma_m).

    image (B, H, W, 3) uint8 RGB; depth_m, sigma_m (B, H, W) float32 metres, 0 or NaN where there is no return
    (sigma: where unknown); camera (B, 4) float32 fx, fy, cx, cy in pixels of this image. H and W are multiples of 32
    (engines/arrays.py pads).
    Outputs (B, H, W) float32 metres; sigma is the half-width that should hold 68 % of the errors.
    """

    def __init__(self, config: SparsePromptConfig | None = None):
        super().__init__()
        self.config = config = config or SparsePromptConfig()
        stem, *widths = config.channels
        self.pretrained = EfficientNetLite() if config.pretrained else None
        self.adapters = nn.ModuleList(
            nn.Conv2d(before, width, 1) for before, width in zip(WIDTHS, widths, strict=True) if config.pretrained
        )
        self.stem = nn.Conv2d(5, stem, 3, stride=2, padding=1)
        befores = [stem, *widths[:-1]]
        self.downs = nn.ModuleList(
            nn.Conv2d(before, width, 3, stride=2, padding=1) for before, width in zip(befores, widths, strict=True)
        )
        self.prompts = nn.ModuleList(nn.Conv2d(PROMPT_FEATURES, width, 3, padding=1) for width in widths)
        self.stages = nn.ModuleList(
            nn.Sequential(*[ResidualBlock(width) for _ in range(blocks)])
            for width, blocks in zip(widths, config.blocks, strict=True)
        )
        self.surroundings = nn.Conv2d(3, widths[1], 1)
        self.context = nn.Conv2d(widths[-1], widths[-1], 1)
        self.decoders = nn.ModuleList(
            Decoder(width, coarser, config.propagation_reaches if coarser else ())
            for width, coarser in zip(widths, [*widths[1:], None], strict=True)
        )
        self.refinement = Refinement(config.fine_channels, stem, widths[0], config.fine_blocks)
        self._initialise()

    def _initialise(self):
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
                nn.init.zeros_(module.bias)
        # residual branches and heads start at zero: the identity and the fill, without normalisation layers
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.second.weight)
            if isinstance(module, Decoder):
                nn.init.zeros_(module.head.weight)
                _set_bias(module.head, [0.0, 0.0, 3.0, -3.0])  # no residual; this scale's fill
                if module.upsampling is not None:
                    nn.init.zeros_(module.upsampling.weight)
                    _set_bias(module.upsampling, bilinear_logits())
                if module.propagation is not None:
                    nn.init.zeros_(module.propagation.weight)
                    _set_bias(module.propagation, KEEP * len(module.reaches))
        nn.init.zeros_(self.context.weight)
        nn.init.zeros_(self.refinement.heads.weight)
        _set_bias(self.refinement.heads, [0.0, 0.0, *KEEP, *bilinear_logits(), 2.0, LOG_WIDTH_START])

    def forward(self, image: Tensor, depth_m: Tensor, sigma_m: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        pyramid = self.pyramid(depth_m, sigma_m, camera)
        log_depth, log_width, _ = self.estimate(image, pyramid, camera)
        depth = (log_depth + pyramid.centre).exp()
        sigma = depth * log_width.exp()
        return depth[:, 0], sigma[:, 0]

    def pyramid(self, depth_m: Tensor, sigma_m: Tensor, camera: Tensor) -> PromptPyramid:
        """The prompt (B, H, W), H and W multiples of 32, at every scale; not for autocast."""
        return build_pyramid(depth_m[:, None], sigma_m[:, None], _default_log_depth(camera), scales=len(self.downs))

    def estimate(self, image: Tensor, pyramid: PromptPyramid, camera: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Log depth (B, 1, H, W) relative to the pyramid's centre, log of the relative half-width that holds 68 % of
        the errors (B, 1, H, W), and the estimates at strides 2, 4, 8, 16, 32, for losses at every scale.
        """
        levels = pyramid.levels

        rgb = image.permute(0, 3, 1, 2).to(camera.dtype)
        known = [] if self.pretrained is None else self.pretrained(F.avg_pool2d(rgb, 2))
        rgb = (rgb - GREY) / CONTRAST
        fine = x = F.relu(self.stem(torch.cat([rgb, pyramid.sparse, pyramid.weight.sqrt()], dim=1)))
        features = []
        for i, (down, prompt, stage) in enumerate(zip(self.downs, self.prompts, self.stages, strict=True)):
            x = down(x) + prompt(levels[i].features())
            if known:
                x = x + self.adapters[i](known[i])
            if i == 1:
                x = x + self.surroundings(_surroundings(x, 8, camera, pyramid.centre))
            x = stage(F.relu(x))
            features.append(x)
        coarser = x + self.context(x.mean((2, 3), keepdim=True))

        estimate = levels[-1].fill
        estimates = []
        for i in reversed(range(len(levels))):
            estimate, coarser = self.decoders[i](features[i], coarser, estimate, levels[i])
            estimates.append(estimate)
        estimate, upsampling, trust, log_width = self.refinement(
            fine, coarser, estimate, pyramid, self.config.propagation_steps
        )
        estimates.append(estimate)
        log_depth = upsampled(estimate, upsampling)
        trust = F.interpolate(torch.sigmoid(trust), scale_factor=2, mode='nearest')
        log_depth = log_depth + torch.where(pyramid.weight > 0, trust * (pyramid.sparse - log_depth), 0.0)
        log_width = F.interpolate(
            log_width.clamp(*LOG_WIDTH_RANGE), scale_factor=2, mode='bilinear', align_corners=False
        )
        return log_depth, log_width, estimates[::-1]


class ResidualBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class Decoder(nn.Module):
    """One scale: the coarser estimate, drawn to this scale's fill and returns, a learned residual, and propagation
    from cells of the same surface, one step for each of `reaches`.
    """

    def __init__(self, width: int, coarser_width: int | None, reaches: tuple[int, ...] = ()):
        super().__init__()
        self.reaches = reaches
        self.lateral = nn.Conv2d(coarser_width or width, width, 1)
        self.upsampling = nn.Conv2d(coarser_width, TAPS, 1) if coarser_width else None
        self.state = nn.Conv2d(STATE_FEATURES, width, 3, padding=1)
        self.block = ResidualBlock(width)
        self.head = nn.Conv2d(width, 4, 3, padding=1)
        self.propagation = nn.Conv2d(width, len(NEIGHBOURS) * len(reaches), 1) if reaches else None

    def forward(self, skip: Tensor, coarser: Tensor, estimate: Tensor, level: PromptLevel) -> tuple[Tensor, Tensor]:
        if self.upsampling is not None:
            estimate = upsampled(estimate, self.upsampling(coarser).to(estimate.dtype))
        coarser = self.lateral(coarser)
        if self.upsampling is not None:
            coarser = F.interpolate(coarser, scale_factor=2, mode='nearest')
        innovation = (level.mean - estimate) * level.mask
        state = self.state(torch.cat([innovation, level.fill - estimate, level.mask, level.nearest - estimate], dim=1))
        x = self.block(F.relu(skip + state + coarser))
        residual, trust, adopt, copy = self.head(x).to(estimate.dtype).split(1, dim=1)
        estimate = estimate + torch.sigmoid(adopt) * (level.fill - estimate)
        estimate = estimate + torch.sigmoid(copy) * (level.nearest - estimate)
        estimate = estimate + 0.5 * torch.sigmoid(trust) * (level.mean - estimate) * level.mask
        estimate = estimate + residual
        if self.propagation is not None:
            logits = self.propagation(x).to(estimate.dtype).split(len(NEIGHBOURS), dim=1)
            for reach, own in zip(self.reaches, logits, strict=True):
                estimate = propagated(estimate, own, 1, reach)
        return estimate, x


class Refinement(nn.Module):
    """Stride 4 -> 2, where edges are put in their place: residual, spatial propagation, and what the last step needs.

    Returns the estimate (B, 1, h, w), and logits for its upsampling, trust in single returns and log width.
    """

    def __init__(self, width: int, fine_width: int, coarser_width: int, blocks: int):
        super().__init__()
        self.upsampling = nn.Conv2d(coarser_width, TAPS, 1)
        self.lateral = nn.Conv2d(coarser_width, width, 1)
        self.skip = nn.Conv2d(fine_width, width, 3, padding=1)
        self.state = nn.Conv2d(FINE_STATE_FEATURES, width, 3, padding=1)
        self.block = ResidualBlock(width)
        self.more = nn.Sequential(*[ResidualBlock(width) for _ in range(blocks - 1)])
        self.heads = nn.Conv2d(width, sum(HEADS), 1)

    def forward(self, fine: Tensor, coarser: Tensor, estimate: Tensor, pyramid: PromptPyramid, steps: int):
        estimate = upsampled(estimate, self.upsampling(coarser).to(estimate.dtype))
        weight = F.avg_pool2d(pyramid.weight, 2)
        mean = F.avg_pool2d(pyramid.weight * pyramid.sparse, 2) / weight.clamp_min(1e-12)
        mask = (weight > 0).to(estimate.dtype)
        state = self.state(torch.cat([(mean - estimate) * mask, mask], dim=1))
        coarser = F.interpolate(self.lateral(coarser), scale_factor=2, mode='nearest')
        x = self.more(self.block(F.relu(self.skip(fine) + state + coarser)))
        heads = self.heads(x).to(estimate.dtype)  # autocast ends here
        residual, cell_trust, propagation, upsampling, trust, log_width = heads.split(HEADS, dim=1)
        estimate = estimate + torch.sigmoid(cell_trust) * (mean - estimate) * mask + residual
        return propagated(estimate, propagation, steps), upsampling, trust, log_width


def _default_log_depth(camera: Tensor) -> Tensor:
    """(B, 1, 1, 1): where the middle of an ordinary scene would lie."""
    return (camera[:, :1] * CANONICAL_DEPTH_PER_FOCAL_PX).log()[:, :, None, None]


def _surroundings(x: Tensor, stride: int, camera: Tensor, centre: Tensor) -> Tensor:
    """(B, 3, h, w): tangents of the viewing angle of every cell, where the horizon and the floor are, and how far
    away the whole scene is, which tells a street from a table.
    """
    height, width = x.shape[-2:]
    rows = (torch.arange(height, device=x.device, dtype=camera.dtype) + 0.5) * stride - 0.5
    columns = (torch.arange(width, device=x.device, dtype=camera.dtype) + 0.5) * stride - 0.5
    fx, fy, cx, cy = (value[:, :, None, None] for value in camera.split(1, dim=1))
    zeros = torch.zeros_like(x[:, :1], dtype=camera.dtype)
    distance = centre - _default_log_depth(camera)
    return torch.cat([(columns - cx) / fx + zeros, (rows[:, None] - cy) / fy + zeros, distance + zeros], dim=1)


def _set_bias(layer: nn.Conv2d, values: list[float]):
    with torch.no_grad():
        layer.bias.copy_(torch.tensor(values))
