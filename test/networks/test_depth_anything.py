# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V1, V2 and V2 metric: what the official networks give, whichever file the weights come from."""

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from golden_weights import (  # noqa: E402
    assert_golden,
    formula_pixels,
    golden_folder,
    golden_outputs,
    key_shapes,
    load_file,
    load_golden,
)
from official_layout import official_layout, with_official_positions  # noqa: E402
from random_network import randomised, raw_inputs  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError, InvalidInput  # noqa: E402
from depth_anything_ros.networks.depth_anything import (  # noqa: E402
    DepthAnythingConfig,
    DepthAnythingNet,
    official_state,
)
from depth_anything_ros.networks.pixels import IMAGENET_MEAN, IMAGENET_STD  # noqa: E402

SIZES = {'hidden': 24, 'layers': 6, 'heads': 2, 'taps': (1, 2, 4, 5), 'features': 8, 'channels': (4, 8, 12, 16)}
PUBLISHED_M = {'vits': 24.785089, 'vitb': 97.470785, 'vitl': 335.315649}
GOLDEN_CASES = {
    'depth_anything_v1_vits': ({'encoder': 'vits', 'version': 1}, [(518, 518), (392, 700)]),
    'depth_anything_v2_vits': ({'encoder': 'vits'}, [(518, 518), (392, 700)]),
    'depth_anything_v2_metric_vits': ({'encoder': 'vits', 'max_depth_m': 20.0}, [(518, 518)]),
}


@torch.inference_mode()
@pytest.mark.parametrize('name', GOLDEN_CASES)
def test_the_official_weights_give_the_official_depth(name, tmp_path):
    settings, sizes = GOLDEN_CASES[name]
    network = load_golden(name, 'depth_anything', settings, tmp_path)
    stored = golden_outputs(name)
    for height, width in sizes:
        assert_golden(network.predict(formula_pixels(height, width))[0], stored[f'depth_{height}x{width}'])


@torch.inference_mode()
def test_a_parameter_that_is_5_percent_wrong_is_found_out(tmp_path):
    network = load_golden('depth_anything_v2_vits', 'depth_anything', {'encoder': 'vits'}, tmp_path)
    network.network.backbone.embeddings.position_embeddings *= 1.05
    with pytest.raises(AssertionError, match='off by'):
        assert_golden(
            network.predict(formula_pixels(392, 700))[0], golden_outputs('depth_anything_v2_vits')['depth_392x700']
        )


@pytest.mark.parametrize('name', GOLDEN_CASES)
@pytest.mark.parametrize('encoder', PUBLISHED_M)
def test_every_key_of_the_official_checkpoints_has_its_place(name, encoder):
    keys = golden_folder(name) / ('keys.json' if encoder == 'vits' else f'keys_{encoder}.json')
    config = DepthAnythingConfig(**{**GOLDEN_CASES[name][0], 'encoder': encoder})
    with torch.device('meta'):
        network = DepthAnythingNet(config)
        state = official_state({key: torch.empty(shape) for key, shape in key_shapes(keys).items()}, config)
    assert sum(parameter.numel() for parameter in network.parameters()) == round(PUBLISHED_M[encoder] * 1e6)
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in network.state_dict().items()}


@torch.no_grad()
@pytest.mark.parametrize('form', ['official', 'huggingface', 'huggingface before transformers 5'])
@pytest.mark.parametrize('settings', [{'version': 1}, {'version': 2}, {'max_depth_m': 80.0}])
def test_both_kinds_of_file_give_what_transformers_gives(tmp_path, form, settings):
    config = {**SIZES, **settings}
    if settings.get('version') == 1:
        del config['taps']
    theirs = with_official_positions(
        randomised(DepthAnythingNet(DepthAnythingConfig(**config)).network, seed=5)  # their class; see below
    )
    assert type(theirs).__module__.startswith('transformers.')
    path = tmp_path / 'weights'
    if form == 'official':
        torch.save(official_layout(theirs), path)
    else:
        save_huggingface(theirs, path, old_names=form != 'huggingface')
    ours = load_file(path, 'depth_anything', config, form.split()[0])
    taps = ours.config.taps
    assert taps == ((2, 3, 4, 5) if settings.get('version') == 1 else SIZES['taps'])
    for size in ((518, 518), (84, 140), (140, 56)):
        pixels = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
        expected = theirs(pixel_values=pixels).predicted_depth
        assert expected.std() > 0.01 * expected.abs().mean()
        torch.testing.assert_close(ours.predict(pixels), expected, rtol=1e-5, atol=1e-6)


