# SPDX-License-Identifier: Apache-2.0
"""Every setting of a map, with its one default."""

from __future__ import annotations

from dataclasses import dataclass, field

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.settings import setting, validate

DROP, STORE = 'drop', 'store'


@dataclass(frozen=True)
class TsdfConfig:
    """How depth becomes surface."""

    voxel_size_m: float = setting(0.02, 'edge of a voxel', unit='m', low=0.002, high=1.0, read_only=True)
    truncation_voxels: float = setting(
        4.0, 'how far around a surface distances are kept, in voxels', low=1.0, high=20.0, read_only=True
    )
    min_depth_m: float = setting(0.1, 'nearer depths are left out: the robot itself', unit='m', low=0.0)
    max_depth_m: float = setting(5.0, 'farther depths make no surface, they only clear the view', unit='m', low=0.1)
    weighting: str = setting(
        'sigma',
        'sigma: pixels weigh by their published uncertainty; none: all alike',
        choices=('sigma', 'none'),
    )
    max_relative_sigma: float = setting(
        0.5, 'pixels less sure than this share of their depth are left out; 0 keeps all', low=0.0, high=10.0
    )
    max_weight: float = setting(
        40.0,
        'weight of a voxel at most, in frames: a thing that moved away fades within about as many frames; 0: never',
        low=0.0,
    )
    carve: bool = setting(True, 'clear surfaces that a sure pixel looks through (what moved away, stray depth)')
    device: str = setting(
        'auto', 'where to integrate; auto: CUDA where Open3D finds it', choices=('auto', 'cpu', 'cuda'), read_only=True
    )

    def __post_init__(self):
        validate(self)
        if self.min_depth_m >= self.max_depth_m:
            raise ConfigError(f'expected min_depth_m < max_depth_m, got {self.min_depth_m} and {self.max_depth_m} m')


@dataclass(frozen=True)
class BoundsConfig:
    """What keeps a map within its memory."""

    max_memory_mb: int = setting(
        1024, 'voxels take at most this much; the part farthest from the robot goes first', unit='MB', low=16,
        read_only=True,
    )  # fmt: skip
    keep_radius_m: float = setting(
        0.0, 'parts of the map farther than this from the camera leave memory; 0: only when it is full', unit='m',
        low=0.0,
    )  # fmt: skip
    far: str = setting(
        DROP,
        'what becomes of parts that leave memory; drop: forgotten; store: written to files and read again on return',
        choices=(DROP, STORE), read_only=True,
    )  # fmt: skip
    folder: str = setting('', 'folder for stored parts; empty: a temporary one', read_only=True)

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class MeshConfig:
    """What of the map becomes a mesh."""

    min_weight: float = setting(
        0.2,
        'voxels with less weight than this make no mesh; a pixel weighs 1 where its sigma is a voxel or less,'
        ' a quarter for every doubling, 1/64 at least',
        low=0.0,
    )

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class MapConfig:
    """A map: voxels, their bounds, its mesh."""

    tsdf: TsdfConfig = field(default_factory=TsdfConfig)
    bounds: BoundsConfig = field(default_factory=BoundsConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)

    def __post_init__(self):
        reach_m = self.tsdf.max_depth_m
        if 0 < self.bounds.keep_radius_m < reach_m:
            raise ConfigError(
                f'bounds.keep_radius_m: expected 0 (off) or at least tsdf.max_depth_m = {reach_m:g} m,'
                f' got {self.bounds.keep_radius_m:g}: what the camera sees must stay in memory'
            )
