# SPDX-License-Identifier: Apache-2.0
"""Evaluation during training: held-out frames with fixed prompts of every kind, next to the nearest fill."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from depth_anything_ros.networks.sparse_prompt import SparsePromptNet
from depth_anything_ros.training.augment import cropped
from depth_anything_ros.training.batches import Batch, collate
from depth_anything_ros.training.config import DataConfig
from depth_anything_ros.training.sensors import Frame, SensorShares, simulate
from depth_anything_ros.training.shards import ShardSet, read_rgbd_folder, split_tenth

SIZE = (192, 256)
PER_KIND = 8


class Validation:
    """Batches by source and kind, made once; `measure` gives a flat dictionary of figures."""

    def __init__(self, config: DataConfig):
        self.batches: dict[str, Batch] = {}
        sources = {}
        if config.validation_shards:
            sources['procedural'] = ShardSet(config.validation_shards)
        if config.rgbd:
            _, sources['rgbd'] = split_tenth(read_rgbd_folder(config.rgbd, config.rgbd_intrinsics))
        for source, samples in sources.items():
            for kind in vars(SensorShares()):
                rng = np.random.default_rng(0)
                items = []
                for index in range(PER_KIND):
                    sample = cropped(rng, samples[index * len(samples) // PER_KIND], *SIZE, 2.4)
                    prompt = simulate(rng, Frame(sample.depth_m, sample.intrinsics), config.shares, kind)
                    items.append((sample.image_rgb, prompt, sample, np.zeros(SIZE, bool)))
                self.batches[f'{source}/{kind}'] = collate(items)
        self._nearest = {name: _nearest_absrel(batch) for name, batch in self.batches.items()}

    @torch.no_grad()
    def measure(self, network: SparsePromptNet, device: str) -> dict[str, float]:
        """'SOURCE/KIND/absrel', '/nearest' (same prompt, nearest fill; absent without a prompt), '/within' (share of
        errors within one sigma, 0.68 when calibrated).
        """
        network.eval()
        figures = {}
        for name, batch in self.batches.items():
            batch = batch.to(device)
            depth_m, sigma_m = network(batch.image, batch.prompt_m, batch.sigma_m, batch.camera)
            known = batch.target_m > 0
            error_m = (depth_m - batch.target_m).abs()[known]
            figures[f'{name}/absrel'] = float((error_m / batch.target_m[known]).mean())
            figures[f'{name}/within'] = float((error_m < sigma_m[known]).float().mean())
            if np.isfinite(self._nearest[name]):
                figures[f'{name}/nearest'] = self._nearest[name]
        network.train()
        return figures


def summary(figures: dict[str, float]) -> float:
    """Geometric mean over all prompted cases of AbsRel against the nearest fill's."""
    ratios = [
        figures[name.replace('/nearest', '/absrel')] / nearest
        for name, nearest in figures.items()
        if name.endswith('/nearest')
    ]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else float('nan')


def _nearest_absrel(batch: Batch) -> float:
    errors = []
    for prompt_m, target_m in zip(batch.prompt_m.numpy(), batch.target_m.numpy(), strict=True):
        if (prompt_m > 0).any():
            empty = (prompt_m <= 0).astype(np.uint8)
            _, labels = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
            values = np.zeros(labels.max() + 1, np.float32)
            values[labels[empty == 0]] = prompt_m[empty == 0]
            known = target_m > 0
            errors.append(np.mean(np.abs(values[labels][known] - target_m[known]) / target_m[known]))
    return float(np.mean(errors)) if errors else float('nan')
