# SPDX-License-Identifier: Apache-2.0
"""Bring every return to where the camera has it at the image's time: deskew one sweep, stack several."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.errors import FrameMismatch, InvalidInput
from depth_anything_ros.core.frames import PointSet, Sweep


@dataclass(frozen=True, eq=False)
class Stack:
    """Returns of S sweeps in the camera's frame.

    xyz_m (N, 3) float32; sweep (N,) uint8: which sweep a return is from; origin_m (S, 3) float32: where the
    ranger of each sweep stood half-way through it.
    """

    xyz_m: np.ndarray
    sweep: np.ndarray
    origin_m: np.ndarray


def deskew(sweep: Sweep) -> np.ndarray:
    """(N, 3) float32 points in the camera's frame at the image's time.

    Where the points have times and the sensor's end pose is known, each point is moved with the pose at its own
    time: translation linear, rotation about the fixed axis between the two poses (the same path as slerp),
    by Rodrigues' formula for all points at once. Otherwise the sweep is taken as rigid.
    Raises InvalidInput where points are older than the sweep's stamp (see `stamped_at_first_return`), FrameMismatch
    where the two poses lead to different frames.
    """
    points, start, end = sweep.points, sweep.camera_from_sensor, sweep.camera_from_sensor_end
    offsets = points.time_offset_ns
    if end is None or offsets is None or len(points) == 0:
        return _transformed(start.matrix[:3], points.xyz_m)
    if end.target != start.target:
        raise FrameMismatch(f'a sweep from {start.name} to {end.name} has two target frames')
    last_ns, first_ns = int(offsets.max()), int(offsets.min())
    if first_ns < 0:
        raise InvalidInput(
            f'sweep in {points.frame_id!r}: expected times after its stamp, got {first_ns / 1e6:.1f} to'
            f' {last_ns / 1e6:.1f} ms; stamp it at its first return (stamped_at_first_return)'
        )
    turn_rad = cv2.Rodrigues(end.rotation @ start.rotation.T)[0][:, 0]
    angle_rad = np.linalg.norm(turn_rad)
    step_m = end.translation_m - start.translation_m
    if last_ns == 0 or (angle_rad < 1e-6 and np.linalg.norm(step_m) < 1e-4):
        return _transformed(start.matrix[:3], points.xyz_m)
    x, y, z = turn_rad / max(angle_rad, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    # p(f) = (I + sin(f a) K + (1 - cos(f a)) K K) R0 p + t0 + f (t1 - t0)
    once = _transformed(cross @ start.rotation, points.xyz_m)
    twice = _transformed(cross @ cross @ start.rotation, points.xyz_m)
    fraction = (offsets * (1.0 / last_ns)).astype(np.float32)
    angle = fraction * np.float32(angle_rad)
    sine, versine = np.sin(angle), 1 - np.cos(angle)
    xyz_m = _transformed(start.matrix[:3], points.xyz_m)
    for axis in range(3):
        xyz_m[:, axis] += sine * once[:, axis] + versine * twice[:, axis] + fraction * np.float32(step_m[axis])
    return xyz_m


def stamped_at_first_return(points: PointSet) -> PointSet:
    """The same returns with the stamp moved to the earliest of them, for drivers that stamp a sweep's middle or end."""
    if points.time_offset_ns is None or len(points) == 0:
        return points
    first_ns = int(points.time_offset_ns.min())
    return dataclasses.replace(
        points, stamp_ns=points.stamp_ns + first_ns, time_offset_ns=points.time_offset_ns - first_ns
    )


def middle_ns(points: PointSet) -> int:
    """When the middle of a sweep was measured that is stamped at its first return: what images are matched to."""
    if points.time_offset_ns is None or len(points) == 0:
        return points.stamp_ns
    return points.stamp_ns + int(points.time_offset_ns.max()) // 2


def stack(sweeps: Sequence[Sweep]) -> Stack:
    """All returns of up to 255 sweeps, deskewed, in order of the sweeps."""
    if len(sweeps) > 255:
        raise InvalidInput(f'expected at most 255 sweeps for one image, got {len(sweeps)}')
    if not sweeps:
        return Stack(np.empty((0, 3), np.float32), np.empty(0, np.uint8), np.empty((0, 3), np.float32))
    clouds = [deskew(sweep) for sweep in sweeps]
    numbers = np.repeat(np.arange(len(sweeps), dtype=np.uint8), [len(cloud) for cloud in clouds])
    origins = np.array([_origin(sweep) for sweep in sweeps], dtype=np.float32)
    return Stack(clouds[0] if len(clouds) == 1 else np.concatenate(clouds), numbers, origins)


def _origin(sweep: Sweep) -> np.ndarray:
    start, end = sweep.camera_from_sensor, sweep.camera_from_sensor_end
    return start.translation_m if end is None else (start.translation_m + end.translation_m) / 2


def _transformed(matrix: np.ndarray, xyz_m: np.ndarray) -> np.ndarray:
    """(3, 3) or (3, 4) matrix applied to (N, 3) points -> (N, 3) float32."""
    if len(xyz_m) == 0:
        return np.empty((0, 3), np.float32)
    # ten times faster than numpy's product of a long matrix with a 3 x 3 one
    xyz_m = np.ascontiguousarray(xyz_m, dtype=np.float32)
    return cv2.transform(xyz_m[:, None], matrix.astype(np.float32))[:, 0]