def save_huggingface(model, path, old_names: bool):
    from safetensors.torch import save_file

    names = {}
    if old_names:
        names = {f'attention.{part[0]}_proj': f'attention.attention.{part}' for part in ('query', 'key', 'value')}
        names['attention.o_proj'] = 'attention.output.dense'
    state = {}
    for key, tensor in model.state_dict().items():
        for new, old in names.items():
            key = key.replace(new, old)
        state[key] = tensor.contiguous()
    save_file(state, path, {'format': 'pt'})


def test_what_save_pretrained_writes_can_be_loaded(tmp_path):
    model = randomised(DepthAnythingNet(DepthAnythingConfig(**SIZES)).network)
    model.save_pretrained(tmp_path)
    ours = load_file(tmp_path / 'model.safetensors', 'depth_anything', SIZES, 'huggingface')
    for key, tensor in model.state_dict().items():
        assert torch.equal(ours.state_dict()[f'network.{key}'], tensor)


@torch.no_grad()
@pytest.mark.parametrize('version', [1, 2])
def test_the_raw_image_goes_through_the_authors_preprocessing(version):
    network = randomised(DepthAnythingNet(DepthAnythingConfig(**SIZES, version=version, side_px=70)))
    image, *rest = raw_inputs(61, 97)
    seen = cv2.resize(image[0].numpy() / 255.0, (112, 70), interpolation=cv2.INTER_CUBIC)
    seen = ((seen - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)).astype(np.float32)
    small = network.predict(torch.from_numpy(seen.transpose(2, 0, 1)[None]))
    expected = torch.nn.functional.interpolate(small[None], (61, 97), mode='bilinear', align_corners=version == 2)[0]
    depth, sigma = network(image, *rest)
    torch.testing.assert_close(depth, expected, rtol=2e-3, atol=2e-3 * float(expected.abs().mean()))
    assert depth.shape == sigma.shape == (1, 61, 97) and not sigma.any()


@torch.no_grad()
def test_metric_depth_stays_within_its_range():
    network = randomised(DepthAnythingNet(DepthAnythingConfig(**SIZES, side_px=70, max_depth_m=7.5)))
    depth, _ = network(*raw_inputs(40, 60))
    assert depth.min() >= 0 and depth.max() <= 7.5 and depth.max() > 1


@pytest.mark.parametrize('size', [(13, 60), (40, 500)])
def test_an_image_too_small_or_too_long_is_refused(size):
    network = DepthAnythingNet(DepthAnythingConfig(**SIZES, side_px=70))
    with pytest.raises(InvalidInput, match='image: expected'):
        network(*raw_inputs(*size))


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('encoder', 'vitx'),
        ('version', 3),
        ('max_depth_m', -1.0),
        ('side_px', 100),
        ('taps', (0, 1, 2, 9)),
        ('taps', (3, 2, 1, 0)),
        ('channels', (1, 2, 3)),
        ('hidden', 25),
    ],
)
def test_settings_that_make_no_sense_are_refused(field, value):
    with pytest.raises(CheckpointError, match=field):
        DepthAnythingConfig(**{**SIZES, field: value})


def test_a_file_for_another_encoder_is_refused_by_name(tmp_path):
    torch.save(official_layout(randomised(DepthAnythingNet(DepthAnythingConfig(**SIZES)).network)), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'a\.pth.*missing keys'):
        load_file(tmp_path / 'a.pth', 'depth_anything', {**SIZES, 'layers': 8}, 'official')
