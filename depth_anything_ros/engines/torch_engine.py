# SPDX-License-Identifier: Apache-2.0
"""Runs a model card's network with PyTorch, on a GPU where there is one."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import EngineError, MissingExtra
from depth_anything_ros.engines.arrays import as_prediction, network_inputs
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.networks.card import ModelCard
from depth_anything_ros.projection.conditioning import ConditionedPrompt


class TorchEngine:
    """Ready once constructed. Raises MissingExtra without torch, CheckpointError on weights that don't fit the card."""

    name = 'torch'

    def __init__(self, card: ModelCard, reason: str = 'asked for'):
        try:
            import torch
        except ImportError as error:
            raise MissingExtra('torch', 'torch', 'the torch engine') from error
        from depth_anything_ros.networks.loading import load_network

        self._torch = torch
        self.model = card.name
        self.device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self._network = load_network(card).to(self.device, memory_format=torch.channels_last)
        self._reason = reason

    def infer(self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel) -> Prediction:
        """Raises InvalidInput as `network_inputs` does; EngineError where the device fails, out of memory say."""
        inputs = network_inputs(image_rgb, prompt, camera)
        try:
            with self._torch.inference_mode():
                tensors = [self._torch.from_numpy(array).to(self.device) for array in inputs.values()]
                depth_m, sigma_m = (output.cpu().numpy() for output in self._network(*tensors))
        except RuntimeError as error:
            raise EngineError(f'{self.model} failed on {self.device}: {error}') from error
        return as_prediction(depth_m, sigma_m, camera)

    def describe(self) -> dict[str, str]:
        return {'engine': self.name, 'model': self.model, 'device': self.device, 'reason': self._reason}

    def close(self) -> None:
        """Free the weights; `infer` can't be called again."""
        self._network = None
