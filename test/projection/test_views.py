# SPDX-License-Identifier: Apache-2.0
"""Pinhole views into a panorama, against a room whose depth is known in every direction."""

import box_room
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.projection.views import FACES, JUMP, bordered, cube_views, inverse_range

PANORAMA = CameraModel.equirectangular(1024, 512, 'dome')


def rays_in_panorama(view):
    return view.camera.rays() @ view.panorama_from_view.rotation.T


def test_the_border_goes_on_where_the_sphere_does():
    # values that are smooth on the sphere stay smooth into the border, over the seam and over both poles
    wide = bordered(PANORAMA.rays().copy())
    assert wide.shape == (514, 1026, 3)
    assert (wide[1:-1, 1:-1] == PANORAMA.rays()).all()
    assert np.array_equal(wide[1:-1, 0], PANORAMA.rays()[:, -1]) and np.array_equal(
        wide[1:-1, -1], PANORAMA.rays()[:, 0]
    )
    one_pixel = np.pi / 512
    for axis in (0, 1):
        assert np.linalg.norm(np.diff(wide, axis=axis), axis=-1).max() < 1.01 * one_pixel


def test_faces_look_where_their_names_say_with_images_upright():
    looks = {view.name: view.panorama_from_view.apply(np.array([[0.0, 0, 1]]))[0] for view in cube_views(PANORAMA)}
    expected = {'front': (0, 0, 1), 'right': (1, 0, 0), 'back': (0, 0, -1), 'left': (-1, 0, 0), 'up': (0, -1, 0)}
    assert list(looks) == list(FACES)
    for face, direction in (expected | {'down': (0, 1, 0)}).items():
        assert np.allclose(looks[face], direction)
    for view in cube_views(PANORAMA):
        if view.name not in ('up', 'down'):
            assert np.allclose(view.panorama_from_view.rotation[:, 1], (0, 1, 0)), 'down in the image is down'
        assert np.linalg.det(view.panorama_from_view.rotation) == pytest.approx(1)
        assert view.camera.frame_id == f'dome_{view.name}'
        assert view.panorama_from_view.target == 'dome'


def test_six_faces_see_every_direction_once():
    directions = PANORAMA.rays().reshape(-1, 3)[::7]
    seen = np.zeros(len(directions), int)
    for view in cube_views(PANORAMA, 256):
        seen += view.camera.project(directions @ view.panorama_from_view.rotation)[1]
    assert seen.min() == 1
    assert (seen > 1).mean() < 0.01, 'edges are shared, nothing else'


def test_depth_of_every_face_is_that_of_the_room():
    inverse = inverse_range(box_room.panorama_m(PANORAMA, crate=False))
    for view in cube_views(PANORAMA, 200):
        truth_m = box_room.range_m(rays_in_panorama(view), crate=False)  # rays have z = 1: this is z
        error = np.abs(view.depth(inverse) / truth_m - 1)
        assert np.median(error) < 1e-4, view.name
        assert error.max() < 0.02, view.name


def test_between_foreground_and_background_no_depth_is_invented():
    room_m = box_room.panorama_m(PANORAMA)
    (back,) = (view for view in cube_views(PANORAMA, 300) if view.name == 'back')
    rays = rays_in_panorama(back)
    with_crate, without = box_room.range_m(rays), box_room.range_m(rays, crate=False)
    got = back.depth(inverse_range(room_m))
    assert (with_crate < 0.9 * without).mean() > 0.05, 'the crate is in view, across the seam'
    on_a_surface = np.minimum(np.abs(got / with_crate - 1), np.abs(got / without - 1))
    # at the foot of the crate the two are less than JUMP apart, and half-way between them is half of that off
    assert on_a_surface.max() < JUMP / 2
    # interpolation would fill the gap between 2 m and 4 m
    linear = back._lookup.values(bordered(room_m)) / back.stretch
    assert np.minimum(np.abs(linear / with_crate - 1), np.abs(linear / without - 1)).max() > 0.2


def test_unknown_range_is_unknown_in_the_views_and_spreads_no_further_than_a_pixel():
    room_m = box_room.panorama_m(PANORAMA, crate=False)
    room_m[200:300, :60] = np.nan
    room_m[200:300, -60:] = np.nan
    views = {view.name: view for view in cube_views(PANORAMA, 256)}
    unknown = np.isnan(views['back'].depth(inverse_range(room_m)))
    u, v = (box_room_pixels(views['back'])[..., axis] for axis in (0, 1))
    inside = ((u < 59) | (u > 1024 - 60)) & (v > 200) & (v < 299)
    outside = ~(((u < 61) | (u > 1024 - 62)) & (v > 198) & (v < 301))
    assert unknown[inside].all()
    assert not unknown[outside].any()
    assert not np.isnan(views['front'].depth(inverse_range(room_m))).any()


def box_room_pixels(view):
    pixels, _ = PANORAMA.project(rays_in_panorama(view).reshape(-1, 3))
    return pixels.reshape(*view.camera.rays().shape[:2], 2)


def test_colour_lies_on_the_same_pixels_as_depth():
    wide = bordered(box_room.picture(PANORAMA))
    for view in cube_views(PANORAMA, 128):
        rays = rays_in_panorama(view)
        expected = 127.5 + 120 * rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        assert np.abs(view.colour(wide).astype(float) - expected).max() < 2, view.name


def test_views_of_one_geometry_are_made_once():
    again = CameraModel.equirectangular(1024, 512, 'dome')
    assert cube_views(PANORAMA, 256)[0] is cube_views(again, 256)[0]
    assert cube_views(PANORAMA, 256)[0] is not cube_views(PANORAMA, 200)[0]


def test_a_pinhole_camera_has_no_cube():
    with pytest.raises(InvalidInput, match='views of a panorama: got a plumb_bob camera'):
        cube_views(CameraModel(64, 48, 50, 50, 31.5, 23.5))
