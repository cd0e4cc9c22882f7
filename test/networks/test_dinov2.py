# SPDX-License-Identifier: Apache-2.0
"""DINOv2 as the official depth systems use it."""

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from random_network import randomised  # noqa: E402
from transformers import Dinov2Backbone  # noqa: E402

from depth_anything_ros.networks.dinov2 import (  # noqa: E402
    dinov2_config,
    official_dinov2_state,
    with_official_positions,
)


@pytest.fixture(scope='module')
def pair():
    """transformers' backbone as it comes, and with the official position embeddings; the same weights."""
    config = dinov2_config(hidden=12, layers=2, heads=2, taps=(0, 1))
    theirs = randomised(Dinov2Backbone(config))
    ours = with_official_positions(Dinov2Backbone(config)).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@torch.no_grad()
@pytest.mark.parametrize(('size', 'same'), [((518, 518), True), ((392, 700), False), ((518, 532), False)])
def test_only_away_from_the_trained_size_do_position_embeddings_differ(pair, size, same):
    tokens = torch.zeros(1, 1 + size[0] * size[1] // 196, 12)
    a, b = (network.embeddings.interpolate_pos_encoding(tokens, *size) for network in pair)
    assert a.shape == b.shape == tokens.shape
    assert torch.equal(a, b) == same
    pixels = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    deepest = [network(pixels).feature_maps[-1] for network in pair]
    assert torch.equal(*deepest) == same


def test_the_factor_and_not_the_size_decides_where_position_embeddings_are_sampled(pair):
    """Source: interpolate_pos_encoding of DINOv2, interpolate_offset = 0.1."""
    ours = pair[1].embeddings
    with torch.no_grad():
        ours.position_embeddings.zero_()
        ours.position_embeddings[0, 1:, 0] = torch.arange(37).repeat_interleave(37)  # the row
    rows = 20
    found = ours.interpolate_pos_encoding(torch.zeros(1, 1 + rows * 37, 12), rows * 14, 518)[0, 1:, 0].view(rows, 37)
    expected = (torch.arange(rows) + 0.5) * 37 / (rows + 0.1) - 0.5
    torch.testing.assert_close(found[4:-4, 0], expected[4:-4], rtol=0, atol=0.1)  # cubic: a line is not quite one
    assert (found[-4, 0] - ((rows - 4 + 0.5) * 37 / rows - 0.5)).abs() > 0.1, 'which resizing to 20 rows would give'


def test_unknown_keys_and_those_of_others_stay_as_they_are():
    others = {
        'pretrained.blocks.0.attn.rope': 1,
        'pretrained.extra': 2,
        'depth_head.projects.0.weight': 3,
        'norm.bias': 4,
    }
    state = {key: torch.tensor(value) for key, value in others.items()}
    assert official_dinov2_state(state, 'pretrained.', 'backbone.') == state


def test_qkv_is_split_in_thirds():
    qkv = torch.arange(6.0)
    state = official_dinov2_state({'x.blocks.3.attn.qkv.bias': qkv}, 'x.', 'y.')
    assert {key: tensor.tolist() for key, tensor in state.items()} == {
        'y.encoder.layer.3.attention.q_proj.bias': [0, 1],
        'y.encoder.layer.3.attention.k_proj.bias': [2, 3],
        'y.encoder.layer.3.attention.v_proj.bias': [4, 5],
    }
