# SPDX-License-Identifier: Apache-2.0
"""Losses do what their names say, sample by sample."""

import math

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.training import losses  # noqa: E402


def error_of(value=0.3):
    return torch.full((2, 1, 32, 32), value), torch.ones(2, 1, 32, 32)


def test_only_known_pixels_count_and_a_sample_without_any_costs_nothing():
    error, mask = error_of()
    error[:, :, :16] = 100
    mask[:, :, :16] = 0
    mask[1] = 0
    assert losses.absolute(error, mask).tolist() == pytest.approx([0.3, 0])
    assert losses.relative(error, mask).tolist() == pytest.approx([math.exp(0.3) - 1, 0])
    assert losses.derivatives(error, mask, 'scharr', 1).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_the_relative_error_is_that_of_accuracy_tables_and_stays_finite():
    true_m, predicted_m = torch.tensor([2.0, 2.0]), torch.tensor([1.5, 3.0])
    error = (predicted_m / true_m).log()[:, None, None, None]
    mask = torch.ones_like(error)
    assert losses.relative(error, mask).tolist() == pytest.approx([0.25, 0.5])
    wild = torch.full((1, 1, 1, 1), 200.0)
    assert torch.isfinite(losses.relative(wild, torch.ones_like(wild))).all()


def test_a_wrong_scale_costs_nothing_where_only_relative_depth_is_asked_for():
    error, mask = error_of()
    error[1, :, :16] += 1
    assert losses.shift_invariant(error, mask).tolist() == pytest.approx([0, 0.5], abs=1e-6)


@pytest.mark.parametrize(
    ('operator', 'power', 'expected'),
    [
        # slope 1 along one axis, doubled at each scale of half the size
        ('scharr', 1, (1 + 2 + 4) / 3),
        ('scharr', 2, (1 + 4 + 16) / 3),
        ('laplace', 1, 0.0),
    ],
)
def test_derivatives_of_a_ramp(operator, power, expected):
    error, mask = error_of()
    assert losses.derivatives(error, mask, operator, power).tolist() == pytest.approx([0, 0], abs=1e-5)
    ramp = torch.arange(32.0)[None, None, None].expand(2, 1, 32, 32)
    assert losses.derivatives(ramp, mask, operator, power).tolist() == pytest.approx([expected] * 2, abs=1e-4)


def test_second_derivatives_see_a_bend():
    _, mask = error_of()
    x = torch.arange(32.0)[None, None, None].expand(2, 1, 32, 32)
    assert (losses.derivatives(0.5 * x**2, mask, 'laplace', 1) > 1).all()


@pytest.mark.parametrize('scale', [0.05, 0.2])
def test_the_width_is_best_where_it_holds_its_share_of_any_distribution(scale):
    generator = torch.Generator().manual_seed(0)
    error = scale * torch.randn(1, 1, 128, 128, generator=generator) ** 3  # heavy tails
    mask, beyond = torch.ones_like(error), torch.zeros_like(error, dtype=torch.bool)
    sizes = torch.expm1(-error.clamp(-3, 3)).abs()
    widths = torch.linspace(-6, 0, 241)
    costs = [losses.width_quantile(error, torch.full_like(error, w), mask, beyond).item() for w in widths]
    best = widths[int(torch.tensor(costs).argmin())].exp()
    assert (sizes < best).float().mean().item() == pytest.approx(0.68, abs=0.01)


def test_doubt_does_not_pull_the_estimate():
    error = torch.full((1, 1, 4, 4), 0.1, requires_grad=True)
    log_width = torch.zeros(1, 1, 4, 4, requires_grad=True)
    mask, beyond = torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    losses.width_quantile(error, log_width, mask, beyond).sum().backward()
    assert error.grad is None
    assert log_width.grad.abs().sum() > 0


def test_sky_must_be_doubted_even_though_its_depth_is_unknown():
    error, mask = error_of(0.0)
    beyond = torch.ones_like(mask, dtype=torch.bool)
    sure, unsure = torch.full_like(error, -3.0), torch.full_like(error, 0.4)
    costs = [losses.width_quantile(error, width, 0 * mask, beyond).sum() for width in (unsure, sure)]
    assert costs[0] < costs[1]


def test_coarse_estimates_are_held_to_the_mean_of_their_cells():
    target, mask = torch.rand(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
    means = [torch.nn.functional.avg_pool2d(target, stride) for stride in (4, 8)]
    assert losses.at_scales(means, target, mask).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert losses.at_scales([means[0] + 0.5, means[1]], target, mask).tolist() == pytest.approx([0.25] * 2, abs=1e-6)


def test_a_sample_is_as_hard_as_its_better_fill():
    target, mask = torch.rand(2, 1, 32, 32), torch.ones(2, 1, 32, 32)
    mean = torch.nn.functional.avg_pool2d(target, 4)
    good, bad = mean + torch.tensor([0.1, 0.4])[:, None, None, None], mean + 0.3
    assert losses.fill_error([good, bad], target, mask).tolist() == pytest.approx([0.1, 0.3], abs=1e-6)
