# SPDX-License-Identifier: Apache-2.0
"""What a model should give on some frames, and how far an engine is from it.

The reference is computed once, by torch on the CPU in single precision, or by ONNX Runtime where torch or the weights
are missing, and kept in a file beside the engine: a robot then checks an engine that was built elsewhere with neither.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from depth_anything_ros.core.errors import EngineError, InvalidInput, MissingExtra
from depth_anything_ros.engines.arrays import INPUT_NAMES, OUTPUT_NAMES, Packing
from depth_anything_ros.engines.base import Request
from depth_anything_ros.engines.parity_frames import as_panorama
from depth_anything_ros.engines.plan_manifest import PlanParity
from depth_anything_ros.networks.card import ModelCard

LARGEST_ABS_REL, LARGEST_SIGMA = 0.01, 0.05  # drift beyond which an engine is not used
SMALL = 0.01  # of the median: disparity below it, near zero, is compared with it

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Reference:
    """inputs, outputs: the network's raw arrays, frame by frame; by: who computed the outputs, 'torch 2.13.0' say."""

    onnx_sha256: str
    by: str
    inputs: tuple[Arrays, ...]
    outputs: tuple[Arrays, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        return self.inputs[0]['image'].shape[1:3]


def make_reference(
    card: ModelCard, graph: Path, onnx_sha256: str, size: tuple[int, int], requests: Sequence[Request]
) -> Reference:
    """Run the frames, resized to `size` (height, width) as an engine will. Raises InvalidInput without a frame that
    the model takes, EngineError where neither torch with the weights nor ONNX Runtime is here, CheckpointError on
    corrupt weights.
    """
    if card.camera == 'equirectangular':
        requests = [as_panorama(request) for request in requests]
    packing = Packing(card, size)
    inputs = tuple(packing.inputs(*request) for request in requests)
    if not inputs:
        raise InvalidInput('no frames to compare an engine on')
    by, run = _torch(card) or _onnxruntime(card, graph)
    return Reference(onnx_sha256, by, inputs, tuple(run(arrays) for arrays in inputs))


def drift(reference: Reference, run: Callable[[Arrays], Arrays]) -> PlanParity:
    """Run every frame; the worst one counts. A pixel that only one of the two knows, or that is NaN or infinite,
    counts as wrong by all of its depth; disparity near zero, as of a sky, is as good as none.
    """
    found = []
    for inputs, expected in zip(reference.inputs, reference.outputs, strict=True):
        outputs = run(inputs)
        found.append([_drift(expected[name], outputs[name]) for name in OUTPUT_NAMES])
    depth, sigma = np.max(found, axis=0).tolist()
    return PlanParity(depth, sigma, len(found), reference.by)


def passes(parity: PlanParity) -> bool:
    return parity.abs_rel_drift < LARGEST_ABS_REL and parity.sigma_drift < LARGEST_SIGMA


def save_reference(reference: Reference, path: Path) -> None:
    arrays = {
        f'{i}/{name}': values
        for i, both in enumerate(zip(reference.inputs, reference.outputs, strict=True))
        for part in both
        for name, values in part.items()
    }
    unfinished = path.with_name(f'.{path.name}.part.npz')
    try:
        np.savez_compressed(unfinished, onnx_sha256=reference.onnx_sha256, by=reference.by, **arrays)
        unfinished.replace(path)
    except OSError as error:
        raise EngineError(f'{path}: cannot be written: {error.strerror}') from error
    finally:
        unfinished.unlink(missing_ok=True)


def load_reference(path: Path, onnx_sha256: str, size: tuple[int, int]) -> Reference | None:
    """None where there is none for this graph and size, or the file is damaged: it is made again then."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file['onnx_sha256']) != onnx_sha256:
                return None
            count = len({name.split('/')[0] for name in file.files if '/' in name})
            inputs, outputs = (
                tuple({name: file[f'{i}/{name}'] for name in names} for i in range(count))
                for names in (INPUT_NAMES, OUTPUT_NAMES)
            )
            reference = Reference(onnx_sha256, str(file['by']), inputs, outputs)
            return reference if count and reference.size == size else None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def _drift(expected: np.ndarray, found: np.ndarray) -> float:
    known = expected > 0  # false for NaN too
    given = np.isfinite(found) & (found > 0)
    counted = known | given
    if not counted.any():
        return 0.0  # sigma of a network that has none
    least = SMALL * np.median(expected[known]) if known.any() else 1.0
    value = np.where(known, expected, 0.0).astype(np.float64)[counted]
    relative = np.abs(np.where(given, found, 0.0)[counted] - value) / np.maximum(value, least)
    torn = (known != given)[counted]
    return float(np.where(torn, np.minimum(relative, 1.0), relative).mean())


def _torch(card: ModelCard):
    """(who, run) with torch, or None where it, what the network is built on or the weights are missing."""
    if find_spec('torch') is None or not any(card.path_of(source).is_file() for source in card.sources):
        return None
    import torch

    from depth_anything_ros.networks.loading import load_network

    try:
        network = load_network(card)
    except MissingExtra:
        return None

    def run(arrays: Arrays) -> Arrays:
        with torch.inference_mode():
            outputs = network(*(torch.from_numpy(arrays[name]) for name in INPUT_NAMES))
        return {name: output.numpy() for name, output in zip(OUTPUT_NAMES, outputs, strict=True)}

    return f'torch {torch.__version__.split("+")[0]}', run


def _onnxruntime(card: ModelCard, graph: Path):
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f'{card.name}: nothing here to compare an engine with: install torch with its weights, or onnxruntime, or'
            ' bring an engine that depth_anything_ros build-engine made elsewhere, with the files beside it'
        ) from error
    return f'onnxruntime {onnxruntime.__version__}', onnx_run(onnxruntime, graph)


def onnx_run(onnxruntime, graph: Path) -> Callable[[Arrays], Arrays]:
    """A function that runs a graph on the CPU. Raises EngineError where it can't be loaded."""
    try:
        session = onnxruntime.InferenceSession(str(graph), providers=['CPUExecutionProvider'])
    except Exception as error:  # ONNX Runtime's exceptions have no common base of their own
        raise EngineError(f'{graph}: ONNX Runtime cannot load it: {error}') from error

    def run(arrays: Arrays) -> Arrays:
        try:
            return dict(zip(OUTPUT_NAMES, session.run(list(OUTPUT_NAMES), arrays), strict=True))
        except Exception as error:
            raise EngineError(f'{graph}: ONNX Runtime cannot run it: {error}') from error

    return run
