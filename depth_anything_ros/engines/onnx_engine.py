# SPDX-License-Identifier: Apache-2.0
"""Runs a model card's exported graph with ONNX Runtime; needs neither torch nor transformers."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CheckpointError, EngineError, MissingExtra
from depth_anything_ros.engines.arrays import INPUT_NAMES, OUTPUT_NAMES, as_prediction, network_inputs
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.networks.card import ModelCard, verified_path
from depth_anything_ros.projection.conditioning import ConditionedPrompt

PREFERRED_PROVIDERS = ('CUDAExecutionProvider', 'CPUExecutionProvider')


class OnnxEngine:
    """Ready once constructed.

    Raises MissingExtra without onnxruntime, CheckpointError on a graph that is missing, corrupt, not the card's or
    takes other inputs, EngineError where ONNX Runtime can't run it.
    """

    name = 'onnx'

    def __init__(self, card: ModelCard, reason: str = 'asked for'):
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra('onnxruntime', 'onnx', 'the onnx engine') from error
        if card.onnx is None:
            raise CheckpointError(f'{card.name}: its card names no ONNX file; make one with depth_anything_ros export')
        path = verified_path(card, card.onnx)
        providers = [name for name in PREFERRED_PROVIDERS if name in onnxruntime.get_available_providers()]
        options = onnxruntime.SessionOptions()
        # idle threads that spin for the next frame would take the cores from everything else on the robot
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions have no common base of their own
            raise EngineError(f'{path}: ONNX Runtime cannot load it: {error}') from error
        inputs = tuple(value.name for value in self._session.get_inputs())
        if inputs != INPUT_NAMES:
            raise CheckpointError(f'{path}: expected inputs {INPUT_NAMES}, got {inputs}')
        self.model = card.name
        # what was asked for and what runs can differ: ONNX Runtime falls back to the CPU by itself
        self.provider = self._session.get_providers()[0]
        self._reason = reason

    def infer(self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel) -> Prediction:
        """Raises InvalidInput as `network_inputs` does; EngineError where the graph fails."""
        inputs = network_inputs(image_rgb, prompt, camera)
        try:
            depth_m, sigma_m = self._session.run(list(OUTPUT_NAMES), inputs)
        except Exception as error:
            raise EngineError(f'{self.model} failed on {self.provider}: {error}') from error
        return as_prediction(depth_m, sigma_m, camera)

    def describe(self) -> dict[str, str]:
        return {'engine': self.name, 'model': self.model, 'device': self.provider, 'reason': self._reason}

    def close(self) -> None:
        """Free the session; `infer` can't be called again."""
        self._session = None
