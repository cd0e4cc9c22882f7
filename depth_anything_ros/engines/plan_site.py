# SPDX-License-Identifier: Apache-2.0
"""Where the TensorRT engine of a model lies on this machine, and why the one that lies there can't be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from depth_anything_ros.core.errors import CheckpointError, ConfigError, EngineError
from depth_anything_ros.core.resources import cache_folder
from depth_anything_ros.engines.arrays import INPUT_NAMES, STRIDE_PX
from depth_anything_ros.engines.options import EngineOptions, parse_size
from depth_anything_ros.engines.plan_manifest import Machine, PlanManifest, read_manifest, sha256
from depth_anything_ros.engines.tensorrt_api import TensorRT
from depth_anything_ros.networks.card import SPARSE_PROMPT, ModelCard, verified_path
from depth_anything_ros.networks.weight_store import how_to_get_a_graph


@dataclass(frozen=True, eq=False)
class PlanSite:
    """The engine file `plan` that `graph` becomes here. size: (height, width) asked for, None: the graph's own."""

    card: ModelCard
    graph: Path
    onnx_sha256: str
    plan: Path
    size: tuple[int, int] | None
    precision: str
    tensorrt: TensorRT
    machine: Machine

    @property
    def frames(self) -> Path:
        """Beside the engine: the frames it is compared on and what they should give."""
        return self.plan.with_suffix('.frames.npz')

    def manifest(self) -> PlanManifest:
        """Of an engine that belongs here. Raises EngineError, one line, that says why there is none."""
        if not self.plan.is_file():
            raise EngineError(f'{self.plan}: there is none yet')
        manifest = read_manifest(self.plan)
        portable = self.tensorrt.builds_without_gpu
        reason = manifest.reason_to_rebuild(self.onnx_sha256, self.machine, portable) or self._unlike(manifest)
        if reason:
            raise EngineError(f'{self.plan}: {reason}')
        return manifest

    def _unlike(self, manifest: PlanManifest) -> str | None:
        """What was asked for and the engine is not."""
        if tuple(manifest.inputs) != INPUT_NAMES:
            return f'it takes the inputs {", ".join(manifest.inputs)}, expected {", ".join(INPUT_NAMES)}'
        if self.precision not in ('auto', manifest.precision):
            return f'it computes in {manifest.precision}, {self.precision} was asked for'
        if self.size not in (None, manifest.size):
            (height, width), (rows, columns) = manifest.size, self.size
            return f'it was built for {width}x{height} images, {columns}x{rows} was asked for'
        return None


def plan_site(
    card: ModelCard, tensorrt: TensorRT, machine: Machine, options: EngineOptions, plan: Path | None = None
) -> PlanSite:
    """plan: another place than the options' folder or the cache.

    Raises CheckpointError on a graph that is missing or not the card's, EngineError for a precision that TensorRT is
    not given, ConfigError for a size that the network can't have.
    """
    if card.onnx is None:
        raise CheckpointError(f'{card.name}: {how_to_get_a_graph(card)}')
    if options.precision == 'bf16':
        raise EngineError('TensorRT engines are built in fp16 or fp32 here, bf16 was asked for: choose one of them')
    graph = verified_path(card, card.onnx)
    folder = Path(options.plan_folder).expanduser() if options.plan_folder else cache_folder('engines')
    size = parse_size(options.plan_size, 'plan_size') if options.plan_size else None
    if size and card.network == SPARSE_PROMPT and any(side % STRIDE_PX for side in size):
        height, width = (-(-side // STRIDE_PX) * STRIDE_PX for side in size)
        raise ConfigError(
            f'plan_size: {card.name} takes multiples of {STRIDE_PX} px, got {options.plan_size}: say {height}x{width};'
            ' images of every size are resized into it'
        )
    tag = f'_{size[0]}x{size[1]}' if size else ''
    plan = plan or folder / f'{graph.stem}{tag}.{tensorrt.flavour}.plan'
    return PlanSite(card, graph, card.onnx.sha256 or sha256(graph), plan, size, options.precision, tensorrt, machine)
