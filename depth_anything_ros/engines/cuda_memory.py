# SPDX-License-Identifier: Apache-2.0
"""The few CUDA calls that running a TensorRT engine takes, through cuda-python or CuPy, whichever is installed.

Memory is plain device memory and pinned host memory, taken once; pointers, streams and events are integers, as
TensorRT takes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from depth_anything_ros.core.errors import EngineError, MissingExtra


class Cuda(Protocol):
    """One GPU. Every call raises EngineError with CUDA's own name of what went wrong."""

    def gpu_name(self) -> str: ...

    def compute_capability(self) -> str: ...

    def runtime_version(self) -> str: ...

    def allocate(self, size_bytes: int) -> int: ...

    def free(self, pointer: int) -> None: ...

    def pinned(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Host memory that the GPU copies from and to by itself; freed with the array's last reference."""

    def stream(self) -> int: ...

    def event(self) -> int: ...

    def copy_in(self, pointer: int, host: np.ndarray, stream: int) -> None: ...

    def copy_out(self, host: np.ndarray, pointer: int, stream: int) -> None: ...

    def record(self, event: int, stream: int) -> None: ...

    def wait(self, stream: int, event: int) -> None:
        """What is put on the stream from now on runs after the event."""

    def synchronize(self, event: int) -> None:
        """Block until the event has happened."""


def find_cuda() -> Cuda:
    """Raises MissingExtra where neither package is installed, EngineError where there is no usable GPU."""
    try:
        from cuda.bindings import runtime
    except ImportError:
        runtime = None
    if runtime is not None:
        return CudaPython(runtime)
    try:
        import cupy
    except ImportError as error:
        raise MissingExtra('cuda-bindings', 'tensorrt-rtx', 'running a TensorRT engine') from error
    return CuPy(cupy)


class CudaPython:
    """Through cuda-python (package cuda-bindings)."""

    def __init__(self, runtime):
        self._runtime = runtime
        _check_count(lambda: self._call('cudaGetDeviceCount'))
        self._device = self._call('cudaGetDevice')

    def gpu_name(self) -> str:
        name = self._call('cudaGetDeviceProperties', self._device).name
        return (name.decode() if isinstance(name, bytes) else name).strip('\0')

    def compute_capability(self) -> str:
        kinds = self._runtime.cudaDeviceAttr
        major, minor = (
            self._call('cudaDeviceGetAttribute', kind, self._device)
            for kind in (kinds.cudaDevAttrComputeCapabilityMajor, kinds.cudaDevAttrComputeCapabilityMinor)
        )
        return f'{major}.{minor}'

    def runtime_version(self) -> str:
        return _version(self._call('cudaRuntimeGetVersion'))

    def allocate(self, size_bytes: int) -> int:
        return int(self._call('cudaMalloc', size_bytes))

    def free(self, pointer: int) -> None:
        self._call('cudaFree', pointer)

    def pinned(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        import ctypes
        import weakref

        dtype = np.dtype(dtype)
        size_bytes = int(np.prod(shape)) * dtype.itemsize
        pointer = int(self._call('cudaHostAlloc', size_bytes, 0))
        owner = (ctypes.c_uint8 * size_bytes).from_address(pointer)
        weakref.finalize(owner, self._runtime.cudaFreeHost, pointer)
        return np.frombuffer(owner, dtype).reshape(shape)

    def stream(self) -> int:
        return int(self._call('cudaStreamCreateWithFlags', self._runtime.cudaStreamNonBlocking))

    def event(self) -> int:
        return int(self._call('cudaEventCreateWithFlags', self._runtime.cudaEventDisableTiming))

    def copy_in(self, pointer: int, host: np.ndarray, stream: int) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call('cudaMemcpyAsync', pointer, host.ctypes.data, host.nbytes, kind, stream)

    def copy_out(self, host: np.ndarray, pointer: int, stream: int) -> None:
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call('cudaMemcpyAsync', host.ctypes.data, pointer, host.nbytes, kind, stream)

    def record(self, event: int, stream: int) -> None:
        self._call('cudaEventRecord', event, stream)

    def wait(self, stream: int, event: int) -> None:
        self._call('cudaStreamWaitEvent', stream, event, 0)

    def synchronize(self, event: int) -> None:
        self._call('cudaEventSynchronize', event)

    def _call(self, name: str, *arguments):
        error, *results = getattr(self._runtime, name)(*arguments)
        if error != self._runtime.cudaError_t.cudaSuccess:
            raise EngineError(f'{name} failed: {error.name}')
        return results[0] if results else None


class CuPy:
    """Through CuPy, which many robots have for other reasons."""

    def __init__(self, cupy):
        self._cupy, self._runtime = cupy, cupy.cuda.runtime
        _check_count(lambda: self._call(self._runtime.getDeviceCount))
        self._device = self._call(self._runtime.getDevice)
        self._kept: dict[int, object] = {}  # CuPy's streams and events end with their last reference

    def gpu_name(self) -> str:
        return self._call(self._runtime.getDeviceProperties, self._device)['name'].decode()

    def compute_capability(self) -> str:
        digits = self._cupy.cuda.Device(self._device).compute_capability
        return f'{digits[:-1]}.{digits[-1]}'

    def runtime_version(self) -> str:
        return _version(self._call(self._runtime.runtimeGetVersion))

    def allocate(self, size_bytes: int) -> int:
        return self._call(self._runtime.malloc, size_bytes)

    def free(self, pointer: int) -> None:
        self._call(self._runtime.free, pointer)

    def pinned(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        dtype = np.dtype(dtype)
        count = int(np.prod(shape))
        memory = self._call(self._cupy.cuda.alloc_pinned_memory, count * dtype.itemsize)
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def stream(self) -> int:
        stream = self._call(self._cupy.cuda.Stream, non_blocking=True)
        self._kept[stream.ptr] = stream
        return stream.ptr

    def event(self) -> int:
        event = self._call(self._cupy.cuda.Event, disable_timing=True)
        self._kept[event.ptr] = event
        return event.ptr

    def copy_in(self, pointer: int, host: np.ndarray, stream: int) -> None:
        kind = self._runtime.memcpyHostToDevice
        self._call(self._runtime.memcpyAsync, pointer, host.ctypes.data, host.nbytes, kind, stream)

    def copy_out(self, host: np.ndarray, pointer: int, stream: int) -> None:
        kind = self._runtime.memcpyDeviceToHost
        self._call(self._runtime.memcpyAsync, host.ctypes.data, pointer, host.nbytes, kind, stream)

    def record(self, event: int, stream: int) -> None:
        self._call(self._runtime.eventRecord, event, stream)

    def wait(self, stream: int, event: int) -> None:
        self._call(self._runtime.streamWaitEvent, stream, event)

    def synchronize(self, event: int) -> None:
        self._call(self._runtime.eventSynchronize, event)

    def _call(self, function, *arguments, **named):
        try:
            return function(*arguments, **named)
        except (self._runtime.CUDARuntimeError, self._cupy.cuda.memory.OutOfMemoryError) as error:
            raise EngineError(f'{function.__name__} failed: {error}') from error


def _check_count(count: Callable[[], int]) -> None:
    """Raise EngineError unless there is a GPU; without a driver even counting them fails."""
    try:
        found = count()
    except EngineError as error:
        raise EngineError(f'CUDA finds no GPU here ({error})') from error
    if not found:
        raise EngineError('CUDA finds no GPU here')


def _version(number: int) -> str:
    return f'{number // 1000}.{number % 1000 // 10}'
