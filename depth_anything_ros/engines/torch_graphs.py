# SPDX-License-Identifier: Apache-2.0
"""A network on a GPU as one CUDA graph per shape of its inputs: the host launches a frame once, not kernel by kernel.

Everything a frame needs stays where it is from frame to frame: pinned host memory for what goes in and comes out, the
device's buffers that the graph was captured with, and a stream of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

WARM_UP = 3  # runs before the capture, in which libraries choose their kernels and allocate what they need
MOST_SHAPES = 4  # kept at once: each holds all activations of its own

Network = Callable[..., tuple[Tensor, ...]]
Key = tuple[tuple[tuple[int, ...], str], ...]


class ShapeCache:
    """What was made for the shapes and types of some arrays; the one unused for longest goes first."""

    def __init__(self, make: Callable[[Sequence[np.ndarray]], object], most: int = MOST_SHAPES):
        self._make, self._most = make, most
        self._made: OrderedDict[Key, object] = OrderedDict()

    def get(self, arrays: Sequence[np.ndarray]):
        key = tuple((array.shape, array.dtype.str) for array in arrays)
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        while len(self._made) >= self._most:
            self._made.popitem(last=False)  # before the next is made: its memory may be what the next one needs
        self._made[key] = made = self._make(arrays)
        return made

    def __len__(self) -> int:
        return len(self._made)


class CudaGraph:
    """run(arrays) -> arrays for one set of shapes. Raises RuntimeError where the network can't be captured."""

    def __init__(self, network: Network, arrays: Sequence[np.ndarray], computing: Callable):
        self._stream = torch.cuda.Stream()
        self._given = [torch.from_numpy(array).pin_memory() for array in arrays]
        self._inputs = [given.cuda() for given in self._given]
        self._graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.inference_mode(), computing(), torch.cuda.stream(self._stream):
            for _ in range(WARM_UP):
                network(*self._inputs)
            self._stream.synchronize()
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._outputs = [output.float() for output in network(*self._inputs)]
        self._taken = [torch.empty(output.shape, dtype=output.dtype, pin_memory=True) for output in self._outputs]

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        with torch.cuda.stream(self._stream):
            for array, given, device in zip(arrays, self._given, self._inputs, strict=True):
                np.copyto(given.numpy(), array)
                device.copy_(given, non_blocking=True)
            self._graph.replay()
            for output, taken in zip(self._outputs, self._taken, strict=True):
                taken.copy_(output, non_blocking=True)
        self._stream.synchronize()
        return [taken.numpy().copy() for taken in self._taken]  # the next frame overwrites the pinned memory
