# SPDX-License-Identifier: Apache-2.0
"""Aligned depth drawn to the returns: better where they are, untouched where they aren't, sure of what it says."""

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.settings import replaced
from depth_anything_ros.evaluation.metrics import score
from depth_anything_ros.pipeline.alignment import align_disparity
from depth_anything_ros.pipeline.refinement import RefinementConfig, refine, residual_sigma
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt

HEIGHT, WIDTH = 240, 320
TRUE_M = np.tile(np.linspace(2, 5, WIDTH, dtype=np.float32), (HEIGHT, 1))


def wavy(amplitude, cells=3, shape=(HEIGHT, WIDTH), seed=0):
    """A smooth random field, as what alignment leaves over."""
    coarse = np.random.default_rng(seed).standard_normal((cells, cells + 1)).astype(np.float32)
    return amplitude * cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def returns(depth_m, count=400, noise=0.005, strays=0.0, columns=WIDTH, seed=1):
    rng = np.random.default_rng(seed)
    sparse = np.full_like(depth_m, np.nan)
    at = rng.choice(depth_m.size, count, replace=False)
    at = at[at % depth_m.shape[1] < columns]
    sparse.ravel()[at] = depth_m.ravel()[at] * np.exp(noise * rng.standard_normal(len(at)))
    stray = at[: int(strays * len(at))]
    sparse.ravel()[stray] *= rng.choice([0.5, 2.0], len(stray))
    return sparse


def error(depth_m, truth_m=TRUE_M):
    return float(np.nanmean(np.abs(depth_m / truth_m - 1)))


@pytest.mark.parametrize('strays', [0.0, 0.2])
def test_a_slowly_varying_error_goes_and_strays_do_not_bring_it_back(strays):
    wrong = TRUE_M * np.exp(wavy(0.1))
    refined = refine(wrong, returns(TRUE_M, strays=strays), RefinementConfig())
    assert error(refined.depth_m) < (0.3 if strays else 0.15) * error(wrong)
    assert refined.after < 0.5 * refined.before
    assert refined.depth_m.dtype == refined.sigma_m.dtype == np.float32


def test_a_right_depth_stays_right():
    refined = refine(TRUE_M, returns(TRUE_M, noise=0.02), RefinementConfig())
    assert error(refined.depth_m) < 0.01, 'noise of 2 % must not be painted into the depth'


