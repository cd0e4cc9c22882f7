# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.frames import DepthPrompt, Observation, PointSet, RangeKind, SparsePrompt, Sweep
from depth_anything_ros.core.settings import replaced, walk
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt, with_systematic

CAMERA = CameraModel(64, 48, 50, 50, 31.5, 23.5)
PANORAMA = CameraModel.equirectangular(64, 32)
AT_CAMERA = RigidTransform.identity('camera', 'ranger')
CONFIG = PromptConfig()


def sweep(xyz_m, kind=RangeKind.LIDAR, stamp_ns=0, **more):
    return Sweep(PointSet(np.asarray(xyz_m, np.float32).reshape(-1, 3), 'ranger', stamp_ns, kind, **more), AT_CAMERA)


def observation(*sweeps, maps=(), camera=CAMERA, stamp_ns=0):
    return Observation(np.zeros((camera.height, camera.width, 3), np.uint8), camera, stamp_ns, sweeps, maps)


def total(prompt):
    return prompt.stats.count + sum(prompt.stats.rejected.values())


def depths(prompt):
    return sorted(prompt.depth_m[np.isfinite(prompt.depth_m)].tolist())


def at(pixels, depth, camera=CAMERA):
    return camera.unproject(np.array(pixels, float), np.broadcast_to(np.array(depth, float), len(pixels)))


def test_every_return_is_in_the_prompt_or_has_a_reason():
    points = np.random.default_rng(0).normal(size=(5000, 3)) * 20
    prompt = build_prompt(observation(sweep(points), sweep(points[:70], stamp_ns=-(10**9))), CONFIG)
    assert total(prompt) == 5070
    assert prompt.stats.rejected['too old'] == 70
    assert {'out of view', 'behind a nearer return'} <= set(prompt.stats.rejected)
    assert prompt.stats.count == np.isfinite(prompt.depth_m).sum() > 0
    assert prompt.stats.coverage == prompt.stats.count / (64 * 48)
    assert np.array_equal(np.isfinite(prompt.depth_m), np.isfinite(prompt.sigma_m))


def test_returns_beyond_the_range_are_left_out():
    prompt = build_prompt(observation(sweep([[0, 0, 0.1], [0, 0, 3], [1, 0, 150]])), CONFIG)
    assert depths(prompt) == [3] and prompt.stats.rejected == {'out of range': 2}


def test_see_through_returns_are_rejected_unless_switched_off(wall_behind_poles):
    camera = CameraModel(640, 480, 500, 500, 319.5, 239.5)
    above = (0, -0.5, 0)
    points = wall_behind_poles.scan(above)
    transform = RigidTransform.from_quaternion('camera', 'ranger', above, (0, 0, 0, 1))
    returns = PointSet((points - np.array(above)).astype(np.float32), 'ranger', 0)
    seen = observation(Sweep(returns, transform), camera=camera)
    kept, everything = (
        build_prompt(seen, replaced(CONFIG, {'occlusion.enabled': enabled})) for enabled in (True, False)
    )
    assert kept.stats.rejected['occluded'] > 300
    assert everything.stats.count - kept.stats.count == kept.stats.rejected['occluded']
    assert 'occluded' not in everything.stats.rejected
    assert total(kept) == len(points)


def test_sweeps_stack_and_the_oldest_gives_the_age():
    first, second = at([[5, 5]], 4.0), at([[50, 40]], 6.0)
    prompt = build_prompt(observation(sweep(first, stamp_ns=-(2 * 10**8)), sweep(second, stamp_ns=10**8)), CONFIG)
    assert prompt.depth_m[5, 5] == pytest.approx(4) and prompt.depth_m[40, 50] == pytest.approx(6)
    assert prompt.stats.age_s == pytest.approx(0.2)


def test_nothing_fresh_gives_an_empty_prompt():
    for seen in (observation(), observation(sweep(at([[5, 5]], 4.0), stamp_ns=10**10)), observation(sweep([]))):
        prompt = build_prompt(seen, CONFIG)
        assert prompt.empty and np.isnan(prompt.depth_m).all() and prompt.stats.age_s == 0


