# SPDX-License-Identifier: Apache-2.0
"""Depth beside "no depth" changes size and the two never mix."""

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.networks.masked_resize import resize_masked  # noqa: E402


def maps(height=6, width=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(1, 1, height, width, generator=generator) for _ in range(2)]


def test_at_the_same_size_nothing_is_blended():
    depth, void = maps()
    expected = torch.where(void < 0.5, depth, 0.0)[:, 0]
    assert torch.equal(resize_masked(depth, void, 0.5, (6, 10)), expected)


@pytest.mark.parametrize('size', [(6, 10), (13, 31), (24, 40), (5, 7)])
def test_where_everything_is_valid_it_is_bilinear_interpolation(size):
    depth, void = maps()
    expected = torch.nn.functional.interpolate(depth, size, mode='bilinear', align_corners=False)[:, 0]
    torch.testing.assert_close(resize_masked(depth, void, 2.0, size), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize('hidden', [100.0, float('nan'), float('inf')])
@pytest.mark.parametrize('size', [(17, 33), (60, 100), (3, 5)])
def test_what_the_mask_hides_leaks_nowhere(hidden, size):
    _, void = maps(seed=3)
    depth = torch.where(void < 0.5, 1.0, hidden)
    out = resize_masked(depth, void, 0.5, size)
    assert ((out == 0) | ((out - 1).abs() < 1e-6)).all()
    assert (out == 0).any() and (out != 0).any()


def test_nothing_valid_gives_zeros():
    depth, void = maps()
    assert not resize_masked(depth, void, -1.0, (13, 31)).any()


def test_a_panorama_has_no_edge_on_its_left_and_right():
    depth, void = maps(8, 16)
    turned = resize_masked(depth.roll(5, 3), void.roll(5, 3), 0.7, (32, 64), wraps=True)
    torch.testing.assert_close(turned, resize_masked(depth, void, 0.7, (32, 64), wraps=True).roll(20, 2))
    flat = resize_masked(depth.roll(5, 3), void.roll(5, 3), 0.7, (32, 64))
    assert not torch.allclose(flat, resize_masked(depth, void, 0.7, (32, 64)).roll(20, 2))
