# SPDX-License-Identifier: Apache-2.0
"""The map: voxels within their memory, parts that left it, the mesh of every tile, save and load.

Safe to use from two threads, as a node does: one integrates, the other makes meshes, a tile at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from depth_anything_ros.core.errors import FrameMismatch
from depth_anything_ros.mapping.blocks import (
    BYTES_PER_BLOCK,
    SIDE,
    TILE,
    Blocks,
    Tile,
    group_rows,
    tiles_of,
    unique_rows,
)
from depth_anything_ros.mapping.files import MapFileError, read_map, write_map
from depth_anything_ros.mapping.integration import Integrated, View, integrate
from depth_anything_ros.mapping.mesh import Mesh, extract_tile, join
from depth_anything_ros.mapping.settings import STORE, MapConfig
from depth_anything_ros.mapping.store import TileStore
from depth_anything_ros.mapping.voxels import VoxelGrid

FREE_SHARE = 0.1  # of the memory, kept free for what the next frames show
CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.int32)


class SceneMap:
    """frame_id: the fixed frame that everything is in. `config` may be replaced, but for what is read-only in it.

    Raises ConfigError, MissingExtra.
    """

    def __init__(self, config: MapConfig, frame_id: str):
        self.config, self.frame_id = config, frame_id
        capacity = int(config.bounds.max_memory_mb * 1e6 / BYTES_PER_BLOCK)
        self._grid = VoxelGrid(config.tsdf.voxel_size_m, capacity, config.tsdf.device)
        self._store = TileStore(config.bounds.folder) if config.bounds.far == STORE else None
        self._lock = threading.RLock()
        self._changed: set[Tile] = set()
        self._radius_from_m: np.ndarray | None = None  # where the camera was when distances were looked at
        self.frames = 0
        self.dropped_blocks = 0  # for ever: far: drop, or a store that could not be written
        self.trouble = ''  # what last went wrong with the store, for the user

    @property
    def device(self) -> str:
        return str(self._grid.device)

    def integrate(self, view: View) -> Integrated:
        """One frame. Raises FrameMismatch where its pose is not in the map's frame."""
        pose = view.map_from_camera
        if pose.target != self.frame_id:
            raise FrameMismatch(f'the map is in {self.frame_id!r}, the pose is {pose.name}')
        with self._lock:
            self._keep_in_bounds(pose.translation_m)
            done = integrate(view, self._grid, self.config.tsdf, self._grid.keys())
            self._note_change(done.touched)
            self.frames += 1
            return done

    def status(self) -> dict[str, float]:
        """frames, blocks in memory, memory_mb allocated, tiles stored, blocks dropped."""
        with self._lock:
            return {
                'frames': self.frames,
                'blocks': len(self._grid),
                'memory_mb': round(self._grid.allocated_mb, 1),
                'stored_tiles': len(self._store) if self._store else 0,
                'dropped_blocks': self.dropped_blocks,
            }

    def take_changed(self) -> set[Tile]:
        """Tiles whose mesh may differ from when this was last called."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return changed

    def tiles(self) -> list[Tile]:
        """All tiles of the map, in memory or stored."""
        with self._lock:
            live = {tuple(row) for row in unique_rows(tiles_of(self._grid.keys())).tolist()}
            return sorted(live | (self._store.tiles if self._store else set()))

    def mesh_of(self, tile: Tile) -> Mesh:
        """The surface within one tile; none where the tile is not in the map. Raises MapFileError."""
        with self._lock:
            blocks = self._around(tile)
        return extract_tile(blocks, tile, self.config.tsdf.voxel_size_m, self.config.mesh.min_weight)

    def mesh(self) -> Mesh:
        """The whole surface, stored parts too. Raises MapFileError."""
        return join(self.mesh_of(tile) for tile in self.tiles())

    def save(self, path: Path) -> None:
        """The whole map, stored parts too; the file from before stays whole on failure. Raises MapFileError."""
        write_map(path, self._all_blocks(), self._header())

    def load(self, path: Path) -> None:
        """Replace the map by a saved one, or raise MapFileError and keep it as it is."""
        read = []
        for blocks in read_map(path, self._header()):
            read.extend((tile, blocks.subset(index)) for tile, index in group_rows(tiles_of(blocks.keys)))
        with self._lock:
            if self._store is None and sum(len(blocks) for _, blocks in read) > self._grid.capacity:
                raise MapFileError(
                    f'{path}: its {sum(len(b) for _, b in read)} blocks exceed bounds.max_memory_mb'
                    f' ({self._grid.capacity} blocks): raise it, or set bounds.far to {STORE}'
                )
            self.reset()
            for tile, blocks in read:
                if len(self._grid) + len(blocks) <= self._grid.capacity * (1 - FREE_SHARE) or self._store is None:
                    self._grid.put(blocks)
                else:
                    self._store.write(tile, blocks)
                self._note_change(blocks.keys)

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._changed |= set(self.tiles())
            self._grid.clear()
            if self._store:
                self._store.clear()
            self._radius_from_m = None
            self.frames = self.dropped_blocks = 0
            self.trouble = ''

    def close(self) -> None:
        with self._lock:
            if self._store:
                self._store.close()

    @property
    def _tile_m(self) -> float:
        return TILE * SIDE * self.config.tsdf.voxel_size_m

    def _header(self) -> dict:
        tsdf = self.config.tsdf
        return {
            'frame_id': self.frame_id,
            'voxel_size_m': tsdf.voxel_size_m,
            'truncation_voxels': tsdf.truncation_voxels,
            'side': SIDE,
        }

    def _distance_m(self, tiles: np.ndarray, camera_m: np.ndarray) -> np.ndarray:
        """From the camera to the nearest point that a tile can have."""
        return np.linalg.norm((tiles + 0.5) * self._tile_m - camera_m, axis=1) - self._tile_m * 3**0.5 / 2

    def _keep_in_bounds(self, camera_m: np.ndarray) -> None:
        full = len(self._grid) > self._grid.capacity * (1 - FREE_SHARE)
        moved = self._radius_from_m is None or np.linalg.norm(camera_m - self._radius_from_m) > self._tile_m / 4
        if moved:
            self._radius_from_m = np.array(camera_m)
        if moved and self._store is not None and len(self._store):
            self._fetch(camera_m)
        keys = self._grid.keys()
        if not len(keys) or not (full or (moved and self.config.bounds.keep_radius_m)):
            return
        groups = group_rows(tiles_of(keys))
        distances_m = self._distance_m(np.array([tile for tile, _ in groups]), camera_m)
        order = np.argsort(-distances_m)
        # room for what a frame may bring, so that evicting is no work of every frame
        spare = len(keys) - self._grid.capacity * (1 - 2 * FREE_SHARE) if full else 0
        for number in order:
            tile, index = groups[number]
            beyond = 0 < self.config.bounds.keep_radius_m < distances_m[number]
            if not beyond and (spare <= 0 or distances_m[number] < self.config.tsdf.max_depth_m):
                break  # what the camera may see stays; a frame that finds no room says so
            self._evict(tile, keys[index])
            spare -= len(index)

    def _evict(self, tile: Tile, keys: np.ndarray) -> None:
        if self._store is not None:
            try:
                self._store.write(tile, self._grid.take(keys))
            except MapFileError as error:
                self.trouble = str(error)
                self.dropped_blocks += len(keys)
        else:
            self.dropped_blocks += len(keys)
        self._grid.remove(keys)
        if self._store is None or tile not in self._store:
            self._note_change(keys)

    def _fetch(self, camera_m: np.ndarray) -> None:
        """Read stored tiles that the camera may see again."""
        tiles = np.array(sorted(self._store.tiles))
        for tile in tiles[self._distance_m(tiles, camera_m) < self.config.tsdf.max_depth_m].tolist():
            tile = tuple(tile)
            try:
                self._grid.put(self._store.read(tile))
            except MapFileError as error:
                self.trouble = str(error)
            self._store.forget(tile)

    def _around(self, tile: Tile) -> Blocks:
        """Blocks of a tile and one block around it, from memory or the store."""
        low, high = np.array(tile) * TILE - 1, (np.array(tile) + 1) * TILE
        keys = self._grid.keys()
        parts = [self._grid.take(keys[((keys >= low) & (keys <= high)).all(axis=1)])]
        if self._store is not None and len(self._store):
            for near in np.array(tile) + _AROUND:
                near = tuple(near.tolist())
                if near in self._store:
                    blocks = self._store.read(near)
                    parts.append(blocks.subset(((blocks.keys >= low) & (blocks.keys <= high)).all(axis=1)))
        return Blocks.joined(parts)

    def _all_blocks(self) -> Iterator[tuple[Tile, Blocks]]:
        for tile in self.tiles():
            with self._lock:
                if self._store is not None and tile in self._store:
                    yield tile, self._store.read(tile)
                else:
                    keys = self._grid.keys()
                    yield tile, self._grid.take(keys[(tiles_of(keys) == tile).all(axis=1)])

    def _note_change(self, keys: np.ndarray) -> None:
        """A block takes part in the cubes of its own tile and of those before it."""
        if len(keys):
            tiles = unique_rows(tiles_of((keys[None] - CORNERS[:, None]).reshape(-1, 3)))
            self._changed |= {tuple(row) for row in tiles.tolist()}


_AROUND = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)], np.int64)
