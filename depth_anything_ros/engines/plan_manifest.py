# SPDX-License-Identifier: Apache-2.0
"""What a TensorRT engine file is: the manifest beside it, and whether the engine still belongs to what is here.

An engine file says nothing of itself. It runs, fails or silently drifts depending on the TensorRT, the GPU and the
graph it was made from; so all of these are written down, and compared before it is used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from depth_anything_ros.core.errors import EngineError

FORMAT = 2


@dataclass(frozen=True)
class Machine:
    """What an engine is bound to. gpu_name, compute_capability ('9.0'), cuda_version: '' where there is no GPU."""

    flavour: str
    tensorrt_version: str
    cuda_version: str = ''
    gpu_name: str = ''
    compute_capability: str = ''


@dataclass(frozen=True)
class PlanParity:
    """An engine against a reference ('torch 2.13.0', say) on `frames` frames: mean |difference| / depth of the worst
    of them, and the same of sigma.
    """

    abs_rel_drift: float
    sigma_drift: float
    frames: int
    reference: str

    def __str__(self) -> str:
        frames = f'{self.frames} frame{"" if self.frames == 1 else "s"}'
        return (
            f'AbsRel drift {self.abs_rel_drift:.2%} (sigma {self.sigma_drift:.2%}) against {self.reference}, {frames}'
        )


@dataclass(frozen=True)
class PlanManifest:
    """inputs: name -> shape; precision: 'fp32' or 'fp16'; islands: products kept in single precision.

    parity None: nobody has run the engine yet, there was no GPU where it was built.
    """

    model: str
    onnx_sha256: str
    plan_sha256: str
    machine: Machine
    precision: str
    inputs: dict[str, tuple[int, ...]]
    islands: tuple[str, ...] = ()
    parity: PlanParity | None = None
    format: int = FORMAT

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images it takes."""
        return self.inputs['image'][1:3]

    @property
    def arithmetic(self) -> str:
        """'fp16, *head* in fp32'."""
        return f'{self.precision}, {" ".join(self.islands)} in fp32' if self.islands else self.precision

    def reason_to_rebuild(self, onnx_sha256: str, machine: Machine, portable: bool) -> str | None:
        """One clause that says why the engine can't be used on this machine for this graph; None where it can.

        portable: made by TensorRT-RTX, which binds an engine to its version but not to one GPU.
        """
        theirs = self.machine
        if self.onnx_sha256 != onnx_sha256:
            return 'it was made from another ONNX graph'
        if theirs.flavour != machine.flavour:
            return f'it was made by {theirs.flavour}, here is {machine.flavour}'
        if theirs.tensorrt_version != machine.tensorrt_version:
            return f'it was made by {theirs.flavour} {theirs.tensorrt_version}, here is {machine.tensorrt_version}'
        if portable:
            return None
        if theirs.compute_capability != machine.compute_capability or theirs.gpu_name != machine.gpu_name:
            return (
                f'it was made for {theirs.gpu_name} (compute capability {theirs.compute_capability}),'
                f' here is {machine.gpu_name} ({machine.compute_capability})'
            )
        if theirs.cuda_version != machine.cuda_version:
            return f'it was made with CUDA {theirs.cuda_version}, here is {machine.cuda_version}'
        return None


def manifest_path(plan: Path) -> Path:
    return plan.with_suffix(plan.suffix + '.json')


def write_manifest(manifest: PlanManifest, plan: Path) -> None:
    """Beside the plan; complete, or what was there stays. Raises EngineError where it can't be written."""
    replace_file(manifest_path(plan), (json.dumps(dataclasses.asdict(manifest), indent=1) + '\n').encode())


def read_manifest(plan: Path) -> PlanManifest:
    """Raises EngineError: no manifest, an unreadable one, or a plan that isn't the file that it describes."""
    path = manifest_path(plan)
    if not path.is_file():
        raise EngineError(f'{plan}: no manifest {path.name} beside it, so nothing says what it was made from and for')
    try:
        given = json.loads(path.read_text())
        if given['format'] != FORMAT:
            raise EngineError(f'{path}: expected format {FORMAT}, got {given["format"]}: from another release')
        manifest = PlanManifest(
            **{
                **given,
                'machine': Machine(**given['machine']),
                'inputs': {name: tuple(shape) for name, shape in given['inputs'].items()},
                'islands': tuple(given['islands']),
                'parity': None if given['parity'] is None else PlanParity(**given['parity']),
            }
        )
        if len(manifest.size) != 2:
            raise ValueError('its image has no size')
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f'{path}: not a readable engine manifest: {type(error).__name__}: {error}') from error
    found = sha256(plan)
    if found != manifest.plan_sha256:
        raise EngineError(
            f'{plan}: truncated or not the engine of its manifest: expected sha256 {manifest.plan_sha256}, got {found}'
        )
    return manifest


def sha256(path: Path) -> str:
    """Raises EngineError where there is no such file."""
    digest = hashlib.sha256()
    try:
        with path.open('rb') as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise EngineError(f'{path}: cannot be read: {error.strerror}') from error
    return digest.hexdigest()


def replace_file(path: Path, content) -> None:
    """Write bytes so that nobody ever sees half of them. Raises EngineError where that fails."""
    unfinished = path.with_name(f'{path.name}.{os.getpid()}.{time.monotonic_ns()}.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open('wb') as file:
            file.write(content)
        os.replace(unfinished, path)
    except OSError as error:
        raise EngineError(f'{path}: cannot be written: {error.strerror}') from error
    finally:
        unfinished.unlink(missing_ok=True)
