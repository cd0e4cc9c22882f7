# SPDX-License-Identifier: Apache-2.0
"""Losses do what their names say."""

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.training import losses  # noqa: E402


def error_of(value=0.3):
    return torch.full((2, 1, 32, 32), value), torch.ones(2, 1, 32, 32)


def test_only_known_pixels_count():
    error, mask = error_of()
    error[:, :, :16] = 100
    mask[:, :, :16] = 0
    assert losses.mean_absolute(error, mask).item() == pytest.approx(0.3)
    assert losses.gradient(error, mask).item() == pytest.approx(0, abs=1e-6)
    assert losses.mean_absolute(error, mask * 0).item() == 0


def test_a_wrong_scale_costs_nothing_where_only_relative_depth_is_asked_for():
    error, mask = error_of()
    chosen = torch.tensor([1.0, 0.0])
    assert losses.shift_invariant(error, mask, chosen).item() == pytest.approx(0, abs=1e-6)
    error[1, :, :16] += 5  # not chosen
    assert losses.shift_invariant(error, mask, chosen).item() == pytest.approx(0, abs=1e-6)
    error[0, :, :16] += 1
    assert losses.shift_invariant(error, mask, chosen).item() == pytest.approx(0.5)


def test_gradients_see_edges_and_ramps_at_every_scale_but_no_offset():
    error, mask = error_of()
    assert losses.gradient(error, mask).item() == pytest.approx(0, abs=1e-7)
    ramp = torch.arange(32.0)[None, None, None].expand(2, 1, 32, 32)
    # slope 1 along one of two axes, doubled at each of the four scales
    assert losses.gradient(ramp, mask).item() == pytest.approx((1 + 2 + 4 + 8) / 8)


def test_the_likelihood_is_best_at_the_true_scale_and_does_not_pull_the_estimate():
    generator = torch.Generator().manual_seed(0)
    size = -torch.rand(4, 1, 64, 64, generator=generator).log() * 0.2  # Laplace of scale 0.2
    mask, beyond = torch.ones_like(size), torch.zeros_like(size, dtype=torch.bool)
    scales = torch.linspace(0.05, 0.8, 76)
    costs = [losses.laplace_nll(size, torch.full_like(size, s.log().item()), mask, beyond) for s in scales]
    assert scales[torch.stack(costs).argmin()].item() == pytest.approx(0.2, abs=0.02)
    size.requires_grad_()
    log_scale = torch.zeros_like(size, requires_grad=True)
    losses.laplace_nll(size, log_scale, mask, beyond).backward()
    assert size.grad is None
    assert log_scale.grad.abs().sum() > 0


def test_sky_must_be_doubted_even_though_its_depth_is_unknown():
    error, mask = error_of(0.0)
    beyond = torch.ones_like(mask, dtype=torch.bool)
    sure, unsure = torch.full_like(error, -3.0), torch.full_like(error, 0.4)
    assert losses.laplace_nll(error, unsure, 0 * mask, beyond) < losses.laplace_nll(error, sure, 0 * mask, beyond)


def test_coarse_estimates_are_held_to_the_mean_of_their_cells():
    target, mask = torch.rand(1, 1, 32, 32), torch.ones(1, 1, 32, 32)
    means = [torch.nn.functional.avg_pool2d(target, stride) for stride in (4, 8)]
    assert losses.at_scales(means, target, mask).item() == pytest.approx(0, abs=1e-6)
    assert losses.at_scales([means[0] + 0.5, means[1]], target, mask).item() == pytest.approx(0.25, abs=1e-6)
