# SPDX-License-Identifier: Apache-2.0
"""Runs a model card's exported graph with ONNX Runtime; needs neither torch nor transformers."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CheckpointError, EngineError, MissingExtra
from depth_anything_ros.engines.arrays import INPUT_NAMES, OUTPUT_NAMES, Packing, static_size
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.networks.card import ModelCard, verified_path
from depth_anything_ros.networks.weight_store import how_to_get_a_graph
from depth_anything_ros.projection.conditioning import ConditionedPrompt

PREFERRED_PROVIDERS = ('CUDAExecutionProvider', 'CPUExecutionProvider')


class OnnxEngine:
    """Ready once constructed. A graph exported for one size takes images of every size, resized into its own.

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
            raise CheckpointError(f'{card.name}: {how_to_get_a_graph(card)}')
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
        self.model, self.camera = card.name, card.camera
        self._packing = Packing(card, static_size(self._session.get_inputs()[0].shape))
        # what was asked for and what runs can differ: ONNX Runtime falls back to the CPU by itself
        self.provider = self._session.get_providers()[0]
        self._reason = reason

    def infer(self, image_rgb: np.ndarray, prompt: ConditionedPrompt, camera: CameraModel | None) -> Prediction:
        """Raises InvalidInput as `check_frame` does; EngineError where the graph fails."""
        inputs = self._packing.inputs(image_rgb, prompt, camera)
        try:
            depth, sigma = self._session.run(list(OUTPUT_NAMES), inputs)
        except Exception as error:
            raise EngineError(f'{self.model} failed on {self.provider}: {error}') from error
        return self._packing.prediction(depth, sigma, image_rgb)

    def describe(self) -> dict[str, str]:
        facts = {'engine': self.name, 'model': self.model, 'device': self.provider, 'reason': self._reason}
        size = self._packing.size
        if size is not None:
            facts['graph_size'] = f'{size[1]}x{size[0]}; images of another size are resized into it'
        return facts

    def close(self) -> None:
        """Free the session; `infer` can't be called again."""
        self._session = None
