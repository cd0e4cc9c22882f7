# SPDX-License-Identifier: Apache-2.0
"""Tiny networks with random weights and what they are given: shapes and behaviour are tested, not depth."""

import torch


def randomised(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """In evaluation mode, every weight random and of a size that keeps signals alive; the same at every call."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 0
            parameter.copy_(noise / fan_in**0.5 if fan_in else 0.3 + 0.1 * noise)
    return network.eval()


def raw_inputs(height: int, width: int, returns: int = 0, focal_px: float = 0.0) -> tuple[torch.Tensor, ...]:
    """image, depth_m, sigma_m, camera as the contract has them; focal_px 0: no camera."""
    generator = torch.Generator().manual_seed(height * width)
    image = torch.randint(0, 256, (1, height, width, 3), dtype=torch.uint8, generator=generator)
    depth_m = torch.zeros(1, height, width)
    at = torch.randperm(height * width, generator=generator)[:returns]
    depth_m.view(-1)[at] = 1 + 9 * torch.rand(returns, generator=generator)
    camera = [focal_px, focal_px, width / 2, height / 2] if focal_px else [0.0] * 4
    return image, depth_m, 0.01 * depth_m, torch.tensor([camera])
