# SPDX-License-Identifier: Apache-2.0
"""Arrays in, arrays out: a network in the fastest way that works here. What fails is told once and left out."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from depth_anything_ros.engines.torch_graphs import CudaGraph, ShapeCache
from depth_anything_ros.engines.torch_linear import pack_linear_layers
from depth_anything_ros.engines.torch_precision import Precision

EAGER, COMPILED, GRAPHED = 'eager', 'compiled', 'CUDA graph'


class Runner:
    """how: 'eager', 'compiled', 'CUDA graph' or 'compiled, CUDA graph'; note: one line where something was left out.

    compiled: torch.compile, for every size of image anew; graphed: CUDA graphs, on a GPU. Both wait for the first
    frame, which tells the size. RuntimeError where the network itself fails, out of memory say.
    """

    def __init__(self, network: nn.Module, precision: Precision, compiled: bool, graphed: bool):
        self._precision = precision
        network = network.requires_grad_(False)  # what is frozen can be laid out for good
        self._eager = precision.prepare(network).to(precision.device, memory_format=torch.channels_last)
        self._compiled = _compiled(self._eager, precision.device) if compiled else None
        if precision.device == 'cpu' and not compiled:
            pack_linear_layers(self._eager)
        self._graphs = ShapeCache(self._captured) if graphed and precision.device == 'cuda' else None
        self.note: str | None = None

    @property
    def how(self) -> str:
        ways = [COMPILED] if self._compiled else []
        ways += [GRAPHED] if self._graphs is not None else []
        return ', '.join(ways) or EAGER

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self._compiled is not None:
            try:
                return self._run(arrays)
            except Exception as error:  # no compiler, an operation it does not know: of every kind
                self._leave_out('could not be compiled', error)
                self._compiled = None
                if self._graphs is not None:
                    self._graphs = ShapeCache(self._captured)
        return self._run(arrays)

    def _run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self._graphs is not None:
            try:
                return self._graphs.get(arrays).run(arrays)
            except torch.OutOfMemoryError:
                self._graphs = ShapeCache(self._captured)  # without the activations of other sizes it may fit
                torch.cuda.empty_cache()
                raise
            except RuntimeError as error:
                torch.cuda.synchronize()
                self._leave_out('could not be captured as a CUDA graph', error)
                self._graphs = None
        with torch.inference_mode(), self._precision.computing():
            outputs = self._network(*(torch.from_numpy(array).to(self._precision.device) for array in arrays))
        return [output.float().cpu().numpy() for output in outputs]

    def _network(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return (self._compiled or self._eager)(*inputs)

    def _captured(self, arrays: Sequence[np.ndarray]) -> CudaGraph:
        if self._compiled is not None:
            with torch.inference_mode(), self._precision.computing():
                # brings constants to the device (networks/device_constant.py) before the compiler looks at them
                self._eager(*(torch.from_numpy(array).to(self._precision.device) for array in arrays))
        return CudaGraph(self._network, arrays, self._precision.computing)

    def _leave_out(self, what: str, error: BaseException):
        why = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        self.note = f'the network {what} and runs without: {why}'
        logging.getLogger(__name__).warning('%s', self.note)


def _compiled(network: nn.Module, device: str):
    """freezing lays the weights out for the CPU's kernels; on a GPU the CUDA graph is ours, with buffers that stay."""
    return torch.compile(network, dynamic=False, options={'freezing': device == 'cpu'})
