# SPDX-License-Identifier: Apache-2.0
"""Radiance to pictures, and which frames are kept."""

import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.training.photograph import photograph
from depth_anything_ros.training.selection import edge_share, well_exposed, worth_keeping


def scene():
    """A ramp of radiance with some colour, 48x64."""
    ramp = np.linspace(0.02, 0.6, 64, dtype=np.float32)
    return np.tile(ramp[None, :, None], (48, 1, 3)) * np.array([1, 0.8, 0.6], np.float32)


def test_exposure_is_automatic_over_six_magnitudes():
    pictures = [photograph(np.random.default_rng(1), scene() * scale) for scale in (1e-3, 1.0, 1e3)]
    assert well_exposed(pictures[1])
    for picture in pictures:
        assert np.abs(picture.astype(int) - pictures[1]).max() <= 1


def test_order_of_brightness_survives_and_seeds_differ():
    first, second = (photograph(np.random.default_rng(seed), scene()) for seed in (1, 2))
    columns = first.mean(axis=(0, 2))
    assert columns[50:].mean() > columns[25:40].mean() > columns[:15].mean()
    assert np.abs(first.astype(int) - second).mean() > 1


def test_what_is_metered_decides_the_exposure():
    bright_sky = scene()
    bright_sky[:24] = 50
    ground = np.zeros((48, 64), bool)
    ground[24:] = True
    everything = photograph(np.random.default_rng(1), bright_sky)
    metered = photograph(np.random.default_rng(1), bright_sky, ground)
    assert metered[24:].mean() > 2 * everything[24:].mean()


def test_what_is_no_picture_is_refused():
    with pytest.raises(InvalidInput, match=r'expected \(H, W, 3\)'):
        photograph(np.random.default_rng(0), np.zeros((4, 4)))


def test_black_burnt_and_blank_pictures_are_not_kept():
    ramp = np.tile(np.linspace(20, 220, 64)[None, :, None], (48, 1, 3)).astype(np.uint8)
    assert well_exposed(ramp)
    for level in (3, 120, 252):
        assert not well_exposed(np.full_like(ramp, level))


def depth_with_a_post():
    depth_m = np.full((40, 60), 4, np.float32)
    depth_m[:, 20:30] = 2
    return depth_m


def test_frames_without_edges_sky_only_or_from_inside_a_thing_are_not_kept():
    rng = np.random.default_rng(0)
    depth_m = depth_with_a_post()
    assert edge_share(depth_m) == pytest.approx(2 / 59)
    assert worth_keeping(rng, depth_m, bare=0)
    assert not worth_keeping(rng, np.full_like(depth_m, 3), bare=0)
    assert worth_keeping(rng, np.full_like(depth_m, 3), bare=1)
    assert not worth_keeping(rng, np.where(np.arange(60) < 40, np.nan, depth_m), bare=1)
    assert not worth_keeping(rng, np.full_like(depth_m, np.nan), bare=1)
    assert not worth_keeping(rng, 0.05 * depth_m, bare=1)
