# SPDX-License-Identifier: Apache-2.0
"""Runs a TensorRT engine file: arrays in, arrays out, everything allocated once.

Two slots of buffers take turns, so that the copy-in of one frame overlaps the inference of the one before it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.core.errors import EngineError, InvalidInput
from depth_anything_ros.engines.cuda_memory import Cuda
from depth_anything_ros.engines.tensorrt_api import TensorRT

SLOTS = 2


@dataclass(frozen=True, eq=False)
class _Slot:
    """One frame's buffers by tensor name, and the events that say how far it has come."""

    host: dict[str, np.ndarray]
    device: dict[str, int]
    copied_in: int
    done: int


class PlanRunner:
    """Ready once constructed; one thread at a time.

    Raises EngineError: a file that TensorRT refuses, no GPU, no memory.
    """

    def __init__(self, plan: Path, tensorrt: TensorRT, cuda: Cuda):
        trt, log = tensorrt.module, tensorrt.logger()
        try:
            serialised = plan.read_bytes()
        except OSError as error:
            raise EngineError(f'{plan}: cannot be read: {error.strerror}') from error
        self._cuda = cuda
        self._runtime = trt.Runtime(log.logger)
        self._engine = self._runtime.deserialize_cuda_engine(serialised)
        if self._engine is None:
            raise EngineError(f'{plan}: {tensorrt.flavour} {tensorrt.version} refuses this engine: {log.said()}')
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(f'{plan}: the GPU has no memory left for it: {log.said()}')
        self._log = log
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        self.inputs = tuple(n for n in names if self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT)
        self.outputs = tuple(n for n in names if n not in self.inputs)
        self.shapes = {name: self._shape(trt, name) for name in self.inputs}
        for name, shape in self.shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise EngineError(f'{plan}: input {name} cannot be {shape}: {log.said()}')
        self.shapes |= {name: tuple(self._context.get_tensor_shape(name)) for name in self.outputs}
        self._types = {name: np.dtype(trt.nptype(self._engine.get_tensor_dtype(name))) for name in names}
        self._copying, self._computing = cuda.stream(), cuda.stream()
        self._slots: list[_Slot] = []
        self._allocated: list[int] = []
        try:
            self._slots = [self._slot() for _ in range(SLOTS)]
        except EngineError:
            self.close()
            raise
        self._submitted = 0
        self._collected = 0

    def submit(self, arrays: dict[str, np.ndarray]) -> None:
        """Start one frame; returns before it is done. Raises InvalidInput where an array is not what the engine
        takes, EngineError where two frames are under way already or the GPU fails.
        """
        if self._submitted - self._collected == SLOTS:
            raise EngineError(f'{SLOTS} frames are under way: collect one first')
        slot = self._slots[self._submitted % SLOTS]
        for name in self.inputs:
            given = arrays[name]
            if given.shape != self.shapes[name] or given.dtype != self._types[name]:
                raise InvalidInput(
                    f'the engine was built for {name} {self.shapes[name]} {self._types[name]}, got {given.shape}'
                    f' {given.dtype}: build one for this size with depth_anything_ros build-engine --size HxW'
                )
        for name in self.inputs:
            np.copyto(slot.host[name], arrays[name])
            self._cuda.copy_in(slot.device[name], slot.host[name], self._copying)
        self._cuda.record(slot.copied_in, self._copying)
        self._cuda.wait(self._computing, slot.copied_in)
        for name, pointer in slot.device.items():
            self._context.set_tensor_address(name, pointer)
        if not self._context.execute_async_v3(self._computing):
            raise EngineError(f'TensorRT failed to run the engine: {self._log.said()}')
        for name in self.outputs:
            self._cuda.copy_out(slot.host[name], slot.device[name], self._computing)
        self._cuda.record(slot.done, self._computing)
        self._submitted += 1

    def collect(self) -> dict[str, np.ndarray]:
        """The outputs of the oldest frame under way, by name, in buffers that the next but one frame overwrites."""
        if self._submitted == self._collected:
            raise EngineError('no frame is under way: submit one first')
        slot = self._slots[self._collected % SLOTS]
        self._collected += 1  # before it can fail, so that a failed frame does not stay under way
        self._cuda.synchronize(slot.done)
        return {name: slot.host[name] for name in self.outputs}

    def drop(self) -> None:
        """Forget the frames under way, after a failure; they are waited for as far as the GPU still answers."""
        while self._collected < self._submitted:
            with contextlib.suppress(EngineError):
                self.collect()

    def close(self) -> None:
        """Give the GPU's memory back; the runner can't be used again."""
        while self._allocated:
            self._cuda.free(self._allocated.pop())
        self._slots = []
        self._context = self._engine = None

    def _shape(self, trt, name: str) -> tuple[int, ...]:
        shape = tuple(self._engine.get_tensor_shape(name))
        if -1 not in shape:
            return shape
        return tuple(self._engine.get_tensor_profile_shape(name, 0)[1])  # the size it was optimised for

    def _slot(self) -> _Slot:
        host = {name: self._cuda.pinned(shape, self._types[name]) for name, shape in self.shapes.items()}
        device = {}
        for name, array in host.items():
            device[name] = self._cuda.allocate(array.nbytes)
            self._allocated.append(device[name])
        return _Slot(host, device, self._cuda.event(), self._cuda.event())
