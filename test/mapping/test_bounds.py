# SPDX-License-Identifier: Apache-2.0
"""A long run within its memory: the robot drives along a wall 60 m long and comes back."""

import numpy as np
import pytest
from wall_scene import WALL_M, pose, view

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.mapping.blocks import Blocks, contains_rows, group_rows, unique_rows
from depth_anything_ros.mapping.settings import BoundsConfig, MapConfig, TsdfConfig

SMALL = {'max_memory_mb': 16}  # 1562 blocks of 32 cm: about 25 m of this wall


def drive(room, to_m: float, start_m: float = 0.0) -> list[dict]:
    told = []
    for x_m in np.arange(start_m, to_m, 1.5 if to_m > start_m else -1.5):
        done = room.integrate(view(room.config, at=pose(x_m=x_m)))
        told.append({**room.status(), 'refused': done.refused})
    return told


def test_memory_stays_within_its_bound_on_a_long_run_and_the_far_part_is_dropped(scene):
    room = scene(bounds=SMALL)
    told = drive(room, 60.0)
    assert max(t['memory_mb'] for t in told) <= 16
    assert max(t['blocks'] for t in told) <= 1562
    assert not any(t['refused'] for t in told)
    assert told[-1]['dropped_blocks'] > 0
    x_m = room.mesh().vertices_m[:, 0]
    assert x_m.max() > 58 and x_m.min() > 10, 'the end is there, the beginning is forgotten'


def test_far_parts_are_stored_and_the_saved_mesh_has_them_all(scene, tmp_path):
    room = scene(bounds={**SMALL, 'far': 'store', 'folder': str(tmp_path)})
    told = drive(room, 60.0)
    assert max(t['memory_mb'] for t in told) <= 16
    assert told[-1]['stored_tiles'] > 0 and told[-1]['dropped_blocks'] == 0
    x_m = room.mesh().vertices_m[:, 0]
    assert x_m.min() < -1 and x_m.max() > 58
    assert np.diff(np.sort(x_m)).max() < 0.05, 'no gap where memory ends'
    room.close()
    assert not list(tmp_path.iterdir()), 'the folder of the parts goes with the map'


def test_a_stored_part_comes_back_with_its_weights_when_the_robot_does(scene, tmp_path):
    room = scene(bounds={**SMALL, 'far': 'store', 'folder': str(tmp_path)})
    for _ in range(5):
        room.integrate(view(room.config))
    drive(room, 60.0)
    drive(room, 0.0, start_m=60.0)
    keys = room._grid.keys()
    here = keys[np.abs((keys + 0.5) * 0.32 - (0, 0, WALL_M)).max(axis=1) < 0.2]
    assert room._grid.take(here).weight.max() >= 6
    assert np.abs(room.mesh().vertices_m[:, 2] - WALL_M).max() < 0.01


def test_a_whole_map_is_saved_and_loaded_beyond_memory(scene, tmp_path):
    room = scene(bounds={**SMALL, 'far': 'store'})
    drive(room, 60.0)
    room.save(tmp_path / 'long.map')
    again = scene(bounds={**SMALL, 'far': 'store'})
    again.load(tmp_path / 'long.map')
    assert again.status()['memory_mb'] <= 16
    assert len(again.mesh().triangles) == pytest.approx(len(room.mesh().triangles), rel=0.001)
    from depth_anything_ros.mapping.files import MapFileError

    with pytest.raises(MapFileError, match='max_memory_mb'):
        scene(bounds=SMALL).load(tmp_path / 'long.map')


def test_parts_beyond_the_radius_leave_though_there_is_room(scene):
    room = scene(bounds={'keep_radius_m': 8.0})
    drive(room, 30.0)
    assert room.mesh().vertices_m[:, 0].min() > 15
    assert room.status()['dropped_blocks'] > 0


def test_a_view_too_large_for_memory_keeps_the_near_part_and_says_so(scene):
    room = scene(tsdf={'voxel_size_m': 0.005, 'truncation_voxels': 8.0}, bounds=SMALL)
    done = room.integrate(view(room.config))
    assert done.refused > 0
    assert room.status()['memory_mb'] <= 16
    again = room.integrate(view(room.config))
    assert again.refused > 0 and room.status()['memory_mb'] <= 16


def test_a_store_that_cannot_write_drops_and_tells(scene, tmp_path, monkeypatch):
    from depth_anything_ros.mapping import store
    from depth_anything_ros.mapping.files import MapFileError

    def full(path, write):
        raise MapFileError(f'{path}: cannot be written: No space left on device')

    room = scene(bounds={**SMALL, 'far': 'store'})
    monkeypatch.setattr(store, 'write_atomically', full)
    drive(room, 60.0)
    assert 'No space left' in room.trouble
    assert room.status()['dropped_blocks'] > 0 and room.status()['memory_mb'] <= 16


def test_memory_of_a_forgotten_block_does_not_haunt_the_next(scene):
    """Open3D hands out the memory of erased blocks as it was."""
    room = scene()
    room.integrate(view(room.config))
    keys = room._grid.keys()
    room._grid.remove(keys)
    room._grid.grid.hashmap().activate(room._grid.tensor(keys + 1000))
    fresh = room._grid.take((keys + 1000).astype(np.int32))
    assert len(fresh) == len(keys)
    assert not fresh.weight.any()


def test_reset_forgets_everything(scene):
    room = scene()
    room.integrate(view(room.config))
    room.take_changed()
    tiles = set(room.tiles())
    room.reset()
    assert room.mesh().empty
    assert room.status()['blocks'] == 0
    assert room.take_changed() >= tiles, 'who shows the mesh learns that it is gone'


def test_a_radius_below_the_range_is_refused():
    with pytest.raises(ConfigError, match='keep_radius_m'):
        MapConfig(TsdfConfig(max_depth_m=5.0), BoundsConfig(keep_radius_m=3.0))


def test_rows_are_grouped_and_found():
    rows = np.array([[1, -2, 3], [0, 0, 0], [1, -2, 3], [-5, 7, 0]], np.int32)
    assert unique_rows(rows).tolist() == [[-5, 7, 0], [0, 0, 0], [1, -2, 3]]
    assert {tile: index.tolist() for tile, index in group_rows(rows)} == {
        (1, -2, 3): [0, 2],
        (0, 0, 0): [1],
        (-5, 7, 0): [3],
    }
    assert contains_rows(rows, np.array([[0, 0, 0]])).tolist() == [False, True, False, False]
    assert group_rows(np.zeros((0, 3), np.int32)) == []
    assert len(Blocks.joined([])) == 0
