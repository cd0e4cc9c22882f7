# SPDX-License-Identifier: Apache-2.0
"""The DPT head with the names and the numbers of the official checkpoints."""

import pytest

torch = pytest.importorskip('torch')
transformers = pytest.importorskip('transformers')

from golden_weights import assert_golden, formula_pixels, golden_folder, golden_outputs, make_state  # noqa: E402
from random_network import randomised  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.networks.dinov2 import (  # noqa: E402
    dinov2_config,
    official_dinov2_state,
    with_official_positions,
)
from depth_anything_ros.networks.dpt_head import DptHead, check_sizes  # noqa: E402

TAPS = (2, 5, 8, 11)


@torch.no_grad()
@pytest.mark.parametrize('size', [(392, 700)])
def test_below_a_small_backbone_it_gives_what_depth_anything_v2_gives(size):
    """Every module of the head, against the official network; DAP and Depth Anything 3 use the same at full size.

    Measured 7.6e-6 of a standard deviation.
    """
    name = 'depth_anything_v2_vits'
    backbone = transformers.Dinov2Backbone(dinov2_config(384, 12, 6, TAPS)).eval()
    with_official_positions(backbone)
    head = DptHead(384, 64, (48, 96, 192, 384))
    state = official_dinov2_state(make_state(golden_folder(name) / 'keys.json'), 'pretrained.', 'backbone.')
    for prefix, module in (('backbone.', backbone), ('depth_head.', head)):
        module.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    tokens = backbone(formula_pixels(*size)).feature_maps
    grids = [t[:, 1:].transpose(1, 2).unflatten(2, (size[0] // 14, size[1] // 14)) for t in tokens]
    (disparity,) = head(grids, size)
    assert_golden(disparity.relu()[0, 0], golden_outputs(name)[f'depth_{size[0]}x{size[1]}'])


@torch.no_grad()
def test_every_output_has_its_own_last_layers_and_shares_the_rest():
    head = randomised(DptHead(8, 8, (4, 4, 8, 8), ('output_conv2', 'sky_output_conv2')))
    grids = [torch.rand(2, 8, 3, 5) for _ in range(4)]
    depth, sky = head(grids, (42, 70))
    assert depth.shape == sky.shape == (2, 1, 42, 70)
    head.scratch.sky_output_conv2[-1].bias += 1
    again, raised = head(grids, (42, 70))
    assert torch.equal(again, depth)
    torch.testing.assert_close(raised, sky + 1)


def test_the_unused_unit_is_there_where_the_checkpoints_have_it():
    with_unit, without = (DptHead(8, 8, (4, 4, 8, 8), spare_unit=spare).state_dict() for spare in (True, False))
    spare = {key for key in with_unit if key.startswith('scratch.refinenet4.resConfUnit1.')}
    assert len(spare) == 4
    assert set(with_unit) - set(without) == spare


@pytest.mark.parametrize(
    ('given', 'named'),
    [
        ((12, (2, 5, 8), 64, (8, 8, 8, 8)), 'taps'),
        ((12, (-1, 5, 8, 11), 64, (8, 8, 8, 8)), 'taps'),
        ((11, TAPS, 64, (8, 8, 8, 8)), 'taps'),
        ((12, TAPS, 64, (8, 8, 8)), 'channels'),
        ((12, TAPS, 1, (8, 8, 8, 8)), 'features'),
    ],
)
def test_sizes_that_fit_nothing_are_refused(given, named):
    with pytest.raises(CheckpointError, match=named):
        check_sizes(*given)
