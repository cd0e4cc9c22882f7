# SPDX-License-Identifier: Apache-2.0
"""Every parameter of depth_node, with its one default."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.engines.factory import DEFAULT_MODEL, ENGINES
from depth_anything_ros.engines.options import EngineOptions
from depth_anything_ros.pipeline.estimator import EstimatorConfig
from depth_anything_ros.projection.cloud import FlyingPixelConfig
from depth_anything_ros.projection.region import RegionConfig
from depth_anything_ros.ros.cubemap import CubemapConfig
from depth_anything_ros.ros.sync import SyncConfig

CAMERA_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')  # a part of a topic's name


@dataclass(frozen=True)
class InputConfig:
    """What the node listens to. Topic names are relative: remap them, or name others here."""

    image_transport: str = setting(
        'raw', 'raw: sensor_msgs/Image on image; compressed: CompressedImage on image/compressed',
        choices=('raw', 'compressed'), read_only=True,
    )  # fmt: skip
    lidar_topics: list[str] = setting(['points'], 'PointCloud2 topics of LiDARs', read_only=True)
    radar_topics: list[str] = setting([], 'PointCloud2 topics of radars', read_only=True)
    tof_topics: list[str] = setting([], 'PointCloud2 topics of time-of-flight cameras', read_only=True)
    depth_prompt_topics: list[str] = setting(
        [],
        'depth Image topics (16UC1 mm or 32FC1 m) aligned to the image, at any resolution; of several cameras each'
        ' has its own, below its name',
        read_only=True,
    )
    camera_model: str = setting(
        'camera_info',
        'camera_info: as published; calibration: the camera of that file, of several the one of its name;'
        ' equirectangular: a full panorama',
        choices=('camera_info', 'calibration', 'equirectangular'), read_only=True,
    )  # fmt: skip
    image_is_rectified: bool = setting(
        False, 'the image is already rectified: its camera is P of camera_info, without distortion', read_only=True
    )
    fixed_frame: str = setting(
        '', 'frame that stands still (odom), to undo ego motion between sweep and image; empty: sensors only'
    )
    calibration: str = setting('', 'YAML file with extrinsics (and cameras); used beside tf', read_only=True)
    tf_tolerance_s: float = setting(
        0.1, 'how long a frame waits for the transforms at its stamps', unit='s', low=0.0, high=5.0
    )

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class PublishConfig:
    """What the node says."""

    depth_encoding: str = setting(
        '32FC1', '32FC1: metres, NaN unknown; 16UC1: millimetres, 0 unknown', choices=('32FC1', '16UC1')
    )
    overlay_max_depth_m: float = setting(0.0, 'depth of the last colour of the overlay; 0: by frame', unit='m', low=0.0)
    flying_pixels: FlyingPixelConfig = field(default_factory=FlyingPixelConfig)
    clean_depth: bool = setting(
        False, 'leave flying pixels out of the depth image and the confidence too, as is done within a region'
    )
    cloud_timeout_s: float = setting(
        5.0, 'how long ~/get_cloud waits for an image that is newer than the request', unit='s', low=0.1, high=600.0
    )
    cubemap: CubemapConfig = field(default_factory=CubemapConfig)

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class DepthNodeConfig:
    """depth_node: camera and ranger in, dense metric depth out."""

    model: str = setting(DEFAULT_MODEL, 'model card by name, or a path to one', read_only=True)
    engine: str = setting(
        'auto', 'what runs the model; auto picks the best that works here', choices=ENGINES, read_only=True
    )
    engine_options: EngineOptions = field(default_factory=EngineOptions)
    cameras: list[str] = setting(
        [],
        'names of several cameras, whose topics lie below them (front/image, ~/front/depth/image_rect) and which share'
        ' the ranging topics; empty: one camera, image and ~/depth/image_rect',
        read_only=True,
    )
    autostart: bool = setting(True, 'configure and activate at start, without a lifecycle manager', read_only=True)
    max_age_s: float = setting(
        0.0, 'an image older than this when its turn comes is dropped; 0: never', unit='s', low=0.0
    )
    input: InputConfig = field(default_factory=InputConfig)
    sync: SyncConfig = field(default_factory=SyncConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)
    region: RegionConfig = field(default_factory=RegionConfig)
    publish: PublishConfig = field(default_factory=PublishConfig)

    def __post_init__(self):
        validate(self)
        for name in self.cameras:
            if not CAMERA_NAME.fullmatch(name):
                raise ConfigError(f'cameras: expected names of letters, digits and _ as in topics; got {name!r}')
        if len(set(self.cameras)) < len(self.cameras):
            raise ConfigError(f'cameras: expected each name once; got {", ".join(self.cameras)}')
