# SPDX-License-Identifier: Apache-2.0
"""The sparse-prompt network: what holds before any training, and whatever its weights are."""

import dataclasses

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.networks import propagation  # noqa: E402
from depth_anything_ros.networks.sparse_prompt import SparsePromptConfig, SparsePromptNet  # noqa: E402

SMALL = SparsePromptConfig(channels=(8, 8, 16, 16, 16), blocks=(1, 1, 1, 1), fine_blocks=2, propagation_reaches=(2, 1))


def network(random_heads: bool, config=SMALL):
    torch.manual_seed(0)
    net = SparsePromptNet(config).eval()
    if random_heads:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.03 * torch.randn_like(parameter))
    return net


def inputs(height=96, width=128, returns=60, low_m=1.0, high_m=4.0, focal=100.0):
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (1, height, width, 3), dtype=torch.uint8, generator=generator)
    depth_m = torch.zeros(1, height, width)
    at = torch.randperm(height * width, generator=generator)[:returns]
    depth_m.view(-1)[at] = low_m + (high_m - low_m) * torch.rand(returns, generator=generator)
    return image, depth_m, 0.01 * depth_m, torch.tensor([[focal, focal, width / 2, height / 2]])


@torch.no_grad()
def test_untrained_it_is_a_fill_of_the_prompt():
    image, depth_m, sigma_m, camera = inputs()
    out_m, _ = network(random_heads=False)(image, depth_m, sigma_m, camera)
    known = depth_m > 0
    assert out_m.min() > 0.8 and out_m.max() < 4 / 0.8, 'planes may run a little out of the range of the returns'
    assert ((out_m - depth_m).abs() / depth_m.clamp_min(1e-3))[known].mean() < 0.15


@torch.no_grad()
def test_untrained_it_completes_a_slanted_surface():
    image, depth_m, _, camera = inputs(returns=300)
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing='ij')
    truth_m = (0.5 + 0.004 * columns + 0.003 * rows).exp()[None]
    depth_m = torch.where(depth_m > 0, truth_m, 0.0)
    out_m, _ = network(random_heads=False)(image, depth_m, 0.01 * depth_m, camera)
    assert (out_m / truth_m - 1).abs().mean() < 0.01


@torch.no_grad()
def test_a_scene_ten_times_larger_is_ten_times_deeper():
    net = network(random_heads=True)
    net.surroundings.weight[:, 2] = 0  # what knows a street from a table by its size
    image, depth_m, sigma_m, camera = inputs()
    once_m, once_sigma_m = net(image, depth_m, sigma_m, camera)
    ten_m, ten_sigma_m = net(image, 10 * depth_m, 10 * sigma_m, camera)
    torch.testing.assert_close(ten_m, 10 * once_m, rtol=1e-3, atol=0)
    torch.testing.assert_close(ten_sigma_m, 10 * once_sigma_m, rtol=1e-3, atol=0)


@torch.no_grad()
def test_without_returns_depth_is_in_proportion_to_the_focal_length():
    net = network(random_heads=True)
    image, depth_m, sigma_m, camera = inputs(returns=0)
    net.surroundings.weight.zero_()  # the viewing angles are the other thing that a focal length changes
    once_m, sigma_m_out = net(image, depth_m, sigma_m, camera)
    camera[0, :2] *= 3
    thrice_m, _ = net(image, depth_m, sigma_m, camera)
    assert torch.isfinite(once_m).all() and torch.isfinite(sigma_m_out).all()
    torch.testing.assert_close(thrice_m, 3 * once_m, rtol=1e-3, atol=0)


@torch.no_grad()
@pytest.mark.parametrize('size', [(64, 64), (96, 160), (64, 256), (160, 64)])
def test_any_multiple_of_32_comes_back_at_its_own_size(size):
    out_m, sigma_m = network(random_heads=True)(*inputs(*size))
    assert out_m.shape == sigma_m.shape == (1, *size)
    assert torch.isfinite(out_m).all() and (sigma_m > 0).all()


@torch.no_grad()
def test_nan_and_zero_both_mean_that_there_is_no_return():
    net = network(random_heads=True)
    image, depth_m, sigma_m, camera = inputs()
    zeros = net(image, depth_m, sigma_m, camera)
    nans = net(
        image, torch.where(depth_m > 0, depth_m, torch.nan), torch.where(depth_m > 0, sigma_m, torch.nan), camera
    )
    for a, b in zip(zeros, nans, strict=True):
        assert torch.equal(a, b)


@torch.no_grad()
def test_one_wild_return_among_many_moves_the_rest_little():
    net = network(random_heads=False)
    image, depth_m, sigma_m, camera = inputs(returns=400)
    before_m, _ = net(image, depth_m, sigma_m, camera)
    depth_m[0, 0, 0] = 500.0
    after_m, _ = net(image, depth_m, sigma_m, camera)
    far_away = (after_m / before_m - 1).abs()[0, 40:, 40:]
    assert far_away.mean() < 1e-3 and far_away.max() < 0.1


def test_every_weight_is_reached_by_the_loss():
    net = network(random_heads=True).train()
    image, depth_m, sigma_m, camera = inputs()
    log_depth, log_scale, estimates = net.estimate(image, net.pyramid(depth_m, sigma_m, camera), camera)
    (log_depth.abs().mean() + log_scale.mean() + sum(e.abs().mean() for e in estimates)).backward()
    silent = [name for name, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert silent == []


def test_pretrained_features_reach_the_estimate_but_stay_as_they_are():
    net = network(random_heads=True, config=dataclasses.replace(SMALL, pretrained=True)).train()
    image, depth_m, sigma_m, camera = inputs()
    pyramid = net.pyramid(depth_m, sigma_m, camera)
    log_depth, *_ = net.estimate(image, pyramid, camera)
    log_depth.abs().mean().backward()
    assert all(parameter.grad is None for parameter in net.pretrained.parameters())
    assert all(adapter.weight.grad.any() for adapter in net.adapters)
    with torch.no_grad():
        for parameter in net.pretrained.blocks[0].parameters():
            parameter.mul_(2)
        assert not torch.equal(net.estimate(image, pyramid, camera)[0], log_depth)


def test_upsampling_starts_as_bilinear_interpolation():
    estimate = torch.rand(1, 1, 6, 8, generator=torch.Generator().manual_seed(2))
    logits = torch.tensor(propagation.bilinear_logits())[None, :, None, None].expand(1, -1, 6, 8)
    expected = torch.nn.functional.interpolate(estimate, scale_factor=2, mode='bilinear', align_corners=False)
    torch.testing.assert_close(propagation.upsampled(estimate, logits), expected)


def test_propagation_takes_what_lies_as_far_away_as_it_reaches():
    estimate = torch.arange(48.0).reshape(1, 1, 6, 8)
    logits = torch.full((1, 9, 6, 8), -15.0)
    logits[:, propagation.NEIGHBOURS.index((0, 1))] = 15.0
    moved = propagation.propagated(estimate, logits, 1, 3)
    torch.testing.assert_close(moved[..., :5], estimate[..., 3:])
    torch.testing.assert_close(moved[..., 5:], estimate[..., 7:].expand(-1, -1, -1, 3), msg='edges repeated')
