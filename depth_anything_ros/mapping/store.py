# SPDX-License-Identifier: Apache-2.0
"""Tiles that left memory, as files in a folder of their own that is gone when the map is."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.mapping.blocks import Blocks, Tile
from depth_anything_ros.mapping.files import MapFileError, decode_blocks, encode_blocks, write_atomically


class TileStore:
    """folder: parent of the store's own folder; '' : the system's place for temporary files. Raises ConfigError."""

    def __init__(self, folder: str = ''):
        try:
            if folder:
                Path(folder).mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix='map_tiles_', dir=folder or None))
        except OSError as error:
            raise ConfigError(f'bounds.folder: {folder or tempfile.gettempdir()!r} cannot be used: {error}') from error
        self._tiles: set[Tile] = set()

    def __len__(self) -> int:
        return len(self._tiles)

    def __contains__(self, tile: Tile) -> bool:
        return tile in self._tiles

    @property
    def tiles(self) -> frozenset[Tile]:
        return frozenset(self._tiles)

    def write(self, tile: Tile, blocks: Blocks) -> None:
        """Raises MapFileError on a full disk; the tile is then not in the store."""
        data = encode_blocks(blocks)
        write_atomically(self._path(tile), lambda file: file.write(data))
        self._tiles.add(tile)

    def read(self, tile: Tile) -> Blocks:
        """Raises MapFileError where the file was damaged or taken away; KeyError on a tile that is not here."""
        if tile not in self._tiles:
            raise KeyError(tile)
        try:
            return decode_blocks(self._path(tile).read_bytes())
        except (OSError, ValueError, KeyError) as error:
            raise MapFileError(f'{self._path(tile)}: a stored part of the map cannot be read: {error}') from error

    def forget(self, tile: Tile) -> None:
        self._tiles.discard(tile)
        self._path(tile).unlink(missing_ok=True)

    def clear(self) -> None:
        for tile in self.tiles:
            self.forget(tile)

    def close(self) -> None:
        self._tiles.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, tile: Tile) -> Path:
        return self._folder / '{}_{}_{}.npz'.format(*tile)
