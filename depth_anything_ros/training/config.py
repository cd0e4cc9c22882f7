# SPDX-License-Identifier: Apache-2.0
"""The training configuration: a YAML file read into frozen dataclasses; unknown names are errors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.networks.sparse_prompt import SparsePromptConfig
from depth_anything_ros.training.sensors import SensorShares

STRIDE = 32  # of the network's coarsest scale


@dataclass(frozen=True)
class DataConfig:
    """Where frames come from and how a batch is cut from them."""

    shards: tuple[str, ...] = ()  # folders of shards to train on, each drawn as often as =SHARE says: 'FOLDER=2.5'
    validation_shards: tuple[str, ...] = ()  # folders of shards to evaluate on
    rgbd: str = setting('', 'folder of *_color.jpg + *_depth_mm.png; every tenth frame is held out; empty: none')
    rgbd_intrinsics: tuple[float, ...] = (525.0, 525.0, 319.5, 239.5)
    rgbd_share: float = setting(0.2, 'share of the samples that come from rgbd', low=0.0, high=1.0)
    panorama_share: float = setting(0.0, 'share of the samples that are made parts of panoramas', low=0.0, high=1.0)
    # height, width; one a batch
    crops: tuple[tuple[int, int], ...] = ((192, 256), (192, 256), (192, 256), (128, 384), (256, 192))
    shares: SensorShares = field(default_factory=SensorShares)

    def __post_init__(self):
        validate(self)
        object.__setattr__(self, 'rgbd_intrinsics', tuple(self.rgbd_intrinsics))
        for name in ('shards', 'validation_shards'):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self.sources()
        object.__setattr__(self, 'crops', tuple(tuple(crop) for crop in self.crops))
        for crop in self.crops:
            if len(crop) != 2 or any(side < 2 * STRIDE or side % STRIDE for side in crop):
                raise ConfigError(
                    f'crops: expected (height, width) in multiples of {STRIDE} from {2 * STRIDE}, got {crop}'
                )

    def sources(self) -> dict[str, float]:
        """Folder of shards -> its share. Raises ConfigError on a share that is no number above 0."""
        sources = {}
        for given in self.shards:
            folder, _, share = given.partition('=')
            try:
                sources[folder] = float(share or 1)
            except ValueError:
                sources[folder] = -1.0
            if not folder or not sources[folder] > 0:
                raise ConfigError(f'data.shards: expected FOLDER or FOLDER=SHARE with a share above 0, got {given!r}')
        return sources


@dataclass(frozen=True)
class LossWeights:
    """Shares of the losses (losses.py); all but the width are taken relative to the fill's error."""

    absolute: float = setting(0.5, 'MAE in log depth', low=0.0)
    relative: float = setting(0.5, 'AbsRel', low=0.0)
    scales: float = setting(0.3, 'MAE of the estimates at every scale', low=0.0)
    mage: float = setting(0.5, 'first derivatives over scales', low=0.0)
    male: float = setting(0.0, 'second derivatives over scales', low=0.0)
    msge: float = setting(0.0, 'squared first derivatives over scales', low=0.0)
    shift_invariant: float = setting(0.1, 'MAE without the mean error', low=0.0)
    width: float = setting(0.1, 'quantile of the error that sigma should be', low=0.0)

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class TrainingConfig:
    """One training run."""

    output: str = setting('', 'folder of checkpoints, curves and metrics')
    start_from: str = setting('', 'weights (.safetensors) that a new run begins with; empty: none')
    data: DataConfig = field(default_factory=DataConfig)
    network: SparsePromptConfig = field(default_factory=SparsePromptConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    seed: int = setting(0, 'of weights and of every batch')
    steps: int = setting(10_000, 'length of the run', low=1)
    batch: int = setting(8, 'samples a step and process', low=1)
    learning_rate: float = setting(1e-3, 'of the stable phase', low=0.0)
    warmup_steps: int = setting(200, 'linear warm-up', low=0)
    decay_share: float = setting(0.4, 'last share of the run in which the rate falls as a cosine', low=0.0, high=1.0)
    weight_decay: float = setting(1e-4, 'AdamW', low=0.0)
    ema: float = setting(0.998, 'decay of the averaged weights a step', low=0.0, high=1.0)
    clip: float = setting(1.0, 'largest gradient norm', low=0.0)
    bfloat16: bool = setting(True, 'convolutions in bfloat16')
    threads: int = setting(0, 'CPU threads a process; 0: as torch finds them', low=0)
    workers: int = setting(1, 'processes that prepare batches; 0: none', low=0)
    checkpoint_minutes: float = setting(5.0, 'between checkpoints', unit='min', low=0.0)
    evaluate_steps: int = setting(1000, 'between evaluations', low=1)
    device: str = setting('auto', 'where to train', choices=('auto', 'cpu', 'cuda'))

    def __post_init__(self):
        validate(self)
        for name, value in (('output', self.output), ('data.shards', self.data.shards)):
            if not value:
                raise ConfigError(f'{name}: expected a folder, got nothing')


def read_config(path: str | Path, overrides: dict[str, Any] | None = None) -> TrainingConfig:
    """YAML -> TrainingConfig; overrides (nested) win. Raises ConfigError naming the file and what is wrong in it."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f'{path}: no such training configuration')
    try:
        given = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f'{path}: not YAML: {error}') from error
    try:
        return build(TrainingConfig, _merged(given or {}, overrides or {}))
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error


def save_config(config: TrainingConfig, path: str | Path):
    """The resolved configuration, readable by `read_config`."""
    Path(path).write_text(yaml.safe_dump(_plain(dataclasses.asdict(config)), sort_keys=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _merged(given: Any, overrides: dict[str, Any]) -> Any:
    if not isinstance(given, dict):
        return given
    merged = given | overrides
    for name, value in overrides.items():
        if isinstance(value, dict):
            merged[name] = _merged(given.get(name, {}), value)
    return merged


def build(kind: type, given: Any, where: str = '') -> Any:
    """A dataclass from nested dictionaries. Raises ConfigError on unknown names and wrong types."""
    if not isinstance(given, dict):
        raise ConfigError(f'{where or kind.__name__}: expected a mapping, got {given!r}')
    known = {item.name: item for item in dataclasses.fields(kind)}
    values = {}
    for name, value in given.items():
        if name not in known:
            raise ConfigError(f'unknown setting {where}{name}: expected one of {", ".join(known)}')
        values[name] = _converted(known[name], value, f'{where}{name}')
    return kind(**values)


def _converted(item: dataclasses.Field, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(item.default_factory):
        return build(item.default_factory, value, f'{name}.')
    kind = type(item.default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    if type(value) is not kind:
        raise ConfigError(f'{name}: expected {kind.__name__}, got {value!r}')
    return value
