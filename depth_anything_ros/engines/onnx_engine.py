# SPDX-License-Identifier: Apache-2.0
"""Runs a model card's exported graph with ONNX Runtime; needs neither torch nor transformers."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

import numpy as np

from depth_anything_ros.core.errors import CheckpointError, EngineError, MissingExtra
from depth_anything_ros.engines.arrays import INPUT_NAMES, OUTPUT_NAMES, Packing, static_size
from depth_anything_ros.engines.base import Engine, Prediction, Request
from depth_anything_ros.engines.onnx_providers import choose_providers, fallen_back, provider_options
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.networks.card import ModelCard, verified_path
from depth_anything_ros.networks.half_graph import PRECISION_KEY
from depth_anything_ros.networks.weight_store import how_to_get_a_graph


class OnnxEngine(Engine):
    """Ready once constructed. A graph exported for one size takes images of every size, resized into its own; one
    with a free batch axis runs a batch of equal sizes at once.

    Raises MissingExtra without onnxruntime, CheckpointError on a graph that is missing, corrupt, not the card's or
    takes other inputs, EngineError where ONNX Runtime can't run it or not as the options say.
    """

    name = 'onnx'

    def __init__(self, card: ModelCard, reason: str = 'asked for', options: EngineOptions | None = None):
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra('onnxruntime', 'onnx', 'the onnx engine') from error
        options = options or EngineOptions()
        if card.onnx is None:
            raise CheckpointError(f'{card.name}: {how_to_get_a_graph(card)}')
        path = verified_path(card, card.onnx)
        providers = choose_providers(options.provider, onnxruntime.get_available_providers())
        settings = onnxruntime.SessionOptions()
        # idle threads that spin for the next frame would take the cores from everything else on the robot
        settings.add_session_config_entry('session.intra_op.allow_spinning', '0')
        # shares of work that shrink: a core that was held up leaves the rest to the others
        settings.add_session_config_entry('session.dynamic_block_base', '4')
        settings.log_severity_level = 3  # errors; a provider that falls back is told below, in one line
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), settings, providers=providers, provider_options=provider_options(providers, options)
            )
        except Exception as error:  # ONNX Runtime's exceptions have no common base of their own
            raise EngineError(f'{path}: ONNX Runtime cannot load it: {error}') from error
        inputs = self._session.get_inputs()
        names = tuple(value.name for value in inputs)
        if names != INPUT_NAMES:
            raise CheckpointError(f'{path}: expected inputs {INPUT_NAMES}, got {names}')
        self.model, self.camera = card.name, card.camera
        self.precision = self._session.get_modelmeta().custom_metadata_map.get(PRECISION_KEY, 'fp32')
        if options.precision not in ('auto', self.precision):
            made = f'make one with depth_anything_ros export {card.name} --precision {options.precision}, or '
            raise EngineError(
                f'{path}: the graph computes in {self.precision}, {options.precision} was asked for:'
                f' {made if options.precision != "bf16" else ""}choose another engine'
            )
        self._packing = Packing(card, static_size(inputs[0].shape))
        batch = inputs[0].shape[0]
        self._batch = batch if isinstance(batch, int) else None  # how many images a run takes; None: any number
        # what was asked for and what runs can differ: ONNX Runtime falls back to the CPU by itself
        self.provider = self._session.get_providers()[0]
        self._fallback = fallen_back(providers[0], self.provider)
        if self._fallback:
            logging.getLogger(__name__).warning('%s', self._fallback)
        self._reason = reason

    def infer_batch(self, requests: Sequence[Request]) -> list[Prediction]:
        """Neighbours of one size go through the graph together, as many as it takes.

        Raises InvalidInput as `check_frame` does; EngineError where the graph fails, out of memory say.
        """
        inputs = [self._packing.inputs(*request) for request in requests]
        outputs: list[tuple[np.ndarray, np.ndarray]] = []
        for _, same in itertools.groupby(inputs, lambda arrays: arrays['image'].shape):
            group = list(same)
            count = self._batch or len(group)
            for start in range(0, len(group), count):
                outputs += self._run(group[start : start + count])
        return [
            self._packing.prediction(depth, sigma, request.image_rgb)
            for (depth, sigma), request in zip(outputs, requests, strict=True)
        ]

    def describe(self) -> dict[str, str]:
        facts = {'engine': self.name, 'model': self.model, 'device': self.provider, 'precision': self.precision}
        facts['reason'] = self._reason
        if self._fallback:
            facts['fallback'] = self._fallback
        size = self._packing.size
        if size is not None:
            facts['graph_size'] = f'{size[1]}x{size[0]}; images of another size are resized into it'
        return facts

    def close(self) -> None:
        """Free the session; `infer` can't be called again."""
        self._session = None

    def _run(self, frames: list[dict[str, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """(depth, sigma), each (1, H, W), of every frame; a fixed batch is filled up with the last one."""
        filled = frames + frames[-1:] * ((self._batch or 0) - len(frames))
        arrays = filled[0]
        if len(filled) > 1:
            arrays = {name: np.concatenate([frame[name] for frame in filled]) for name in INPUT_NAMES}
        try:
            depth, sigma = self._session.run(list(OUTPUT_NAMES), arrays)
        except Exception as error:
            raise EngineError(f'{self.model} failed on {self.provider}: {error}') from error
        return [(depth[i : i + 1], sigma[i : i + 1]) for i in range(len(frames))]
