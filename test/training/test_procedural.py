# SPDX-License-Identifier: Apache-2.0
"""Procedural scenes: depth is exact, scenes differ, and a seed gives the same scene."""

import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.training.primitives import BOX, CARD, CYLINDER, ELLIPSOID, ROOM, Solid
from depth_anything_ros.training.procedural import KINDS, generate, pose, yaw
from depth_anything_ros.training.raycast import Light, render
from depth_anything_ros.training.textures import TextureBank

CAMERA = CameraModel(65, 49, 60, 60, 32, 24)
AHEAD = pose(np.zeros(3), np.pi / 2, 0.0, 0.0)  # along +y of the world
LIGHT = Light(np.array([0, -1, 0], np.float32), 0.5, np.ones(3, np.float32), np.full(3, 200, np.float32))


@pytest.fixture(scope='module')
def bank():
    return TextureBank(np.random.default_rng(0), count=6)


def depth_of(bank, *solids):
    return render(list(solids), bank, CAMERA, AHEAD, LIGHT, np.random.default_rng(0)).depth_m


def solid(shape, centre, half, **more):
    return Solid(shape, np.array(centre, np.float32), np.array(half, np.float32), texture=0, **more)


def test_a_wall_has_one_z_depth_everywhere(bank):
    np.testing.assert_allclose(depth_of(bank, solid(BOX, (0, 4, 0), (50, 1, 50))), 3.0, rtol=1e-5)


def test_a_turned_box_is_met_at_its_corner(bank):
    turned = solid(BOX, (0, 5, 0), (1, 1, 1), rotation=yaw(np.pi / 4).astype(np.float32))
    assert depth_of(bank, turned)[24, 32] == pytest.approx(5 - np.sqrt(2), abs=2e-3)


def test_a_ball_and_a_post_are_met_on_their_near_side(bank):
    assert depth_of(bank, solid(ELLIPSOID, (0, 5, 0), (1, 2, 1)))[24, 32] == pytest.approx(3.0, abs=1e-4)
    post = depth_of(bank, solid(CYLINDER, (0, 5, 0), (1, 1, 3)))
    assert post[24, 32] == pytest.approx(4.0, abs=1e-4)
    assert post[4, 32] == pytest.approx(4.0, abs=1e-4)


def test_a_room_is_seen_from_inside_and_the_nearest_surface_wins(bank):
    room, ball = solid(ROOM, (0, 0, 0), (2, 6, 2)), solid(ELLIPSOID, (0, 3, 0), (0.2, 0.2, 0.2))
    depth_m = depth_of(bank, room, ball)
    assert depth_m[24, 32] == pytest.approx(2.8, abs=1e-4)
    assert depth_m[24, 2] == pytest.approx(2 * 60 / 30, rel=1e-4), 'the wall 2 m to the left'
    assert np.array_equal(depth_m, depth_of(bank, ball, room)), 'whatever the order'


def test_a_ray_that_meets_nothing_is_unknown(bank):
    depth_m = depth_of(bank, solid(CARD, (0, 3, 0), (0.3, 1, 0.3)))
    assert depth_m[24, 32] == pytest.approx(3.0)
    assert np.isnan(depth_m[0, 0])


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_of_scene_has_plausible_depth_and_repeats_by_seed(bank, kind):
    first, second = (generate(np.random.default_rng(3), bank, 96, 64, kind) for _ in range(2))
    assert np.array_equal(first.image_rgb, second.image_rgb)
    assert np.array_equal(first.depth_m, second.depth_m, equal_nan=True)
    known = np.isfinite(first.depth_m)
    assert known.mean() > 0.4
    assert first.depth_m[known].min() > 0.05 and first.depth_m[known].max() < 1000
    assert first.image_rgb.std() > 5, 'something can be seen'
    other = generate(np.random.default_rng(4), bank, 96, 64, kind)
    assert not np.array_equal(first.depth_m, other.depth_m, equal_nan=True)
