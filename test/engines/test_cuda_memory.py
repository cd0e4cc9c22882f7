# SPDX-License-Identifier: Apache-2.0
"""The real bindings, as far as a machine without a GPU lets them go."""

import inspect
import re

import pytest

from depth_anything_ros.core.errors import EngineError
from depth_anything_ros.engines.cuda_memory import CudaPython, find_cuda

runtime = pytest.importorskip('cuda.bindings.runtime', reason='cuda-bindings is not installed')


def without_gpu():
    error, count = runtime.cudaGetDeviceCount()
    return error != runtime.cudaError_t.cudaSuccess or not count


@pytest.mark.skipif(not without_gpu(), reason='there is a GPU here')
def test_no_gpu_is_said_with_cudas_own_name():
    with pytest.raises(EngineError, match=r'^CUDA finds no GPU here'):
        find_cuda()


@pytest.mark.skipif(without_gpu(), reason='no GPU here')
def test_copies_there_and_back():
    import numpy as np

    cuda = CudaPython(runtime)
    host, back = cuda.pinned((3, 5), np.float32), cuda.pinned((3, 5), np.float32)
    host[...] = np.arange(15).reshape(3, 5)
    pointer, stream, event = cuda.allocate(host.nbytes), cuda.stream(), cuda.event()
    cuda.copy_in(pointer, host, stream)
    cuda.copy_out(back, pointer, stream)
    cuda.record(event, stream)
    cuda.synchronize(event)
    cuda.free(pointer)
    assert (back == host).all()


def test_every_call_it_makes_exists_in_the_bindings():
    source = inspect.getsource(CudaPython)
    named = set(re.findall(r"'(cuda\w+)'", source)) | set(re.findall(r'_runtime\.(cuda\w+)', source))
    assert len(named) > 10
    assert [name for name in named if not hasattr(runtime, name)] == []
    assert hasattr(runtime.cudaDeviceAttr, 'cudaDevAttrComputeCapabilityMajor')
