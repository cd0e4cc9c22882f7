# SPDX-License-Identifier: Apache-2.0
"""Builds TensorRT engines and lets none be used that gives other depth than the model: built, compared, installed.

Half precision that drifts is narrowed layer by layer: first the heads stay in single precision, then the decoders too.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Sequence

from depth_anything_ros.core.errors import EngineError
from depth_anything_ros.engines.base import Request
from depth_anything_ros.engines.cuda_memory import Cuda
from depth_anything_ros.engines.parity import (
    LARGEST_ABS_REL,
    LARGEST_SIGMA,
    Reference,
    drift,
    load_reference,
    make_reference,
    passes,
    save_reference,
)
from depth_anything_ros.engines.parity_frames import default_frames
from depth_anything_ros.engines.plan_builder import PlanSettings, Progress, build_plan, prepare_graph
from depth_anything_ros.engines.plan_manifest import PlanManifest, PlanParity, sha256, write_manifest
from depth_anything_ros.engines.plan_runner import PlanRunner
from depth_anything_ros.engines.plan_site import PlanSite

HEADS = ('*head*',)
DECODERS = (*HEADS, '*decoder*', '*refinement*', '*neck*', '*fusion*')

_logger = logging.getLogger(__name__)


def ready_plan(site: PlanSite, cuda: Cuda, auto_build: bool) -> tuple[PlanManifest, str]:
    """(manifest of an engine that may be used here, why this one): the one that is there, else one built now.

    Raises EngineError where there is none and auto_build is False, or it can't be built or drifts.
    """
    drifting: PlanManifest | None = None
    try:
        manifest = site.manifest()
    except EngineError as error:
        reason = str(error)
    else:
        if manifest.parity is not None and manifest.machine == site.machine:
            return manifest, 'found, made for this machine and compared already'
        parity = _measured(site.plan, site, cuda, _reference(site, manifest.size, None))
        if passes(parity):
            return _recorded(site, manifest, parity), 'found, compared now'
        reason, drifting = f'{site.plan}: it drifts: {parity}', manifest
    if not auto_build:
        raise EngineError(
            f'{reason}; not built, since auto_build is false: build it with depth_anything_ros build-engine'
            f' {site.card.name}'
        )
    _logger.warning('%s; building a TensorRT engine, which takes minutes', reason)
    started = time.monotonic()
    manifest = build_and_install(site, steps(site.precision, site.size), cuda, drifting=drifting)
    took_s = time.monotonic() - started
    _logger.warning('%s: built in %.0f s, %s, %s', site.plan, took_s, manifest.arithmetic, manifest.parity)
    return manifest, f'built now: {reason}'


def steps(
    precision: str, size: tuple[int, int] | None = None, islands: Sequence[str] = (), workspace_mb: int = 0
) -> list[PlanSettings]:
    """What to build, the fastest first; the next is for where the one before drifts. precision: auto, fp16 or fp32."""
    given = tuple(islands)

    def of(precision: str, islands: tuple[str, ...] = ()) -> PlanSettings:
        return PlanSettings(size, precision, islands, workspace_mb)

    half = [of('fp16', (*given, *widened)) for widened in ((), HEADS, DECODERS)]
    return {'fp32': [of('fp32')], 'fp16': half, 'auto': [*half, of('fp32')]}[precision]


def build_and_install(
    site: PlanSite,
    settings: Sequence[PlanSettings],
    cuda: Cuda | None,
    frames: Sequence[Request] | None = None,
    on_progress: Progress | None = None,
    drifting: PlanManifest | None = None,
) -> PlanManifest:
    """Build one after the other of `settings` until one gives what the model gives; it and its manifest replace what
    was there.

    frames: to compare on; None: those of an earlier build of this graph, or the package's own. cuda None: the first is
    installed as it is, with what it takes to compare it at its first start on a GPU. drifting: an engine that drifts,
    so that only what comes after it is built. Raises EngineError where none can be built or all drift; what was there
    stays.
    """
    if cuda is None and not site.tensorrt.builds_without_gpu:
        raise EngineError(
            f'{site.tensorrt.flavour} builds an engine only on the GPU that will run it, and there is none here: let'
            ' the robot build it at its first start, or use TensorRT-RTX'
        )
    candidate = site.plan.with_name(f'.{os.getpid()}.{site.plan.name}')
    drifted, reference = [], None
    try:
        for prepared, step in _different(site, settings, drifting):
            shapes = build_plan(prepared, candidate, site.tensorrt, step, on_progress)
            manifest = PlanManifest(
                site.card.name,
                site.onnx_sha256,
                sha256(candidate),
                site.machine,
                prepared.precision,
                shapes,
                step.islands,
            )
            reference = reference or _reference(site, manifest.size, frames)
            if cuda is not None:
                parity = _measured(candidate, site, cuda, reference)
                if not passes(parity):
                    drifted.append(f'in {manifest.arithmetic}: {parity}')
                    _logger.warning('%s: %s', site.plan, drifted[-1])
                    continue
                manifest = dataclasses.replace(manifest, parity=parity)
            save_reference(reference, site.frames)
            os.replace(candidate, site.plan)
            write_manifest(manifest, site.plan)
            return manifest
    finally:
        candidate.unlink(missing_ok=True)
    allowed = f'allowed: AbsRel under {LARGEST_ABS_REL:.0%}, sigma under {LARGEST_SIGMA:.0%}'
    what = '; '.join(drifted) or 'and there is nothing more exact to build'
    raise EngineError(f'{site.plan}: not installed, it drifts {what} ({allowed})')


def _different(site: PlanSite, settings: Sequence[PlanSettings], drifting: PlanManifest | None):
    """(prepared graph, settings) of each step; left out: one whose islands name no further layer, and those up to the
    one that gave a drifting engine.
    """
    built = [(step.precision, step.islands) for step in settings]
    known = (drifting.precision, drifting.islands) if drifting else None
    first = built.index(known) + 1 if known in built else 0
    before = None
    for i, step in enumerate(settings):
        prepared = prepare_graph(site.graph, step)
        if i == 0 and prepared.precision != step.precision:
            raise EngineError(
                f'{site.graph}: it computes in fp16 and cannot become fp32: export it with that precision'
            )
        if i == 0 and step.islands and not prepared.kept:
            raise EngineError(
                f'{site.graph}: no layer is called {" or ".join(step.islands)}, so none stays in single precision'
            )
        same, before = before == (prepared.precision, prepared.kept), (prepared.precision, prepared.kept)
        if i >= first and not same:
            yield prepared, step


def _recorded(site: PlanSite, manifest: PlanManifest, parity: PlanParity) -> PlanManifest:
    """The manifest with what the comparison on this machine gave, on disk too."""
    manifest = dataclasses.replace(manifest, parity=parity, machine=site.machine)
    try:
        write_manifest(manifest, site.plan)
    except EngineError as error:  # a folder of an image that nobody may write to
        _logger.warning('%s: compared well, and will be at every start, since %s', site.plan, error)
    return manifest


def _reference(site: PlanSite, size: tuple[int, int], frames: Sequence[Request] | None) -> Reference:
    kept = load_reference(site.frames, site.onnx_sha256, size) if frames is None else None
    if kept is not None:
        return kept
    given = default_frames() if frames is None else frames
    return make_reference(site.card, site.graph, site.onnx_sha256, size, given)


def _measured(plan, site: PlanSite, cuda: Cuda, reference: Reference) -> PlanParity:
    runner = PlanRunner(plan, site.tensorrt, cuda)

    def run(arrays):
        runner.submit(arrays)
        return runner.collect()

    try:
        return drift(reference, run)
    finally:
        runner.close()
