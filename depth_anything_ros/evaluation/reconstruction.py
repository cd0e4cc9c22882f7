# SPDX-License-Identifier: Apache-2.0
"""A recording becomes maps: one of every way to get depth, all with the same voxels and poses, scored on the truth."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.engines.classical import linear_fill, nearest_fill
from depth_anything_ros.evaluation.recording import RecordedFrame, Recording
from depth_anything_ros.mapping.files import read_mesh
from depth_anything_ros.mapping.integration import make_view
from depth_anything_ros.mapping.mesh import Mesh
from depth_anything_ros.mapping.metrics import (
    SPACING_M,
    ReconstructionScore,
    evenly_spaced,
    score_mesh,
    score_points,
    visible_points,
)
from depth_anything_ros.mapping.returns import with_returns
from depth_anything_ros.mapping.scene_map import SceneMap
from depth_anything_ros.mapping.settings import MapConfig
from depth_anything_ros.pipeline.estimator import DepthEstimator
from depth_anything_ros.projection.accumulate import deskew

OURS, WITH_RETURNS, NEAREST, LINEAR, TRUTH, SWEEPS = (
    'ours', 'ours + returns', 'nearest', 'linear', 'true depth', 'raw sweeps',
)  # fmt: skip
EXPLAINED = {
    OURS: 'depth and sigma of the network, as depth_node publishes them',
    WITH_RETURNS: "the same, with the LiDAR's returns beside it (returns.lidar_topics of mapping_node)",
    NEAREST: 'every pixel has the depth of the nearest return',
    LINEAR: 'linear interpolation between the returns',
    SWEEPS: 'the returns themselves, put together by their poses; points, no mesh',
    TRUTH: 'exact depth: what voxels of this size can reach',
}


@dataclass(frozen=True, eq=False)
class MapResult:
    """score: None without truth; mesh: None for the raw sweeps, whose points_m (N, 3) stand for it."""

    method: str
    score: ReconstructionScore | None
    mesh: Mesh | None
    points_m: np.ndarray | None
    integrate_ms: float
    mesh_s: float
    blocks: int


@dataclass(eq=False)
class Reconstruction:
    """What came out of a recording. path: (camera, map_from_camera) of every frame that was integrated."""

    name: str
    frames: int
    results: list[MapResult]
    reference_m: np.ndarray | None
    path: list[tuple[CameraModel, RigidTransform]]
    notes: list[str] = field(default_factory=list)
    engine: dict[str, str] = field(default_factory=dict)

    def result(self, method: str) -> MapResult | None:
        return next((result for result in self.results if result.method == method), None)

    def share_of_the_way(self, method: str = OURS) -> float:
        """Where an F-score lies between nearest fill (0) and true depth (1); NaN where one of them is missing."""
        scores = [self.result(name) for name in (NEAREST, method, TRUTH)]
        if any(result is None or result.score is None for result in scores):
            return float('nan')
        low, ours, high = (result.score.f_score for result in scores)
        return (ours - low) / (high - low) if high != low else float('nan')


class Reconstructor:
    """Maps a recording frame by frame: `for done in reconstructor.run(): ...`, then `.finish()`.

    methods: which of EXPLAINED; those that need truth or sweeps are left out where there are none. spacing_m: of the
    points that are scored.
    """

    def __init__(
        self,
        recording: Recording,
        estimator: DepthEstimator,
        config: MapConfig,
        methods=tuple(EXPLAINED),
        threshold_m: float = 0.05,
        truth_mesh: Path | None = None,
        limit: int = 0,
        spacing_m: float = SPACING_M,
    ):
        if not recording.fixed_frame:
            raise RecordingError(
                f'{recording.reader.path}: no frame stands still in it (odom, map or world on /tf): no map can be made;'
                ' name one with --fixed-frame'
            )
        unknown = set(methods) - set(EXPLAINED)
        if unknown:
            raise InvalidInput(f'unknown method {", ".join(sorted(unknown))}: expected {", ".join(EXPLAINED)}')
        self._recording, self._estimator, self._config = recording, estimator, config
        self._threshold_m, self._spacing_m = threshold_m, spacing_m
        self._truth_mesh = read_mesh(truth_mesh) if truth_mesh else None
        has_truth = recording.topics.truth is not None
        has_sweeps = bool(recording.topics.points)
        self._methods = [
            method
            for method in methods
            if (has_truth or method != TRUTH) and (has_sweeps or method not in (SWEEPS, WITH_RETURNS))
        ]
        self._step = max(1, -(-recording.count // limit)) if limit else 1
        self._maps = {method: SceneMap(config, recording.fixed_frame) for method in self._methods if method != SWEEPS}
        self._ms: dict[str, list[float]] = {method: [] for method in self._methods}
        self._sweeps_m: list[np.ndarray] = []
        self._truth_m: list[np.ndarray] = []
        self._path: list[tuple[CameraModel, RigidTransform]] = []
        self._left_out: dict[str, int] = {}
        self._engine: dict[str, str] = {}

    @property
    def count(self) -> int:
        return -(-self._recording.count // self._step)

    def run(self) -> Iterator[int]:
        """Yields the number of frames done after each."""
        for index, frame in enumerate(self._recording.frames()):
            if index % self._step:
                continue
            pose = frame.observation.map_from_camera
            if pose is None:
                self._left_out['no pose'] = self._left_out.get('no pose', 0) + 1
                continue
            self._take(frame, pose)
            yield len(self._path)

    def finish(self) -> Reconstruction:
        """Meshes and scores. Raises RecordingError where no frame could be integrated."""
        if not self._path:
            raise RecordingError(f'{self._recording.reader.path}: no frame has a pose and depth: no map')
        reference_m = self._reference()
        results = [self._result(method, reference_m) for method in self._methods]
        for scene in self._maps.values():
            scene.close()
        notes = [f'{count} frames left out: {why}' for why, count in self._left_out.items()]
        notes += [f'{count} images left out: {why}' for why, count in self._recording.skipped.items()]
        return Reconstruction(
            Path(self._recording.reader.path).name, len(self._path), results, reference_m, self._path, notes,
            self._engine,
        )  # fmt: skip

    def _take(self, frame: RecordedFrame, pose: RigidTransform) -> None:
        observation = frame.observation
        camera = observation.camera
        estimate = self._estimator.estimate(observation)
        self._engine = dict(estimate.report)
        prompt = estimate.prompt
        depths = {
            OURS: lambda: (estimate.depth_m, estimate.sigma_m),
            WITH_RETURNS: lambda: with_returns(
                estimate.depth_m, estimate.sigma_m, prompt.depth_m, prompt.sigma_m, camera
            ),
            NEAREST: lambda: (nearest_fill(prompt), None),
            LINEAR: lambda: (linear_fill(prompt), None),
            TRUTH: lambda: (frame.truth_m, None),
        }
        for method, scene in self._maps.items():
            depth_m, sigma_m = depths[method]()
            if depth_m is None:
                continue
            started = time.perf_counter()
            try:
                view = make_view(
                    depth_m, camera, pose, scene.config.tsdf, sigma_m=sigma_m, image_rgb=observation.image_rgb
                )
            except InvalidInput as error:
                self._left_out[f'{method}: {error}'] = self._left_out.get(f'{method}: {error}', 0) + 1
                continue
            scene.integrate(view)
            self._ms[method].append((time.perf_counter() - started) * 1e3)
        farthest_m = self._config.tsdf.max_depth_m
        if SWEEPS in self._methods and observation.sweeps:
            points_m = np.concatenate([deskew(sweep) for sweep in observation.sweeps])
            # what the map may use too: in the image, and in range
            points_m = points_m[camera.project(points_m)[1] & (points_m[:, 2] <= farthest_m)]
            self._sweeps_m.append(pose.apply(points_m))
        if frame.truth_m is not None:
            with np.errstate(invalid='ignore'):
                near = frame.truth_m <= farthest_m
            points_m = pose.apply(camera.rays()[near] * frame.truth_m[near, None])
            self._truth_m.append(evenly_spaced(points_m, self._spacing_m))
        self._path.append((camera, pose))

    def _reference(self) -> np.ndarray | None:
        if self._truth_mesh is not None:
            camera = self._path[0][0]
            poses = [pose for _, pose in self._path]
            return visible_points(self._truth_mesh, camera, poses, self._config.tsdf.max_depth_m, self._spacing_m)
        if self._truth_m:
            return evenly_spaced(np.concatenate(self._truth_m), self._spacing_m)
        return None

    def _result(self, method: str, reference_m: np.ndarray | None) -> MapResult:
        score = None
        if method == SWEEPS:
            points_m = evenly_spaced(np.concatenate(self._sweeps_m), self._spacing_m)
            if reference_m is not None:
                score = score_points(points_m, reference_m, self._threshold_m, self._spacing_m)
            return MapResult(method, score, None, points_m, float('nan'), float('nan'), 0)
        scene = self._maps[method]
        started = time.perf_counter()
        mesh = scene.mesh()
        elapsed_s = time.perf_counter() - started
        if reference_m is not None:
            score = score_mesh(mesh, reference_m, self._threshold_m, self._spacing_m)
        milliseconds = float(np.median(self._ms[method])) if self._ms[method] else float('nan')
        return MapResult(method, score, mesh, None, milliseconds, elapsed_s, scene.status()['blocks'])
