# SPDX-License-Identifier: Apache-2.0
"""A TensorRT that builds and a GPU that runs, at the edge of their APIs: an engine file holds the very graph that was
built, and running it runs that graph with ONNX Runtime. Everything between is the package's own code.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
from fake_tensorrt import INPUT, OUTPUT, FakeCuda, fake_tensorrt

from depth_anything_ros.engines.tensorrt_api import TensorRT


class FakeGpu:
    """A machine with TensorRT and a GPU. Change its attributes to make it another one, or one that fails.

    distort(outputs, model) changes what an engine gives; built: settings of every build, as (sizes of the image,
    names of the products in half precision).
    """

    def __init__(self, memory_bytes: int = 1 << 40):
        self.cuda = FakeCuda(memory_bytes)
        self.version, self.flavour = '10.16.0', 'tensorrt'
        self.build_error = ''
        self.distort = lambda outputs, model: outputs
        self.built: list[tuple[tuple[int, ...], set[str]]] = []
        self.workspace_bytes = 0

    def tensorrt(self) -> TensorRT:
        gpu = self

        class ILogger:
            Severity = SimpleNamespace(ERROR=1)

        class IProgressMonitor:
            pass

        class Runtime:
            def __init__(self, logger):
                self.logger = logger

            def deserialize_cuda_engine(self, plan):
                head, _, graph = bytes(plan).partition(b'\0')
                tensors, compute = gpu.engine(json.loads(head), graph)
                return (
                    fake_tensorrt(gpu.cuda, tensors, compute).module.Runtime(self.logger).deserialize_cuda_engine(b'')
                )

        module = SimpleNamespace(
            ILogger=ILogger,
            IProgressMonitor=IProgressMonitor,
            Builder=lambda logger: Builder(gpu, logger),
            OnnxParser=OnnxParser,
            Runtime=Runtime,
            NetworkDefinitionCreationFlag=SimpleNamespace(),
            BuilderFlag=SimpleNamespace(TF32='TF32'),
            MemoryPoolType=SimpleNamespace(WORKSPACE='WORKSPACE'),
            TensorIOMode=SimpleNamespace(INPUT=INPUT, OUTPUT=OUTPUT),
            nptype=lambda kind: kind,
        )
        return TensorRT(module, self.flavour, self.version)

    def engine(self, shapes: dict, graph: bytes):
        """What fake_tensorrt takes: tensors by name, and a function that runs the graph."""
        model = onnx.load_from_string(graph)
        session = onnxruntime.InferenceSession(graph, providers=['CPUExecutionProvider'])
        tensors = {
            name: (INPUT, tuple(shape), np.dtype(np.uint8 if name == 'image' else np.float32))
            for name, shape in shapes.items()
        }
        outputs = [value.name for value in session.get_outputs()]
        tensors |= {name: (OUTPUT, tuple(shapes['depth_m']), np.dtype(np.float32)) for name in outputs}

        def compute(given):
            values = session.run(outputs, {name: value.copy() for name, value in given.items()})
            return self.distort(dict(zip(outputs, values, strict=True)), model)

        return tensors, compute


class Builder:
    def __init__(self, gpu: FakeGpu, logger):
        self.gpu, self.logger = gpu, logger

    def create_network(self, flags):
        return SimpleNamespace(model=None, num_inputs=0, get_input=None)

    def create_builder_config(self):
        return Config(self.gpu)

    def create_optimization_profile(self):
        return Profile()

    def build_serialized_network(self, network, config):
        if self.gpu.build_error:
            self.logger.log(1, self.gpu.build_error)
            return None
        config.progress_monitor.phase_start('building', None, 1)
        if not config.progress_monitor.step_complete('building', 0):
            return None
        shapes = {v.name: list(network.get_input(i).shape) for i, v in enumerate(network.model.graph.input)}
        shapes |= config.profile.shapes if config.profile else {}
        self.gpu.built.append((tuple(shapes['image']), half_products(network.model)))
        return json.dumps(shapes).encode() + b'\0' + network.model.SerializeToString()


class Config:
    def __init__(self, gpu: FakeGpu):
        self.gpu, self.profile, self.progress_monitor = gpu, None, None

    def clear_flag(self, flag):
        assert flag == 'TF32'

    def set_memory_pool_limit(self, pool, size_bytes):
        assert pool == 'WORKSPACE'
        self.gpu.workspace_bytes = size_bytes

    def add_optimization_profile(self, profile):
        self.profile = profile

    def create_timing_cache(self, content):
        return SimpleNamespace(serialize=lambda: content + b'timed')

    def set_timing_cache(self, cache, ignore_mismatch):
        self.cache = cache

    def get_timing_cache(self):
        return self.cache


class Profile:
    def __init__(self):
        self.shapes: dict[str, list[int]] = {}

    def set_shape(self, name, low, best, high):
        assert list(low) == list(best) == list(high)
        self.shapes[name] = list(best)


class OnnxParser:
    num_errors = 0

    def __init__(self, network, logger):
        self.network = network

    def parse_from_file(self, path):
        model = onnx.load(path)
        self.network.model, self.network.num_inputs = model, len(model.graph.input)
        inputs = [
            SimpleNamespace(name=value.name, shape=[d.dim_value or -1 for d in value.type.tensor_type.shape.dim])
            for value in model.graph.input
        ]
        self.network.get_input = inputs.__getitem__
        return True


def half_products(model) -> set[str]:
    """Names of the weights of the convolutions that compute in half precision."""
    products = [node for node in model.graph.node if node.op_type in ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')]
    return {node.input[1] for node in products if node.output[0].endswith('_half')}
