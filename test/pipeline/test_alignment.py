# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.pipeline.alignment import align_depth, align_disparity, depth_ratio


def scene(rng, outliers=0.0, noise=0.0):
    """A relative disparity whose true depth is known, and 500 returns on it."""
    depth = rng.uniform(1, 40, (120, 160)).astype(np.float32)
    disparity = (1 / depth - 0.02) / 3.0
    sparse = np.full_like(depth, np.nan)
    at = rng.choice(depth.size, 500, replace=False)
    sparse.ravel()[at] = depth.ravel()[at] * (1 + noise * rng.standard_normal(500))
    stray = at[: int(outliers * 500)]
    sparse.ravel()[stray] = rng.uniform(0.5, 80, len(stray))
    return depth, disparity, sparse


def test_scale_and_shift_are_found_exactly_on_clean_returns():
    depth, disparity, sparse = scene(np.random.default_rng(0))
    alignment = align_disparity(disparity, sparse)
    assert alignment.scale == pytest.approx(3.0, rel=1e-3)
    assert alignment.shift == pytest.approx(0.02, rel=1e-2)
    assert np.allclose(alignment.depth_m(disparity), depth, rtol=1e-3)


def test_a_quarter_of_strays_moves_depth_by_less_than_three_percent():
    depth, disparity, sparse = scene(np.random.default_rng(1), outliers=0.25, noise=0.01)
    aligned = align_disparity(disparity, sparse).depth_m(disparity)
    assert np.median(np.abs(aligned / depth - 1)) < 0.03


def test_a_constant_disparity_still_gives_the_scale_of_the_returns():
    sparse = np.full((20, 20), np.nan, np.float32)
    sparse[::4, ::4] = 2.0
    aligned = align_disparity(np.full((20, 20), 0.7), sparse).depth_m(np.full((20, 20), 0.7))
    assert np.allclose(aligned, 2.0, rtol=1e-3)


def test_near_and_far_are_never_swapped():
    # returns that contradict the network's order: the image is then not believed
    disparity = np.linspace(0.1, 1, 400).reshape(20, 20)
    sparse = (1 + disparity).astype(np.float32)
    assert align_disparity(disparity, sparse).scale == 0


def test_surfaces_behind_infinity_are_unknown():
    _, disparity, sparse = scene(np.random.default_rng(0))
    alignment = align_disparity(disparity, sparse)
    assert np.isnan(alignment.depth_m(np.array([[-1.0]]))).all()


def test_too_few_returns_are_refused_with_both_numbers():
    sparse = np.full((20, 20), np.nan)
    sparse[0, :5] = 1
    with pytest.raises(InvalidInput, match='at least 8 returns on the image, got 5'):
        align_disparity(np.ones((20, 20)), sparse)


def test_depth_ratio_ignores_unknown_pixels():
    depth = np.array([[1.0, 2.0, np.nan, 4.0]])
    assert depth_ratio(np.array([[2.0, 4.0, 6.0, np.nan]]), depth) == 2.0
    assert np.isnan(depth_ratio(depth * np.nan, depth))


def metric_scene(rng, count=300, scale=1.0, exponent=1.0, spread=(1, 40), outliers=0.0, noise=0.01):
    """Depth of a network that is off by a factor and an exponent, the truth, and returns on it."""
    truth = np.exp(rng.uniform(*np.log(spread), (60, 80))).astype(np.float32)
    predicted = (scale * truth**exponent).astype(np.float32)
    sparse = np.full_like(truth, np.nan)
    at = rng.choice(truth.size, count, replace=False)
    sparse.ravel()[at] = truth.ravel()[at] * np.exp(noise * rng.standard_normal(count))
    stray = at[: int(outliers * count)]
    sparse.ravel()[stray] = rng.uniform(0.5, 80, len(stray))
    return truth, predicted, sparse


@pytest.mark.parametrize('outliers', [0.0, 0.3])
def test_a_metric_network_off_by_a_factor_gets_a_factor_and_nothing_else(outliers):
    truth, predicted, sparse = metric_scene(np.random.default_rng(0), scale=1.6, outliers=outliers)
    alignment = align_depth(predicted, sparse)
    assert alignment.kind == 'scale'
    assert np.median(np.abs(alignment.depth_m(predicted) / truth - 1)) < 0.02


@pytest.mark.parametrize('outliers', [0.0, 0.3])
def test_a_compressed_range_is_stretched_where_well_spread_returns_show_it(outliers):
    truth, predicted, sparse = metric_scene(np.random.default_rng(1), scale=1.3, exponent=0.8, outliers=outliers)
    alignment = align_depth(predicted, sparse)
    assert alignment.kind == 'scale and shift in log depth'
    assert alignment.exponent == pytest.approx(1 / 0.8, rel=0.03)
    assert np.median(np.abs(alignment.depth_m(predicted) / truth - 1)) < 0.02


@pytest.mark.parametrize('few', [{'count': 40}, {'spread': (3, 4)}, {'exponent': 0.3}, {'noise': 1.0}])
def test_a_second_number_is_not_taken_from_few_bunched_noisy_or_absurd_returns(few):
    _, predicted, sparse = metric_scene(np.random.default_rng(2), **({'exponent': 0.8} | few))
    assert align_depth(predicted, sparse).kind == 'scale'


def test_unknown_predictions_are_left_out_and_stay_unknown():
    truth, predicted, sparse = metric_scene(np.random.default_rng(3), scale=2.0)
    predicted[:30] = np.nan
    aligned = align_depth(predicted, sparse).depth_m(predicted)
    assert np.isnan(aligned[:30]).all()
    assert np.allclose(aligned[30:], truth[30:], rtol=0.01)
    with pytest.raises(InvalidInput, match='at least 8 returns'):
        align_depth(np.full_like(predicted, np.nan), sparse)
