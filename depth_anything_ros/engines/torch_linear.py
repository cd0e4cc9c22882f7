# SPDX-License-Identifier: Apache-2.0
"""Linear layers on a CPU with weights laid out once for oneDNN, and GELU computed on the way out of the product.

PyTorch's own layer lays the weights out at every call, copies the bias into the result beforehand, and reads the
whole result again for the activation: a tenth of a transformer's time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

TOKENS = 1370  # of an image of 518x518 px: the layout is chosen for about as many
GELUS = ('GELU', 'GELUActivation')  # torch's, transformers'


class PackedLinear(nn.Module):
    """An nn.Linear for inference; activation: 'none' or 'gelu'. Its product is in the precision of its weights."""

    def __init__(self, layer: nn.Linear, activation: str = 'none'):
        super().__init__()
        self.dtype = layer.weight.dtype
        self.activation = activation
        # not buffers: nothing that moves or counts parameters understands this layout
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), TOKENS)
        self._bias = None if layer.bias is None else layer.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype)
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, self.activation, [], 'none')


def pack_linear_layers(network: nn.Module) -> int:
    """Replace them in the network, whose weights are final; returns how many. 0 where PyTorch has no oneDNN."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, '_linear_pointwise'):
        return 0
    count = 0
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if type(layer) is not nn.Linear:
                continue
            activation = getattr(module, 'activation_fn', None) if name == 'fc1' else None
            fused = _is_gelu(activation)
            setattr(module, name, PackedLinear(layer, 'gelu' if fused else 'none'))
            if fused:
                module.activation_fn = nn.Identity()
            count += 1
    return count


def _is_gelu(module: nn.Module | None) -> bool:
    """The exact one, by the error function."""
    return type(module).__name__ in GELUS and getattr(module, 'approximate', 'none') == 'none'
