# SPDX-License-Identifier: Apache-2.0
"""What travels through the package: returns of a ranger, one observation, its sparse prompt, the dense result."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from enum import Enum
from functools import cached_property
from typing import NamedTuple

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import FrameMismatch, InvalidInput
from depth_anything_ros.core.transform import RigidTransform


class RangeKind(str, Enum):
    """What measured the returns: it decides on their noise and how far they can be trusted."""

    LIDAR = 'lidar'
    RADAR = 'radar'
    TOF = 'tof'
    STEREO = 'stereo'


class Mode(str, Enum):
    """Where the metric scale of a DepthFrame comes from."""

    PROMPTED = 'prompted'  # from the returns of this very frame
    SCALED = 'scaled'  # prompt lost: the last good scale, with its age
    MONO = 'mono'  # from the image alone


@dataclass(frozen=True, eq=False)
class PointSet:
    """Returns of one sweep in the sensor's frame.

    xyz_m (N, 3) float32, finite (decoders drop the rest); sigma_m (N,) float32 standard deviation of the range,
    None: by kind.
    time_offset_ns (N,) int64 relative to stamp_ns; ring (N,) uint16; velocity_mps (N,) radial, + = receding;
    rcs_dbsm (N,) radar cross section. Raises InvalidInput on shapes that disagree.
    """

    xyz_m: np.ndarray
    frame_id: str
    stamp_ns: int
    kind: RangeKind = RangeKind.LIDAR
    sigma_m: np.ndarray | None = None
    time_offset_ns: np.ndarray | None = None
    ring: np.ndarray | None = None
    velocity_mps: np.ndarray | None = None
    rcs_dbsm: np.ndarray | None = None

    def __post_init__(self):
        if self.xyz_m.ndim != 2 or self.xyz_m.shape[1] != 3:
            raise InvalidInput(f'points of {self.frame_id!r}: expected shape (N, 3), got {self.xyz_m.shape}')
        for name in ('sigma_m', 'time_offset_ns', 'ring', 'velocity_mps', 'rcs_dbsm'):
            values = getattr(self, name)
            if values is not None and values.shape != (len(self.xyz_m),):
                raise InvalidInput(f'{name}: expected shape ({len(self.xyz_m)},), got {values.shape}')

    def __len__(self) -> int:
        return len(self.xyz_m)

    def subset(self, keep: np.ndarray) -> PointSet:
        """The returns selected by a boolean mask (N,) or an index array, with everything known of them."""

        def pick(values):
            return None if values is None else values[keep]

        return PointSet(
            self.xyz_m[keep],
            self.frame_id,
            self.stamp_ns,
            self.kind,
            pick(self.sigma_m),
            pick(self.time_offset_ns),
            pick(self.ring),
            pick(self.velocity_mps),
            pick(self.rcs_dbsm),
        )


@dataclass(frozen=True, eq=False)
class Sweep:
    """Returns together with where the sensor stood.

    camera_from_sensor: camera at the image's stamp <- sensor at the sweep's stamp (ego motion included).
    camera_from_sensor_end: the same for the sensor at the last return's time, where known; per-point times
    are then deskewed between the two.
    """

    points: PointSet
    camera_from_sensor: RigidTransform
    camera_from_sensor_end: RigidTransform | None = None

    def __post_init__(self):
        for transform in (self.camera_from_sensor, self.camera_from_sensor_end):
            if transform is not None and transform.source != self.points.frame_id:
                raise FrameMismatch(f'sweep in {self.points.frame_id!r} cannot use {transform.name}')


@dataclass(frozen=True, eq=False)
class DepthPrompt:
    """A low- or full-resolution depth image that measures what the camera sees (ToF, ARKit, stereo).

    depth_m (h, w) float32 depth as the camera means it (z; range for a panorama), NaN = unknown, aligned to the
    image's field of view (pixel grids scale).
    """

    depth_m: np.ndarray
    stamp_ns: int
    kind: RangeKind = RangeKind.TOF
    sigma_m: np.ndarray | None = None

    def __post_init__(self):
        if self.depth_m.ndim != 2 or self.depth_m.dtype != np.float32:
            raise InvalidInput(f'depth prompt: expected (h, w) float32, got {self.depth_m.shape} {self.depth_m.dtype}')
        if self.sigma_m is not None and self.sigma_m.shape != self.depth_m.shape:
            raise InvalidInput(f'sigma_m: expected shape {self.depth_m.shape}, got {self.sigma_m.shape}')


@dataclass(frozen=True, eq=False)
class Observation:
    """One image and everything that ranged the same scene around its stamp.

    image_rgb (H, W, 3) uint8; camera describes exactly this image; map_from_camera: pose, or None.
    seen (H, W) bool: False where a rectified image has no content; None: everywhere.
    camera_known False: the camera is a guess, good enough to place prompts; networks are told that there is none.
    """

    image_rgb: np.ndarray
    camera: CameraModel
    stamp_ns: int
    sweeps: tuple[Sweep, ...] = ()
    depth_prompts: tuple[DepthPrompt, ...] = ()
    map_from_camera: RigidTransform | None = None
    seen: np.ndarray | None = None
    camera_known: bool = True

    def __post_init__(self):
        expected = (self.camera.height, self.camera.width, 3)
        if self.image_rgb.shape != expected or self.image_rgb.dtype != np.uint8:
            raise InvalidInput(
                f'image: expected {expected} uint8 to match its camera,'
                f' got {self.image_rgb.shape} {self.image_rgb.dtype}'
            )

    @property
    def network_camera(self) -> CameraModel | None:
        """What a network is told of the camera: None where it would be a guess."""
        return self.camera if self.camera_known else None


@dataclass(frozen=True)
class PromptStats:
    """count of returns in view, coverage of the pixels in [0, 1], age of the oldest sweep against the image."""

    count: int = 0
    coverage: float = 0.0
    age_s: float = 0.0
    rejected: dict[str, int] = field(default_factory=dict)  # reason -> returns left out


class Returns(NamedTuple):
    """Returns of a prompt, listed in no order: flat number of their pixel, depth and sigma in metres, (N,) each."""

    pixel: np.ndarray
    depth_m: np.ndarray
    sigma_m: np.ndarray


@dataclass(frozen=True, eq=False)
class SparsePrompt:
    """Sparse metric depth on the image's pixel grid.

    depth_m, sigma_m (H, W) float32, NaN where empty; kind of the majority of the returns. listed: what `returns` is to
    be, from a maker that has it anyway; looking for a few returns in an image takes longer than anything done to them.
    """

    depth_m: np.ndarray
    sigma_m: np.ndarray
    camera: CameraModel
    kind: RangeKind = RangeKind.LIDAR
    stats: PromptStats = field(default_factory=PromptStats)
    listed: InitVar[Returns | None] = None

    def __post_init__(self, listed: Returns | None):
        expected = (self.camera.height, self.camera.width)
        if self.depth_m.shape != expected or self.sigma_m.shape != expected:
            raise InvalidInput(
                f'prompt: expected depth and sigma of {expected}, got {self.depth_m.shape} and {self.sigma_m.shape}'
            )
        if listed is not None:
            self.__dict__['returns'] = listed

    @cached_property
    def returns(self) -> Returns:
        """The same depths and sigmas, as a list."""
        pixel = np.flatnonzero(~np.isnan(self.depth_m))
        return Returns(pixel, self.depth_m.ravel().take(pixel), self.sigma_m.ravel().take(pixel))

    @property
    def empty(self) -> bool:
        return self.stats.count == 0

    @classmethod
    def none(cls, camera: CameraModel) -> SparsePrompt:
        nothing = np.full((camera.height, camera.width), np.nan, dtype=np.float32)
        return cls(nothing, nothing, camera)


@dataclass(frozen=True, eq=False)
class DepthFrame:
    """Dense metric depth at the image's size.

    depth_m (H, W) float32: z-depth (radial range for equirectangular cameras), NaN = unknown.
    sigma_m (H, W) float32: one standard deviation in metres, NaN where depth is.
    timings_ms: stage -> milliseconds. report: short facts for ~/status (scale age, counts, engine).
    """

    depth_m: np.ndarray
    sigma_m: np.ndarray
    camera: CameraModel
    stamp_ns: int
    mode: Mode
    prompt: SparsePrompt
    timings_ms: dict[str, float] = field(default_factory=dict)
    report: dict[str, str] = field(default_factory=dict)
