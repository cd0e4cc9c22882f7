# SPDX-License-Identifier: Apache-2.0
"""Maps and meshes as files. A file is written beside its place and moved there when whole: the old one never suffers.

A map (.map) is a zip with header.json and, for each tile, `x_y_z.npz`: keys int32, tsdf and weight float16, rgb uint8.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from depth_anything_ros.core.errors import DepthError, MissingExtra
from depth_anything_ros.mapping.blocks import FIELDS, Blocks, Tile
from depth_anything_ros.mapping.mesh import Mesh

MESH_FORMATS = ('.ply', '.obj', '.glb')
MAP_FORMAT = '.map'
VERSION = 1


class MapFileError(DepthError):
    """A map or mesh that cannot be written or read."""


def write_mesh(path: Path, mesh: Mesh, frame_id: str = '') -> None:
    """.ply, .obj or .glb by the name. A .glb is turned to its format's y-up; the others stay in the map's frame.

    Raises MapFileError; whatever was at `path` before is then still there, whole.
    """
    if path.suffix.lower() not in MESH_FORMATS:
        raise MapFileError(f'{path}: expected a name that ends with {", ".join(MESH_FORMATS)}')
    if mesh.empty:
        raise MapFileError(f'{path}: not written: the map has no surface yet')
    try:
        import trimesh
    except ImportError as error:
        raise MissingExtra('trimesh', 'mapping', 'writing a mesh') from error
    kind = path.suffix.lower()[1:]
    shape = trimesh.Trimesh(
        mesh.vertices_m, mesh.triangles, vertex_normals=mesh.normals, vertex_colors=mesh.rgb, process=False
    )
    if kind == 'glb':
        y_up_from_z_up = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
        scene = trimesh.Scene()
        scene.add_geometry(shape, node_name=frame_id or 'map', transform=y_up_from_z_up)
        data = scene.export(file_type=kind)
    else:
        data = shape.export(file_type=kind)
    write_atomically(path, lambda file: file.write(data.encode() if isinstance(data, str) else data))


def read_mesh(path: Path) -> Mesh:
    """Any format that trimesh reads. Raises MapFileError."""
    try:
        import trimesh
    except ImportError as error:
        raise MissingExtra('trimesh', 'mapping', 'reading a mesh') from error
    try:
        shape = trimesh.load(path, force='mesh', process=False)
        vertices_m, triangles = np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32)
        rgb = np.asarray(shape.visual.vertex_colors)[:, :3].astype(np.uint8)
        return Mesh(vertices_m, triangles, np.asarray(shape.vertex_normals, np.float32), np.ascontiguousarray(rgb))
    except Exception as error:  # trimesh raises whatever its parsers stumble over
        raise MapFileError(f'{path}: expected a mesh, cannot be read: {error}') from error


def write_map(path: Path, tiles: Iterable[tuple[Tile, Blocks]], header: dict) -> None:
    """A map of any size, a tile at a time. Raises MapFileError; the old file stays whole."""

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr('header.json', json.dumps({'version': VERSION, **header}))
            for tile, blocks in tiles:
                archive.writestr('{}_{}_{}.npz'.format(*tile), encode_blocks(blocks))

    write_atomically(path, write)


def read_map(path: Path, expected: dict) -> Iterator[Blocks]:
    """The tiles of a map whose header agrees with `expected`. Raises MapFileError while it is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read('header.json'))
            for key, wanted in {'version': VERSION, **expected}.items():
                if header.get(key) != wanted:
                    raise MapFileError(f'{path}: expected a map with {key} {wanted}, this one has {header.get(key)}')
            damaged = archive.testzip()
            if damaged:
                raise MapFileError(f'{path}: damaged at {damaged}')
            for name in archive.namelist():
                if name.endswith('.npz'):
                    yield decode_blocks(archive.read(name))
    except FileNotFoundError as error:
        raise MapFileError(f'{path}: there is no such map') from error
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise MapFileError(f'{path}: expected a map, cannot be read: {error}') from error


def encode_blocks(blocks: Blocks) -> bytes:
    """A third of the size in memory; distances to half a thousandth of the truncation."""
    file = io.BytesIO()
    np.savez(
        file,
        keys=blocks.keys,
        tsdf=blocks.tsdf.astype(np.float16),
        weight=blocks.weight.astype(np.float16),
        rgb=np.clip(np.rint(blocks.rgb), 0, 255).astype(np.uint8),
    )
    return file.getvalue()


def decode_blocks(data: bytes) -> Blocks:
    """Raises ValueError, KeyError or DepthError on what `encode_blocks` did not write."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        keys = arrays['keys']
        return Blocks(keys, *(arrays[name].astype(np.float32) for name in FIELDS[1:]))


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """`write(file)` into a new file beside `path`, then in its place in one step. Raises MapFileError."""
    scratch = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f'.{path.name}.', delete=False) as file:
            scratch = Path(file.name)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        os.replace(scratch, path)
    except OSError as error:
        if scratch is not None:
            with contextlib.suppress(OSError):
                scratch.unlink()
        kept = '; the file from before is untouched' if path.exists() else ''
        raise MapFileError(f'{path}: cannot be written: {error.strerror or error}{kept}') from error
    except BaseException:
        if scratch is not None:
            with contextlib.suppress(OSError):
                scratch.unlink()
        raise