def test_sigma_is_the_drivers_or_the_kinds():
    place = at([[32, 24]], 10.0)
    found = {}
    for kind in RangeKind:
        found[kind] = np.nanmax(build_prompt(observation(sweep(place, kind)), CONFIG).sigma_m)
    assert found[RangeKind.LIDAR] == pytest.approx(0.03, rel=0.01)
    assert found[RangeKind.TOF] == pytest.approx(0.105, rel=0.01)
    assert found[RangeKind.STEREO] == pytest.approx(0.35, rel=0.01)
    assert found[RangeKind.RADAR] > 1
    given = sweep(at([[32, 24], [10, 10], [20, 10]], 10.0), sigma_m=np.array([0.5, np.nan, 0], np.float32))
    sigma = build_prompt(observation(given), CONFIG).sigma_m
    assert sigma[24, 32] == 0.5 and sigma[10, 10] == pytest.approx(0.03, rel=0.1)
    assert sigma[10, 20] == pytest.approx(1e-3)


def test_a_low_resolution_map_stays_sparse_at_its_cells_centres():
    low = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    low[1, 2] = np.nan
    low[0, 0] = 500
    prompt = build_prompt(observation(maps=(DepthPrompt(low, 0),)), CONFIG)
    assert depths(prompt) == [2, 3, 4, 5, 6, 8, 9, 10, 11, 12]
    assert prompt.depth_m[8, 24] == 2 and prompt.depth_m[40, 56] == 12  # cells are 16 x 16 pixels
    assert prompt.stats.rejected == {'out of range': 1} and prompt.kind is RangeKind.TOF


def test_a_map_of_the_images_size_is_copied():
    full = np.random.default_rng(0).uniform(1, 5, (48, 64)).astype(np.float32)
    full[10:20] = np.nan
    full[0, 0] = 0.05
    sigma = np.full_like(full, 0.07)
    prompt = build_prompt(observation(maps=(DepthPrompt(full, 0, sigma_m=sigma),)), CONFIG)
    expected = np.where(full > 0.2, full, np.nan)
    assert np.array_equal(prompt.depth_m, expected, equal_nan=True)
    assert np.array_equal(np.isnan(prompt.sigma_m), np.isnan(expected)) and np.nanmax(prompt.sigma_m) == np.float32(
        0.07
    )
    assert prompt.depth_m is not full and total(prompt) == np.isfinite(full).sum()


def test_a_map_larger_than_the_image_keeps_the_nearest_of_a_pixel():
    large = np.full((96, 128), 9, np.float32)
    large[::2, ::2] = 4
    prompt = build_prompt(observation(maps=(DepthPrompt(large, 0),)), CONFIG)
    assert depths(prompt) == [4] * (48 * 64) and total(prompt) == large.size


def test_the_nearest_of_a_map_and_a_sweep_wins():
    flat = DepthPrompt(np.full((48, 64), 5, np.float32), 0)
    prompt = build_prompt(observation(sweep(at([[32, 24], [10, 10]], [3.0, 8.0])), maps=(flat,)), CONFIG)
    assert prompt.depth_m[24, 32] == pytest.approx(3) and prompt.depth_m[10, 10] == 5
    assert total(prompt) == 48 * 64 + 2 and prompt.kind is RangeKind.TOF


def test_a_radar_return_never_takes_the_pixel_of_a_surer_one():
    lidar = sweep(at([[32, 24]], 10.0))
    radar = sweep(at([[32, 24], [10, 10]], 4.0), RangeKind.RADAR)
    prompt = build_prompt(observation(radar, lidar), CONFIG)
    assert prompt.depth_m[24, 32] == pytest.approx(10) and prompt.depth_m[10, 10] == pytest.approx(4)
    assert total(prompt) == 3
    alone = build_prompt(observation(radar), CONFIG)
    assert alone.stats.count == 2 and alone.kind is RangeKind.RADAR


