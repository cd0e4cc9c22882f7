# SPDX-License-Identifier: Apache-2.0
"""What the torch engine puts in the place of layers on a CPU gives what the layers give."""

import pytest

torch = pytest.importorskip('torch')

from torch import nn  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from depth_anything_ros.engines.torch_attention import QUERIES, ProductAttention, attention  # noqa: E402
from depth_anything_ros.engines.torch_linear import PackedLinear, pack_linear_layers  # noqa: E402

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason='this PyTorch has no oneDNN, whose layers these are'
)


class Mlp(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(24, 96), nn.Linear(96, 24, bias=False)
        self.activation_fn = activation

    def forward(self, x):
        return self.fc2(self.activation_fn(self.fc1(x)))


@needs_onednn
@torch.inference_mode()
@pytest.mark.parametrize('activation', [nn.GELU(), nn.GELU(approximate='tanh'), nn.SiLU()])
@pytest.mark.parametrize('shape', [(1, 50, 24), (3, 7, 24), (5, 24)])
def test_packed_layers_give_what_the_layers_give(activation, shape):
    torch.manual_seed(0)
    network, x = Mlp(activation).requires_grad_(False), torch.randn(shape)
    expected = network(x)
    assert pack_linear_layers(network) == 2
    assert isinstance(network.fc1, PackedLinear) and network.fc1.activation == (
        'gelu' if isinstance(activation, nn.GELU) and activation.approximate == 'none' else 'none'
    )
    torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-6)


@needs_onednn
@torch.inference_mode()
def test_a_packed_layer_computes_in_the_precision_of_its_weights():
    torch.manual_seed(0)
    layer = nn.Linear(24, 8).requires_grad_(False)
    x = torch.randn(2, 24)
    expected = layer(x)
    found = PackedLinear(layer.to(torch.bfloat16))(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)


def heads(tokens, dtype, seed=0):
    """Query, key and value as a network has them: heads are the second axis, not in memory."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, tokens, 3, 16, generator=generator).to(dtype).transpose(1, 2) for _ in range(3)]


@torch.inference_mode()
@pytest.mark.parametrize('tokens', [1, QUERIES, 2 * QUERIES + 17])
def test_attention_as_products_is_attention(tokens):
    query, key, value = heads(tokens, torch.float32)
    expected = scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(attention(query, key, value), expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_keys_that_share_a_large_part_lose_little_precision():
    query, key, value = heads(300, torch.float32)
    key = key + 20 * torch.randn(16)
    exact = scaled_dot_product_attention(query, key, value)
    rounded = attention(*(x.to(torch.bfloat16) for x in (query, key, value))).float()
    assert (rounded - exact).abs().mean() < 0.05 * exact.abs().mean()


@torch.inference_mode()
def test_only_plain_attention_in_bfloat16_is_replaced(monkeypatch):
    from depth_anything_ros.engines import torch_attention

    calls = []
    monkeypatch.setattr(torch_attention, 'attention', lambda *given: calls.append(len(given)) or given[2])
    half, single = heads(8, torch.bfloat16), heads(8, torch.float32)
    with ProductAttention():
        scaled_dot_product_attention(*single)
        scaled_dot_product_attention(*half, is_causal=True)
        scaled_dot_product_attention(*half, attn_mask=torch.ones(8, 8, dtype=torch.bool))
        assert calls == []
        scaled_dot_product_attention(*half, scale=0.5)
        assert len(calls) == 1
    scaled_dot_product_attention(*half)
    assert len(calls) == 1
