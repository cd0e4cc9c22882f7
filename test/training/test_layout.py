# SPDX-License-Identifier: Apache-2.0
"""Floor plans and places for cameras; no Blender needed."""

import math
import random

import numpy as np
import pytest

from depth_anything_ros.training.scenes.layout import (
    Place,
    Wish,
    close_view,
    facing_view,
    furnish,
    overlap,
    room_view,
    street_view,
)

WISHES = [Wish(f'cabinet{i}', 1.2, 0.5) for i in range(6)] + [Wish(f'table{i}', 1.0, 0.7, False) for i in range(6)]


def test_rectangles_overlap_by_area_not_by_bounding_box():
    still = Place('a', 0, 0, 2, 2)
    assert overlap(still, Place('b', 0.9, 0.9, 1, 1))
    assert not overlap(still, Place('b', 1.5, 0, 1, 1)), 'touching is not overlapping'
    assert not overlap(still, Place('b', 1.65, 1.65, 2, 0.2, 135)), 'the boxes around them do overlap'
    assert overlap(still, Place('b', 1.2, 0, 1, 0.2, 45))
    assert overlap(still, Place('b', 0, 0, 0.1, 9, 30)), 'a bar across, none of whose corners is inside'


def test_a_point_is_held_in_the_turned_rectangle():
    turned = Place('a', 1, 1, 4, 1, 90)
    assert turned.holds(1, 2.9) and not turned.holds(2.9, 1)
    assert turned.holds(1.6, 1, margin_m=0.2)


@pytest.mark.parametrize('seed', range(20))
def test_furniture_stands_inside_the_room_apart_and_with_its_back_to_the_wall(seed):
    dice = random.Random(seed)
    size_x, size_y = dice.uniform(2, 7), dice.uniform(2, 7)
    places = furnish(dice, size_x, size_y, WISHES)
    assert places
    for i, place in enumerate(places):
        corners = np.abs(place.corners_m())
        assert (corners <= (size_x / 2, size_y / 2)).all()
        assert not any(overlap(place, other) for other in places[:i])
        if place.name.startswith('cabinet'):
            a = math.radians(place.yaw_deg)
            back = np.array([place.x_m - 0.25 * math.sin(a), place.y_m + 0.25 * math.cos(a)])
            assert min((size_x / 2, size_y / 2) - np.abs(back)) < 0.07


def test_what_does_not_fit_is_left_out_and_the_plan_repeats_by_seed():
    assert furnish(random.Random(0), 2, 2, [Wish('hall', 3, 1), Wish('hall', 3, 3, False)]) == []
    assert furnish(random.Random(5), 5, 4, WISHES) == furnish(random.Random(5), 5, 4, WISHES)


def test_cameras_stand_in_the_room_and_mostly_in_free_space():
    dice = random.Random(1)
    places = furnish(dice, 5, 4, WISHES)
    views = [room_view(dice, 5, 4, 2.5, places) for _ in range(200)]
    eyes = np.array([view.eye_m for view in views])
    assert (np.abs(eyes[:, :2]) < (2.5, 2)).all()
    assert eyes[:, 2].min() > 0.1 and eyes[:, 2].max() <= 2.2
    inside = [any(place.holds(*view.eye_m[:2]) for place in places) for view in views]
    assert np.mean(inside) < 0.05
    assert np.std([view.fov_deg for view in views]) > 5


def test_a_close_view_looks_at_the_table_from_above():
    dice = random.Random(2)
    for _ in range(50):
        view = close_view(dice, 1.0, -2.0, 0.7)
        assert view.eye_m[2] > 0.75 and view.pitch < 0.2
        distance = math.dist(view.eye_m, (1.0, -2.0, 0.78))
        assert 0.35 <= distance <= 1.31


def test_a_facing_view_stands_in_the_room_and_looks_at_its_target():
    dice = random.Random(4)
    for _ in range(50):
        view = facing_view(dice, (1.0, -0.8, 0.5), 4.0, 3.5, 2.4)
        x_m, y_m, z_m = view.eye_m
        assert abs(x_m) < 2 and abs(y_m) < 1.75 and 0.2 <= z_m <= 2.1
        off = math.remainder(view.heading - math.atan2(-0.8 - y_m, 1.0 - x_m), 2 * math.pi)
        assert abs(off) < 0.7


def test_street_views_are_of_cars_and_small_robots_and_wide_pictures_have_wide_angles():
    dice = random.Random(3)
    views = [street_view(dice, 4, wide=True) for _ in range(300)]
    heights = np.array([view.eye_m[2] for view in views])
    assert (heights > 1.2).mean() > 0.5 and (heights < 1.0).mean() > 0.15
    assert min(view.fov_deg for view in views) >= 65
