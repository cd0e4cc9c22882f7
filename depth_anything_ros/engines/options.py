# SPDX-License-Identifier: Apache-2.0
"""How a model is run: what a user may choose of an engine, the same words in node, commands and benchmark."""

from __future__ import annotations

import re
from dataclasses import dataclass

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.settings import setting, validate

PRECISIONS = ('auto', 'fp32', 'fp16', 'bf16')
PROVIDERS = ('auto', 'cpu', 'cuda', 'tensorrt')


@dataclass(frozen=True)
class EngineOptions:
    precision: str = setting(
        'auto',
        'arithmetic of the network; auto: fp16 on a GPU, fp32 on a CPU',
        choices=PRECISIONS,
        read_only=True,
    )
    compile: bool = setting(False, 'torch: compile the network at start (takes minutes), to run faster', read_only=True)
    cuda_graphs: bool = setting(True, 'torch on a GPU: replay the network as one CUDA graph', read_only=True)
    provider: str = setting(
        'auto',
        'onnx: what ONNX Runtime computes on; auto: CUDA where this onnxruntime has it, else the CPU',
        choices=PROVIDERS,
        read_only=True,
    )
    auto_build: bool = setting(
        True,
        'tensorrt: build an engine that is missing, or was built from another graph or for another GPU or version;'
        ' false: refuse with the reason',
        read_only=True,
    )
    plan_folder: str = setting('', 'tensorrt: where engine files are kept; empty: the cache folder', read_only=True)
    plan_size: str = setting(
        '',
        'tensorrt: HxW of the images that an engine is built for where the graph takes any; empty: 352x480. Images of'
        ' other sizes are resized into it',
        read_only=True,
    )

    def __post_init__(self):
        validate(self)
        if self.plan_size:
            parse_size(self.plan_size, 'plan_size')


def parse_size(text: str, name: str) -> tuple[int, int]:
    """'480x640' -> (480, 640), rows first. Raises ConfigError that calls the setting by its name."""
    found = re.fullmatch(r'([1-9]\d*)[xX]([1-9]\d*)', text)
    if found is None:
        raise ConfigError(f'{name}: expected HxW, 480x640 say; got {text!r}')
    return int(found[1]), int(found[2])
