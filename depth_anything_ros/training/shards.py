# SPDX-License-Identifier: Apache-2.0
"""Shards: rendered or recorded RGB-D frames on disk, read frame by frame in training.

A shard is a few files: NAME_image.npy (N, H, W, 3) uint8 RGB; NAME_depth.npy (N, H, W) float16 z-depth in metres,
NaN unknown; NAME_camera.npy (N, 4) float32 fx, fy, cx, cy in pixels; and, where the renderer knew it,
NAME_dropout.npy (N, H, W) uint8, the chance that a ranging pulse on the surface brings no return, 255 for 1.
float16 rounds depth to 0.05 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.training.provenance import SUFFIX, read_provenance

PARTS = ('image', 'depth', 'camera')
OPTIONAL = 'dropout'
SHAPES = {'image': (np.uint8, 4), 'depth': (np.float16, 3), 'camera': (np.float32, 2), 'dropout': (np.uint8, 3)}
HELD_OUT_EVERY = 10


@dataclass(frozen=True, eq=False)
class Sample:
    """image_rgb (H, W, 3) uint8; depth_m (H, W) float32, NaN unknown; intrinsics (4,) float32 fx, fy, cx, cy;
    dropout (H, W) float32 in [0, 1], chance that a pulse on that surface brings no return, or None: not known.
    """

    image_rgb: np.ndarray
    depth_m: np.ndarray
    intrinsics: np.ndarray
    dropout: np.ndarray | None = None


class ShardSet:
    """All shards of a folder as one sequence of samples. Raises RecordingError where there are none or one is torn.

    The folder is listed once: shards that appear later are not in it. A frame is read when it is asked for and no
    file stays open, so that a set needs hardly any memory or file handles, however large.

    recorded: whether the provenance beside the shards says that they come from sensors, so that NaN isn't sky. One
    folder holds either kind.
    """

    def __init__(self, folder: str | Path):
        folder = Path(folder)
        names = complete_shards(folder)
        if not names:
            raise RecordingError(f'{folder}: expected shards (NAME_image.npy, NAME_depth.npy, NAME_camera.npy)')
        self._shards = [_opened(folder, name) for name in names]
        self._ends = np.cumsum([parts['camera'].shape[0] for parts in self._shards])
        kinds = {read_provenance(path).recorded for path in folder.glob(f'*{SUFFIX}')}
        if len(kinds) > 1:
            raise RecordingError(f'{folder}: expected rendered or recorded shards, got both; give each a folder')
        self.recorded = True in kinds

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f'sample {index} of {len(self)}')
        shard = int(np.searchsorted(self._ends, index, side='right'))
        parts = self._shards[shard]
        row = index - (int(self._ends[shard - 1]) if shard else 0)
        dropout = parts[OPTIONAL].row(row) / np.float32(255) if OPTIONAL in parts else None
        return Sample(
            parts['image'].row(row), parts['depth'].row(row).astype(np.float32), parts['camera'].row(row), dropout
        )


@dataclass(frozen=True)
class _Part:
    """One array of a shard on disk: offset is where its data begin in the file, in bytes."""

    path: Path
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int

    def row(self, index: int) -> np.ndarray:
        count = int(np.prod(self.shape[1:]))
        place = self.offset + index * count * self.dtype.itemsize
        try:
            return np.fromfile(self.path, self.dtype, count, offset=place).reshape(self.shape[1:])
        except (OSError, ValueError) as error:
            raise RecordingError(f'{self.path}: frame {index} can no longer be read: {error}') from error


def complete_shards(folder: str | Path) -> list[str]:
    """Names of the shards of a folder, sorted: a shard exists once its camera file, written last, does."""
    return sorted(path.name[: -len('_camera.npy')] for path in Path(folder).glob('*_camera.npy'))


def _opened(folder: Path, name: str) -> dict[str, _Part]:
    parts = {}
    for part in (*PARTS, OPTIONAL):
        path = folder / f'{name}_{part}.npy'
        if part == OPTIONAL and not path.exists():
            continue
        try:
            array = np.load(path, mmap_mode='r')
        except (OSError, ValueError) as error:
            raise RecordingError(f'{folder}: shard {name} is incomplete or torn: {error}') from error
        kind, dimensions = SHAPES[part]
        if array.dtype != kind or array.ndim != dimensions or not array.flags.c_contiguous:
            raise RecordingError(
                f'{path}: expected {np.dtype(kind).name} of {dimensions} dimensions in C order, '
                f'got {array.dtype.name} {array.shape}'
            )
        parts[part] = _Part(path, array.dtype, array.shape, array.offset)
    frames = parts['depth'].shape
    alike = parts['image'].shape == (*frames, 3) and parts['camera'].shape == (frames[0], 4)
    if not alike or parts.get(OPTIONAL, parts['depth']).shape != frames:
        raise RecordingError(f'{folder}: shard {name}: image, depth and camera disagree in number or size')
    return parts


def write_shard(folder: str | Path, name: str, samples: list[Sample]):
    """One shard; complete or absent: the camera file, by which shards are found, is written last.

    Raises InvalidInput for samples that don't go together, RecordingError where the disk does not take them.
    """
    folder = Path(folder)
    stacked = _stacked(name, samples)
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in (OPTIONAL, *PARTS):
            path = folder / f'{name}_{part}.npy'
            if part not in stacked:
                path.unlink(missing_ok=True)
                continue
            unfinished = folder / f'{name}_{part}.part'
            written += [unfinished]
            with open(unfinished, 'wb') as file:
                np.save(file, stacked[part])
            unfinished.rename(path)
            written[-1] = path
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise RecordingError(f'{folder}: shard {name} could not be written: {error}; nothing of it was kept') from error


def _stacked(name: str, samples: list[Sample]) -> dict[str, np.ndarray]:
    if not samples:
        raise InvalidInput(f'shard {name}: expected one sample or more')
    size = samples[0].depth_m.shape
    for i, sample in enumerate(samples):
        if sample.image_rgb.dtype != np.uint8:
            raise InvalidInput(f'shard {name}: expected uint8 images, got {sample.image_rgb.dtype}')
        if sample.depth_m.shape != size or sample.image_rgb.shape != (*size, 3):
            raise InvalidInput(
                f'shard {name}: sample {i}: expected image and depth of {size}, '
                f'got {sample.image_rgb.shape} and {sample.depth_m.shape}'
            )
    stacked = {
        'image': np.stack([sample.image_rgb for sample in samples]),
        'depth': np.stack([sample.depth_m for sample in samples]).astype(np.float16),
        'camera': np.stack([sample.intrinsics for sample in samples]).astype(np.float32),
    }
    if all(sample.dropout is not None for sample in samples):
        chance = np.stack([sample.dropout for sample in samples])
        stacked[OPTIONAL] = np.clip(255 * chance + 0.5, 0, 255).astype(np.uint8)
    return stacked


def colour_files(folder: Path) -> list[Path]:
    """The colour images of an RGB-D folder in the order that `split_tenth` counts in."""
    return sorted(folder.glob('*_color.jpg'))


def read_rgbd_folder(folder: str | Path, intrinsics: tuple[float, float, float, float]) -> list[Sample]:
    """Frames *_color.jpg + *_depth_mm.png (uint16 millimetres, 0 unknown), sorted by name, of one camera."""
    folder = Path(folder)
    samples = []
    for path in colour_files(folder):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        depth_mm = cv2.imread(str(path).replace('_color.jpg', '_depth_mm.png'), cv2.IMREAD_UNCHANGED)
        if image is None or depth_mm is None or depth_mm.shape != image.shape[:2]:
            raise RecordingError(f'{path}: expected a JPEG and a 16-bit PNG of the same size beside it')
        depth_m = np.where(depth_mm > 0, depth_mm / np.float32(1000), np.float32(np.nan)).astype(np.float32)
        samples.append(Sample(np.ascontiguousarray(image[..., ::-1]), depth_m, np.array(intrinsics, np.float32)))
    if not samples:
        raise RecordingError(f'{folder}: expected *_color.jpg and *_depth_mm.png')
    return samples


def split_tenth(samples: list) -> tuple[list, list]:
    """(training, held out): every tenth frame from the first never enters training, not even as a texture."""
    return [sample for i, sample in enumerate(samples) if i % HELD_OUT_EVERY], samples[::HELD_OUT_EVERY]
