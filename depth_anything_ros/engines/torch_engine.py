# SPDX-License-Identifier: Apache-2.0
"""Runs a model card's network with PyTorch, on a GPU where there is one."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from depth_anything_ros.core.errors import EngineError, MissingExtra
from depth_anything_ros.engines.arrays import INPUT_NAMES, Packing
from depth_anything_ros.engines.base import Engine, Prediction, Request
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.networks.card import ModelCard


class TorchEngine(Engine):
    """Ready once constructed; what depends on an image's size (compiling, capturing) is done at its first frame.

    Raises MissingExtra without torch, or without transformers where the network is built on it; CheckpointError on
    weights that don't fit the card.
    """

    name = 'torch'

    def __init__(self, card: ModelCard, reason: str = 'asked for', options: EngineOptions | None = None):
        try:
            import torch
        except ImportError as error:
            raise MissingExtra('torch', 'torch', 'the torch engine') from error
        from depth_anything_ros.engines.torch_precision import choose_precision
        from depth_anything_ros.engines.torch_runner import Runner
        from depth_anything_ros.networks.loading import load_network

        options = options or EngineOptions()
        self.model, self.camera = card.name, card.camera
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        precision = choose_precision(options.precision, self.device)
        self.precision = precision.name
        if precision.note:
            logging.getLogger(__name__).warning('%s: %s', card.name, precision.note)
        try:
            self._runner = Runner(load_network(card), precision, options.compile, options.cuda_graphs)
        except RuntimeError as error:
            raise EngineError(f'{card.name} does not fit on {self.device}: {_first_line(error)}') from error
        self._packing = Packing(card)
        self._note, self._reason = precision.note, reason

    def infer_batch(self, requests: Sequence[Request]) -> list[Prediction]:
        """Frames whose arrays have one size are run at once. Raises InvalidInput as `check_frame` does; EngineError
        where the device fails, out of memory say.
        """
        inputs = [self._packing.inputs(*request) for request in requests]
        together: dict[tuple[int, ...], list[int]] = {}
        for i, arrays in enumerate(inputs):
            together.setdefault(arrays['image'].shape, []).append(i)
        predictions: list[Prediction | None] = [None] * len(requests)
        for indices in together.values():
            depth, sigma = self._run([inputs[i] for i in indices])
            for at, i in enumerate(indices):
                outputs = depth[at : at + 1], sigma[at : at + 1]
                predictions[i] = self._packing.prediction(*outputs, requests[i].image_rgb)
        return predictions

    def describe(self) -> dict[str, str]:
        facts = {'engine': self.name, 'model': self.model, 'device': self.device, 'precision': self.precision}
        facts['runs'] = self._runner.how
        facts['reason'] = self._reason
        notes = [note for note in (self._note, self._runner.note) if note]
        if notes:
            facts['fallback'] = '; '.join(notes)
        return facts

    def close(self) -> None:
        """Free the weights; `infer` can't be called again."""
        self._runner = None

    def _run(self, frames: list[dict[str, np.ndarray]]) -> list[np.ndarray]:
        one = len(frames) == 1
        arrays = [frames[0][name] if one else np.concatenate([frame[name] for frame in frames]) for name in INPUT_NAMES]
        try:
            return self._runner.run(arrays)
        except RuntimeError as error:
            raise EngineError(f'{self.model} failed on {self.device}: {_first_line(error)}') from error


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
