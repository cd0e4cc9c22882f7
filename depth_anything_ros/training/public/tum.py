# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D: FOLDER is a sequence (rgb.txt, depth.txt and what they list) or holds several.

Layout and units from the data set's page "File formats" (cvg.cit.tum.de/data/datasets/rgbd-dataset): 640x480 colour
and 16-bit depth PNGs, 5000 counts a metre, 0 for none, registered to the colour images; lines 'stamp file'. Images
are paired when less than 0.02 s apart, as its associate.py does. Intrinsics: the ROS default that the page recommends
for the registered depth.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.training.public.files import existing, folders, read_colour, read_depth, sample_of
from depth_anything_ros.training.public.frames import PublicDataset, PublicFrame, Terms
from depth_anything_ros.training.shards import Sample

TERMS = Terms('TUM RGB-D', 'CC BY 4.0', 'cvg.cit.tum.de/data/datasets/rgbd-dataset', may_ship=True)
PER_METRE = 5000
MAX_APART_S = 0.02
CAMERA = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)


def open_tum(folder: str | Path) -> PublicDataset:
    """Raises RecordingError naming what is missing."""
    folder = existing(folder, 'a TUM RGB-D sequence, or a folder of them')
    sequences = [folder] if (folder / 'rgb.txt').exists() else [f for f in folders(folder) if (f / 'rgb.txt').exists()]
    if not sequences:
        raise RecordingError(f'{folder}: expected rgb.txt and depth.txt, here or in the folders inside')
    return PublicDataset(TERMS, tuple(frame for sequence in sequences for frame in _frames(sequence)))


def _frames(sequence: Path) -> list[PublicFrame]:
    colours, depths = _listed(sequence / 'rgb.txt'), _listed(sequence / 'depth.txt')
    stamps_s = np.array([stamp for stamp, _ in depths])
    frames = []
    for stamp, name in colours:
        nearest = int(np.abs(stamps_s - stamp).argmin())
        if abs(stamps_s[nearest] - stamp) < MAX_APART_S:
            read = partial(_read, sequence / name, sequence / depths[nearest][1])
            frames.append(PublicFrame(sequence.name, Path(name).stem, read))
    if not frames:
        raise RecordingError(f'{sequence}: no image of rgb.txt is within {MAX_APART_S} s of one of depth.txt')
    return frames


def _listed(path: Path) -> list[tuple[float, str]]:
    try:
        lines = [line.split('#')[0].split() for line in path.read_text().splitlines()]
        listed = [(float(words[0]), words[1]) for words in lines if words]
    except (OSError, ValueError, IndexError) as error:
        raise RecordingError(f"{path}: expected lines 'stamp file': {error}") from error
    if not listed:
        raise RecordingError(f"{path}: expected lines 'stamp file', found none")
    return listed


def _read(image: Path, depth: Path) -> Sample:
    return sample_of(read_colour(image), read_depth(depth, PER_METRE), CAMERA, depth)
