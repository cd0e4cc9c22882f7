# SPDX-License-Identifier: Apache-2.0
"""A scene of boxes whose every depth is known exactly, and single frames of the real recordings."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import Observation, PointSet, RangeKind, Sweep
from depth_anything_ros.core.transform import RigidTransform


@dataclass(frozen=True)
class BoxScene:
    """Axis-aligned boxes (low corner, high corner) in the camera's optical frame, in metres."""

    boxes: tuple

    def cast(self, origin, directions):
        """(N,) range along each direction (N, 3) to the nearest box, in units of the direction's length."""
        ranges = np.full(len(directions), np.inf)
        with np.errstate(divide='ignore', invalid='ignore'):
            inverse = 1 / directions
            for low, high in self.boxes:
                one, other = (np.array(low) - origin) * inverse, (np.array(high) - origin) * inverse
                enters, leaves = np.minimum(one, other).max(axis=1), np.maximum(one, other).min(axis=1)
                hit = (enters <= leaves) & (enters > 1e-6) & (enters < ranges)
                ranges[hit] = enters[hit]
        return ranges

    def scan(self, origin, rings=64, lowest_deg=-24.0, highest_deg=4.0, step_deg=0.17, noise_m=0.02):
        """(N, 3) returns of a LiDAR standing at `origin`, 100 degrees of azimuth around the view axis."""
        elevation = np.radians(np.linspace(lowest_deg, highest_deg, rings))[:, None]
        azimuth = np.radians(np.arange(-50, 50, step_deg))[None]
        directions = np.stack(
            [
                np.cos(elevation) * np.sin(azimuth),
                np.broadcast_to(-np.sin(elevation), (rings, azimuth.size)),
                np.cos(elevation) * np.cos(azimuth),
            ],
            axis=-1,
        ).reshape(-1, 3)
        ranges = self.cast(np.asarray(origin, dtype=float), directions)
        hit = np.isfinite(ranges)
        ranges = ranges[hit] + np.random.default_rng(0).normal(size=hit.sum()) * noise_m
        return (np.asarray(origin) + directions[hit] * ranges[:, None]).astype(np.float32)

    def hidden(self, xyz_m):
        """(N,) bool: something stands at least 3 % nearer on the camera's line of sight to the point."""
        return self.cast(np.zeros(3), xyz_m.astype(float)) < 0.97


@pytest.fixture(scope='session')
def wall_behind_poles() -> BoxScene:
    ground, wall = ((-60, 1.5, 0.5), (60, 2.5, 60)), ((-40, -8, 25), (40, 2, 26))
    short_pole, tall_pole = ((-1.0, -0.8, 6.0), (-0.7, 1.5, 6.3)), ((1.0, -6, 8.0), (1.3, 1.5, 8.3))
    car, crate = ((2.5, 0.2, 10), (5, 1.5, 14)), ((-5, -0.5, 9), (-3, 1.5, 11))
    return BoxScene((ground, wall, short_pole, tall_pole, car, crate))


@dataclass(frozen=True)
class RealFrame:
    camera: CameraModel
    sweep: Sweep
    radar: Sweep | None = None
    radar_speed_over_ground_mps: np.ndarray | None = None  # as the recording's driver has it

    @property
    def observation(self) -> Observation:
        blank = np.zeros((self.camera.height, self.camera.width, 3), np.uint8)
        return Observation(blank, self.camera, 0, (self.sweep,))


def _transform(matrix) -> RigidTransform:
    matrix = np.array(matrix, dtype=float)
    u, _, v = np.linalg.svd(matrix[:3, :3])
    matrix[:3, :3] = u @ v  # the files round to few digits
    return RigidTransform('camera', 'ranger', matrix)


def _sweep(xyz_m, transform, kind=RangeKind.LIDAR, **more) -> Sweep:
    return Sweep(PointSet(np.ascontiguousarray(xyz_m), 'ranger', 0, kind, **more), transform)


@pytest.fixture
def kitti_frame(shared_data):
    folder = shared_data('kitti_raw_seq')

    def load(number: int) -> RealFrame:
        calibration = json.loads((folder / 'calib.json').read_text())
        projection = np.array(calibration['P_rect_02'])
        rectify, offset = np.eye(4), np.eye(4)
        rectify[:3, :3] = calibration['R_rect_00']
        offset[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
        transform = _transform(offset @ rectify @ np.array(calibration['Tr_velo_to_cam0']))
        k = projection
        camera = CameraModel(*calibration['image_size'], k[0, 0], k[1, 1], k[0, 2], k[1, 2], 'camera')
        points = np.fromfile(folder / f'velodyne/{number:010d}.bin', np.float32).reshape(-1, 4)
        return RealFrame(camera, _sweep(points[:, :3], transform))

    return load


@pytest.fixture
def nuscenes_frame(shared_data):
    folder = shared_data('nuscenes_6cam_lidar')

    def load(name: str) -> RealFrame:
        image = json.loads((folder / 'calib.json').read_text())['images'][name]
        k = image['cam2img']
        camera = CameraModel(1600, 900, k[0][0], k[1][1], k[0][2], k[1][2], 'camera')
        points = np.fromfile(next(folder.glob('*.pcd.bin')), np.float32).reshape(-1, 5)
        return RealFrame(camera, _sweep(points[:, :3], _transform(image['lidar2cam'])))

    return load


@pytest.fixture
def vod_frame(shared_data):
    folder = shared_data('vod_radar')

    def load(number: str) -> RealFrame:
        def calibration(sensor):
            lines = (folder / f'calib_{sensor}/{number}.txt').read_text().splitlines()
            values = dict(line.split(':', 1) for line in lines if ':' in line)
            k = np.array(values['P2'].split(), float).reshape(3, 4)
            matrix = np.eye(4)
            matrix[:3] = np.array(values['Tr_velo_to_cam'].split(), float).reshape(3, 4)
            return k, _transform(matrix)

        (k, from_lidar), (_, from_radar) = calibration('lidar'), calibration('radar')
        camera = CameraModel(1936, 1216, k[0, 0], k[1, 1], k[0, 2], k[1, 2], 'camera')
        lidar = np.fromfile(folder / f'lidar/{number}.bin', np.float32).reshape(-1, 4)
        radar = np.fromfile(folder / f'radar/{number}.bin', np.float32).reshape(-1, 7)
        returns = _sweep(radar[:, :3], from_radar, RangeKind.RADAR, rcs_dbsm=radar[:, 3], velocity_mps=radar[:, 4])
        return RealFrame(camera, _sweep(lidar[:, :3], from_lidar), returns, radar[:, 5])

    return load
