# SPDX-License-Identifier: Apache-2.0
"""How far a radar return may be from the depth of the pixel it lands on.

A radar ranges to decimetres but hardly knows how high the reflector is: the beam is many pixels high
(Long et al., Radar-Camera Pixel Depth Association for Depth Completion, CVPR 2021). The return may then
land on another surface of the same column, typically on the ground before or behind the reflector. On a ground
plane a height h below the camera, depth is z = h / tan(e) at e below the horizon, so that an elevation error
s_e moves the depth by dz = z^2 s_e / h. That grows without bound where the scene does not, hence a share of the
range as the limit.

The defaults (1.5 deg, 1.5 m, half the range) put 68 % of 476 returns of a 3+1D automotive radar within one sigma
and 96 % within two of a 64-beam LiDAR in the nearest pixels (two frames of View of Delft). In the same frames
returns of moving things (68 % within 0.85 of that sigma) and above 5 dBsm (0.7) were the better ones: upright,
and as high as the beam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.frames import PointSet
from depth_anything_ros.core.settings import setting, validate

FEWEST_FOR_MOTION = 12  # returns needed to tell the robot's own motion from that of others


@dataclass(frozen=True)
class RadarConfig:
    """Noise of radar returns."""

    range_sigma_m: float = setting(0.25, 'standard deviation of the range', unit='m', low=0.0)
    elevation_sigma_deg: float = setting(
        1.5, 'standard deviation of the elevation where the radar measures it', unit='deg', low=0.0, high=45.0
    )
    unmeasured_elevation_sigma_deg: float = setting(
        4.0, 'the same for a radar that only scans a plane', unit='deg', low=0.0, high=45.0
    )
    height_above_ground_m: float = setting(1.5, 'height of the camera above the ground', unit='m', low=0.05)
    largest_sigma: float = setting(0.5, 'limit of the elevation term, of the range', low=0.0, high=1.0)
    moving_mps: float = setting(1.0, 'radial speed over ground above which a return moves', unit='m/s', low=0.0)
    moving_factor: float = setting(0.85, 'elevation term of moving returns, times this', low=0.0, high=1.0)
    strong_dbsm: float = setting(5.0, 'radar cross section above which a return is strong', unit='dBsm')
    strong_factor: float = setting(0.7, 'elevation term of strong returns, times this', low=0.0, high=1.0)

    def __post_init__(self):
        validate(self)


def radar_sigma(points: PointSet, config: RadarConfig) -> np.ndarray:
    """(N,) float32 standard deviation in metres of the depth at the pixel of each return of a radar's sweep.

    RCS and Doppler speed narrow it where the returns have them.
    """
    range_m = np.linalg.norm(points.xyz_m, axis=1)
    flat = len(points) > 1 and np.abs(points.xyz_m[:, 2]).max() < 1e-3
    elevation_rad = np.radians(config.unmeasured_elevation_sigma_deg if flat else config.elevation_sigma_deg)
    spread_m = np.minimum(range_m**2 * elevation_rad / config.height_above_ground_m, config.largest_sigma * range_m)
    speed_mps = speed_over_ground(points)
    if speed_mps is not None:
        spread_m = np.where(np.abs(speed_mps) > config.moving_mps, config.moving_factor, 1) * spread_m
    if points.rcs_dbsm is not None:
        spread_m = np.where(points.rcs_dbsm > config.strong_dbsm, config.strong_factor, 1) * spread_m
    return np.hypot(config.range_sigma_m, spread_m).astype(np.float32)


def speed_over_ground(points: PointSet) -> np.ndarray | None:
    """(N,) radial speed in m/s with the radar's own motion taken out; None where it can't be told.

    A radar moving at v sees whatever stands still in direction d recede at -d.v (Kellner et al., Instantaneous
    Ego-Motion Estimation Using Doppler Radar, ITSC 2013). The majority stands still, so v is the one with the
    least sum of absolute residuals, by reweighted least squares. Speeds that the driver compensated already give
    v = 0 and stay as they are.
    """
    speed = points.velocity_mps
    if speed is None or len(points) < FEWEST_FOR_MOTION:
        return None
    direction = points.xyz_m / np.maximum(np.linalg.norm(points.xyz_m, axis=1, keepdims=True), 1e-6)
    weight = np.ones(len(points))
    for _ in range(20):
        root = np.sqrt(weight)
        motion = np.linalg.lstsq(direction * root[:, None], speed * root, rcond=None)[0]
        residual = speed - direction @ motion
        weight = 1 / np.maximum(np.abs(residual), 0.05)
    return residual
