# SPDX-License-Identifier: Apache-2.0
"""What a model card says: its fields, their types and the values that make sense."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.core.resources import cache_folder
from depth_anything_ros.networks.registry import NETWORKS

DISPARITY = 'disparity'
UNKNOWN = 'unknown'  # how a licence begins that nobody could tell
CHOICES = {
    'network': tuple(NETWORKS),
    'output_space': (
        'metric depth',
        DISPARITY,
        'canonical inverse depth',
        'canonical depth',
        'radial depth',
    ),
    'prompt': ('sparse', 'dense', 'none'),
    'camera': ('pinhole', 'equirectangular'),
    'format': ('safetensors', 'official', 'huggingface'),
}
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]*')  # also the name of a folder
SHA256 = re.compile(r'[0-9a-f]{64}')
HUB = re.compile(r'(spaces/)?[\w.-]+/[\w.-]+')


@dataclass(frozen=True)
class WeightFile:
    """A file of weights or a graph.

    file: its path in the hub repository, or beside the card where there is none. sha256: None where nobody has
    published it. hub: `owner/name` on the Hugging Face hub. format: whose names its keys are: the network's own
    (safetensors), the authors' (official) or transformers' (huggingface). prefix: what may stand before every key.
    strip_characters: how many characters to cut off every key after that.
    """

    file: str
    sha256: str | None
    hub: str | None = None
    format: str = 'safetensors'
    prefix: str = ''
    strip_characters: int = 0
    size_mb: float | None = None

    def __post_init__(self):
        path = PurePosixPath(self.file)
        if not path.name or path.is_absolute() or '..' in path.parts or '\\' in self.file:
            raise CheckpointError(f'file: expected a relative path, got {self.file!r}')
        if self.sha256 is not None and not SHA256.fullmatch(self.sha256):
            raise CheckpointError(f'sha256: expected 64 hexadecimal digits or null, got {self.sha256!r}')
        if self.hub is not None and not HUB.fullmatch(self.hub):
            raise CheckpointError(f'hub: expected owner/name or null, got {self.hub!r}')
        if self.strip_characters < 0:
            raise CheckpointError(f'strip_characters: expected 0 or more, got {self.strip_characters}')
        _check_choice('format', self.format)
        _check_positive('size_mb', self.size_mb)


@dataclass(frozen=True)
class TrainingData:
    """One source of training data and the licence it came under."""

    name: str
    licence: str
    amount: str


@dataclass(frozen=True)
class ModelCard:
    """Everything about one model.

    network: which one of networks/registry.py; network_config: its fields. output_space: what the bare network
    gives; metric: what forward() gives is metres, that is, everything but disparity. prompt: what it can take:
    sparse returns, a filled depth map or nothing. needs_focal: no depth without a focal length. relative_sigma: the
    typical relative error of a system that gives no sigma, and whose figure that is. largest_px: pixels that a larger
    image is shrunk to, for a network that is best at about that size (None: it goes in as it is). licence: of the
    weights.
    alternatives: the same weights in other files. metrics: figures as measured by `measured_by`.
    Defaults are those of the package's own network, so that its cards need not say them.
    """

    name: str
    description: str
    licence: str
    network: str
    network_config: dict[str, Any]
    metric: bool
    inputs: dict[str, str]
    outputs: dict[str, str]
    weights: WeightFile
    alternatives: tuple[WeightFile, ...] = ()
    onnx: WeightFile | None = None
    system: str = 'Depth Anything ROS'
    repository: str = ''
    paper: str = ''
    output_space: str = 'metric depth'
    prompt: str = 'sparse'
    camera: str = 'pinhole'
    needs_focal: bool = True
    parameters_m: float | None = None
    max_depth_m: float | None = None
    largest_px: int | None = None
    preprocessing: dict[str, Any] = field(default_factory=dict)
    code_licence: str = 'Apache-2.0'
    non_commercial: bool = False
    relative_sigma: float | None = None
    relative_sigma_source: str = ''
    training_data: tuple[TrainingData, ...] = ()
    training_command: str = ''
    training_notes: str = ''
    limits: str = ''
    measured_by: str = ''
    metrics: dict[str, Any] = field(default_factory=dict)
    folder: Path = field(default=Path(), compare=False)

    def __post_init__(self):
        if not NAME.fullmatch(self.name):
            raise CheckpointError(f'name: expected letters, digits, _, - and ., got {self.name!r}')
        for name in ('network', 'output_space', 'prompt', 'camera'):
            _check_choice(name, getattr(self, name))
        for name in ('parameters_m', 'max_depth_m', 'largest_px', 'relative_sigma'):
            _check_positive(name, getattr(self, name))
        if self.metric == (self.output_space == DISPARITY):
            raise CheckpointError(f'metric: {self.metric} contradicts output_space: {self.output_space}')
        if (self.relative_sigma is None) != (not self.relative_sigma_source):
            raise CheckpointError('relative_sigma and relative_sigma_source: expected both or neither')

    @property
    def sources(self) -> tuple[WeightFile, ...]:
        """The files that hold these weights, the preferred one first; any one of them will do."""
        return (self.weights, *self.alternatives)

    @property
    def asks_consent(self) -> bool:
        """Whether the licence of the weights must be accepted: it forbids commercial use, or nobody could tell it."""
        return self.non_commercial or self.licence.startswith(UNKNOWN)

    @property
    def store(self) -> Path:
        """The folder that weights of this model are fetched into."""
        return cache_folder('models', self.name)

    def path_of(self, named: WeightFile) -> Path:
        """Where a file of the card lies, or should: beside the card, or in the cache if it comes from the hub."""
        beside = self.folder / named.file
        return beside if named.hub is None or beside.is_file() else self.store / PurePosixPath(named.file).name


def _check_choice(name: str, value: str):
    if value not in CHOICES[name]:
        raise CheckpointError(f'{name}: expected one of {", ".join(CHOICES[name])}; got {value!r}')


def _check_positive(name: str, value: float | None):
    if value is not None and not 0 < value < math.inf:
        raise CheckpointError(f'{name}: expected a number above 0 or null, got {value}')
