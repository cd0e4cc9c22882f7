# SPDX-License-Identifier: Apache-2.0
"""The resize rules of the published systems, against OpenCV, the documented rules and transformers' processors."""

import pytest

torch = pytest.importorskip('torch')

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from depth_anything_ros.core.errors import InvalidInput  # noqa: E402
from depth_anything_ros.networks import resize  # noqa: E402
from depth_anything_ros.networks.pixels import as_pixels  # noqa: E402

ODD_SIZES = [(480, 640), (481, 643), (375, 1242), (300, 200), (50, 70), (14, 15), (33, 300)]


def image(height, width):
    """Smooth shapes and hard edges; not noise, which no camera gives."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    picture = 0.5 + 0.3 * np.sin(0.07 * x[..., None] + 0.05 * y[..., None] * np.arange(1, 4))
    picture[height // 3 : height // 2, width // 4 : width // 2] = (0.95, 0.1, 0.4)
    return picture.clip(0, 1).astype(np.float32)


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)[None]))


def array(pixels):
    return pixels[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize('size', ODD_SIZES)
def test_lower_bound_is_opencvs_cubic(size):
    target = resize.lower_bound_size(*size, 518, 14)
    expected = cv2.resize(image(*size).astype(np.float64), target[::-1], interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(array(resize.lower_bound(tensor(image(*size)), 518, 14)), expected, atol=2e-4)


@pytest.mark.parametrize('size', [*ODD_SIZES, (1080, 1920), (2160, 1000)])
def test_longest_side_is_opencvs_area(size):
    target = resize.longest_side_size(*size, 1008, 14)
    expected = cv2.resize(image(*size), target[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(array(resize.longest_side(tensor(image(*size)), 1008, 14)), expected, atol=1e-6)


@pytest.mark.parametrize('size', ODD_SIZES)
def test_stretching_is_opencvs_linear(size):
    expected = cv2.resize(image(*size), (384, 384), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(array(resize.stretched(tensor(image(*size)), (384, 384))), expected, atol=1e-4)


@pytest.mark.parametrize(
    ('size', 'lower', 'longest', 'upper'),
    [
        # by hand from the authors' rules
        ((480, 640), (518, 686), (476, 630), (378, 504)),
        (
            (1080, 1920),
            (518, 924),
            (560, 1008),
            (280, 504),
        ),  # 920.9 rounds to 924; 567 down to 560; 283.5 -> 284 -> 280
        ((640, 480), (686, 518), (630, 476), (504, 378)),
        ((370, 1226), (518, 1722), (294, 1008), (154, 504)),
        ((518, 518), (518, 518), (518, 518), (504, 504)),
        ((1440, 1920), (518, 686), (756, 1008), (378, 504)),
    ],
)
def test_sizes_are_those_of_the_authors_rules(size, lower, longest, upper):
    assert resize.lower_bound_size(*size, 518, 14) == lower
    assert resize.longest_side_size(*size, 1008, 14) == longest
    assert resize.upper_bound_sizes(*size, 504, 14)[1] == upper


def test_no_side_ends_up_below_the_lower_bound():
    for height in range(14, 700, 13):
        for width in (97, 518, 640, 1024):
            rows, columns = resize.lower_bound_size(height, width, 518, 14)
            assert min(rows, columns) == 518 and rows % 14 == columns % 14 == 0


def test_shares_of_a_pixel_sum_to_one_however_odd_the_ratio():
    flat = torch.full((1, 3, 97, 211), 0.7)
    torch.testing.assert_close(resize.area(flat, (14, 28)), torch.full((1, 3, 14, 28), 0.7))


@pytest.mark.parametrize(('rule', 'side_px'), [(resize.longest_side_size, 1008), (resize.upper_bound_sizes, 504)])
def test_too_long_an_image_leaves_nothing_of_its_shorter_side(rule, side_px):
    with pytest.raises(InvalidInput, match=r'image: expected.*got 4000x20') as error:
        rule(20, 4000, side_px, 14)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('size', [(13, 100), (100, 1), (20, 201)])
def test_an_image_smaller_than_a_patch_or_too_long_is_refused_in_one_line(size):
    with pytest.raises(InvalidInput, match=f'image: expected.*got {size[1]}x{size[0]}') as error:
        as_pixels(torch.zeros(1, *size, 3, dtype=torch.uint8), 14)
    assert '\n' not in str(error.value)


def processed(processor, picture):
    """(H, W, 3) in [0, 1], as a processor of transformers gives it to its model."""
    return processor(images=picture, do_normalize=False, return_tensors='np')['pixel_values'][0].transpose(1, 2, 0)


def test_transformers_processor_of_depth_anything_is_another_rule():
    """It scales as little as it can, so that smaller images end up below the lower bound; where both give the same
    size, they differ by its antialiasing and its rounding to 8 bits.
    """
    transformers = pytest.importorskip('transformers')
    pytest.importorskip('PIL')
    settings = {'size': {'height': 518, 'width': 518}, 'keep_aspect_ratio': True, 'ensure_multiple_of': 14}
    processor = transformers.DPTImageProcessorPil(**settings)
    small, large = ((255 * image(*size)).astype(np.uint8) for size in ((300, 400), (540, 720)))
    assert processed(processor, small).shape == (392, 518, 3)
    assert resize.lower_bound_size(300, 400, 518, 14) == (518, 686)
    theirs = processed(processor, large)
    ours = array(resize.lower_bound(tensor(large.astype(np.float32) / 255), 518, 14))
    assert theirs.shape == ours.shape == (518, 686, 3)
    difference = np.abs(theirs - ours)
    assert difference.mean() < 2e-3 and difference.max() < 0.15


def test_transformers_processor_of_prompt_depth_anything_is_another_rule():
    """756 px for the shorter side and cubic, where the authors have 1008 px for the longer and area: the same size for
    4:3 only.
    """
    transformers = pytest.importorskip('transformers')
    pytest.importorskip('PIL')
    settings = {'size': {'height': 756, 'width': 756}, 'keep_aspect_ratio': True, 'ensure_multiple_of': 14}
    processor = transformers.PromptDepthAnythingImageProcessorPil(**settings)
    phone, wide = ((255 * image(*size)).astype(np.uint8) for size in ((1440, 1920), (1080, 1920)))
    assert processed(processor, wide).shape == (756, 1344, 3)
    theirs, ours = processed(processor, phone), array(resize.longest_side(tensor(phone / np.float32(255)), 1008, 14))
    assert theirs.shape == ours.shape == (756, 1008, 3)
    difference = np.abs(theirs - ours)
    assert difference.mean() < 2e-3 and difference.max() < 0.25


def test_transformers_processor_of_depth_pro_stretches_too():
    transformers = pytest.importorskip('transformers')
    pytest.importorskip('torchvision', reason='transformers has this processor for torchvision only')
    picture = (255 * image(480, 640)).astype(np.uint8)
    theirs = processed(transformers.DepthProImageProcessor(), picture)
    ours = array(resize.stretched(tensor(picture.astype(np.float32) / 255), (1536, 1536)))
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
