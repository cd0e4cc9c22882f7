# SPDX-License-Identifier: Apache-2.0
"""Voxel blocks as arrays: what moves between the live map, files and the mesher.

A block is a cube of SIDE voxels a side; its key is its place in the grid, floor(position / (SIDE * voxel size)).
Blocks are handled in cubic tiles of TILE blocks a side: a tile is what leaves memory, is stored and is meshed at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput

SIDE = 8  # 16 would waste twice the memory on voxels far from any surface
TILE = 8
BYTES_PER_BLOCK = SIDE**3 * 4 * (1 + 1 + 3)

Tile = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Blocks:
    """N blocks; the order of voxels within a block is Open3D's (z, y, x).

    keys (N, 3) int32; tsdf (N, SIDE, SIDE, SIDE, 1) float32 in units of the truncation distance, 1 in front of the
    surface; weight (N, SIDE, SIDE, SIDE, 1) float32, 0 = never seen; rgb (N, SIDE, SIDE, SIDE, 3) float32, 0 to 255.
    """

    keys: np.ndarray
    tsdf: np.ndarray
    weight: np.ndarray
    rgb: np.ndarray

    def __post_init__(self):
        shape = (len(self.keys), SIDE, SIDE, SIDE)
        wanted = {'keys': ((len(self.keys), 3), np.int32)}
        wanted |= {name: ((*shape, parts), np.float32) for name, parts in (('tsdf', 1), ('weight', 1), ('rgb', 3))}
        for name, (expected, dtype) in wanted.items():
            values = getattr(self, name)
            if values.shape != expected or values.dtype != dtype:
                raise InvalidInput(
                    f'blocks: expected {name} of {expected} {np.dtype(dtype)}, got {values.shape} {values.dtype}'
                )

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def none(cls) -> Blocks:
        empty = np.zeros((0, SIDE, SIDE, SIDE, 1), np.float32)
        return cls(np.zeros((0, 3), np.int32), empty, empty, np.zeros((0, SIDE, SIDE, SIDE, 3), np.float32))

    @classmethod
    def joined(cls, parts: Iterable[Blocks]) -> Blocks:
        parts = [part for part in parts if len(part)]
        if not parts:
            return cls.none()
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS))

    def subset(self, keep: np.ndarray) -> Blocks:
        """Those selected by a mask or an index array."""
        return Blocks(*(getattr(self, name)[keep] for name in FIELDS))


FIELDS = ('keys', 'tsdf', 'weight', 'rgb')


def tiles_of(keys: np.ndarray) -> np.ndarray:
    """(N, 3) block keys -> (N, 3) tiles they lie in."""
    return np.floor_divide(keys, TILE)


def unique_rows(rows: np.ndarray) -> np.ndarray:
    """(N, 3) integers -> (M, 3), sorted and each once; a hundredth of the time that np.unique(axis=0) takes."""
    packed = np.unique(_packed(rows))
    return _unpacked(packed).astype(rows.dtype)


def group_rows(rows: np.ndarray) -> list[tuple[Tile, np.ndarray]]:
    """(N, 3) integers -> every different row with the indices where it stands."""
    packed = _packed(rows)
    order = np.argsort(packed, kind='stable')
    starts = np.flatnonzero(np.diff(packed[order], prepend=packed[order[:1]] - 1))
    groups = np.split(order, starts[1:]) if len(order) else []
    return [(tuple(rows[group[0]].tolist()), group) for group in groups]


def contains_rows(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """(N,) bool: which rows stand in `among` (M, 3) too."""
    return np.isin(_packed(rows), _packed(among))


_OFFSET = 1 << 20  # 2^21 blocks of 16 cm each way: 168 km


def _packed(rows: np.ndarray) -> np.ndarray:
    if len(rows) and np.abs(rows).max() >= _OFFSET:
        raise InvalidInput(f'blocks: expected places within {_OFFSET} blocks of the origin, got {np.abs(rows).max()}')
    x, y, z = (rows.astype(np.int64) + _OFFSET).T
    return (x << 42) | (y << 21) | z


def _unpacked(packed: np.ndarray) -> np.ndarray:
    mask = (1 << 21) - 1
    return np.stack([packed >> 42, (packed >> 21) & mask, packed & mask], -1) - _OFFSET
