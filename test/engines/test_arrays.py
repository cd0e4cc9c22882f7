# SPDX-License-Identifier: Apache-2.0
"""Frames into a network's arrays and back, by what its card says."""

import dataclasses

import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.engines.arrays import Packing, static_size
from depth_anything_ros.networks.card import load_card
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition

CAMERA = CameraModel(150, 110, 120, 120, 74.5, 54.5)


def frame(camera=CAMERA, count=50, shape=None):
    height, width = shape or (camera.height, camera.width)
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    sparse = np.full((height, width), np.nan, np.float32)
    at = np.random.default_rng(1).choice(sparse.size, count, replace=False)
    sparse.ravel()[at] = 2 + at / sparse.size
    owner = dataclasses.replace(camera, width=width, height=height) if camera else None
    prompt = SparsePrompt(sparse, 0.01 * sparse, owner or CAMERA, stats=PromptStats(count))
    return image, condition(prompt, ConditioningConfig()), owner


def test_only_the_sparse_prompt_network_is_padded():
    image, prompt, camera = frame()
    padded = Packing(load_card('prompt_depth_small')).inputs(image, prompt, camera)
    assert {name: array.shape for name, array in padded.items()} == {
        'image': (1, 128, 160, 3),
        'depth_m': (1, 128, 160),
        'sigma_m': (1, 128, 160),
        'camera': (1, 4),
    }
    plain = Packing(load_card('prompt_depth_anything_small')).inputs(image, prompt, camera)
    np.testing.assert_array_equal(plain['image'][0], image)
    assert plain['camera'].tolist() == [[120, 120, 74.5, 54.5]]
    assert (plain['depth_m'] > 0).sum() == 50 and not np.isnan(plain['depth_m']).any()


def test_zero_depth_is_unknown_and_zero_sigma_is_unsaid():
    image, *_ = frame()
    depth, nothing = np.full((1, 110, 150), 3, np.float32), np.zeros((1, 110, 150), np.float32)
    depth[0, :10] = 0
    blind = Packing(load_card('depth_pro')).prediction(depth, nothing, image)
    assert np.isnan(blind.depth_m[:10]).all() and (blind.depth_m[10:] == 3).all()
    assert np.isnan(blind.sigma_m).all() and blind.relative_sigma == load_card('depth_pro').relative_sigma
    assert blind.metric and not blind.prompted
    own = Packing(load_card('prompt_depth_small')).prediction(depth, 0.1 * depth, image)
    assert own.relative_sigma is None and own.prompted
    assert (np.isnan(own.sigma_m) == np.isnan(own.depth_m)).all()
    relative = Packing(load_card('depth_anything_v2_small')).prediction(depth, nothing, image)
    assert not relative.metric and relative.relative_sigma > 0


def test_a_network_that_needs_a_focal_length_says_so_and_others_are_told_there_is_none():
    image, prompt, _ = frame()
    with pytest.raises(InvalidInput, match=r'focal length.*--camera'):
        Packing(load_card('metric_anything_depthmap')).inputs(image, prompt, None)
    assert not Packing(load_card('depth_pro')).inputs(image, prompt, None)['camera'].any()
    guess = Packing(load_card('prompt_depth_small')).inputs(image, prompt, None)['camera']
    assert guess[0, 0] == CAMERA.fx, 'its scale comes from the returns'


@pytest.mark.parametrize('shape', [(12, 40), (40, 12), (20, 300)])
@pytest.mark.parametrize('name', ['depth_anything_v2_small', 'prompt_depth_small'])
def test_an_image_smaller_than_a_patch_or_absurdly_long_is_one_clear_error(name, shape):
    with pytest.raises(InvalidInput, match=f'at least 16 px a side.*got {shape[1]}x{shape[0]}') as error:
        Packing(load_card(name)).inputs(*frame(shape=shape))
    assert '\n' not in str(error.value)


def test_pinhole_and_panorama_are_not_taken_for_each_other():
    panorama = CameraModel.equirectangular(160, 80)
    with pytest.raises(InvalidInput, match='dap is for 360 x 180 degree panoramas'):
        Packing(load_card('dap')).inputs(*frame())
    with pytest.raises(InvalidInput, match='depth_pro is for pinhole images'):
        Packing(load_card('depth_pro')).inputs(*frame(panorama))
    for name in ('dap', 'prompt_depth_small'):
        Packing(load_card(name)).inputs(*frame(panorama))


@pytest.mark.parametrize('size', [(64, 96), (224, 224), (110, 150)])
def test_a_graph_of_one_size_takes_images_of_every_size_and_gives_depth_at_theirs(size):
    packing = Packing(load_card('depth_anything_v2_metric_hypersim_small'), size)
    image, prompt, camera = frame()
    arrays = packing.inputs(image, prompt, camera)
    assert arrays['image'].shape == (1, *size, 3) and arrays['depth_m'].shape == (1, *size)
    scale = min(size[0] / 110, size[1] / 150)
    assert arrays['camera'][0, 0] == pytest.approx(120 * scale, rel=0.02), 'aspect kept, the focal length with it'
    rows, columns = packing.fitted(110, 150)
    assert (arrays['image'][0, rows:] == 118).all() and (arrays['image'][0, :, columns:] == 118).all()
    known = arrays['depth_m'] > 0
    assert 30 <= known.sum() <= 50 and arrays['depth_m'][known].min() >= 2

    # a step in depth comes back as a step, and the borders of the padding are gone
    depth = np.where(np.arange(size[1]) < columns / 2, 2, 6) * np.ones((1, size[0], 1), np.float32)
    depth[:, rows:], depth[:, :, columns:] = 99, 99
    prediction = packing.prediction(depth.astype(np.float32), np.zeros_like(depth, np.float32), image)
    assert prediction.depth_m.shape == (110, 150)
    assert set(np.unique(prediction.depth_m.round(4))) == {2.0, 6.0}, 'nothing hangs between the two'
    assert abs((prediction.depth_m < 4).mean() - 0.5) < 0.02


def test_a_large_image_is_shrunk_to_what_the_card_says_and_a_small_one_is_left():
    card = dataclasses.replace(load_card('prompt_depth_small'), largest_px=64 * 96)
    assert Packing(card).fitted(64, 96) == (64, 96) and Packing(card).fitted(32, 40) == (32, 40)
    rows, columns = Packing(card).fitted(128, 192)
    assert (rows, columns) == (64, 96)
    rows, columns = Packing(card).fitted(100, 400)
    assert rows * columns == pytest.approx(64 * 96, rel=0.02) and columns / rows == pytest.approx(4, rel=0.03)
    whole = dataclasses.replace(card, largest_px=None)
    assert Packing(whole).fitted(1000, 4000) == (1000, 4000)


def test_sigma_is_brought_back_as_a_share_of_depth():
    packing = Packing(load_card('prompt_depth_small'), (64, 96))
    image, *_ = frame()
    depth = np.full((1, 64, 96), 4, np.float32)
    prediction = packing.prediction(depth, 0.05 * depth, image)
    assert np.allclose(prediction.sigma_m, 0.2)


def test_free_sides_of_a_graph_are_told_from_fixed_ones():
    assert static_size([1, 64, 96, 3]) == (64, 96)
    assert static_size([1, '32*rows', '32*columns', 3]) is None
