# SPDX-License-Identifier: Apache-2.0
"""MetricAnything's student: canonical inverse depth as the official network gives it, metres by the focal length."""

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from golden_weights import (  # noqa: E402
    assert_golden,
    formula_pixels,
    golden_folder,
    golden_outputs,
    key_shapes,
    make_state,
)
from random_network import randomised, raw_inputs  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError, InvalidInput  # noqa: E402
from depth_anything_ros.networks.metric_anything import (  # noqa: E402
    INVERSE_DEPTH_RANGE,
    MetricAnythingConfig,
    MetricAnythingNet,
    official_state,
)
from depth_anything_ros.networks.pixels import imagenet_normalised  # noqa: E402
from depth_anything_ros.networks.tiled_encoder import _merged, _tiles  # noqa: E402

NAME = 'metric_anything_student_depthmap'
SIZES = {
    'hidden': 16,
    'layers': 4,
    'heads': 2,
    'mlp': 32,
    'taps': (0, 1, 2, 3),
    'widths': (8, 8, 8, 16),
    'features': 8,
    'tile_px': 128,
}
KEY_BIASES = 32 * 1280  # in the official count; the bias mask holds them at zero


@pytest.fixture(scope='module')
def network():
    net = randomised(MetricAnythingNet(MetricAnythingConfig(**SIZES)))
    with torch.no_grad():
        net.head[-2].bias.fill_(3.0)  # the last ReLU would cut most of a random map
    return net


def test_the_published_network_has_its_parameters():
    with torch.device('meta'):
        network = MetricAnythingNet()
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count + KEY_BIASES == 876_664_001


def test_every_key_of_the_official_checkpoint_finds_its_place():
    shapes = key_shapes(golden_folder(NAME) / 'keys.json')
    assert len(shapes) == 668
    with torch.device('meta'):
        own = MetricAnythingNet().state_dict()
    state = {key: torch.zeros(1).expand(shape) for key, shape in shapes.items()}
    for key, shape in shapes.items():
        if key.endswith('bias_mask'):
            state[key] = torch.ones(3, shape[0] // 3).index_fill(0, torch.tensor([1]), 0.0).flatten()
        if key.endswith('periods'):
            state[key] = 100.0 ** (torch.arange(shape[0]) / shape[0])
    renamed = official_state(state, MetricAnythingConfig())
    assert {key: value.shape for key, value in renamed.items()} == {key: value.shape for key, value in own.items()}


def test_a_mask_that_the_release_forgot_to_fill_is_an_error_that_names_it():
    key = 'encoder.patch_encoder.blocks.3.attn.qkv.bias_mask'
    with pytest.raises(CheckpointError, match=key.replace('.', r'\.')):
        official_state({key: torch.full((48,), torch.nan)}, MetricAnythingConfig(**SIZES))


def test_tiles_that_were_cut_come_together_again():
    image = torch.rand(2, 3, 64, 64)
    tiles = _tiles(image, 16, 12)
    assert len(tiles) == 25 * 2
    assert torch.equal(_merged(tiles, 2, 2), image)
    halves = _tiles(image[..., :32, :32], 16, 8)
    assert len(halves) == 9 * 2
    assert torch.equal(_merged(halves, 2, 4), image[..., :32, :32])


@torch.no_grad()
@pytest.mark.parametrize('size', [(97, 131), (512, 512), (16, 40)])
def test_any_size_comes_back_at_its_own_size(network, size):
    depth_m, sigma_m = network(*raw_inputs(*size, returns=20, focal_px=100))
    assert depth_m.shape == sigma_m.shape == (1, *size)
    assert depth_m.isfinite().all() and (depth_m > 0).all()
    assert not sigma_m.any()


@torch.no_grad()
def test_metres_follow_from_the_focal_length(network):
    image, *_ = raw_inputs(512, 512)
    canonical = network.canonical(imagenet_normalised(image.permute(0, 3, 1, 2) / 255))[:, 0]
    assert canonical.std() > 0.01
    for focal_px in (200.0, 512.0, 1500.0):
        expected = 1 / (canonical * 512 / focal_px).clamp(*INVERSE_DEPTH_RANGE)
        depth_m, _ = network(image, *raw_inputs(512, 512, focal_px=focal_px)[1:])
        torch.testing.assert_close(depth_m, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_without_a_focal_length_there_is_no_depth(network):
    assert MetricAnythingNet.needs_focal
    depth_m, _ = network(*raw_inputs(64, 96))
    assert not depth_m.any()


@pytest.mark.parametrize('size', [(15, 30), (20, 400)])
def test_an_image_too_small_or_too_long_is_refused(network, size):
    with pytest.raises(InvalidInput, match=f'got {size[1]}x{size[0]}'):
        network(*raw_inputs(*size, focal_px=100))


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        ({'taps': (0, 1, 2, 4)}, 'taps'),
        ({'widths': (8, 8, 8)}, 'widths'),
        ({'tile_px': 96}, 'tile_px'),
        ({'tile_px': 0}, 'tile_px'),
        ({'features': 1}, 'features'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, named):
    with pytest.raises(CheckpointError, match=named):
        MetricAnythingConfig(**{**SIZES, **settings})


def test_keys_of_another_network_stay_for_strict_loading_to_name():
    strangers = {'encoder.image_encoder.blocks.0.ls1.gamma', 'fov.head.0.weight', 'encoder.patch_encoder.pos_embed'}
    assert set(official_state(dict.fromkeys(strangers, torch.ones(4)), MetricAnythingConfig(**SIZES))) == strangers


def test_it_exports_with_parity(network, tmp_path):
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package)
    from depth_anything_ros.networks.export import export_onnx

    parities = export_onnx(network, tmp_path / 'tiny.onnx', (45, 63))
    assert len(parities) == 2, 'with prompt and camera, and with neither'
    assert all(parity.passed for parity in parities)


@pytest.mark.parity
@torch.no_grad()
def test_it_gives_what_the_official_network_gives():
    """Full size, 8.2 GB, 11 minutes of CPU.

    Measured, in standard deviations: the seven maps 3.1e-6 to 7.1e-6, decoder 8.4e-6, canonical inverse depth 3.0e-5,
    depth 4.6e-5.
    """
    stored = golden_outputs(NAME)
    with torch.device('meta'):
        network = MetricAnythingNet().eval()
    state = make_state(golden_folder(NAME) / 'keys.json')
    network.load_state_dict(official_state(state, network.config), assign=True)
    del state
    pixels = formula_pixels(1536, 1536)
    maps = network.encoder(pixels)
    for i, found in enumerate(maps):
        assert_golden(found[0, ::32, ::8, ::8], stored[f'encoding{i}_c32_s8'])
    features = network.decoder(maps)
    del maps, found
    assert_golden(features[0, ::16, ::16, ::16], stored['decoder_features_s16'])
    canonical = network.head(features)
    assert_golden(canonical[0, 0, ::8, ::8], stored['canonical_inverse_depth_1536x1536_s8'])
    depth_m = 1 / (canonical * (1536 / 1000)).clamp(*INVERSE_DEPTH_RANGE)
    assert_golden(depth_m[0, 0, ::8, ::8], stored['depth_f1000_1536x1536_s8'])
