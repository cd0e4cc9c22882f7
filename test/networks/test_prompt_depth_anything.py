# SPDX-License-Identifier: Apache-2.0
"""Prompt Depth Anything: what the official network gives, and depth whatever the prompt."""

import dataclasses

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from golden_weights import (  # noqa: E402
    assert_golden,
    formula_pixels,
    formula_prompt,
    golden_folder,
    golden_outputs,
    key_shapes,
    load_file,
    load_golden,
)
from official_layout import official_layout, with_official_positions  # noqa: E402
from random_network import randomised, raw_inputs  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError, InvalidInput  # noqa: E402
from depth_anything_ros.networks.pixels import IMAGENET_MEAN, IMAGENET_STD  # noqa: E402
from depth_anything_ros.networks.prompt_depth_anything import (  # noqa: E402
    PromptDepthAnythingConfig,
    PromptDepthAnythingNet,
    official_state,
)

SIZES = {
    'hidden': 24,
    'layers': 4,
    'heads': 2,
    'taps': (0, 1, 2, 3),
    'features': 8,
    'channels': (4, 8, 12, 16),
    'longest_px': 112,
    'prompt_cells': (32, 64),
}
PUBLISHED_M = {'vits': 25.083073, 'vitl': 340.046529}
CONSTANTS = {'_mean': torch.tensor(IMAGENET_MEAN), '_std': torch.tensor(IMAGENET_STD)}
PREFIX = 9  # characters before every key of the released files
NAME = 'prompt_da_vits'


@pytest.fixture(scope='module')
def tiny():
    return randomised(PromptDepthAnythingNet(PromptDepthAnythingConfig(**SIZES)))


@torch.inference_mode()
def test_the_official_weights_give_the_official_depth(tmp_path):
    network = load_golden(NAME, 'prompt_depth_anything', {'encoder': 'vits'}, tmp_path, strip_characters=PREFIX)
    stored = golden_outputs(NAME)
    for image, prompt in (((518, 700), (192, 256)), ((392, 518), (192, 256)), ((392, 518), (96, 128))):
        found = network.predict(formula_pixels(*image), torch.from_numpy(formula_prompt(*prompt))[None, None])
        assert_golden(found[0], stored[f'depth_{image[0]}x{image[1]}_prompt{prompt[0]}x{prompt[1]}'])


@pytest.mark.parametrize('encoder', PUBLISHED_M)
def test_every_key_of_the_official_checkpoints_has_its_place(encoder):
    keys = golden_folder(NAME) / ('keys.json' if encoder == 'vits' else f'keys_{encoder}.json')
    config = PromptDepthAnythingConfig(encoder=encoder)
    with torch.device('meta'):
        network = PromptDepthAnythingNet(config)
        state = {key: torch.empty(shape) for key, shape in key_shapes(keys).items()}
    state = official_state({**state, **CONSTANTS}, config)
    assert sum(parameter.numel() for parameter in network.parameters()) == round(PUBLISHED_M[encoder] * 1e6)
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in network.state_dict().items()}


