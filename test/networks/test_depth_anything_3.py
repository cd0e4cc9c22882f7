# SPDX-License-Identifier: Apache-2.0
"""Depth Anything 3 metric: the official numbers, metres by the focal length, no depth in the sky."""

import numpy as np
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
from depth_anything_ros.networks.depth_anything_3 import (  # noqa: E402
    SKY,
    DepthAnything3Config,
    DepthAnything3Net,
    official_state,
    resized,
)
from depth_anything_ros.networks.pixels import imagenet_normalised  # noqa: E402

NAME = 'depth_anything_3_metric_large'
SIZES = {
    'hidden': 32,
    'layers': 4,
    'heads': 2,
    'taps': (0, 1, 2, 3),
    'features': 16,
    'channels': (8, 8, 16, 16),
    'side_px': 56,
}


@pytest.fixture(scope='module')
def network():
    net = randomised(DepthAnything3Net(DepthAnything3Config(**SIZES)))
    with torch.no_grad():
        last = net.head.scratch.sky_output_conv2[-1]
        last.weight *= 50  # sure of itself: no pixel where rounding decides between sky and depth
        _, sky = net.maps(torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(0)))
        last.bias -= sky[sky > 0].median()
    return net


def test_the_published_network_has_its_parameters():
    with torch.device('meta'):
        network = DepthAnything3Net()
    assert sum(parameter.numel() for parameter in network.parameters()) == 334_171_394


def test_every_key_of_the_official_checkpoint_finds_its_place():
    shapes = key_shapes(golden_folder(NAME) / 'keys.json')
    assert len(shapes) == 406
    with torch.device('meta'):
        own = DepthAnything3Net().state_dict()
    state = {key: torch.zeros(1).expand(shape) for key, shape in shapes.items()}
    renamed = official_state(state, DepthAnything3Config())
    assert {key: value.shape for key, value in renamed.items()} == {key: value.shape for key, value in own.items()}


@torch.no_grad()
@pytest.mark.parametrize('size', [(56, 56), (37, 81), (300, 111), (14, 28)])
def test_any_size_comes_back_at_its_own_size(network, size):
    depth_m, sigma_m = network(*raw_inputs(*size, returns=20, focal_px=100))
    assert depth_m.shape == sigma_m.shape == (1, *size)
    assert depth_m.isfinite().all() and depth_m.any()
    assert not sigma_m.any()


@pytest.mark.parametrize('size', [(480, 640), (1080, 1920), (240, 333), (504, 378)])
def test_its_input_is_that_of_the_authors_but_for_rounding(size):
    cv2 = pytest.importorskip('cv2')
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (size[0] // 8, size[1] // 8, 3)).astype(np.float32)
    image = np.clip(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)
    found = resized(torch.from_numpy(image).permute(2, 0, 1)[None] / 255, 504)[0].permute(1, 2, 0).numpy() * 255
    expected = image
    scale = 504 / max(size)
    long_side_fitted = tuple(round(side * scale) for side in size)
    for target in (long_side_fitted, tuple((side + 7) // 14 * 14 for side in long_side_fitted)):
        grows = target[0] > expected.shape[0] or target[1] > expected.shape[1]
        how = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
        expected = cv2.resize(expected, target[::-1], interpolation=how)
    assert found.shape == expected.shape
    assert abs(found - expected).max() < 2.5, 'two roundings, and cubic weights that OpenCV rounds to 1/2048'
    assert abs(found - expected).mean() < 0.5


@torch.no_grad()
def test_metres_follow_from_the_focal_length_and_the_sky_has_none(network):
    image, *rest = raw_inputs(56, 42, focal_px=90)
    depth, sky = network.maps(imagenet_normalised(image.permute(0, 3, 1, 2) / 255))
    depth_m, _ = network(image, *rest)
    assert 0.1 < (sky < SKY).float().mean() < 0.9
    torch.testing.assert_close(depth_m, torch.where(sky < SKY, depth * 90 / 300, 0.0)[:, 0])


@torch.no_grad()
def test_the_focal_length_counts_in_pixels_of_what_the_network_sees(network):
    image, *rest = raw_inputs(56, 42, focal_px=90)
    twice = torch.nn.functional.interpolate(image.permute(0, 3, 1, 2).float(), scale_factor=2, mode='nearest')
    enlarged = twice.permute(0, 2, 3, 1).to(torch.uint8)
    once_m, _ = network(image, *rest)
    twice_m, _ = network(enlarged, *raw_inputs(112, 84, focal_px=180)[1:])
    torch.testing.assert_close(twice_m.mean(), once_m.mean(), rtol=0.05, atol=0)


@torch.no_grad()
def test_without_a_focal_length_there_is_no_depth(network):
    assert DepthAnything3Net.needs_focal
    assert not network(*raw_inputs(56, 42))[0].any()


@pytest.mark.parametrize('size', [(13, 30), (20, 400)])
def test_an_image_too_small_or_too_long_is_refused(network, size):
    with pytest.raises(InvalidInput, match=f'{size[1]}x{size[0]}'):
        network(*raw_inputs(*size, focal_px=100))


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        ({'taps': (0, 1, 2, 5)}, 'taps'),
        ({'channels': (8, 8, 8)}, 'channels'),
        ({'hidden': 33}, 'hidden'),
        ({'side_px': 50}, 'side_px'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, named):
    with pytest.raises(CheckpointError, match=named):
        DepthAnything3Config(**{**SIZES, **settings})


def test_keys_of_another_network_stay_for_strict_loading_to_name():
    strangers = {'pretrained.blocks.0.ls1.gamma', 'depth_head.projects.0.bias', 'backbone.pretrained.camera_token'}
    assert set(official_state(dict.fromkeys(strangers, torch.ones(4)), DepthAnything3Config(**SIZES))) == strangers


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
    """Full size, both shapes of the fixture; 2.4 GB, 70 s of CPU.

    Measured, in standard deviations: depth 4.7e-5 and 2.2e-5, sky 9.7e-6 and 1.1e-5, taps 1.8e-5.
    """
    stored = golden_outputs(NAME)
    with torch.device('meta'):
        network = DepthAnything3Net().eval()
    network.load_state_dict(official_state(make_state(golden_folder(NAME) / 'keys.json'), network.config), assign=True)
    for height, width in ((504, 504), (336, 504)):
        pixels = formula_pixels(height, width)
        grids = network.grids(pixels)
        for i, grid in enumerate(grids):
            assert_golden(grid[0].flatten(1).T[::16, ::16], stored[f'tap{i}_{height}x{width}'])
        depth, sky = network.maps(pixels)
        assert_golden(depth[0, 0], stored[f'depth_{height}x{width}'], 2e-4)
        assert_golden(sky[0, 0], stored[f'sky_{height}x{width}'])