def test_depth_beyond_the_reach_of_any_return_is_the_same_to_the_last_bit():
    wrong = TRUE_M * np.exp(wavy(0.1))
    config = RefinementConfig()
    refined = refine(wrong, returns(TRUE_M, columns=WIDTH // 4), config)
    beyond = WIDTH // 4 + int(config.reach * WIDTH) + 4
    np.testing.assert_array_equal(refined.depth_m[:, beyond:], wrong[:, beyond:])
    assert error(refined.depth_m[:, :60], TRUE_M[:, :60]) < 0.4 * error(wrong[:, :60], TRUE_M[:, :60])


def test_a_surface_without_returns_is_left_alone_though_they_lie_right_beside_it():
    near = np.zeros((HEIGHT, WIDTH), bool)
    near[60:180, 100:220] = True
    truth = np.where(near, np.float32(2), np.float32(6))
    wrong = truth * np.float32(1.1)
    sparse = returns(truth)
    sparse[near] = np.nan
    refined = refine(wrong, sparse, RefinementConfig())
    inside, outside = np.s_[70:170, 110:210], np.s_[:50, :]
    np.testing.assert_array_equal(refined.depth_m[inside], wrong[inside])
    assert np.abs(refined.depth_m[outside] / 6 - 1).max() < 0.03


def test_unknown_stays_unknown_and_harms_nobody():
    wrong = TRUE_M * np.exp(wavy(0.1))
    wrong[:, 100:140] = np.nan
    refined = refine(wrong, returns(TRUE_M), RefinementConfig())
    assert (np.isnan(refined.depth_m) == np.isnan(wrong)).all()
    assert error(refined.depth_m) < 0.3 * error(wrong)


def test_too_few_returns_refine_nothing():
    assert refine(TRUE_M, returns(TRUE_M, count=49), RefinementConfig()) is None
    assert refine(TRUE_M, returns(TRUE_M, count=49), replaced(RefinementConfig(), {'min_returns': 20})) is not None
    assert refine(np.full_like(TRUE_M, np.nan), returns(TRUE_M), RefinementConfig()) is None


def test_a_panorama_is_corrected_across_its_seam():
    truth = np.full((160, 320), 4, np.float32)
    wrong = truth * np.float32(1.1)
    sparse = returns(truth, columns=60)
    flat, round_ = (refine(wrong, sparse, RefinementConfig(), wrap).depth_m for wrap in (False, True))
    np.testing.assert_array_equal(flat[:, -10:], wrong[:, -10:])
    assert np.abs(round_[:, -10:] / 4 - 1).max() < 0.04


@pytest.mark.parametrize('amplitude', [0.03, 0.1])
def test_sigma_holds_about_two_thirds_of_the_errors_and_grows_away_from_the_returns(amplitude):
    wrong = TRUE_M * np.exp(wavy(amplitude, cells=12))
    refined = refine(wrong, returns(TRUE_M), RefinementConfig())
    within = np.mean(np.abs(refined.depth_m - TRUE_M) <= refined.sigma_m)
    assert 0.5 < within < 0.97
    half = refine(wrong, returns(TRUE_M, columns=WIDTH // 2), RefinementConfig())
    share = half.sigma_m / half.depth_m
    assert share[:, WIDTH - 40 :].mean() > 1.5 * share[:, : WIDTH // 3].mean()


def test_the_sigma_of_a_prompted_network_comes_from_how_well_it_meets_the_returns():
    good, bad = (TRUE_M * np.exp(wavy(a)).astype(np.float32) for a in (0.005, 0.08))
    sigmas = [residual_sigma(depth, returns(TRUE_M), 0.2) / depth for depth in (good, bad)]
    assert np.median(sigmas[1]) > 2 * np.median(sigmas[0])
    far = residual_sigma(good, returns(TRUE_M, columns=80), 0.2) / good
    assert np.allclose(far[:, 250:], 0.2, rtol=0.05), 'away from all returns: what such networks usually reach'
    assert np.allclose(residual_sigma(good, returns(TRUE_M, count=5), 0.2) / good, 0.2)
    assert residual_sigma(good, returns(TRUE_M), 0.2).dtype == np.float32


def relative_of(truth_m, seed):
    """What a relative network would give: blurred, affinely distorted, differently so over the image."""
    inverse = cv2.GaussianBlur(1 / truth_m, (0, 0), 2.0)
    varying = wavy(0.06, shape=truth_m.shape, seed=seed)
    return 3.7 * (inverse * np.exp(varying) + varying * 0.3 * np.median(inverse) - 0.02)


@pytest.mark.parametrize('name', ['pcl_mosd_rgbd', 'kitti_raw_seq'])
def test_on_real_scenes_refinement_at_least_halves_what_alignment_leaves(shared_data, name):
    from depth_anything_ros.engines.classical import linear_fill
    from depth_anything_ros.evaluation.cases import kitti, mosd

    case = (mosd if name == 'pcl_mosd_rgbd' else kitti)(shared_data(name))[0]
    sample = next(case.samples())
    prompt = condition(build_prompt(sample.observation, PromptConfig()), ConditioningConfig()).sparse
    if name == 'kitti_raw_seq':
        pytest.importorskip('scipy')
        import dataclasses

        both = np.where(np.isnan(sample.truth_m), prompt.depth_m, sample.truth_m)
        dense_m = linear_fill(dataclasses.replace(prompt, depth_m=both))
    else:
        from depth_anything_ros.engines.classical import nearest_fill

        dense_m = nearest_fill(type(prompt)(sample.truth_m, sample.truth_m * 0, prompt.camera))
    disparity = relative_of(dense_m, seed=0)
    aligned_m = align_disparity(disparity, prompt.depth_m).depth_m(disparity)
    refined_m = refine(aligned_m, prompt.depth_m, RefinementConfig()).depth_m
    before, after = (score(depth_m, sample.truth_m).abs_rel for depth_m in (aligned_m, refined_m))
    assert after < 0.5 * before, (before, after)
