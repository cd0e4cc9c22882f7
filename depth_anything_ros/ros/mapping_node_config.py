# SPDX-License-Identifier: Apache-2.0
"""Every parameter of mapping_node, with its one default; the map's own are mapping/settings.py's."""

from __future__ import annotations

from dataclasses import dataclass, field

from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.mapping.pose_gate import PoseGateConfig
from depth_anything_ros.mapping.returns import RADIUS_M
from depth_anything_ros.mapping.settings import BoundsConfig, MapConfig, MeshConfig, TsdfConfig
from depth_anything_ros.ros.sync import SyncConfig

TF, ODOMETRY, POSE = 'tf', 'odometry', 'pose'


@dataclass(frozen=True)
class PoseConfig:
    """Where the camera was."""

    source: str = setting(
        TF, 'tf: /tf and /tf_static; odometry: nav_msgs/Odometry on odometry; pose: geometry_msgs/PoseStamped on pose',
        choices=(TF, ODOMETRY, POSE), read_only=True,
    )  # fmt: skip
    frame: str = setting(
        '',
        'frame whose pose the topic tells; empty: child_frame_id of the odometry, the camera for a pose',
        read_only=True,
    )
    tolerance_s: float = setting(0.2, 'how long a frame waits for its pose', unit='s', low=0.0, high=5.0)
    gate: PoseGateConfig = field(default_factory=PoseGateConfig)

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class MapInputConfig:
    """What the node listens to beside depth/image and depth/camera_info."""

    color: bool = setting(True, 'colour the map by color/image and color/camera_info', read_only=True)
    confidence: bool = setting(True, 'weigh and gate pixels by confidence (sigma, as depth_node says)', read_only=True)
    image_transport: str = setting(
        'raw', 'of color/image; compressed: CompressedImage on color/image/compressed',
        choices=('raw', 'compressed'), read_only=True,
    )  # fmt: skip
    color_is_rectified: bool = setting(
        False, 'color/image is already rectified: its camera is P of its camera_info', read_only=True
    )

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class ReturnsConfig:
    """A LiDAR's own returns beside the depth that was made of them."""

    lidar_topics: list[str] = setting([], 'PointCloud2 topics whose returns hold their pixels', read_only=True)
    radius_m: float = setting(RADIUS_M, 'how far around itself a return holds', unit='m', low=0.0, high=1.0)

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class MapPublishConfig:
    """What the node says, and how often."""

    period_s: float = setting(
        1.0, 'time between two meshes; only what changed is made anew', unit='s', low=0.05, read_only=True
    )
    max_triangles: int = setting(
        100_000, 'a larger mesh is published coarser (saved ones are not); 120 bytes each in a marker', low=100,
        high=10_000_000,
    )  # fmt: skip

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class FilesConfig:
    """Where services and restarts find their files."""

    mesh: str = setting('map.ply', 'what ~/save writes: .ply, .obj or .glb')
    map: str = setting('room.map', 'what ~/save_map writes and ~/load_map reads')
    load_at_start: bool = setting(False, 'go on with files.map, where there is one', read_only=True)
    save_at_end: bool = setting(False, 'write files.map on cleanup and shutdown')

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class MappingNodeConfig:
    """mapping_node: depth with poses in, one surface out."""

    map_frame: str = setting('odom', 'fixed frame of the map (REP 105: odom is smooth, map may jump)', read_only=True)
    autostart: bool = setting(True, 'configure and activate at start, without a lifecycle manager', read_only=True)
    max_age_s: float = setting(0.0, 'depth older than this when its turn comes is dropped; 0: never', unit='s', low=0.0)
    input: MapInputConfig = field(default_factory=MapInputConfig)
    returns: ReturnsConfig = field(default_factory=ReturnsConfig)
    pose: PoseConfig = field(default_factory=PoseConfig)
    sync: SyncConfig = field(default_factory=SyncConfig)
    tsdf: TsdfConfig = field(default_factory=TsdfConfig)
    bounds: BoundsConfig = field(default_factory=BoundsConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    publish: MapPublishConfig = field(default_factory=MapPublishConfig)
    files: FilesConfig = field(default_factory=FilesConfig)

    def __post_init__(self):
        validate(self)
        _ = self.map_config  # checked as a whole

    @property
    def map_config(self) -> MapConfig:
        return MapConfig(self.tsdf, self.bounds, self.mesh)
