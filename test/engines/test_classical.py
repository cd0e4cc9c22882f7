# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.engines.classical import ClassicalEngine, dilation_fill, linear_fill, nearest_fill
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition

CAMERA = CameraModel(160, 120, 120, 120, 79.5, 59.5)
SLOPE_M = np.tile(np.linspace(2, 4, 160, dtype=np.float32), (120, 1))
IMAGE = np.zeros((120, 160, 3), np.uint8)


def prompt_of(depth_m, count=400, seed=0):
    at = np.random.default_rng(seed).choice(depth_m.size, count, replace=False)
    sparse = np.full_like(depth_m, np.nan)
    sparse.ravel()[at] = depth_m.ravel()[at]
    sigma = np.where(np.isnan(sparse), np.nan, np.float32(0.02))
    return SparsePrompt(sparse, sigma, CAMERA, stats=PromptStats(count, count / depth_m.size))


def infer(prompt):
    return ClassicalEngine().infer(IMAGE, condition(prompt, ConditioningConfig()), CAMERA)


def test_a_slope_is_completed_within_two_percent_everywhere():
    prediction = infer(prompt_of(SLOPE_M))
    assert np.abs(prediction.depth_m / SLOPE_M - 1).mean() < 0.02
    assert prediction.metric


def test_smoothing_beats_the_bare_nearest_return_and_stays_on_its_side_of_an_edge():
    two_walls = np.where(np.arange(160) < 80, np.float32(2), np.float32(6)) * np.ones((120, 1), np.float32)
    prompt = prompt_of(SLOPE_M)
    assert np.abs(infer(prompt).depth_m - SLOPE_M).mean() < np.abs(nearest_fill(prompt) - SLOPE_M).mean()
    between = infer(prompt_of(two_walls)).depth_m
    assert ((np.abs(between - 2) < 0.2) | (np.abs(between - 6) < 0.2)).all(), 'nothing hangs between the walls'


def test_sigma_grows_away_from_the_returns():
    half = prompt_of(SLOPE_M)
    half.depth_m[:, 80:] = np.nan
    half.sigma_m[:, 80:] = np.nan
    sigma = infer(half).sigma_m
    assert sigma[:, 150].mean() > 3 * sigma[:, 40].mean()


def test_baselines_agree_with_the_truth_on_a_plane_and_fill_everything():
    prompt = prompt_of(SLOPE_M)
    inside = np.s_[20:-20, 20:-20]
    assert np.abs(linear_fill(prompt) - SLOPE_M)[inside].max() < 0.02, 'linear is exact on a plane'
    for fill in (nearest_fill, linear_fill, dilation_fill):
        filled = fill(prompt)
        assert filled.dtype == np.float32
        assert np.isfinite(filled).all()
        assert np.abs(filled / SLOPE_M - 1).mean() < 0.05


@pytest.mark.parametrize('count', [1, 2, 3])
def test_a_handful_of_returns_still_fills_the_image(count):
    prompt = prompt_of(SLOPE_M, count)
    for fill in (nearest_fill, linear_fill, dilation_fill):
        assert np.isfinite(fill(prompt)).all()
    assert np.isfinite(infer(prompt).depth_m).all()


def test_returns_on_one_line_do_not_break_triangulation():
    prompt = prompt_of(SLOPE_M, 1)
    prompt.depth_m[:] = np.nan
    prompt.depth_m[60, ::10] = 3.0
    assert np.allclose(linear_fill(prompt), 3.0)


def test_without_returns_it_says_what_it_needs():
    with pytest.raises(InvalidInput, match='needs returns'):
        infer(SparsePrompt.none(CAMERA))
    assert np.isnan(dilation_fill(SparsePrompt.none(CAMERA))).all()
