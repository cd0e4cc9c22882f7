# SPDX-License-Identifier: Apache-2.0
"""Runs a model card's network with PyTorch, on a GPU where there is one."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import EngineError, MissingExtra
from depth_anything_ros.engines.arrays import Packing
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.networks.card import ModelCard
from depth_anything_ros.projection.conditioning import ConditionedPrompt


class TorchEngine:
    """Ready once constructed.

    Raises MissingExtra without torch, or without transformers where the network is built on it; CheckpointError on
    weights that don't fit the card.
    """

    name = 'torch'

    def __init__(self, card: ModelCard, reason: str = 'asked for'):
        try:
            import torch
        except ImportError as error:
            raise MissingExtra('torch', 'torch', 'the torch engine') from error
        from depth_anything_ros.networks.loading import load_network

        self._torch = torch
        self.model, self.camera = card.name, card.camera
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self._network = load_network(card).to(self.device, memory_format=torch.channels_last)
        self._packing = Packing(card)
        self._reason = reason

    def infer(self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel | None) -> Prediction:
        """Raises InvalidInput as `check_frame` does; EngineError where the device fails, out of memory say."""
        inputs = self._packing.inputs(image_rgb, prompt, camera)
        try:
            with self._torch.inference_mode():
                tensors = [self._torch.from_numpy(array).to(self.device) for array in inputs.values()]
                depth, sigma = (output.cpu().numpy() for output in self._network(*tensors))
        except RuntimeError as error:
            raise EngineError(f'{self.model} failed on {self.device}: {error}') from error
        return self._packing.prediction(depth, sigma, image_rgb)

    def describe(self) -> dict[str, str]:
        return {'engine': self.name, 'model': self.model, 'device': self.device, 'reason': self._reason}

    def close(self) -> None:
        """Free the weights; `infer` can't be called again."""
        self._network = None
