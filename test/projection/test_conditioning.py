# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError, InvalidInput
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition, percentiles
from depth_anything_ros.projection.outliers import OutlierConfig, find_outliers
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt

CAMERA = CameraModel(640, 480, 500, 500, 319.5, 239.5)
PANORAMA = CameraModel.equirectangular(640, 320)
CONFIG = ConditioningConfig()


def prompt_of(depth_m, camera=CAMERA, sigma_relative=0.002):
    depth_m = np.asarray(depth_m, np.float32)
    count = int(np.isfinite(depth_m).sum())
    return SparsePrompt(depth_m, depth_m * np.float32(sigma_relative), camera, stats=PromptStats(count, 0.1, 0.0))


def sparse(camera, count, depth_at, seed=0):
    """A prompt with `count` returns at random pixels; depth_at(column, row) gives their depths."""
    rng = np.random.default_rng(seed)
    depth = np.full((camera.height, camera.width), np.nan, np.float32)
    pixel = rng.choice(depth.size, count, replace=False)
    row, column = np.divmod(pixel, camera.width)
    depth.ravel()[pixel] = depth_at(column, row)
    return depth


def with_strays(depth, share, rng, low_m=1.0, high_m=90.0):
    """The prompt with strays in empty pixels, each off by more than 30 % from its nearest return; their mask."""
    filled = condition(prompt_of(depth, CameraModel(depth.shape[1], depth.shape[0], 500, 500, 1, 1)), CONFIG).filled_m
    empty = np.flatnonzero(np.isnan(depth))
    pixel = rng.choice(empty, 3 * int(share * np.isfinite(depth).sum()) + 30, replace=False)
    stray = rng.uniform(low_m, high_m, len(pixel)).astype(np.float32)
    off = np.abs(np.log(stray / filled.ravel()[pixel])) > 0.3
    pixel, stray = pixel[off], stray[off]
    number = max(1, int(share * np.isfinite(depth).sum()))
    dirty, mask = depth.copy(), np.zeros(depth.shape, bool)
    dirty.ravel()[pixel[:number]] = stray[:number]
    mask.ravel()[pixel[:number]] = True
    return dirty, mask


@pytest.mark.parametrize(('share', 'found'), [(0.005, 0.9), (0.02, 0.9), (0.05, 0.85)])
@pytest.mark.parametrize('number', [0, 10, 19])
def test_strays_in_a_real_sweep_go_and_its_returns_stay(kitti_frame, number, share, found):
    frame = kitti_frame(number)
    clean = build_prompt(frame.observation, PromptConfig())
    untouched = condition(clean, CONFIG).sparse
    assert untouched.stats.rejected['outlier'] < 0.01 * clean.stats.count
    dirty, stray = with_strays(clean.depth_m, share, np.random.default_rng(number))
    gated = condition(prompt_of(dirty, frame.camera), CONFIG).sparse
    gone = np.isnan(gated.depth_m) & np.isfinite(dirty)
    assert gone[stray].mean() > found
    assert gone[np.isfinite(dirty) & ~stray].mean() < 0.01


