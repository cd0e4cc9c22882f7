# SPDX-License-Identifier: Apache-2.0
"""What ONNX Runtime computes on: which execution providers a user's word means, and whether one fell back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from depth_anything_ros.core.errors import EngineError
from depth_anything_ros.core.resources import cache_folder
from depth_anything_ros.engines.options import EngineOptions

CPU, CUDA, TENSORRT = 'CPUExecutionProvider', 'CUDAExecutionProvider', 'TensorrtExecutionProvider'
BY_WORD = {'cpu': (CPU,), 'cuda': (CUDA, CPU), 'tensorrt': (TENSORRT, CUDA, CPU)}


def choose_providers(word: str, available: Sequence[str]) -> list[str]:
    """The providers to ask for, the wanted one first; word: EngineOptions.provider.

    auto is CUDA where this onnxruntime has it, else the CPU; the TensorRT provider builds for minutes at every first
    start, so that it has to be asked for. Raises EngineError for one that this onnxruntime does not have.
    """
    if word == 'auto':
        word = 'cuda' if CUDA in available else 'cpu'
    wanted = BY_WORD[word]
    if wanted[0] not in available:
        raise EngineError(
            f'this onnxruntime has no {wanted[0]} (it has {", ".join(available)}): install onnxruntime-gpu in its'
            ' place, or choose engine_options.provider cpu'
        )
    return [provider for provider in wanted if provider in available]


def provider_options(providers: Sequence[str], options: EngineOptions) -> list[dict[str, str]]:
    """One dictionary a provider: TensorRT's engines are kept, so that only the first start takes minutes."""
    if TENSORRT not in providers:
        return [{} for _ in providers]
    folder = Path(options.plan_folder).expanduser() if options.plan_folder else cache_folder('engines')
    folder.mkdir(parents=True, exist_ok=True)
    kept = {'trt_engine_cache_enable': 'True', 'trt_engine_cache_path': str(folder)}
    kept['trt_timing_cache_enable'] = 'True'
    return [kept if provider == TENSORRT else {} for provider in providers]


def fallen_back(asked: str, used: str) -> str | None:
    """One line where ONNX Runtime runs on something else than was asked for; None where it does not."""
    if asked == used:
        return None
    return (
        f'{asked} could not start, so ONNX Runtime runs on {used}, which is slower: the CUDA, cuDNN or TensorRT that'
        ' this onnxruntime was built for is missing, or there is no GPU'
    )
