# SPDX-License-Identifier: Apache-2.0
"""A spinning 16-line LiDAR that moves while it turns: where each beam points, when it fires, what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput

# the layout of one return on the wire: packed, as spinning LiDAR drivers publish it
POINT_DTYPE = np.dtype(
    [
        ('x', '<f4'),
        ('y', '<f4'),
        ('z', '<f4'),
        ('intensity', '<f4'),
        ('ring', '<u2'),
        ('time', '<f4'),
    ]
)
_GRID_M = 2.0**-10  # coordinates are rounded to this: far below the noise, and it halves the compressed size


@dataclass(frozen=True)
class SpinningLidar:
    """Beam geometry and noise. Lidar frame: x ahead, y left, z up; turns clockwise seen from above."""

    elevations_deg: tuple[float, ...] = tuple(range(-15, 16, 2))
    azimuth_step_deg: float = 0.4
    half_view_deg: float = 100.0  # columns from +half to -half; the robot's own body fills the rest
    rotation_s: float = 0.1
    sigma_m: float = 0.01
    dropout: float = 0.01
    min_range_m: float = 0.3
    max_range_m: float = 60.0

    def __post_init__(self):
        if not 0 < self.azimuth_step_deg <= self.half_view_deg <= 180:
            raise InvalidInput(
                f'lidar: expected 0 < azimuth_step_deg <= half_view_deg <= 180, '
                f'got {self.azimuth_step_deg} and {self.half_view_deg}'
            )

    @property
    def azimuths_deg(self) -> np.ndarray:
        """(C,) azimuths of the columns, positive to the left, in the order they are fired."""
        half = round(self.half_view_deg / self.azimuth_step_deg)
        return self.azimuth_step_deg * np.arange(half, -half - 1, -1)

    @property
    def column_times_s(self) -> np.ndarray:
        """(C,) seconds after the sweep's first column; the 16 lines of a column fire at once."""
        azimuths = self.azimuths_deg
        return (azimuths[0] - azimuths) / 360 * self.rotation_s

    @property
    def half_sweep_s(self) -> float:
        """From the first column to the one that looks straight ahead."""
        return float(self.column_times_s[-1] / 2)

    def directions(self) -> np.ndarray:
        """(C, R, 3) unit vectors in the lidar frame, columns in firing order, rings from the lowest to the highest."""
        azimuth = np.radians(self.azimuths_deg)[:, None]
        elevation = np.radians(np.array(self.elevations_deg, np.float64))[None, :]
        x = np.cos(elevation) * np.cos(azimuth)
        y = np.cos(elevation) * np.sin(azimuth)
        z = np.broadcast_to(np.sin(elevation), x.shape)
        return np.stack([x, y, z], axis=-1)


# origins (N, 3), directions (N, 3) in odom -> range_m (N,) with inf where nothing is hit,
# intensity (N,) 0..255 and the surface's own drop-out probability (N,)
Cast = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def simulate_sweep(
    lidar: SpinningLidar,
    cast: Cast,
    odom_from_lidar: Callable[[np.ndarray], np.ndarray],
    start_s: float,
    dice: np.random.Generator,
) -> np.ndarray:
    """One sweep whose every column is cast from the sensor's pose at that column's own time.

    odom_from_lidar: times (C,) in seconds -> poses (C, 4, 4). start_s: time of the first column.
    Returns POINT_DTYPE (N,): coordinates in the lidar frame *at the return's own time* (not deskewed), `time` in
    seconds after start_s. Lost returns are left out.
    """
    poses = odom_from_lidar(start_s + lidar.column_times_s)
    beams = lidar.directions()
    columns, rings, _ = beams.shape
    world = np.einsum('cij,crj->cri', poses[:, :3, :3], beams).reshape(-1, 3)
    origins = np.repeat(poses[:, :3, 3], rings, axis=0)
    range_m, intensity, surface_dropout = cast(origins, world)

    range_m = range_m + dice.normal(0, lidar.sigma_m, range_m.shape)
    lost = dice.random(range_m.shape) < 1 - (1 - lidar.dropout) * (1 - surface_dropout)
    keep = (range_m >= lidar.min_range_m) & (range_m <= lidar.max_range_m) & ~lost

    xyz_m = np.round(beams.reshape(-1, 3)[keep] * range_m[keep, None] / _GRID_M) * _GRID_M
    points = np.empty(len(xyz_m), POINT_DTYPE)
    points['x'], points['y'], points['z'] = xyz_m.T
    points['intensity'] = np.round(intensity[keep])
    points['ring'] = np.tile(np.arange(rings), columns)[keep]
    points['time'] = np.repeat(lidar.column_times_s, rings)[keep]
    return points
