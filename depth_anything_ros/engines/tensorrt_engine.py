# SPDX-License-Identifier: Apache-2.0
"""Runs a model with TensorRT on the GPU of this machine; needs neither torch nor ONNX Runtime once an engine is built.

An engine is never just believed: what it was made from and for stands in its manifest, and what it gives was compared
with the model before it is used (plan_install.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from depth_anything_ros.engines.arrays import Packing
from depth_anything_ros.engines.base import Engine, Prediction, Request
from depth_anything_ros.engines.cuda_memory import find_cuda
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.engines.plan_install import ready_plan
from depth_anything_ros.engines.plan_runner import SLOTS, PlanRunner
from depth_anything_ros.engines.plan_site import plan_site
from depth_anything_ros.engines.tensorrt_api import find_tensorrt, machine_of
from depth_anything_ros.networks.card import ModelCard


class TensorRTEngine(Engine):
    """Ready once constructed, which takes minutes where the engine has to be built first. It has one size; images of
    others are resized into it.

    Raises MissingExtra or EngineError without TensorRT, a CUDA package or a GPU; CheckpointError on a graph that is
    missing or not the card's; EngineError on an engine that can't be built, used or loaded, or that drifts.
    """

    name = 'tensorrt'

    def __init__(self, card: ModelCard, reason: str = 'asked for', options: EngineOptions | None = None):
        options = options or EngineOptions()
        tensorrt, cuda = find_tensorrt(), find_cuda()
        site = plan_site(card, tensorrt, machine_of(tensorrt, cuda), options)
        manifest, why = ready_plan(site, cuda, options.auto_build)
        self._runner = PlanRunner(site.plan, tensorrt, cuda)
        self._packing = Packing(card, manifest.size)
        self.model, self.camera = card.name, card.camera
        here = site.machine
        height, width = manifest.size
        self._facts = {
            'engine': self.name,
            'model': self.model,
            'device': f'{here.gpu_name} (compute capability {here.compute_capability})',
            'runtime': f'{here.flavour} {here.tensorrt_version}, CUDA {here.cuda_version}',
            'precision': manifest.arithmetic,
            'graph_size': f'{width}x{height}; images of another size are resized into it',
            'plan': str(site.plan),
            'plan_reason': why,
            'parity': str(manifest.parity),
            'reason': reason,
        }

    def infer_batch(self, requests: Sequence[Request]) -> list[Prediction]:
        """One frame after the other, the copy-in of each under the inference of the one before.

        Raises InvalidInput as `check_frame` does; EngineError where the GPU fails, out of memory say.
        """
        inputs = [self._packing.inputs(*request) for request in requests]  # all are checked before any is under way
        predictions: list[Prediction] = []
        try:
            for i, arrays in enumerate(inputs):
                if i >= SLOTS:
                    predictions.append(self._collected(requests[len(predictions)]))
                self._runner.submit(arrays)
            while len(predictions) < len(requests):
                predictions.append(self._collected(requests[len(predictions)]))
        except BaseException:
            self._runner.drop()  # a frame left under way would be taken for the next one's
            raise
        return predictions

    def describe(self) -> dict[str, str]:
        return dict(self._facts)

    def close(self) -> None:
        """Give the GPU's memory back; `infer` can't be called again."""
        self._runner.close()

    def _collected(self, request: Request) -> Prediction:
        outputs = self._runner.collect()
        # copies: the buffers are the next but one frame's
        return self._packing.prediction(outputs['depth'].copy(), outputs['sigma'].copy(), request.image_rgb)
