# SPDX-License-Identifier: Apache-2.0
"""TensorRT 10, TensorRT 11 and TensorRT-RTX behind one name: what differs between them stands here and nowhere else."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from depth_anything_ros.core.errors import ConfigError, EngineError, MissingExtra
from depth_anything_ros.engines.cuda_memory import Cuda
from depth_anything_ros.engines.plan_manifest import Machine

TENSORRT, TENSORRT_RTX = 'tensorrt', 'tensorrt_rtx'
FLAVOURS = (TENSORRT, TENSORRT_RTX)


@dataclass(frozen=True)
class TensorRT:
    """One installed TensorRT. flavour: the module's name; version: its own, '10.16.0' say."""

    module: ModuleType
    flavour: str
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split('.')[0])

    @property
    def builds_without_gpu(self) -> bool:
        """TensorRT-RTX makes portable engines and leaves the last step to the GPU that runs them."""
        return self.flavour == TENSORRT_RTX

    @property
    def has_timing_cache(self) -> bool:
        """RTX ignores a timing cache, and asking for one makes it look for a GPU."""
        return self.flavour == TENSORRT

    def create_network(self, builder):
        """A strongly typed network: the graph's own precisions count. TensorRT 10 has to be told, the others are so."""
        flags = 0
        flag = getattr(self.module.NetworkDefinitionCreationFlag, 'STRONGLY_TYPED', None)
        if flag is not None:
            flags |= 1 << int(flag)
        return builder.create_network(flags)

    def logger(self) -> _Collected:
        return _Collected(self.module)


class _Collected:
    """TensorRT's own logger, keeping errors so that they can become one line instead of a page on the terminal."""

    def __init__(self, module: ModuleType):
        errors: list[str] = []

        class Logger(module.ILogger):
            def log(self, severity, message):
                if severity <= module.ILogger.Severity.ERROR:
                    errors.append(message)

        self.errors, self.logger = errors, Logger()

    def said(self) -> str:
        """The first error, which is mostly the cause, or 'no reason given'."""
        return ' '.join(self.errors[0].split()) if self.errors else 'no reason given'


def find_tensorrt(flavour: str = 'auto') -> TensorRT:
    """The TensorRT that is installed; 'auto' prefers TensorRT, which the Jetson has, over TensorRT-RTX.

    Raises ConfigError for an unknown flavour, MissingExtra or EngineError where none is installed, EngineError where
    one is installed but can't be loaded.
    """
    if flavour not in ('auto', *FLAVOURS):
        raise ConfigError(f'tensorrt: expected auto, {" or ".join(FLAVOURS)}; got {flavour!r}')
    wanted = FLAVOURS if flavour == 'auto' else (flavour,)
    broken = []
    for name in wanted:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                broken.append(f'{name}: {error}')
            continue
        except Exception as error:  # its libraries are loaded on import, and fail in ways of their own
            broken.append(f'{name}: {error}')
            continue
        return TensorRT(module, name, module.__version__)
    if broken:
        raise EngineError(f'TensorRT is installed but does not load: {"; ".join(broken)}')
    if flavour == TENSORRT:  # no extra: on a Jetson it belongs to the system
        raise EngineError('TensorRT is not installed: JetPack brings it, elsewhere pip install tensorrt')
    raise MissingExtra(TENSORRT_RTX, 'tensorrt-rtx', 'a TensorRT engine')


def machine_of(tensorrt: TensorRT, cuda: Cuda | None) -> Machine:
    """What an engine built or run here is bound to; cuda None: there is no GPU here."""
    if cuda is None:
        return Machine(tensorrt.flavour, tensorrt.version)
    return Machine(
        tensorrt.flavour, tensorrt.version, cuda.runtime_version(), cuda.gpu_name(), cuda.compute_capability()
    )
