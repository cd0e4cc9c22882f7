# SPDX-License-Identifier: Apache-2.0
"""TensorRT's and CUDA's run-time calls over plain memory, for machines without a GPU.

Only the edge is replaced: the package's own code runs unchanged. Work is put in queues and done when somebody waits
for it, so that reading a result too early reads rubbish, as on a GPU.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np

from depth_anything_ros.core.errors import EngineError
from depth_anything_ros.engines.tensorrt_api import TensorRT

INPUT, OUTPUT = 'INPUT', 'OUTPUT'


class FakeCuda:
    """Device memory is host memory; a stream is a list of work that runs when an event on it is waited for."""

    def __init__(self, memory_bytes: int = 1 << 40):
        self.left_bytes = memory_bytes
        self.blocks: dict[int, object] = {}
        self.streams: list[list] = []
        self.events: list[tuple[int, int] | None] = []
        self.done: dict[int, int] = {}
        self.calls: list[str] = []
        self.fail_synchronize = 0  # the next so many waits fail

    def gpu_name(self):
        return 'Fake GPU'

    def compute_capability(self):
        return '9.0'

    def runtime_version(self):
        return '13.0'

    def allocate(self, size_bytes):
        if size_bytes > self.left_bytes:
            raise EngineError('cudaMalloc failed: cudaErrorMemoryAllocation')
        self.left_bytes -= size_bytes
        block = (ctypes.c_uint8 * size_bytes)()
        self.blocks[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def free(self, pointer):
        self.left_bytes += ctypes.sizeof(self.blocks.pop(pointer))

    def pinned(self, shape, dtype):
        return np.full(shape, 77, dtype)

    def stream(self):
        self.streams.append([])
        return len(self.streams) - 1

    def event(self):
        self.events.append(None)
        return len(self.events) - 1

    def copy_in(self, pointer, host, stream):
        self.calls.append('copy_in')
        self.streams[stream].append(lambda: ctypes.memmove(pointer, host.ctypes.data, host.nbytes))

    def copy_out(self, host, pointer, stream):
        self.calls.append('copy_out')
        self.streams[stream].append(lambda: ctypes.memmove(host.ctypes.data, pointer, host.nbytes))

    def record(self, event, stream):
        self.events[event] = (stream, len(self.streams[stream]))

    def wait(self, stream, event):
        target = self.events[event]
        self.streams[stream].append(lambda: self._run(*target))

    def synchronize(self, event):
        self.calls.append('synchronize')
        self._run(*self.events[event])
        if self.fail_synchronize:
            self.fail_synchronize -= 1
            raise EngineError('cudaEventSynchronize failed: out of memory')

    def _run(self, stream, count):
        while self.done.get(stream, 0) < count:
            self.done[stream] = self.done.get(stream, 0) + 1
            self.streams[stream][self.done[stream] - 1]()


def fake_tensorrt(cuda: FakeCuda, tensors: dict, compute, accepts=lambda plan: True) -> TensorRT:
    """tensors: name -> (mode, shape, dtype). compute(dict of inputs) -> dict of outputs, run in stream order."""

    class Context:
        def __init__(self):
            self.addresses = {}

        def set_input_shape(self, name, shape):
            return tuple(shape) == tensors[name][1]

        def get_tensor_shape(self, name):
            return tensors[name][1]

        def set_tensor_address(self, name, pointer):
            self.addresses[name] = pointer

        def execute_async_v3(self, stream):
            addresses = dict(self.addresses)

            def work():
                arrays = {
                    name: np.frombuffer(cuda.blocks[addresses[name]], dtype).reshape(shape)
                    for name, (_, shape, dtype) in tensors.items()
                }
                given = {name: arrays[name] for name, (mode, _, _) in tensors.items() if mode == INPUT}
                for name, value in compute(given).items():
                    arrays[name][...] = value

            cuda.calls.append('execute')
            cuda.streams[stream].append(work)
            return True

    class Engine:
        num_io_tensors = len(tensors)

        def get_tensor_name(self, i):
            return list(tensors)[i]

        def get_tensor_mode(self, name):
            return tensors[name][0]

        def get_tensor_shape(self, name):
            return tensors[name][1]

        def get_tensor_dtype(self, name):
            return tensors[name][2]

        def create_execution_context(self):
            return Context()

    class Runtime:
        def __init__(self, logger):
            self.logger = logger

        def deserialize_cuda_engine(self, plan):
            if accepts(plan):
                return Engine()
            self.logger.log(1, 'magic tag does not match')
            return None

    class ILogger:
        Severity = SimpleNamespace(ERROR=1)

    module = SimpleNamespace(
        ILogger=ILogger,
        Runtime=Runtime,
        TensorIOMode=SimpleNamespace(INPUT=INPUT, OUTPUT=OUTPUT),
        nptype=lambda kind: kind,
    )
    return TensorRT(module, 'tensorrt', '10.16.0')
