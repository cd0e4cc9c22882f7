# SPDX-License-Identifier: Apache-2.0
"""DAP: panoramas to radial depth, as the official network gives it, or "no depth"."""

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from golden_weights import (  # noqa: E402
    assert_golden,
    formula_image,
    formula_pixels,
    golden_folder,
    golden_outputs,
    key_shapes,
    make_state,
)
from random_network import randomised, raw_inputs  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError, InvalidInput  # noqa: E402
from depth_anything_ros.networks.dap import DapConfig, DapNet, official_state  # noqa: E402
from depth_anything_ros.networks.pixels import imagenet_normalised  # noqa: E402

SIZES = {'hidden': 32, 'layers': 4, 'heads': 2, 'taps': (0, 1, 2, 3), 'features': 16, 'channels': (8, 8, 16, 16)}
TINY = DapConfig(**SIZES, height=32, width=64)
KEY_BIASES = 24 * 1024  # in the official count; the bias mask holds them at zero


def tiny(**settings):
    network = randomised(DapNet(DapConfig(**SIZES, height=32, width=64, **settings)))
    with torch.no_grad():
        _, mask = network.maps(torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0)))
        network.mask_head.scratch.output_conv2[-1].bias -= mask.logit().median()  # some of both
    return network


def test_the_published_network_has_its_parameters():
    with torch.device('meta'):
        network = DapNet()
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count + KEY_BIASES == 365_050_242


def test_every_key_of_the_official_checkpoint_finds_its_place():
    shapes = key_shapes(golden_folder('dap_vitl') / 'keys.json')
    assert len(shapes) == 858
    with torch.device('meta'):
        own = DapNet().state_dict()
    renamed = official_state(values_of(shapes), DapConfig())
    assert {key: value.shape for key, value in renamed.items()} == {key: value.shape for key, value in own.items()}


@torch.no_grad()
@pytest.mark.parametrize('size', [(32, 64), (37, 81), (64, 128), (160, 320), (16, 33)])
def test_any_size_comes_back_at_its_own_size(size):
    depth_m, sigma_m = tiny()(*raw_inputs(*size))
    assert depth_m.shape == sigma_m.shape == (1, *size)
    assert depth_m.isfinite().all() and (depth_m >= 0).all() and (depth_m <= 100).all()
    assert not sigma_m.any()


@torch.no_grad()
def test_where_the_mask_says_sky_there_is_no_depth():
    network = tiny()
    image, *rest = raw_inputs(32, 64)
    depth_m, _ = network(image, *rest)
    share, mask = network.maps(imagenet_normalised(image.permute(0, 3, 1, 2) / 255))
    hidden = mask[:, 0] >= 0.5
    assert 0.01 < hidden.float().mean() < 0.99
    assert not depth_m[hidden].any()
    torch.testing.assert_close(depth_m[~hidden], 100 * share[:, 0][~hidden])


@torch.no_grad()
def test_the_prompt_and_the_camera_change_nothing():
    network = tiny()
    image, *_ = raw_inputs(40, 80)
    alone = network(image, *raw_inputs(40, 80)[1:])
    prompted = network(image, *raw_inputs(40, 80, returns=300, focal_px=50)[1:])
    assert torch.equal(alone[0], prompted[0])


@torch.no_grad()
def test_the_normalisation_is_a_setting():
    image, *rest = raw_inputs(32, 64)
    plain = tiny(normalisation='none')
    share, mask = plain.maps(image.permute(0, 3, 1, 2) / 255)
    expected = torch.where(mask < 0.5, 100 * share, 0.0)[:, 0]
    torch.testing.assert_close(plain(image, *rest)[0], expected)
    assert not torch.allclose(tiny()(image, *rest)[0], expected)


@torch.no_grad()
def test_the_first_patch_is_lost_as_in_the_official_adapter():
    network = tiny()
    tokens = torch.randn(1, network.backbone.prefix_tokens + 8, 32)
    changed = tokens.clone()
    changed[:, network.backbone.prefix_tokens] += 1
    assert torch.equal(network._grid(tokens, 2, 4), network._grid(changed, 2, 4))
    changed[:, network.backbone.prefix_tokens + 1] += 1
    assert not torch.equal(network._grid(tokens, 2, 4), network._grid(changed, 2, 4))


