# SPDX-License-Identifier: Apache-2.0
"""Constants of a network's geometry, brought to an accelerator once.

A copy from ordinary host memory makes the host wait for the device, every frame, and can't be part of a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

_HELD: dict[tuple, Tensor] = {}


def device_constant(name: Hashable, make: Callable[[], Tensor], like: Tensor) -> Tensor:
    """What `make` gives, on the device and in the type of `like`. name: says which constant it is, and its size."""
    if like.device.type == 'cpu':  # next to nothing to copy, and exporters trace here
        return make().to(like)
    key = (name, like.device, like.dtype)
    if key not in _HELD:
        with torch.inference_mode(False):  # training may use it later
            _HELD[key] = make().to(like.device, like.dtype)
    return _HELD[key]
