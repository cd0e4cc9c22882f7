# SPDX-License-Identifier: Apache-2.0
"""Shards: rendered or recorded RGB-D frames on disk, memory-mapped for training.

A shard is three files: NAME_image.npy (N, H, W, 3) uint8 RGB; NAME_depth.npy (N, H, W) float16 z-depth in metres,
NaN unknown; NAME_camera.npy (N, 4) float32 fx, fy, cx, cy in pixels. float16 rounds depth to 0.05 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.errors import InvalidInput, RecordingError

PARTS = ('image', 'depth', 'camera')
HELD_OUT_EVERY = 10


@dataclass(frozen=True, eq=False)
class Sample:
    """image_rgb (H, W, 3) uint8; depth_m (H, W) float32, NaN unknown; intrinsics (4,) float32 fx, fy, cx, cy."""

    image_rgb: np.ndarray
    depth_m: np.ndarray
    intrinsics: np.ndarray


class ShardSet:
    """All shards of a folder as one sequence of samples. Raises RecordingError where there are none or one is torn."""

    def __init__(self, folder: str | Path):
        folder = Path(folder)
        names = sorted(path.name[: -len('_camera.npy')] for path in folder.glob('*_camera.npy'))
        if not names:
            raise RecordingError(f'{folder}: expected shards (NAME_image.npy, NAME_depth.npy, NAME_camera.npy)')
        self._shards = []
        for name in names:
            try:
                parts = [np.load(folder / f'{name}_{part}.npy', mmap_mode='r') for part in PARTS]
            except (OSError, ValueError) as error:
                raise RecordingError(f'{folder}: shard {name} is incomplete or torn: {error}') from error
            if len({len(part) for part in parts}) != 1 or parts[0].shape[1:3] != parts[1].shape[1:]:
                raise RecordingError(f'{folder}: shard {name}: image, depth and camera disagree in number or size')
            self._shards.append(parts)
        self._ends = np.cumsum([len(parts[0]) for parts in self._shards])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f'sample {index} of {len(self)}')
        shard = int(np.searchsorted(self._ends, index, side='right'))
        image, depth, camera = self._shards[shard]
        row = index - (int(self._ends[shard - 1]) if shard else 0)
        return Sample(np.asarray(image[row]), depth[row].astype(np.float32), np.asarray(camera[row]))


def write_shard(folder: str | Path, name: str, samples: list[Sample]):
    """One shard; complete or absent: the camera file, by which shards are found, is written last."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stacked = {
        'image': np.stack([sample.image_rgb for sample in samples]),
        'depth': np.stack([sample.depth_m for sample in samples]).astype(np.float16),
        'camera': np.stack([sample.intrinsics for sample in samples]).astype(np.float32),
    }
    if stacked['image'].dtype != np.uint8:
        raise InvalidInput(f'shard {name}: expected uint8 images, got {stacked["image"].dtype}')
    for part in PARTS:
        unfinished = folder / f'{name}_{part}.part'
        with open(unfinished, 'wb') as file:
            np.save(file, stacked[part])
        unfinished.rename(folder / f'{name}_{part}.npy')


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
