# SPDX-License-Identifier: Apache-2.0
"""All trials of all cells: what is missing is run, in this process or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.engines.factory import DEFAULT_MODEL, create_engine
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.evaluation.grasping.cells import CELLS, SOURCES, Cell
from depth_anything_ros.evaluation.grasping.film import strip
from depth_anything_ros.evaluation.grasping.perception import Perception
from depth_anything_ros.evaluation.grasping.simulator import mujoco
from depth_anything_ros.evaluation.grasping.store import Store, fingerprints
from depth_anything_ros.evaluation.grasping.trial import Result, run_trial
from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.settings import PlannerConfig, SegmentationConfig
from depth_anything_ros.pipeline.estimator import DepthEstimator

STRIPS = 'strips'


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is run. film: the trial whose pictures are kept, the same in every cell."""

    trials: int = setting(20, 'trials of each cell', low=1, high=1000)
    seed: int = setting(0, 'of scenes, noise and planner', low=0)
    film: int = setting(2, 'trial that is shown in the film strip', low=0)
    workers: int = setting(1, 'processes', low=1, high=64)
    blind: bool = setting(False, 'pulses that glass and metal lead astray are lost, not returned from elsewhere')
    model: str = DEFAULT_MODEL
    engine: str = 'auto'
    options: EngineOptions = field(default_factory=EngineOptions)
    sources: tuple[str, ...] = tuple(SOURCES)
    cells: tuple[Cell, ...] = CELLS
    gripper: Gripper = field(default_factory=Gripper)
    planner: PlannerConfig = field(default_factory=PlannerConfig)

    def __post_init__(self):
        validate(self)
        unknown = set(self.sources) - set(SOURCES)
        if unknown or not self.sources:
            raise ConfigError(
                f'sources: expected some of {", ".join(SOURCES)}; got {", ".join(self.sources) or "none"}'
            )

    @property
    def filmed(self) -> int:
        return min(self.film, self.trials - 1)


@dataclass(frozen=True)
class _Task:
    config: BenchmarkConfig
    cell: Cell
    trial: int
    sources: tuple[str, ...]
    film: Path | None


class GraspBenchmark:
    """`for done in benchmark.run(): ...` runs what `folder` doesn't hold yet; then `results()`.

    folder None: nothing is kept. Raises MissingExtra, EngineError, CheckpointError, RecordingError.
    """

    def __init__(self, config: BenchmarkConfig, folder: Path | None = None):
        self.config, self.folder = config, folder
        mujoco()  # missing? Then before anything is begun
        settings = repr((config.seed, config.blind, config.gripper, config.planner, SegmentationConfig()))
        prints = fingerprints(config.sources, settings, config.model, repr((config.engine, config.options)))
        self._store = Store(folder, prints)
        self._tasks = list(self._missing())
        self.engine: dict[str, str] = {}

    @property
    def count(self) -> int:
        """Scenes still to be run."""
        return len(self._tasks)

    def run(self) -> Iterator[int]:
        """Yields the number of scenes done after each."""
        self.engine = _perception(self.config).estimator.engine.describe()
        if self.config.workers == 1:
            for done, task in enumerate(self._tasks, 1):
                self._store.add(_work(task))
                yield done
            return
        # spawn: neither OpenGL nor the engines' threads live through a fork
        pool = ProcessPoolExecutor(self.config.workers, multiprocessing.get_context('spawn'))
        try:
            futures = [pool.submit(_work, task) for task in self._tasks]
            for done, future in enumerate(as_completed(futures), 1):
                self._store.add(future.result())
                yield done
        finally:
            pool.shutdown(cancel_futures=True)

    def results(self) -> list[Result]:
        return self._store.results(self.config.cells, self.config.trials)

    def strips(self) -> dict[str, list[np.ndarray]]:
        """material -> the film strips of its cells, from near to far."""
        found: dict[str, list[np.ndarray]] = {}
        for task in self._all():
            if task.film is not None and task.film.is_file():
                image = cv2.imread(str(task.film))[:, :, ::-1]
                found.setdefault(task.cell.material, []).append(image)
        return found

    def _all(self) -> Iterator[_Task]:
        config = self.config
        for trial in range(config.trials):
            for cell in config.cells:
                film = None
                if self.folder is not None and trial == config.filmed:
                    film = self.folder / STRIPS / f'{cell.material}_{cell.distance}_{trial}.png'
                yield _Task(config, cell, trial, config.sources, film)

    def _missing(self) -> Iterator[_Task]:
        for task in self._all():
            missing = self._store.missing(task.cell, task.trial)
            if task.film is not None and (missing or not task.film.is_file()):
                yield task  # a strip needs every source
            elif missing:
                yield _Task(task.config, task.cell, task.trial, missing, None)


_perceptions: dict[tuple, Perception] = {}  # of this process: an engine is made once


def _perception(config: BenchmarkConfig) -> Perception:
    key = config.model, config.engine, config.options
    if key not in _perceptions:
        _perceptions[key] = Perception(DepthEstimator(create_engine(*key)))
    return _perceptions[key]


def _work(task: _Task) -> list[Result]:
    config = task.config
    results, frames = run_trial(
        task.cell, task.trial, config.seed, _perception(config), task.sources, config.gripper, config.planner,
        filmed=task.film is not None, blind=config.blind,
    )  # fmt: skip
    if task.film is not None:
        task.film.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(task.film), strip(frames, config.gripper)[:, :, ::-1])
    return results
