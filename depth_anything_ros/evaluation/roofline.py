# SPDX-License-Identifier: Apache-2.0
"""What a network has to compute, and what this machine can: the two ends of a roofline."""

from __future__ import annotations

import time

from depth_anything_ros.networks.card import ModelCard

SIDE = {'cpu': 1536, 'cuda': 8192}  # of the square matrices: large enough that only arithmetic counts
REPEATS = 10


def network_flops(card: ModelCard, width: int, height: int) -> float:
    """Operations of one image, two for a multiply-add, without the pointwise ones; counted on shapes alone."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from depth_anything_ros.networks.loading import empty_network

    network = empty_network(card).to('meta').eval()
    image = torch.empty(1, height, width, 3, dtype=torch.uint8, device='meta')
    returns = torch.empty(1, height, width, device='meta')
    counter = FlopCounterMode(display=False)
    # attention as plain products: the counter knows only some of the fused kernels
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        network(image, returns, returns, torch.empty(1, 4, device='meta'))
    return float(counter.get_total_flops())


def matmul_rate(precision: str) -> float:
    """Operations a second of a large matrix product in this precision: 'fp32', 'fp16' or 'bf16'; the best of some."""
    import torch

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    dtype = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}[precision]
    side = SIDE[device]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best = float('inf')
    with torch.inference_mode():
        for _ in range(REPEATS):
            start = time.perf_counter()
            torch.matmul(a, b)
            if device == 'cuda':
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best
