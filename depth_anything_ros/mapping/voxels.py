# SPDX-License-Identifier: Apache-2.0
"""Open3D's VoxelBlockGrid with bounds: grows by our rule, forgets cleanly, gives and takes blocks as arrays."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

import numpy as np

from depth_anything_ros.core.errors import ConfigError, MissingExtra
from depth_anything_ros.mapping.blocks import BYTES_PER_BLOCK, SIDE, Blocks

FIRST_ROOM = 4096  # blocks, 40 MB; doubled when full, up to the limit
LARGEST_CHUNK = 1024  # blocks given to Open3D at once


def open3d():
    """The module, imported where it is needed: it takes a second.

    Raises MissingExtra without it, ConfigError where it does not load.
    """
    _provide_libusb()
    try:
        import open3d
    except (ImportError, OSError) as error:  # OSError: libGL or libusb is missing
        if isinstance(error, ModuleNotFoundError):
            raise MissingExtra('open3d', 'mapping', 'mapping') from error
        raise ConfigError(
            f'open3d is installed but does not load ({error}); on Debian and Ubuntu: apt install libusb-1.0-0 libgl1'
        ) from error
    return open3d


def _provide_libusb() -> None:
    """Open3D is linked to libusb for cameras that we don't use; where the system has none, libusb-package has."""
    try:
        ctypes.CDLL('libusb-1.0.so.0')
    except OSError:
        with contextlib.suppress(ImportError, OSError):  # then importing Open3D says what is missing
            import libusb_package

            ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)


class VoxelGrid:
    """Blocks of voxels at integer places. Not safe to use from two threads at once.

    room: blocks that memory is taken for at most; `capacity` of them can be used, since Open3D wants room for every
    block that it is given, new or not, or it grows. device: 'auto', 'cpu' or 'cuda'.
    Raises ConfigError where CUDA is asked for in vain.
    """

    def __init__(self, voxel_size_m: float, room: int, device: str = 'auto'):
        self._o3d = open3d()
        core = self._o3d.core
        if device == 'cuda' and not core.cuda.is_available():
            raise ConfigError('device: cuda was asked for, but Open3D finds no CUDA here; use auto or cpu')
        use_cuda = device != 'cpu' and core.cuda.is_available()
        self.device = core.Device('CUDA:0' if use_cuda else 'CPU:0')
        self.voxel_size_m, self.room = voxel_size_m, room
        self.chunk = min(LARGEST_CHUNK, room // 4)
        self.capacity = room - self.chunk
        self.grid = make_grid(voxel_size_m, min(FIRST_ROOM, room), self.device)

    def __len__(self) -> int:
        return self.grid.hashmap().size()

    @property
    def block_size_m(self) -> float:
        return SIDE * self.voxel_size_m

    @property
    def allocated_mb(self) -> float:
        """What the voxels take, used or not yet."""
        return self.grid.hashmap().capacity() * BYTES_PER_BLOCK / 1e6

    def keys(self) -> np.ndarray:
        """(N, 3) int32 keys of all blocks."""
        hashmap = self.grid.hashmap()
        active = hashmap.active_buf_indices().to(self._o3d.core.int64)
        return hashmap.key_tensor()[active].cpu().numpy()

    def contains(self, keys: np.ndarray) -> np.ndarray:
        """(N,) bool."""
        return self._find(keys)[1]

    def chunks(self, keys: np.ndarray) -> Iterator[np.ndarray]:
        """Parts of `keys` that Open3D may be given one after the other; grows before each, never past the limit."""
        for start in range(0, len(keys), self.chunk):
            part = keys[start : start + self.chunk]
            hashmap = self.grid.hashmap()
            needed = hashmap.size() + len(part)
            if needed > hashmap.capacity():
                hashmap.reserve(min(max(needed, 2 * hashmap.capacity()), max(self.room, needed)))
            yield part

    def take(self, keys: np.ndarray) -> Blocks:
        """Copies of those blocks that are there."""
        index, found = self._find(keys)
        index = index[found]
        return Blocks(np.ascontiguousarray(keys[found], np.int32), *(self._read(name, index) for name in ATTRIBUTES))

    def put(self, blocks: Blocks) -> None:
        """Set whole blocks, new ones or others that were there."""
        if not len(blocks):
            return
        for keys in self.chunks(blocks.keys):
            self.grid.hashmap().activate(self.tensor(keys))
        index, _ = self._find(blocks.keys)
        for name in ATTRIBUTES:
            self._write(name, index, getattr(blocks, ATTRIBUTES[name]))

    def remove(self, keys: np.ndarray) -> None:
        """Forget blocks; those that are not there don't matter."""
        index, found = self._find(keys)
        if not found.any():
            return
        for name, parts in PARTS.items():
            # Open3D hands the memory of an erased block to the next one as it is
            self._write(name, index[found], np.zeros((int(found.sum()), SIDE, SIDE, SIDE, parts), np.float32))
        self.grid.hashmap().erase(self.tensor(keys[found]))

    def scale_weight(self, keys: np.ndarray, factor: float, most: float = 0.0) -> None:
        """Multiply the weights of blocks that are there; `most` caps them, 0: no cap."""
        index, found = self._find(keys)
        index = index[found]
        if not len(index):
            return
        weight = self._read('weight', index)
        weight *= np.float32(factor)
        if most > 0:
            np.minimum(weight, np.float32(most), out=weight)
        self._write('weight', index, weight)

    def clear(self) -> None:
        self.grid = make_grid(self.voxel_size_m, min(FIRST_ROOM, self.room), self.device)

    def _find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(keys):
            return np.zeros(0, np.int64), np.zeros(0, bool)
        index, found = self.grid.hashmap().find(self.tensor(keys))
        return index.cpu().numpy().astype(np.int64), found.cpu().numpy()

    def tensor(self, values: np.ndarray):
        return self._o3d.core.Tensor(np.ascontiguousarray(values), device=self.device)

    def _read(self, name: str, index: np.ndarray) -> np.ndarray:
        values = self.grid.attribute(name)
        if self.device.get_type() == self._o3d.core.Device.DeviceType.CPU:
            return values.numpy()[index]  # a view; Open3D's own gathering takes twenty times as long
        return values[self.tensor(index)].cpu().numpy()

    def _write(self, name: str, index: np.ndarray, blocks: np.ndarray) -> None:
        values = self.grid.attribute(name)
        if self.device.get_type() == self._o3d.core.Device.DeviceType.CPU:
            values.numpy()[index] = blocks
        else:
            values[self.tensor(index)] = self.tensor(blocks)


ATTRIBUTES = {'tsdf': 'tsdf', 'weight': 'weight', 'color': 'rgb'}  # Open3D's name -> ours
PARTS = {'tsdf': 1, 'weight': 1, 'color': 3}


def make_grid(voxel_size_m: float, capacity: int, device):
    """An empty VoxelBlockGrid with our attributes."""
    o3d = open3d()
    kinds = (o3d.core.float32,) * len(PARTS)
    shapes = tuple((parts,) for parts in PARTS.values())
    return o3d.t.geometry.VoxelBlockGrid(tuple(PARTS), kinds, shapes, voxel_size_m, SIDE, max(capacity, 8), device)
