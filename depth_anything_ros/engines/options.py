# SPDX-License-Identifier: Apache-2.0
"""How a model is run: what a user may choose of an engine, the same words in node, commands and benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from depth_anything_ros.core.settings import setting, validate

PRECISIONS = ('auto', 'fp32', 'fp16', 'bf16')


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
    auto_build: bool = setting(
        True,
        'tensorrt: build an engine that is missing, or was built from another graph or for another GPU or version;'
        ' false: refuse with the reason',
        read_only=True,
    )
    plan_folder: str = setting('', 'tensorrt: where engine files are kept; empty: the cache folder', read_only=True)

    def __post_init__(self):
        validate(self)
