# SPDX-License-Identifier: Apache-2.0
"""Batches for training: batch k of a process is a function of the seed and k, so that a resumed run sees what it
would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import SparsePrompt
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition
from depth_anything_ros.training.augment import cropped, mirrored, panoramic, photographed
from depth_anything_ros.training.config import DataConfig
from depth_anything_ros.training.patterns import Frame
from depth_anything_ros.training.sensors import SimulatedPrompt, simulate
from depth_anything_ros.training.shards import Sample, ShardSet, read_rgbd_folder, split_tenth

LEAST_KNOWN = 0.2  # of a crop's depth
MOST_SHRINKING = 2.4
CONDITIONING = ConditioningConfig()


@dataclass(frozen=True, eq=False)
class Batch:
    """What the network takes, and the truth.

    image (B, H, W, 3) uint8; prompt_m, sigma_m (B, H, W) float32, 0 where empty; camera (B, 4); target_m (B, H, W)
    float32, 0 where unknown; beyond (B, H, W) bool: known to be beyond any range (sky).
    """

    image: Tensor
    prompt_m: Tensor
    sigma_m: Tensor
    camera: Tensor
    target_m: Tensor
    beyond: Tensor
    kinds: tuple[str, ...]

    def to(self, device: str) -> Batch:
        tensors = (self.image, self.prompt_m, self.sigma_m, self.camera, self.target_m, self.beyond)
        return Batch(*(tensor.to(device) for tensor in tensors), self.kinds)


class TrainingBatches(Dataset):
    """Map-style: index = step. Use with batch_size=None."""

    def __init__(self, config: DataConfig, batch: int, steps: int, seed: int, rank: int = 0):
        self.config, self.batch, self.steps, self.seed, self.rank = config, batch, steps, seed, rank
        shares = config.sources()
        self.rendered = [ShardSet(folder) for folder in shares]
        self.shares = np.array(list(shares.values())) / sum(shares.values())
        self.recorded: list[Sample] = []
        if config.rgbd:
            self.recorded, _ = split_tenth(read_rgbd_folder(config.rgbd, config.rgbd_intrinsics))

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        cv2.setNumThreads(1)
        crops = (
            self.config.crops
        )  # of one size in all processes, or the one with the smallest would wait for the others
        height, width = crops[int(np.random.default_rng([self.seed, step]).integers(len(crops)))]
        rng = np.random.default_rng([self.seed, step, self.rank])
        return collate([self._item(rng, height, width) for _ in range(self.batch)])

    def _item(self, rng, height: int, width: int):
        while True:
            recorded = bool(self.recorded) and rng.random() < self.config.rgbd_share
            rendered = self.rendered[int(rng.choice(len(self.rendered), p=self.shares))]
            source = self.recorded if recorded else rendered
            frame = source[int(rng.integers(len(source)))]
            sample = panoramic(rng, frame, height, width) if rng.random() < self.config.panorama_share else None
            if sample is None:
                sample = cropped(rng, frame, height, width, MOST_SHRINKING)
            if np.isfinite(sample.depth_m).mean() > LEAST_KNOWN:
                break
        if rng.random() < 0.5:
            sample = mirrored(sample)
        prompt = conditioned(simulate(rng, frame_of(sample), self.config.shares), sample)
        image = photographed(rng, sample.image_rgb)
        # a renderer knows that a ray met nothing; a depth camera that says nothing may have met anything
        beyond = np.zeros_like(sample.depth_m, bool) if recorded or rendered.recorded else np.isnan(sample.depth_m)
        return image, prompt, sample, beyond


def conditioned(prompt: SimulatedPrompt, sample: Sample) -> SimulatedPrompt:
    """Through the same gate as at run time: the network is to learn what is left to it."""
    sparse = condition(SparsePrompt(prompt.depth_m, prompt.sigma_m, camera_of(sample)), CONDITIONING).sparse
    return SimulatedPrompt(sparse.depth_m, sparse.sigma_m, prompt.kind)


def camera_of(sample: Sample) -> CameraModel:
    height, width = sample.depth_m.shape
    return CameraModel(width, height, *(float(value) for value in sample.intrinsics))


def frame_of(sample: Sample) -> Frame:
    """What a sensor ranges in a sample."""
    return Frame(sample.depth_m, sample.intrinsics, sample.dropout)


def collate(items) -> Batch:
    """Items (image, SimulatedPrompt, Sample, beyond) of one size -> Batch; NaN becomes 0, the networks' empty."""

    def stack(arrays) -> Tensor:
        return torch.from_numpy(np.stack([np.nan_to_num(array, nan=0.0) for array in arrays]))

    return Batch(
        stack([image for image, *_ in items]),
        stack([prompt.depth_m for _, prompt, *_ in items]),
        stack([prompt.sigma_m for _, prompt, *_ in items]),
        stack([sample.intrinsics for _, _, sample, _ in items]),
        stack([sample.depth_m for _, _, sample, _ in items]),
        torch.from_numpy(np.stack([beyond for *_, beyond in items])),
        tuple(prompt.kind for _, prompt, *_ in items),
    )
