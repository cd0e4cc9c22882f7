# SPDX-License-Identifier: Apache-2.0
"""A public data set becomes shards; a killed conversion goes on with those that are missing.

A shard holds frames of one scene. Held out, in the folder `held_out` as a renderer's, is every tenth scene by the
package's one rule (`shards.split_tenth`), or, of a data set of fewer than ten scenes, every tenth shard: neighbouring
frames of a video are all but the same, so single frames can't be held out.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros import __version__
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.training.provenance import Asset, Provenance, write_provenance
from depth_anything_ros.training.public.frames import PublicDataset, PublicFrame
from depth_anything_ros.training.render_shards import HELD_OUT
from depth_anything_ros.training.shards import HELD_OUT_EVERY, Sample, complete_shards, split_tenth, write_shard


@dataclass(frozen=True)
class Conversion:
    """folder: of the shards; side: length of the shorter side in pixels, 0 as it is, never enlarged; every: Nth frame
    of a scene is taken; per_shard: frames a shard at most.
    """

    kind: str
    folder: Path
    side: int = 240
    every: int = 1
    per_shard: int = 32

    def __post_init__(self):
        if self.side < 0 or self.every < 1 or self.per_shard < 1:
            raise InvalidInput(
                'expected a side from 0 and 1 or more for every and per shard, '
                f'got {self.side}, {self.every}, {self.per_shard}'
            )


@dataclass(frozen=True)
class PlannedShard:
    folder: Path
    name: str
    frames: tuple[PublicFrame, ...]


def planned(dataset: PublicDataset, conversion: Conversion) -> list[PlannedShard]:
    """All shards, in the order of scenes and frames; which ones they are depends on the data set alone."""
    scenes = [tuple(frames)[:: conversion.every] for _, frames in groupby(dataset.frames, lambda frame: frame.scene)]
    blocks = [
        (number, scene[start : start + conversion.per_shard])
        for number, scene in enumerate(scenes)
        for start in range(0, len(scene), conversion.per_shard)
    ]
    if len(scenes) < HELD_OUT_EVERY:
        blocks = list(enumerate(block for _, block in blocks))
    units = len({number for number, _ in blocks})
    # of fewer than ten none is held out: it would be a third of the data, or all of it
    _, held_out = split_tenth(list(range(units))) if units >= HELD_OUT_EVERY else ([], [])
    places = {number: conversion.folder / HELD_OUT for number in held_out}
    return [
        PlannedShard(places.get(number, conversion.folder), f'{conversion.kind}_{i:05d}', block)
        for i, (number, block) in enumerate(blocks)
    ]


def missing(plan: list[PlannedShard]) -> list[PlannedShard]:
    done = {folder: set(complete_shards(folder)) for folder in {shard.folder for shard in plan}}
    return [shard for shard in plan if shard.name not in done[shard.folder]]


def convert(dataset: PublicDataset, conversion: Conversion, workers: int = 1) -> Iterator[int]:
    """Writes what is missing; yields the frames of each shard as it is done.

    Raises RecordingError on a damaged file, a full disk, or where the shards there were made otherwise; what was
    written until then is kept.
    """
    plan = planned(dataset, conversion)
    provenance = Provenance(
        'depth_anything_ros convert-training',
        f'depth_anything_ros {__version__}',
        conversion.kind,
        0,
        {
            'frames': sum(len(shard.frames) for shard in plan),
            'side': conversion.side,
            'every': conversion.every,
            'per_shard': conversion.per_shard,
        },
        (Asset(dataset.terms.dataset, dataset.terms.licence, dataset.terms.source),),
        dataset.terms.licence,
        recorded=True,
    )
    for folder in {shard.folder for shard in plan}:
        write_provenance(folder, conversion.kind, provenance)
    left = missing(plan)
    if workers == 1 or len(left) < 2:
        for shard in left:
            yield make_shard(shard, conversion.side)
        return
    pool = ProcessPoolExecutor(min(workers, len(left)), mp_context=get_context('spawn'))
    try:
        for future in as_completed([pool.submit(make_shard, shard, conversion.side) for shard in left]):
            yield future.result()
    except BrokenProcessPool as error:
        raise RecordingError(
            f'{conversion.folder}: a worker was killed (memory?): run again with fewer --workers; shards are kept'
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def make_shard(shard: PlannedShard, side: int) -> int:
    """Decodes, shrinks and writes one shard; returns its frames."""
    cv2.setNumThreads(1)
    write_shard(shard.folder, shard.name, [shrunk(frame.read(), side) for frame in shard.frames])
    return len(shard.frames)


def shrunk(sample: Sample, side: int) -> Sample:
    """The sample with its shorter side `side` pixels long; as it is where it is no larger or side is 0.

    Depth is that of the pixel in the middle, or, where that is unknown, the nearest known in what becomes one pixel: a
    mean over an edge would lie where nothing is, and sparse truth of a LiDAR grows denser.
    """
    height, width = sample.depth_m.shape
    if side == 0 or min(height, width) <= side:
        return sample
    factor = side / min(height, width)
    size = (round(width * factor), round(height * factor))
    camera = CameraModel(width, height, *(float(value) for value in sample.intrinsics)).resized(*size)
    return Sample(
        cv2.resize(sample.image_rgb, size, interpolation=cv2.INTER_AREA),
        _shrunk_depth(sample.depth_m, size),
        np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
    )


def _shrunk_depth(depth_m: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    (height, width), (columns, rows) = depth_m.shape, size
    shrunk_m = cv2.resize(depth_m, size, interpolation=cv2.INTER_NEAREST_EXACT)
    row_of = (2 * np.arange(height) + 1) * rows // (2 * height)
    column_of = (2 * np.arange(width) + 1) * columns // (2 * width)
    row, column = np.nonzero(np.isfinite(depth_m) & np.isnan(shrunk_m)[row_of][:, column_of])
    far_to_near = np.argsort(-depth_m[row, column])  # of several in one pixel the last is kept
    row, column = row[far_to_near], column[far_to_near]
    shrunk_m[row_of[row], column_of[column]] = depth_m[row, column]
    return shrunk_m
