# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
from wall_scene import CAMERA, WALL_M, configured, pose, view, wall

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import FrameMismatch, InvalidInput
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.mapping.integration import make_view

PANORAMA = CameraModel.equirectangular(240, 120, 'camera')


def test_a_wall_becomes_a_flat_mesh_at_its_place_facing_the_camera(scene):
    room = scene()
    for _ in range(2):
        room.integrate(view(room.config))
    mesh = room.mesh()
    assert len(mesh.triangles) > 1000
    assert np.abs(mesh.vertices_m[:, 2] - WALL_M).max() < 0.002
    assert mesh.normals[:, 2].max() < -0.95
    a, b, c = (mesh.vertices_m[mesh.triangles[:, i]] for i in range(3))
    assert (np.cross(b - a, c - a)[:, 2] < 0).all(), 'triangles are counter-clockwise seen from the camera'


def test_the_pose_moves_the_wall(scene):
    room = scene()
    turn = np.array([[0, 0, 1, 1.0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # camera looks along the map's x
    room.integrate(view(room.config, at=RigidTransform('map', 'camera', turn)))
    assert np.abs(room.mesh().vertices_m[:, 0] - (1.0 + WALL_M)).max() < 0.002


def test_tiles_join_without_a_seam(scene):
    room = scene()
    room.integrate(view(room.config))
    assert len(room.tiles()) > 1
    mesh = room.mesh()
    edges = np.sort(mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert uses.max() == 2
    # open edges run round the wall only: a seam would add as many again
    length_m = 2 * WALL_M * (CAMERA.width + CAMERA.height) / CAMERA.fx
    assert (uses == 1).sum() * room.config.tsdf.voxel_size_m < 3 * length_m


def test_nan_pixels_make_no_surface_and_a_frame_of_them_is_refused(scene):
    room = scene()
    half = wall()
    half[:, :80] = np.nan
    room.integrate(view(room.config, half))
    assert room.mesh().vertices_m[:, 0].min() > -0.1
    with pytest.raises(InvalidInput, match='19200 unknown'):
        view(room.config, wall(np.nan))


def test_depth_out_of_range_makes_no_surface(scene):
    room = scene(tsdf={'max_depth_m': 1.5})
    room.integrate(view(room.config))
    assert room.mesh().empty
    with pytest.raises(InvalidInput, match='too near'):
        view(configured(tsdf={'min_depth_m': 2.5}))


def test_a_sure_pixel_outweighs_many_unsure_ones_by_sigma(scene):
    """Weights 1 and 1/64: 16 unsure frames at 2.05 m count a quarter of the one sure frame at 2.00 m."""
    for weighting, expected in (('sigma', (16 / 64 * 2.05 + 2.0) / (16 / 64 + 1)), ('none', (16 * 2.05 + 2.0) / 17)):
        room = scene(tsdf={'weighting': weighting, 'max_relative_sigma': 0})
        room.integrate(view(room.config, wall(2.0), sigma_m=wall(0.01)))
        for _ in range(16):
            room.integrate(view(room.config, wall(2.05), sigma_m=wall(1.0)))
        assert np.median(room.mesh().vertices_m[:, 2]) == pytest.approx(expected, abs=0.004), weighting


def test_unsure_pixels_are_left_out_and_counted():
    config = configured(tsdf={'max_relative_sigma': 0.1})
    sigma_m = wall(0.05)
    sigma_m[:60] = 0.5
    seen = view(config, sigma_m=sigma_m)
    assert seen.left_out['unsure'] == 60 * 160
    assert (seen.depth_m[:60] == 0).all() and (seen.depth_m[60:] > 0).all()
    sigma_m[60:] = np.nan
    with pytest.raises(InvalidInput, match='unsure'):
        view(config, sigma_m=sigma_m)


def test_what_moved_away_is_cleared(scene):
    """A box stands 1 m away, then is gone: its surface goes, the wall behind comes."""

    def left_over(**tsdf):
        room = scene(tsdf=tsdf)
        boxed = wall()
        boxed[40:80, 60:100] = 1.0
        for _ in range(6):
            room.integrate(view(room.config, boxed))
        for _ in range(8):
            room.integrate(view(room.config))
        return int((np.abs(room.mesh().vertices_m[:, 2] - 1.0) < 0.1).sum())

    assert left_over(carve=False) > 100
    assert left_over(carve=True) == 0


def test_a_low_cap_on_weights_lets_new_things_win_sooner(scene):
    def place_m(max_weight):
        room = scene(tsdf={'max_weight': max_weight})
        for _ in range(20):
            room.integrate(view(room.config, wall(2.0)))
        for _ in range(6):
            room.integrate(view(room.config, wall(2.06)))
        return np.median(room.mesh().vertices_m[:, 2])

    assert place_m(3.0) > 2.045
    assert place_m(0.0) < 2.02


def test_colour_comes_onto_the_mesh_and_grey_without(scene):
    room = scene()
    red = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    red[..., 0] = 200
    room.integrate(view(room.config, image_rgb=red))
    assert np.median(room.mesh().rgb, axis=0).tolist() == [200, 0, 0]
    plain = scene()
    plain.integrate(view(plain.config))
    assert (plain.mesh().rgb == 178).all()


def test_a_colour_image_of_twice_the_size_is_taken_with_its_own_camera(scene):
    room = scene()
    wide = CAMERA.resized(320, 240)
    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :160] = (0, 255, 0)
    image[:, 160:] = (0, 0, 255)
    room.integrate(view(room.config, image_rgb=image, rgb_camera=wide))
    mesh = room.mesh()
    left, right = mesh.vertices_m[:, 0] < -0.1, mesh.vertices_m[:, 0] > 0.1
    assert (mesh.rgb[left, 1] == 255).all() and (mesh.rgb[right, 2] == 255).all()


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        ({'depth_m': np.ones((10, 10), np.float32)}, r'depth: expected \(120, 160\)'),
        ({'sigma_m': np.ones((10, 10), np.float32)}, r'sigma: expected \(120, 160\)'),
        ({'image_rgb': np.ones((10, 10, 3), np.uint8)}, r'colour: expected \(120, 160, 3\)'),
        (
            {'camera': CameraModel.equirectangular(240, 120, 'camera'), 'depth_m': np.ones((120, 240), np.float32)},
            'panorama',
        ),
        ({'camera': dataclasses.replace(CAMERA, coefficients=(0.1, 0, 0, 0, 0))}, 'rectified'),
    ],
)
def test_input_that_does_not_fit_is_refused_with_the_reason(change, told):
    given = {'depth_m': wall(), 'camera': CAMERA, 'map_from_camera': pose(), 'config': configured().tsdf} | change
    with pytest.raises(InvalidInput, match=told):
        make_view(**given)


def test_a_pose_in_another_frame_is_refused(scene):
    room = scene(frame_id='odom')
    with pytest.raises(FrameMismatch, match='odom'):
        room.integrate(view(room.config))
