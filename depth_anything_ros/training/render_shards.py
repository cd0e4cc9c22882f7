# SPDX-License-Identifier: Apache-2.0
"""Renders series of shards in parallel; a killed run goes on with the shards that are missing.

Shard K of a series depends on the series' settings, its seed and K alone. Every tenth shard, by the package's one
hold-out rule, goes to the folder `held_out` inside the series' folder: scenes there are never trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros import __version__
from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.training.provenance import Provenance, assets_of, write_provenance
from depth_anything_ros.training.render_procedural import KINECT
from depth_anything_ros.training.shards import (
    HELD_OUT_EVERY,
    complete_shards,
    read_rgbd_folder,
    split_tenth,
    write_shard,
)

KINDS = ('procedural', 'room', 'clutter', 'outdoor')
HELD_OUT = 'held_out'
FOLDERS = ('photos', 'textures', 'skies')
LEAST_TEXTURE_PX = 64
TASKS_PER_PROCESS = 8


@dataclass(frozen=True)
class Series:
    """What to render. photos: folder of *_color.jpg + *_depth_mm.png whose crops become textures; textures: folder of
    images of surfaces; skies: folder of HDRIs (.exr, .hdr) besides Blender's own; per_shard: frames a shard.
    """

    folder: Path
    kind: str
    seed: int = 0
    per_shard: int = 32
    photos: Path | None = None
    textures: Path | None = None
    skies: Path | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InvalidInput(f'kind: expected one of {", ".join(KINDS)}, got {self.kind!r}')
        if self.seed < 0 or self.per_shard < 1:
            raise InvalidInput(
                f'expected a seed from 0 and 1 or more frames a shard, got {self.seed}, {self.per_shard}'
            )
        for name in FOLDERS:
            folder = getattr(self, name)
            if folder is not None and not folder.is_dir():
                raise InvalidInput(f'{name}: {folder} is not a folder')

    @property
    def name(self) -> str:
        return f'{self.kind}_{self.seed}'

    def shard(self, index: int) -> tuple[Path, str]:
        """(folder, name) of a shard."""
        _, held_out = split_tenth(list(range(index + 1)))
        return (self.folder / HELD_OUT if index in held_out else self.folder), f'{self.name}_{index:04d}'

    def sky_files(self) -> list[Path]:
        return _files(self.skies, ('.exr', '.hdr')) if self.skies else []

    def pictures(self) -> list[np.ndarray]:
        """RGB images that surfaces are cut from; of `photos` the training frames only."""
        pictures = []
        if self.photos is not None:
            training, _ = split_tenth(read_rgbd_folder(self.photos, KINECT))  # held-out frames not even as texture
            pictures += [sample.image_rgb for sample in training]
        for path in _files(self.textures, ('.png', '.jpg', '.jpeg')) if self.textures else []:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None or min(image.shape[:2]) < LEAST_TEXTURE_PX:
                raise RecordingError(f'{path}: expected an image of {LEAST_TEXTURE_PX} px or more')
            pictures.append(np.ascontiguousarray(image[..., ::-1]))
        return pictures


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in endings)


def missing_shards(series: Series, frames: int) -> list[int]:
    """Indices of the shards of the first `frames` frames that are not complete yet, in the order to render them.

    A held-out shard comes after the nine that follow it: there is something to train on from the first.
    """
    count = -(-frames // series.per_shard)
    missing = [i for i in range(count) if series.shard(i)[1] not in complete_shards(series.shard(i)[0])]
    return sorted(missing, key=lambda i: (i // HELD_OUT_EVERY, i % HELD_OUT_EVERY == 0))


def render(series: Series, frames: int, workers: int = 1, threads: int = 1) -> Iterator[int]:
    """Renders what is missing; yields the frames of each shard as it is done. threads: of one worker.

    Raises MissingExtra without what the kind needs, RecordingError where the series there was made otherwise, where
    the disk is full, or where a worker was killed.
    """
    provenance = describe(series)
    for folder in (series.folder, series.folder / HELD_OUT):
        write_provenance(folder, series.name, provenance)
    missing = missing_shards(series, frames)
    if not missing:
        return
    # Blender keeps a little of every scene it forgot, so its processes are renewed; not by max_tasks_per_child, which
    # can wait for ever for a process that it never starts (CPython 3.11)
    round_ = workers * TASKS_PER_PROCESS
    for start in range(0, len(missing), round_):
        yield from _render_with_new_processes(series, missing[start : start + round_], workers, threads)


def _render_with_new_processes(series: Series, shards: list[int], workers: int, threads: int) -> Iterator[int]:
    pool = ProcessPoolExecutor(min(workers, len(shards)), mp_context=get_context('spawn'))
    try:
        for future in as_completed([pool.submit(render_shard, series, index, threads) for index in shards]):
            yield future.result()
    except BrokenProcessPool as error:
        raise RecordingError(
            f'{series.folder}: a worker was killed (memory?): run again with fewer --workers; finished shards are kept'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def render_shard(series: Series, index: int, threads: int = 1) -> int:
    """Renders and writes one shard; returns its frames."""
    folder, name = series.shard(index)
    pictures = series.pictures() or None
    if series.kind == 'procedural':
        from depth_anything_ros.training.render_procedural import render_frames

        samples = render_frames(index, series.seed, series.per_shard, pictures)
    else:
        from depth_anything_ros.training.render_blender import render_frames

        samples = render_frames(
            series.kind, index, series.seed, series.per_shard, pictures, series.sky_files(), threads
        )
    write_shard(folder, name, samples)
    return len(samples)


def describe(series: Series) -> Provenance:
    """Raises MissingExtra without what the kind needs."""
    assets, version = [], f'depth_anything_ros {__version__}'
    if series.kind != 'procedural':
        from depth_anything_ros.training.render_blender import blender_version, skies_asset

        version += f', Blender {blender_version()}'
        assets.append(skies_asset())
    for folder in (getattr(series, name) for name in FOLDERS):
        if folder is not None:
            assets += assets_of(folder)
    settings = {
        'per_shard': series.per_shard,
        **{name: folder.name for name in FOLDERS if (folder := getattr(series, name))},
    }
    return Provenance('depth_anything_ros render-scenes', version, series.kind, series.seed, settings, tuple(assets))
