# SPDX-License-Identifier: Apache-2.0
"""The search for the nearest return, against looking at all of them."""

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.networks.nearest_return import FAR_CELLS, nearest_returns  # noqa: E402

HEIGHT, WIDTH, PULLS = 48, 64, 3


def search(mask):
    generator = torch.Generator().manual_seed(1)
    row, column = (0.8 * torch.rand(mask.shape, generator=generator) - 0.4 for _ in range(2))
    value = torch.arange(mask.numel(), dtype=torch.float32).reshape(mask.shape)
    rows, columns = (v.float() + 0.5 for v in torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing='ij'))
    found = nearest_returns(row, column, value, mask, PULLS)
    at = mask[0, 0] > 0
    places = torch.stack([(rows + row[0, 0])[at], (columns + column[0, 0])[at]], -1)
    every = torch.cdist(
        torch.stack([rows, columns], -1).reshape(-1, 2), places, compute_mode='donot_use_mm_for_euclid_dist'
    )
    return found, every.min(dim=1).values.reshape(HEIGHT, WIDTH) if at.any() else None


@pytest.mark.parametrize('share', [0.0007, 0.01, 0.1, 0.5])
def test_it_finds_the_nearest_almost_everywhere_and_is_never_far_off(share):
    mask = (torch.rand(1, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3)) < share).float()
    mask[0, 0, 5, 7] = 1
    found, shortest = search(mask)
    _, distance = found[0]
    excess = distance[0, 0] - shortest
    assert excess.min() > -1e-3
    assert (excess < 1e-3).float().mean() > 0.85
    assert excess.mean() < 0.1


def test_a_single_return_reaches_every_cell_of_every_scale():
    mask = torch.zeros(1, 1, HEIGHT, WIDTH)
    mask[0, 0, 40, 3] = 1
    found, _ = search(mask)
    assert [tuple(value.shape[-2:]) for value, _ in found] == [(48, 64), (24, 32), (12, 16), (6, 8)]
    for value, distance in found:
        assert (value == 40 * WIDTH + 3).all()
        assert distance.max() < FAR_CELLS


def test_no_return_is_far_away_and_worth_nothing():
    for value, distance in search(torch.zeros(1, 1, HEIGHT, WIDTH))[0]:
        assert (value == 0).all()
        assert (distance > 1000).all()
