# SPDX-License-Identifier: Apache-2.0
"""The prompt at every scale, inside the graph."""

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.networks.prompt_pyramid import build_pyramid  # noqa: E402

SCALES = 4


def pyramid_of(depth_m, sigma_m=None, default_log_depth=0.0):
    depth_m = depth_m[None, None]
    sigma_m = depth_m * 0.01 if sigma_m is None else sigma_m[None, None]
    return build_pyramid(depth_m, sigma_m, torch.full((1, 1, 1, 1), default_log_depth), SCALES)


def sparse(returns, height=96, width=160):
    depth_m = torch.zeros(height, width)
    for row, column, value in returns:
        depth_m[row, column] = value
    return depth_m


def test_a_single_return_fills_every_scale():
    pyramid = pyramid_of(sparse([(70, 30, 4.0)]))
    assert pyramid.centre.exp().item() == pytest.approx(4.0)
    for level in pyramid.levels:
        assert level.fill.abs().max() < 1e-4
    assert [tuple(level.fill.shape[-2:]) for level in pyramid.levels] == [(24, 40), (12, 20), (6, 10), (3, 5)]


def test_without_returns_the_centre_is_the_default_and_the_fill_says_nothing():
    pyramid = pyramid_of(sparse([]), default_log_depth=1.25)
    assert pyramid.centre.item() == 1.25
    for level in pyramid.levels:
        assert level.fill.abs().max() == 0
        assert level.support.max() == 0


@pytest.mark.parametrize('slope', [(0.01, 0.0), (0.0, 0.008), (-0.004, 0.006)])
def test_scattered_returns_of_a_plane_give_the_plane(slope):
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(160.0), indexing='ij')
    truth = 0.7 + slope[0] * columns + slope[1] * rows
    chosen = torch.rand(truth.shape, generator=torch.Generator().manual_seed(0)) < 0.02
    pyramid = pyramid_of(torch.where(chosen, truth.exp(), 0.0))
    middles = torch.nn.functional.avg_pool2d(truth[None, None], 4)
    error = pyramid.levels[0].fill + pyramid.centre - middles
    assert error[..., 3:-3, 3:-3].abs().max() < 0.06, 'an average a cell would be terraces of 0.1 and more'
    assert error.abs().mean() < 0.015


def test_every_cell_takes_the_return_that_is_nearest():
    level = pyramid_of(sparse([(50, 2, 2.0), (50, 157, 8.0)])).levels[0]
    assert level.fill[0, 0, 12, 0] < 0 < level.fill[0, 0, 12, -1]


def test_support_is_full_on_returns_and_falls_away_from_them():
    support = pyramid_of(sparse([(50, 2, 2.0)])).levels[0].support[0, 0]
    assert support[12, 0] > 0.6
    assert support[12, 0] > support[12, 4] > support[12, 20] >= 0


def test_a_vague_return_has_little_say_in_its_cell():
    depth_m = sparse([(0, 0, 2.0), (0, 1, 8.0)])
    sigma_m = sparse([(0, 0, 0.01), (0, 1, 4.0)])
    level = pyramid_of(depth_m, sigma_m)
    mean_m = (level.levels[0].mean[0, 0, 0, 0] + level.centre).exp().item()
    assert 2.0 <= mean_m < 2.1


def test_the_spread_of_a_cell_tells_an_edge_from_a_surface():
    edge = pyramid_of(sparse([(0, 0, 2.0), (0, 1, 8.0)])).levels[0].spread[0, 0, 0, 0]
    surface = pyramid_of(sparse([(0, 0, 2.0), (0, 1, 2.02)])).levels[0].spread[0, 0, 0, 0]
    assert edge > 0.5
    assert surface < 0.02


def test_nan_means_empty_like_zero():
    depth_m = sparse([(10, 20, 3.0), (60, 100, 5.0)])
    holes = torch.where(depth_m > 0, depth_m, torch.nan)
    for a, b in zip(pyramid_of(depth_m).levels, pyramid_of(holes).levels, strict=True):
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y)