@torch.no_grad()
@pytest.mark.parametrize('form', ['official', 'huggingface'])
def test_both_kinds_of_file_give_what_transformers_gives(tmp_path, form):
    from safetensors.torch import save_file

    theirs = with_official_positions(randomised(PromptDepthAnythingNet(PromptDepthAnythingConfig(**SIZES)).network, 7))
    assert type(theirs).__module__.startswith('transformers.')
    path = tmp_path / 'weights'
    if form == 'official':
        state = {'x' * PREFIX + key: value for key, value in {**official_layout(theirs), **CONSTANTS}.items()}
        torch.save({'state_dict': state, 'epoch': 3}, path)
    else:
        save_file({key: value.contiguous() for key, value in theirs.state_dict().items()}, path, {'format': 'pt'})
    strip = PREFIX if form == 'official' else 0
    ours = load_file(path, 'prompt_depth_anything', SIZES, form, strip_characters=strip)
    generator = torch.Generator().manual_seed(0)
    for size in ((518, 518), (84, 140), (140, 56)):
        pixels = torch.randn(1, 3, *size, generator=generator)
        prompt_m = 1 + 4 * torch.rand(1, 1, 32, 64, generator=generator)
        expected = theirs(pixel_values=pixels, prompt_depth=prompt_m).predicted_depth
        torch.testing.assert_close(ours.predict(pixels, prompt_m), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_raw_arrays_go_through_the_authors_preprocessing(tiny):
    image, *_ = raw_inputs(96, 128)
    seen = cv2.resize(image[0].numpy().astype(np.float32) / 255, (112, 84), interpolation=cv2.INTER_AREA)
    seen = ((seen - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)).astype(np.float32)
    prompt_m = torch.from_numpy(formula_prompt(32, 64))
    small = tiny.predict(torch.from_numpy(seen.transpose(2, 0, 1)[None]), prompt_m[None, None])
    expected = torch.nn.functional.interpolate(small[None], (96, 128), mode='bilinear', align_corners=False)[0]
    spread = torch.zeros(1, 96, 128)
    spread[:, 1::3, ::2] = prompt_m
    depth_m, sigma_m = tiny(image, spread, spread, torch.zeros(1, 4))
    torch.testing.assert_close(depth_m, expected, rtol=1e-4, atol=1e-4)
    assert not sigma_m.any()


def prompts():
    _, random, *_ = raw_inputs(90, 120, returns=60)
    empty, single, stray = torch.zeros(1, 90, 120), torch.zeros(1, 90, 120), random.clone()
    single[0, 40, 50] = 3.0
    stray.view(-1)[random.argmax()] = 5e4
    holes = torch.where(random > 0, random, torch.nan)
    return {
        'empty': empty,
        'single': single,
        'constant': torch.full((1, 90, 120), 3.0),
        'stray': stray,
        'NaN holes': holes,
        'ordinary': random,
    }


@torch.no_grad()
@pytest.mark.parametrize('kind', prompts())
def test_every_prompt_gives_depth(tiny, kind):
    image, _, sigma_m, camera = raw_inputs(90, 120, focal_px=100.0)
    depth_m, sigma = tiny(image, prompts()[kind], sigma_m, camera)
    assert depth_m.shape == sigma.shape == (1, 90, 120)
    assert depth_m.isfinite().all() and (depth_m > 0).all() and depth_m.max() < 40
    assert not sigma.any()


@torch.no_grad()
@pytest.mark.parametrize('size', [(97, 131), (131, 97), (14, 30), (300, 40)])
def test_any_size_comes_back_at_its_own_size(tiny, size):
    depth_m, _ = tiny(*raw_inputs(*size, returns=20))
    assert depth_m.shape == (1, *size) and depth_m.isfinite().all()


@pytest.mark.parametrize('size', [(13, 60), (14, 139)])
def test_an_image_too_small_or_too_long_is_refused(tiny, size):
    with pytest.raises(InvalidInput, match='image: expected'):
        tiny(*raw_inputs(*size))


@pytest.mark.parametrize(
    ('field', 'value'),
    [('longest_px', 13), ('prompt_cells', (64, 32)), ('prompt_cells', (30, 64)), ('taps', (0, 1, 2))],
)
def test_settings_that_make_no_sense_are_refused(field, value):
    with pytest.raises(CheckpointError, match=field):
        dataclasses.replace(PromptDepthAnythingConfig(**SIZES), **{field: value})


@pytest.mark.parametrize(
    ('constants', 'complaint'),
    [
        ({'_mean': torch.zeros(3), '_std': CONSTANTS['_std']}, '_mean: expected'),
        ({'_mean': CONSTANTS['_mean'], '_std': torch.ones(2)}, '_std: expected'),
        ({'_mean': CONSTANTS['_mean']}, '_std is missing'),
    ],
)
def test_a_file_with_another_normalisation_is_refused(constants, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        official_state(constants, PromptDepthAnythingConfig(**SIZES))
