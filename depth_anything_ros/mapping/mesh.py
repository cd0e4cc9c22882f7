# SPDX-License-Identifier: Apache-2.0
"""Voxels to triangles, tile by tile: a tile takes milliseconds, so that integration never waits long.

Open3D's marching cubes hold Python's interpreter lock: one pass over a whole map would stop every callback of a node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.mapping.blocks import SIDE, TILE, Blocks, Tile
from depth_anything_ros.mapping.voxels import make_grid, open3d

UNCOLOURED = np.array([178, 178, 178], np.uint8)  # where no colour image came


@dataclass(frozen=True, eq=False)
class Mesh:
    """vertices_m (V, 3) float32; triangles (T, 3) int32, counter-clockwise seen from outside; normals (V, 3) float32;
    rgb (V, 3) uint8."""

    vertices_m: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    rgb: np.ndarray

    def __post_init__(self):
        count = len(self.vertices_m)
        for name, rows, dtype in (
            ('vertices_m', count, np.float32),
            ('triangles', len(self.triangles), np.int32),
            ('normals', count, np.float32),
            ('rgb', count, np.uint8),
        ):
            values = getattr(self, name)
            if values.shape != (rows, 3) or values.dtype != dtype:
                raise InvalidInput(
                    f'mesh: expected {name} ({rows}, 3) {np.dtype(dtype)}, got {values.shape} {values.dtype}'
                )

    @property
    def empty(self) -> bool:
        return not len(self.triangles)

    @classmethod
    def none(cls) -> Mesh:
        return cls(
            np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32),
            np.zeros((0, 3), np.uint8),
        )  # fmt: skip


def extract_tile(blocks: Blocks, tile: Tile, voxel_size_m: float, min_weight: float) -> Mesh:
    """The surface within one tile; `blocks`: those of the tile and the ones around it, for a mesh without seams."""
    if not len(blocks):
        return Mesh.none()
    core = open3d().core
    grid = make_grid(voxel_size_m, len(blocks), core.Device('CPU:0'))
    index, _ = grid.hashmap().activate(core.Tensor(blocks.keys))
    index = index.numpy()
    for name, values in (('tsdf', blocks.tsdf), ('weight', blocks.weight), ('color', blocks.rgb)):
        attribute = grid.attribute(name).numpy()
        attribute[...] = 0  # Open3D leaves what was in memory
        attribute[index] = values
    found = grid.extract_triangle_mesh(min_weight)
    if 'positions' not in found.vertex or not len(found.vertex.positions):
        return Mesh.none()
    vertices_m = found.vertex.positions.numpy()
    triangles = found.triangle.indices.numpy()
    # a cube of the marching cubes belongs to the tile of its first corner, and so do the triangles within it
    centres = vertices_m[triangles].mean(axis=1) / (voxel_size_m * SIDE * TILE)
    inside = (np.floor(centres).astype(np.int64) == tile).all(axis=1)
    return _compacted(
        vertices_m, triangles[inside], found.vertex.normals.numpy(), _bytes_of(found.vertex.colors.numpy())
    )


def join(meshes: Iterable[Mesh]) -> Mesh:
    """One mesh of several; vertices at the same place, as neighbouring tiles have them, become one."""
    meshes = [mesh for mesh in meshes if not mesh.empty]
    if not meshes:
        return Mesh.none()
    first = np.cumsum([0, *(len(mesh.vertices_m) for mesh in meshes)])
    vertices_m = np.concatenate([mesh.vertices_m for mesh in meshes])
    triangles = np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, first, strict=False)])
    # to a tenth of a millimetre: the tiles' own sums may differ in the last bit
    cells = np.rint(vertices_m * 1e4).astype(np.int64)
    order = np.lexsort(cells.T)
    first_of_place = np.append(True, (np.diff(cells[order], axis=0) != 0).any(axis=1))
    kept = order[first_of_place]
    new = np.empty(len(cells), np.int64)
    new[order] = np.cumsum(first_of_place) - 1
    triangles = new[triangles].astype(np.int32)
    distinct = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
    normals = np.concatenate([mesh.normals for mesh in meshes])[kept]
    return Mesh(vertices_m[kept], triangles[distinct], normals, np.concatenate([mesh.rgb for mesh in meshes])[kept])


def simplified(mesh: Mesh, most_triangles: int, cell_m: float) -> Mesh:
    """The mesh with at most so many triangles: vertices within one cell become their mean; the cell grows as needed."""
    while len(mesh.triangles) > most_triangles:
        cell_m *= max(1.5, (len(mesh.triangles) / most_triangles) ** 0.5)
        cells = np.floor(mesh.vertices_m / cell_m).astype(np.int64)
        packed = (cells[:, 0] << 42) + (cells[:, 1] << 21) + cells[:, 2]
        _, new, counts = np.unique(packed, return_inverse=True, return_counts=True)
        new = new.reshape(-1)

        def mean(values, new=new, counts=counts):
            sums = [np.bincount(new, values[:, axis], len(counts)) for axis in range(3)]
            return np.stack(sums, -1) / counts[:, None]

        triangles = new[mesh.triangles].astype(np.int32)
        triangles = triangles[(triangles != np.roll(triangles, 1, axis=1)).all(axis=1)]
        normals = mean(mesh.normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        mesh = _compacted(
            mean(mesh.vertices_m).astype(np.float32), triangles, normals.astype(np.float32), _bytes_of(mean(mesh.rgb))
        )
    return mesh


def sample_points(mesh: Mesh, per_m2: float, seed: int = 0) -> np.ndarray:
    """(N, 3) float32 points spread evenly at random over the triangles, about `per_m2` to a square metre."""
    a, b, c = (mesh.vertices_m[mesh.triangles[:, corner]] for corner in range(3))
    area_m2 = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    total_m2 = float(area_m2.sum())
    if not total_m2:
        return np.zeros((0, 3), np.float32)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(area_m2), max(1, round(total_m2 * per_m2)), p=area_m2 / total_m2)
    # Osada et al., Shape Distributions, 2002, equation 1
    root, second = np.sqrt(rng.random((len(chosen), 1))), rng.random((len(chosen), 1))
    points_m = (1 - root) * a[chosen] + root * (1 - second) * b[chosen] + root * second * c[chosen]
    return points_m.astype(np.float32)


def _compacted(vertices_m, triangles, normals, rgb) -> Mesh:
    """Without vertices that no triangle uses."""
    used = np.unique(triangles)
    place = np.zeros(len(vertices_m), np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return Mesh(vertices_m[used], place[triangles].reshape(-1, 3), normals[used], rgb[used])


def _bytes_of(colours: np.ndarray) -> np.ndarray:
    """(V, 3) floats 0 to 255 -> uint8; black, which is what a voxel without colour has, becomes grey."""
    rgb = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    rgb[(rgb == 0).all(axis=1)] = UNCOLOURED
    return rgb
