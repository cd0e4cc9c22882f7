# SPDX-License-Identifier: Apache-2.0
"""Evaluation during training: held-out frames with fixed prompts of every kind, next to classical completion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from depth_anything_ros.core.frames import SparsePrompt
from depth_anything_ros.engines.classical import dilation_fill, linear_fill, nearest_fill
from depth_anything_ros.networks.sparse_prompt import SparsePromptNet
from depth_anything_ros.training.augment import cropped
from depth_anything_ros.training.batches import Batch, camera_of, collate, conditioned, frame_of
from depth_anything_ros.training.config import DataConfig
from depth_anything_ros.training.render_shards import HELD_OUT
from depth_anything_ros.training.sensors import SensorShares, simulate
from depth_anything_ros.training.shards import ShardSet, read_rgbd_folder, split_tenth

SIZE = (192, 256)
PER_KIND = 8
COMPLETIONS = (nearest_fill, linear_fill, dilation_fill)


class Validation:
    """Batches by source and kind, made once; `measure` gives a flat dictionary of figures."""

    def __init__(self, config: DataConfig):
        self.batches: dict[str, Batch] = {}
        sources = {}
        for folder in config.validation_shards:
            sources[source_name(Path(folder))] = ShardSet(folder)
        if config.rgbd:
            _, sources['rgbd'] = split_tenth(read_rgbd_folder(config.rgbd, config.rgbd_intrinsics))
        self._classical: dict[str, float] = {}
        for source, samples in sources.items():
            for kind in vars(SensorShares()):
                rng = np.random.default_rng(0)
                items = []
                for index in range(PER_KIND):
                    sample = cropped(rng, samples[index * len(samples) // PER_KIND], *SIZE, 2.4)
                    prompt = simulate(rng, frame_of(sample), config.shares, kind)
                    items.append((sample.image_rgb, conditioned(prompt, sample), sample, np.zeros(SIZE, bool)))
                self.batches[f'{source}/{kind}'] = collate(items)
                self._classical[f'{source}/{kind}'] = best_classical(items)

    @torch.no_grad()
    def measure(self, network: SparsePromptNet, device: str) -> dict[str, float]:
        """'SOURCE/KIND/absrel', '/classical' (same prompts, the best of the completions without an image; absent
        without a prompt), '/within' (share of errors within one sigma, 0.68 when calibrated).
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
            if np.isfinite(self._classical[name]):
                figures[f'{name}/classical'] = self._classical[name]
        network.train()
        return figures


def source_name(folder: Path) -> str:
    """What a folder of shards is called among the figures: HELD_OUT folders after the folder they lie in."""
    return folder.resolve().parent.name if folder.name == HELD_OUT else folder.name


def summary(figures: dict[str, float]) -> float:
    """Geometric mean over all prompted cases of AbsRel against the best classical completion's."""
    ratios = [
        figures[name.replace('/classical', '/absrel')] / classical
        for name, classical in figures.items()
        if name.endswith('/classical')
    ]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else float('nan')


def best_classical(items) -> float:
    """Items as `collate` takes them -> AbsRel over all of them of the best single completion; NaN without returns."""
    errors: dict[str, list[np.ndarray]] = {}
    for _, prompt, sample, _ in items:
        if np.isnan(prompt.depth_m).all():
            continue
        sparse = SparsePrompt(prompt.depth_m, prompt.sigma_m, camera_of(sample))
        known = np.isfinite(sample.depth_m)
        for fill in COMPLETIONS:
            error = np.abs(fill(sparse) - sample.depth_m)[known] / sample.depth_m[known]
            errors.setdefault(fill.__name__, []).append(error)
    return min((float(np.concatenate(parts).mean()) for parts in errors.values()), default=float('nan'))