@pytest.mark.parametrize(
    'depth_at',
    [
        lambda u, v: 4.0 + 0 * u,
        lambda u, v: 2 + 0.01 * u,
        lambda u, v: 750 / np.maximum(v - 200, 10),  # ground 1.5 m below the camera
        lambda u, v: np.where((u // 80) % 2, 2.0, 9.0),
    ],
    ids=['wall', 'slanted wall', 'ground', 'stripes'],
)
@pytest.mark.parametrize('count', [300, 3000, 30000])
def test_surfaces_pass_the_gate(depth_at, count):
    depth = sparse(CAMERA, count, depth_at)
    assert condition(prompt_of(depth), CONFIG).sparse.stats.count > 0.97 * count


def test_a_thin_pole_in_front_passes_the_gate():
    depth = sparse(CAMERA, 20000, lambda u, v: np.where(np.abs(u - 300) < 5, 3.0, 15.0))
    gated = condition(prompt_of(depth), CONFIG).sparse.depth_m
    assert np.isfinite(gated[:, 296:305]).sum() > 0.98 * np.isfinite(depth[:, 296:305]).sum()


@pytest.mark.parametrize('stray_m', [0.3, 80.0])
def test_one_stray_cannot_move_the_range(stray_m):
    depth = sparse(CAMERA, 500, lambda u, v: 2 + 0.004 * u)
    clean = condition(prompt_of(depth), CONFIG)
    depth[100, 100] = stray_m
    dirty = condition(prompt_of(depth), CONFIG)
    assert dirty.low_m == pytest.approx(clean.low_m, rel=0.01)
    assert dirty.high_m == pytest.approx(clean.high_m, rel=0.01)
    assert np.isnan(dirty.sparse.depth_m[100, 100]) and np.isnan(dirty.sparse.sigma_m[100, 100])
    assert dirty.sparse.stats.rejected == {'outlier': 1} and dirty.sparse.stats.count == 500


def test_a_lonely_return_is_a_stray_and_two_that_agree_are_not():
    depth = np.full((480, 640), np.nan, np.float32)
    depth[300:480:6, 0:300:6] = 3.0
    depth[20, 600] = 5.0
    depth[20, 20], depth[22, 24] = 9.0, 9.1
    gated = condition(prompt_of(depth), CONFIG).sparse
    assert np.isnan(gated.depth_m[20, 600]) and gated.depth_m[20, 20] == 9
    assert gated.stats.rejected == {'outlier': 1}


def test_fewer_than_eight_returns_are_all_kept():
    depth = np.full((480, 640), np.nan, np.float32)
    depth[100, 10:17] = [1, 90, 2, 50, 3, 70, 4]
    conditioned = condition(prompt_of(depth), CONFIG)
    assert conditioned.sparse.stats.count == 7 and conditioned.sparse.stats.rejected == {'outlier': 0}
    assert 1 <= conditioned.low_m < conditioned.high_m <= 90


def test_the_gate_can_be_switched_off():
    depth = sparse(CAMERA, 500, lambda u, v: 2 + 0 * u)
    depth[100, 100] = 80
    off = dataclasses.replace(CONFIG, outliers=OutlierConfig(enabled=False))
    assert condition(prompt_of(depth), off).sparse.depth_m[100, 100] == 80


def test_noisy_returns_are_not_taken_for_strays():
    rng = np.random.default_rng(0)
    depth = sparse(CAMERA, 2000, lambda u, v: 20 * np.exp(rng.normal(size=len(u)) * 0.2))
    assert condition(prompt_of(depth, sigma_relative=0.2), CONFIG).sparse.stats.count > 1960
    assert condition(prompt_of(depth, sigma_relative=0.001), CONFIG).sparse.stats.count < 1960


def test_an_empty_prompt_says_unknown_everywhere():
    conditioned = condition(SparsePrompt.none(CAMERA), CONFIG)
    assert conditioned.sparse.empty and np.isnan(conditioned.low_m) and np.isnan(conditioned.high_m)
    assert np.isnan(conditioned.filled_m).all() and np.isinf(conditioned.distance_px).all()


def test_a_single_return_fills_the_image():
    depth = np.full((480, 640), np.nan, np.float32)
    depth[240, 320] = 2.5
    conditioned = condition(prompt_of(depth), CONFIG)
    assert conditioned.low_m < 2.5 < conditioned.high_m
    assert (conditioned.filled_m == 2.5).all() and conditioned.filled_m.dtype == np.float32
    assert conditioned.distance_px[240, 320] == 0
    assert conditioned.distance_px[240, 420] == pytest.approx(100, rel=0.03)
    assert conditioned.distance_px.dtype == np.float32


def test_a_constant_prompt_has_a_range_around_it():
    conditioned = condition(prompt_of(sparse(CAMERA, 1000, lambda u, v: 5.0 + 0 * u)), CONFIG)
    assert conditioned.low_m < 5 < conditioned.high_m < 5.2 and conditioned.sparse.stats.count == 1000


def test_unknown_sigma_is_no_reason_to_fail():
    depth = sparse(CAMERA, 1000, lambda u, v: 5.0 + 0 * u)
    prompt = dataclasses.replace(prompt_of(depth), sigma_m=np.full_like(depth, np.nan))
    assert condition(prompt, CONFIG).sparse.stats.count == 1000


@pytest.mark.parametrize('value', [0.0, -1.0, np.inf])
def test_depths_that_cannot_be_are_refused(value):
    depth = sparse(CAMERA, 100, lambda u, v: 5.0 + 0 * u)
    depth[0, 0] = value
    with pytest.raises(InvalidInput, match='NaN where empty'):
        condition(prompt_of(depth), CONFIG)


def test_the_fill_holds_the_nearest_return():
    depth = sparse(CAMERA, 400, lambda u, v: 2 + 0.01 * u)
    conditioned = condition(prompt_of(depth), CONFIG)
    row, column = np.nonzero(np.isfinite(conditioned.sparse.depth_m))
    rng = np.random.default_rng(0)
    for v, u in zip(rng.integers(0, 480, 200), rng.integers(0, 640, 200), strict=True):
        distance = np.hypot(row - v, column - u)
        assert conditioned.distance_px[v, u] == pytest.approx(distance.min(), rel=0.03, abs=0.1)
        near = distance < distance.min() * 1.05 + 0.5  # the transform measures to a few percent
        assert conditioned.filled_m[v, u] in conditioned.sparse.depth_m[row[near], column[near]]


def test_the_fill_and_the_gate_reach_across_the_seam_of_a_panorama():
    depth = np.full((320, 640), np.nan, np.float32)
    depth[160, 638], depth[160, 300] = 3.0, 7.0
    conditioned = condition(prompt_of(depth, PANORAMA), CONFIG)
    assert conditioned.filled_m.shape == (320, 640) and conditioned.filled_m[160, 5] == 3
    assert conditioned.distance_px[160, 5] == pytest.approx(7, rel=0.03)

    rng = np.random.default_rng(0)
    depth = sparse(PANORAMA, 300, lambda u, v: rng.uniform(9, 10, len(u)))
    depth[:, :10] = depth[:, -10:] = np.nan
    depth[150:170:2, 0], depth[150, 639] = 2.0, 2.0  # one thing, cut in two by the seam
    assert condition(prompt_of(depth, PANORAMA), CONFIG).sparse.depth_m[150, 639] == 2
    flat = CameraModel(640, 320, PANORAMA.fx, PANORAMA.fy, 319.5, 159.5)
    assert np.isnan(condition(prompt_of(depth, flat), CONFIG).sparse.depth_m[150, 639])


def test_the_prompt_given_is_left_as_it_was():
    depth = sparse(CAMERA, 500, lambda u, v: 2 + 0 * u)
    depth[100, 100] = 80
    prompt = prompt_of(depth)
    condition(prompt, CONFIG)
    assert prompt.depth_m[100, 100] == 80 and prompt.stats.rejected == {}


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError, match='low_percentile'):
        ConditioningConfig(low_percentile=60)
    with pytest.raises(ConfigError, match='share'):
        OutlierConfig(share=2)


@pytest.mark.parametrize('count', [1, 2, 3, 100, 1023, 1024, 5000, 40001])
@pytest.mark.parametrize('ends', [(2.0, 98.0), (0.0, 100.0), (49.0, 51.0), (2.5, 51.0)])
def test_percentiles_are_those_of_numpy(count, ends):
    rng = np.random.default_rng(count)
    values = rng.uniform(0.2, 90, count).astype(np.float32)
    unlike = values.copy()
    unlike[:: max(1, count // 512)] = 100  # the very values a strided sample takes
    cases = (values, np.sort(values), np.sort(values)[::-1], np.round(values), np.full_like(values, 3), unlike, -unlike)
    for case in cases:
        kept = case.copy()
        assert np.allclose(percentiles(case, *ends), np.percentile(case.astype(float), ends), rtol=1e-6)
        assert np.array_equal(case, kept)


def slow_outliers(pixel, depth_m, sigma_m, camera, config):
    """The same, one return after the other."""
    count = len(pixel)
    side = max(2 * np.sqrt(camera.height * camera.width / count), max(camera.height, camera.width) / 80)
    columns, rows = max(1, round(camera.width / side)), max(1, round(camera.height / side))
    row, column = np.divmod(pixel, camera.width)
    x, y = column * columns // camera.width, row * rows // camera.height
    step = config.step + config.slant * side / camera.fx + 2 * float(np.median(sigma_m / depth_m))
    log = np.log(depth_m)
    layer = ((log - log.min()) * np.float32(1 / step)).astype(int)
    stray = np.zeros(count, bool)
    for number in range(count):
        across = np.abs(x - x[number])
        if camera.is_equirectangular:
            across = np.minimum(across, columns - across)
        near = (across <= 1) & (np.abs(y - y[number]) <= 1)
        backing = (near & (np.abs(layer - layer[number]) <= 1)).sum() - 1
        stray[number] = backing < max(1, np.ceil(config.share * (near.sum() - 1)))
    return stray


@pytest.mark.parametrize('camera', [CAMERA, PANORAMA], ids=lambda c: c.distortion_model)
@pytest.mark.parametrize('count', [8, 300, 3000])
def test_strays_are_those_without_enough_neighbours_in_depth_and_place(camera, count):
    rng = np.random.default_rng(count)
    depth = sparse(camera, count, lambda u, v: 4 + u / 100 + 20 * (rng.random(count) < 0.05))
    pixel = rng.permutation(np.flatnonzero(np.isfinite(depth)))
    depth_m = depth.ravel()[pixel]
    found = find_outliers(pixel, depth_m, 0.002 * depth_m, camera, OutlierConfig())
    assert np.array_equal(found, slow_outliers(pixel, depth_m, 0.002 * depth_m, camera, OutlierConfig()))
    assert found.any() or count < 100


def test_gating_leaves_the_returns_and_images_of_the_given_prompt_alone():
    depth = sparse(CAMERA, 2000, lambda u, v: 5 + u / 200)
    dirty, _ = with_strays(depth, 0.02, np.random.default_rng(0))
    prompt = prompt_of(dirty)
    before = prompt.depth_m.copy(), prompt.sigma_m.copy(), len(prompt.returns.pixel)
    gated = condition(prompt, CONFIG).sparse
    assert gated.stats.rejected['outlier'] > 0
    assert np.array_equal(prompt.depth_m, before[0], equal_nan=True)
    assert np.array_equal(prompt.sigma_m, before[1], equal_nan=True)
    assert len(prompt.returns.pixel) == before[2] > len(gated.returns.pixel)
