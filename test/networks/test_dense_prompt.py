# SPDX-License-Identifier: Apache-2.0
"""Whatever prompt comes, Prompt Depth Anything gets a map without holes, strays or a range of zero."""

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.networks.dense_prompt import dense_prompt  # noqa: E402

CAMERA = torch.tensor([[500.0, 500.0, 320.0, 240.0]])
CELLS = (96, 128)


def prompt_of(depth_m, camera=CAMERA, cells=CELLS):
    prompt = dense_prompt(depth_m, camera, cells)
    assert prompt.depth_m.shape == (1, 1, *cells)
    assert all(values.isfinite().all() for values in prompt)
    assert (prompt.near_m > 0).all() and (prompt.far_m >= 1.019 * prompt.near_m).all()
    assert (prompt.depth_m >= prompt.near_m - 1e-6).all() and (prompt.depth_m <= prompt.far_m + 1e-6).all()
    return prompt


def test_a_good_map_stays_as_it_is():
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing='ij')
    depth_m = (3 + 1.5 * torch.sin(columns / 20) * torch.cos(rows / 25))[None]
    prompt = prompt_of(depth_m)
    torch.testing.assert_close(prompt.depth_m[:, 0], depth_m)
    assert prompt.near_m == depth_m.min() and prompt.far_m == depth_m.max()


def test_a_map_spread_out_over_a_larger_image_comes_back():
    small = 1 + torch.rand(1, 96, 128, generator=torch.Generator().manual_seed(0))
    image_sized = torch.zeros(1, 480, 640)
    image_sized[:, 2::5, 2::5] = small
    torch.testing.assert_close(prompt_of(image_sized).depth_m[:, 0], small)


def test_holes_take_the_nearest_return():
    depth_m = torch.zeros(1, 480, 640)
    depth_m[:, 100:110, 100:110], depth_m[:, 100:110, 500:510] = 2.0, 5.0
    filled = prompt_of(depth_m).depth_m[0, 0]
    assert (filled[:, :55] == 2).all() and (filled[:, 66:] == 5).all()
    assert ((filled == 2) | (filled == 5)).all()


def test_returns_in_one_cell_are_averaged_and_holes_marked_by_nan_or_below_zero_stay_holes():
    depth_m = torch.full((1, 480, 640), float('nan'))
    depth_m[:, 0, 0], depth_m[:, 1, 1], depth_m[:, 2, 2] = 2.0, 4.0, -1.0
    assert prompt_of(depth_m).depth_m.unique().tolist() == [3.0]


@pytest.mark.parametrize('stray_m', [1e-3, 0.01, 900.0, 1e7])
def test_a_stray_does_not_set_the_range(stray_m):
    depth_m = torch.zeros(1, 480, 640)
    at = torch.randperm(480 * 640, generator=torch.Generator().manual_seed(1))[:2000]
    depth_m.view(-1)[at] = torch.linspace(2, 6, 2000)
    depth_m.view(-1)[at[1000]] = stray_m
    prompt = prompt_of(depth_m)
    assert prompt.near_m > 1 and prompt.far_m < 12


def test_a_legitimate_tail_is_kept():
    depth_m = torch.full((1, 96, 128), 2.0)
    depth_m[:, :40] = torch.linspace(4, 9, 40)[None, :, None]
    depth_m[:, 0, :50] = 12.0  # 0.4 % of the map, through a doorway
    assert prompt_of(depth_m).far_m == 12


def test_a_flat_wall_gets_a_narrow_range_about_it():
    prompt = prompt_of(torch.full((1, 480, 640), 3.0))
    assert prompt.depth_m.unique().tolist() == [3.0]
    assert 2.9 < prompt.near_m < 3 < prompt.far_m < 3.1


def test_a_single_return_leaves_the_rest_open():
    depth_m = torch.zeros(1, 480, 640)
    depth_m[:, 7, 630] = 4.0
    prompt = prompt_of(depth_m)
    assert prompt.depth_m.unique().tolist() == [4.0]
    torch.testing.assert_close(
        torch.cat([prompt.near_m, prompt.far_m]).flatten(), torch.tensor([1.33, 12.0]), rtol=0.01, atol=0
    )


@pytest.mark.parametrize(('focal_px', 'middle_m'), [(500.0, 3.0), (1000.0, 6.0), (0.0, 3.0)])
def test_without_returns_depth_is_in_proportion_to_the_focal_length(focal_px, middle_m):
    prompt = prompt_of(torch.zeros(1, 480, 640), torch.full((1, 4), focal_px))
    assert prompt.depth_m.unique().tolist() == pytest.approx([middle_m])
    assert (prompt.near_m, prompt.far_m) == (pytest.approx(middle_m / 3), pytest.approx(middle_m * 3))


@pytest.mark.parametrize('size', [(97, 131), (40, 30), (14, 14), (700, 90)])
@pytest.mark.parametrize('cells', [CELLS, (64, 32)])
def test_any_size_of_prompt_will_do(size, cells):
    depth_m = torch.zeros(1, *size)
    depth_m[:, 0, -1], depth_m[:, -1, 0] = 2.0, 8.0
    filled = prompt_of(depth_m, cells=cells).depth_m[0, 0]
    assert filled[0, -1] == 2 and filled[-1, 0] == 8