def test_a_panorama_takes_returns_from_all_around():
    around = [[3, 0, 0], [-3, 0, 0.1], [0, 0, 3], [0.01, 0, -3], [-0.01, 0, -3], [0, 3, 0.1]]
    prompt = build_prompt(observation(sweep(around), camera=PANORAMA), CONFIG)
    assert prompt.stats.count == 6 and np.allclose(depths(prompt), 3, atol=0.01)


def test_settings_refuse_what_cannot_be_and_can_be_walked():
    with pytest.raises(ConfigError, match='min_depth_m < max_depth_m'):
        PromptConfig(min_depth_m=5, max_depth_m=2)
    with pytest.raises(ConfigError, match='tof_sigma_relative'):
        PromptConfig(tof_sigma_relative=-1)
    names = [name for name, _, _ in walk(CONFIG)]
    assert 'occlusion.reach' in names and 'radar.range_sigma_m' in names
    assert dataclasses.replace(CONFIG, max_depth_m=50).max_depth_m == 50


@pytest.mark.parametrize('number', [0, 7, 19])
def test_a_real_kitti_frame_makes_a_prompt(kitti_frame, number):
    frame = kitti_frame(number)
    prompt = build_prompt(frame.observation, CONFIG)
    assert 14_000 < prompt.stats.count < 17_000
    assert total(prompt) == len(frame.sweep.points)
    assert np.nanmin(prompt.depth_m) > 2 and np.nanmax(prompt.depth_m) < 90


def everything_listed(prompt):
    """The returns of a prompt as its list says and as its images say, sorted by pixel."""
    for returns in (prompt.returns, SparsePrompt(prompt.depth_m, prompt.sigma_m, prompt.camera).returns):
        order = np.argsort(returns.pixel)
        yield tuple(values[order].tolist() for values in returns)


@pytest.mark.parametrize('camera', [CAMERA, PANORAMA], ids=lambda c: c.distortion_model)
def test_the_list_of_returns_and_the_images_of_a_prompt_agree(camera):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3000, 3)).astype(np.float32) * 5
    low = DepthPrompt(rng.uniform(1, 9, (12, 16)).astype(np.float32), 0)
    full = DepthPrompt(rng.uniform(1, 9, (camera.height, camera.width)).astype(np.float32), 0)
    lidar, radar = sweep(points), sweep(points[:50], RangeKind.RADAR)
    cases = [(), (lidar,), (radar,), (lidar, sweep(points + 0.1)), (lidar, radar)]
    for sweeps in cases:
        for maps in ((), (low,), (full,), (low, full)):
            prompt = build_prompt(observation(*sweeps, maps=maps, camera=camera), CONFIG)
            listed, imaged = everything_listed(prompt)
            assert listed == imaged
            assert prompt.stats.count == len(listed[0])
            listed, imaged = everything_listed(condition(prompt, ConditioningConfig()).sparse)
            assert listed == imaged


def test_a_prompt_with_other_images_forgets_the_list_of_returns():
    prompt = build_prompt(observation(sweep([[0, 0, 3], [1, 0, 5]])), CONFIG)
    assert len(prompt.returns.pixel) == 2
    fewer = dataclasses.replace(prompt, depth_m=np.where(prompt.depth_m < 4, prompt.depth_m, np.nan))
    assert fewer.returns.depth_m.tolist() == [3]


def test_what_tof_returns_are_off_by_together_joins_sigma_and_no_other_sensors():
    depth_m = np.array([[2.0, 4.0, np.nan]], np.float32)
    sigma_m = np.array([[0.0, 0.03, np.nan]], np.float32)
    joined = with_systematic(depth_m, sigma_m, RangeKind.TOF, PromptConfig(tof_systematic_relative=0.01))
    np.testing.assert_allclose(joined, [[0.02, 0.05, np.nan]], rtol=1e-6)
    for kind in set(RangeKind) - {RangeKind.TOF}:
        assert with_systematic(depth_m, sigma_m, kind, CONFIG) is sigma_m
    assert with_systematic(depth_m, sigma_m, RangeKind.TOF, PromptConfig(tof_systematic_relative=0)) is sigma_m
