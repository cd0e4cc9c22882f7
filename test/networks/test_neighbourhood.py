# SPDX-License-Identifier: Apache-2.0
"""Neighbours and sums over channels, computed by convolutions."""

import pytest

torch = pytest.importorskip('torch')

from depth_anything_ros.networks.device_constant import _HELD, device_constant  # noqa: E402
from depth_anything_ros.networks.neighbourhood import NEIGHBOURS, channel_sums, picked  # noqa: E402


def test_a_cell_sees_its_neighbours_and_at_the_edge_itself():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    all_nine = picked(x, range(len(NEIGHBOURS)))
    assert all_nine[0, :, 1, 1].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert all_nine[0, :, 0, 0].tolist() == [0, 0, 1, 0, 0, 1, 4, 4, 5]
    some = [8, 0, 0]
    assert torch.equal(picked(x, some), all_nine[:, some])


@pytest.mark.parametrize('groups', [1, 2, 4])
def test_channels_are_summed_group_by_group(groups):
    x = torch.randn(2, 8, 3, 5, generator=torch.Generator().manual_seed(0))
    expected = x.reshape(2, 8 // groups, groups, 3, 5).sum(1)
    torch.testing.assert_close(channel_sums(x, groups), expected)


def test_a_constant_goes_to_an_accelerator_once_and_is_never_kept_for_the_cpu():
    made = []

    def make():
        made.append(1)
        return torch.ones(2)

    name, before = object(), len(_HELD)
    assert device_constant(name, make, torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
    device_constant(name, make, torch.zeros(1))
    assert len(made) == 2 and len(_HELD) == before
    with torch.inference_mode():
        kept = [device_constant(name, make, torch.zeros(1, device='meta')) for _ in range(3)]
    assert len(made) == 3 and kept[0] is kept[2]
    assert kept[0].is_meta and not kept[0].is_inference(), 'training may use it later'
    del _HELD[name, torch.device('meta'), torch.float32]
