# SPDX-License-Identifier: Apache-2.0
"""What PyTorch computes a network in: the products with trained weights, in half precision where the device has it.

Geometry and metres stay in single precision (networks/single_precision.py), and so does the last convolution, which
gives depth itself: eight bits of it would be steps of half a percent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from depth_anything_ros.engines.torch_attention import ProductAttention

PRODUCTS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
CPU_INFO = Path('/proc/cpuinfo')
DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


@dataclass(frozen=True)
class Precision:
    """name: 'fp32', 'fp16' or 'bf16'; note: one line where it is not what was asked for."""

    name: str
    device: str
    note: str | None = None

    def prepare(self, network: nn.Module) -> nn.Module:
        """Round the weights of products once, where autocast would do it every frame. Changes the network."""
        dtype = DTYPES.get(self.name)
        if dtype is None:
            return network
        for module in network.modules():
            if isinstance(module, PRODUCTS):
                if isinstance(module, nn.Conv2d) and module.out_channels == 1:
                    module.forward = _outside_autocast(module.forward, self.device)
                else:
                    module.to(dtype)
        return network

    @contextmanager
    def computing(self) -> Iterator[None]:
        """To run the network in."""
        dtype = DTYPES.get(self.name)
        torch.backends.cudnn.allow_tf32 = False  # else convolutions of geometry on a GPU lose 13 bits
        if dtype is None:
            yield
            return
        # a graph of CUDA must not hold on to casts of weights that autocast keeps for one context
        with torch.autocast(self.device, dtype, cache_enabled=False):
            if self.device != 'cpu':
                yield
                return
            with ProductAttention():
                yield


def choose_precision(wanted: str, device: str) -> Precision:
    """wanted: EngineOptions.precision; device: 'cpu' or 'cuda'. What a device can't do well becomes what it can."""
    if device == 'cuda':
        if wanted == 'bf16' and not torch.cuda.is_bf16_supported(including_emulation=False):
            return Precision('fp16', device, 'this GPU does not compute in bf16: fp16 instead')
        return Precision('fp16' if wanted == 'auto' else wanted, device)
    if wanted in ('auto', 'fp32'):
        return Precision('fp32', device)
    bfloat16 = cpu_has_bfloat16()
    if wanted == 'bf16' and bfloat16:
        return Precision('bf16', device)
    instead = 'bf16' if bfloat16 else 'fp32'
    why = 'PyTorch computes in fp16 on a GPU only' if wanted == 'fp16' else 'this CPU has no bf16 instructions'
    return Precision(instead, device, f'{why}: {instead} instead')


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 (AVX512_BF16, AMX or Arm's BF16); elsewhere it is slower than fp32."""
    try:
        flags = CPU_INFO.read_text()
    except OSError:  # not Linux
        return False
    return any(flag in flags for flag in (' avx512_bf16', ' amx_bf16', ' bf16'))


def _outside_autocast(forward, device: str):
    def single(x):
        with torch.autocast(device, enabled=False):
            return forward(x.float())

    return single
