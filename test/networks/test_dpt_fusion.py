# SPDX-License-Identifier: Apache-2.0
"""The decoder in its cheaper order is transformers' decoder."""

import pytest

torch = pytest.importorskip('torch')
transformers = pytest.importorskip('transformers')

from random_network import randomised  # noqa: E402

from depth_anything_ros.networks.depth_anything import DepthAnythingConfig, TransformersConfig  # noqa: E402
from depth_anything_ros.networks.dpt_fusion import with_early_projection  # noqa: E402

DPT = {'hidden': 24, 'layers': 4, 'heads': 2, 'taps': (0, 1, 2, 3), 'features': 8, 'channels': (4, 8, 12, 16)}


def networks(kind, config):
    settings = config(depth_estimation_type='metric', max_depth=1, **DepthAnythingConfig(**DPT).transformers_settings())
    theirs = randomised(kind(settings))
    ours = with_early_projection(kind(settings)).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@torch.no_grad()
@pytest.mark.parametrize('size', [(70, 70), (56, 98)])
def test_depth_anything(size):
    ours, theirs = networks(transformers.DepthAnythingForDepthEstimation, TransformersConfig)
    pixels = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = theirs(pixels).predicted_depth
    torch.testing.assert_close(ours(pixels).predicted_depth, expected, rtol=1e-5, atol=1e-6)
    assert expected.std() > 1e-3


@torch.no_grad()
def test_prompt_depth_anything():
    ours, theirs = networks(transformers.PromptDepthAnythingForDepthEstimation, transformers.PromptDepthAnythingConfig)
    generator = torch.Generator().manual_seed(0)
    given = torch.randn(1, 3, 56, 70, generator=generator), 1 + torch.rand(1, 1, 20, 30, generator=generator)
    expected = theirs(given[0], prompt_depth=given[1]).predicted_depth
    torch.testing.assert_close(ours(given[0], prompt_depth=given[1]).predicted_depth, expected, rtol=1e-5, atol=1e-5)