@pytest.mark.parametrize('size', [(15, 30), (100, 8), (20, 400)])
def test_an_image_too_small_or_too_long_is_refused(size):
    with pytest.raises(InvalidInput, match=f'got {size[1]}x{size[0]}'):
        tiny()(*raw_inputs(*size))


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        ({'taps': (0, 1, 2)}, 'taps'),
        ({'taps': (0, 2, 1, 3)}, 'taps'),
        ({'taps': (0, 1, 2, 4)}, 'taps'),
        ({'channels': (8, 8)}, 'channels'),
        ({'height': 40, 'width': 80}, 'height, width'),
        ({'height': 32, 'width': 96}, 'height, width'),
        ({'max_depth_m': 0.0}, 'max_depth_m'),
        ({'normalisation': 'imagenette'}, 'normalisation'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, named):
    with pytest.raises(CheckpointError, match=named):
        DapConfig(**{**SIZES, 'height': 32, 'width': 64, **settings})


def test_a_duplicate_that_differs_is_an_error_that_names_it():
    state = {f'core.pretrained{model}.blocks.0.ls1.gamma': torch.ones(4) for model in ('.model', '')}
    assert set(official_state(state, TINY)) == {'backbone.layer.0.layer_scale1.lambda1'}
    state['core.pretrained.blocks.0.ls1.gamma'] = torch.zeros(4)
    with pytest.raises(CheckpointError, match=r'core\.pretrained\.blocks\.0\.ls1\.gamma'):
        official_state(state, TINY)


def test_keys_of_another_network_stay_for_strict_loading_to_name():
    state = {'depth_head.scratch.stranger': torch.ones(1), 'core.pretrained.blocks.0.ls1.gamma': torch.ones(4)}
    assert set(official_state(state, TINY)) == set(state)


def test_it_exports_with_parity(tmp_path):
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package)
    from depth_anything_ros.networks.export import export_onnx

    parities = export_onnx(tiny(), tmp_path / 'tiny.onnx', (40, 80))
    assert len(parities) == 2, 'with prompt and camera, and with neither'
    assert all(parity.passed for parity in parities)


def values_of(shapes):
    state = {key: torch.zeros(1).expand(shape) for key, shape in shapes.items()}
    for key, shape in shapes.items():
        if key.endswith('bias_mask'):
            state[key] = torch.ones(3, shape[0] // 3).index_fill(0, torch.tensor([1]), 0.0).flatten()
        if key.endswith('periods'):
            state[key] = 100.0 ** (torch.arange(shape[0]) / shape[0])
    return state


@pytest.mark.parity
@torch.no_grad()
def test_it_gives_what_the_official_network_gives():
    """Full size, 3 GB, 90 s of CPU. Measured: depth 5.7e-6 of a standard deviation, mask 5.4e-6; not normalised
    1.3e-5 and 1.4e-5; taps 2.4e-6.
    """
    stored = golden_outputs('dap_vitl')
    with torch.device('meta'):
        network = DapNet().eval()
    state = make_state(golden_folder('dap_vitl') / 'keys.json')
    network.load_state_dict(official_state(state, network.config), assign=True)
    pixels = formula_pixels(512, 1024)
    for i, grid in enumerate(network.grids(pixels)):
        assert_golden(grid[0, ::16, ::4, ::4], stored[f'tap{i}_512x1024'])
    plain = torch.from_numpy(formula_image(512, 1024)).permute(2, 0, 1)[None]
    for suffix, given in (('', pixels), ('_unnormalised', plain)):
        depth, mask = network.maps(given)
        assert_golden(depth[0, 0, ::8, ::8], stored[f'depth_512x1024{suffix}_s8'])
        assert_golden(mask[0, 0, ::8, ::8], stored[f'mask_512x1024{suffix}_s8'])
