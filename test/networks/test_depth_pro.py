# SPDX-License-Identifier: Apache-2.0
"""Depth Pro: what the official network gives, in metres with the camera's focal length or its own."""

import dataclasses
import math

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from golden_weights import (  # noqa: E402
    assert_golden,
    formula_pixels,
    golden_folder,
    golden_outputs,
    key_shapes,
    load_golden,
)
from random_network import randomised, raw_inputs  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError, InvalidInput  # noqa: E402
from depth_anything_ros.networks.depth_pro import (  # noqa: E402
    DepthProConfig,
    DepthProNet,
    huggingface_state,
    official_state,
)

TINY = DepthProConfig(hidden=16, layers=4, heads=2, taps=(1, 2), widths=(8, 12, 16), features=8, tile_px=64)
HALF = (0.5, 0.5, 0.5)


@pytest.fixture(scope='module')
def tiny():
    network = randomised(DepthProNet(TINY))
    with torch.no_grad():
        network.network.head.layers[-2].bias.fill_(1.0)  # away from the final ReLU's zero
        network.network.fov_model.head.layers[-1].bias.fill_(60.0)
    return network


def test_every_key_of_the_official_checkpoint_has_its_place():
    keys = golden_folder('depth_pro') / 'keys.json'
    with torch.device('meta'):
        network = DepthProNet()
        state = official_state({key: torch.empty(shape) for key, shape in key_shapes(keys).items()}, network.config)
    assert sum(parameter.numel() for parameter in network.parameters()) == 951_991_330
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in network.state_dict().items()}


def test_without_the_fov_head_a_third_of_the_weights_stays_away():
    keys = golden_folder('depth_pro') / 'keys.json'
    with torch.device('meta'):
        network = DepthProNet(DepthProConfig(fov_head=False))
        state = official_state({key: torch.empty(shape) for key, shape in key_shapes(keys).items()}, network.config)
    assert sum(parameter.numel() for parameter in network.parameters()) < 650e6
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in network.state_dict().items()}


def test_an_unknown_key_stays_to_be_complained_about():
    odd = {'encoder.upsample3.0.weight': torch.zeros(1), 'decoder.convs.7.weight': torch.zeros(1)}
    assert official_state(odd, TINY) == odd


@torch.no_grad()
def test_a_file_of_transformers_gives_what_transformers_gives(tiny):
    from transformers import DepthProForDepthEstimation

    theirs = randomised(DepthProForDepthEstimation(tiny.network.config), seed=3)
    ours = DepthProNet(TINY).eval()
    ours.load_state_dict(huggingface_state(theirs.state_dict(), TINY))
    pixels = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    canonical, fov_deg = ours.predict(pixels)
    expected = theirs(pixel_values=pixels)
    assert torch.equal(canonical, expected.predicted_depth) and torch.equal(fov_deg, expected.field_of_view)


@torch.no_grad()
def test_twice_the_focal_length_is_twice_as_far(tiny):
    near, _ = tiny(*raw_inputs(90, 120, focal_px=100.0))
    far, sigma = tiny(*raw_inputs(90, 120, focal_px=200.0))
    torch.testing.assert_close(far, 2 * near)
    assert near.shape == (1, 90, 120) and not sigma.any()


@torch.no_grad()
def test_without_a_camera_the_focal_length_is_that_of_the_field_of_view(tiny):
    image, *nothing = raw_inputs(90, 120)
    unknown, _ = tiny(image, *nothing)
    side = 4 * TINY.tile_px
    pixels = torch.nn.functional.interpolate(
        image.permute(0, 3, 1, 2) / 127.5 - 1, (side, side), mode='bilinear', align_corners=False
    )
    _, fov_deg = tiny.predict(pixels)
    focal_px = 60.0 / math.tan(math.radians(float(fov_deg)) / 2)
    known, _ = tiny(*raw_inputs(90, 120, focal_px=focal_px))
    torch.testing.assert_close(unknown, known, rtol=1e-4, atol=0)


@torch.no_grad()
def test_with_neither_camera_nor_fov_head_there_is_no_depth():
    network = randomised(DepthProNet(dataclasses.replace(TINY, fov_head=False)))
    assert network.needs_focal
    assert not network(*raw_inputs(64, 64))[0].any()
    assert (network(*raw_inputs(64, 64, focal_px=50.0))[0] > 0).all()


@pytest.mark.parametrize('size', [(15, 40), (16, 200)])
def test_an_image_too_small_or_too_long_is_refused(tiny, size):
    with pytest.raises(InvalidInput, match='image: expected'):
        tiny(*raw_inputs(*size, focal_px=50.0))


@pytest.mark.parametrize(
    'wrong',
    [{'taps': (3, 2)}, {'taps': (1, 4)}, {'widths': (8, 8)}, {'heads': 3}, {'tile_px': 100}, {'features': 12}],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(CheckpointError, match=next(iter(wrong)) if 'heads' not in wrong else 'hidden'):
        dataclasses.replace(TINY, **wrong)


@pytest.mark.parity
@torch.inference_mode()
def test_the_official_weights_give_the_official_depth(tmp_path):
    network = load_golden('depth_pro', 'depth_pro', {}, tmp_path)
    stored = golden_outputs('depth_pro')
    canonical, fov_deg = network.predict(formula_pixels(1536, 1536, HALF, HALF))
    (tmp_path / 'depth_pro.pth').unlink()
    assert_golden(canonical[0, ::8, ::8], stored['canonical_inverse_depth_1536x1536_s8'])
    assert abs(float(fov_deg) - float(stored['fov_deg'][0])) <= 1e-5
    depth_m = 1 / (canonical[0, ::8, ::8] * 1536 / 1800).clamp(1e-4, 1e4)
    assert_golden(depth_m, stored['depth_f1800_1536x1536_s8'])


@pytest.mark.parity
@torch.inference_mode()
def test_the_patch_encoder_gives_the_official_tokens(tmp_path):
    """One tile of 35, so that an error shows within seconds."""
    network = load_golden('depth_pro', 'depth_pro', {}, tmp_path)
    tile = formula_pixels(1536, 1536, HALF, HALF)[:, :, :384, :384]
    encoder = network.network.depth_pro.encoder.patch_encoder.model
    tokens = encoder(pixel_values=tile).last_hidden_state[0, ::16, ::16]
    (tmp_path / 'depth_pro.pth').unlink()
    assert_golden(tokens, golden_outputs('depth_pro')['patch_tokens_first_patch'])
