# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms that know their frames: `target_from_source`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import FrameMismatch, InvalidInput


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Maps points of frame `source` to frame `target`: p_target = R p_source + t.

    matrix: (4, 4) float64, homogeneous. Raises InvalidInput if it isn't a rotation and a translation.
    """

    target: str
    source: str
    matrix: np.ndarray

    def __post_init__(self):
        matrix = np.asarray(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise InvalidInput(
                f'{self.name}: expected a finite 4x4 matrix, got shape {matrix.shape}: {matrix.tolist()}'
            )
        rotation = matrix[:3, :3]
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
            raise InvalidInput(f'{self.name}: the upper left 3x3 is not a rotation: {rotation.tolist()}')
        if np.abs(matrix[3] - (0, 0, 0, 1)).max() > 1e-9:
            raise InvalidInput(f'{self.name}: expected last row 0 0 0 1, got {matrix[3].tolist()}')
        matrix = matrix.copy()
        matrix.flags.writeable = False
        object.__setattr__(self, 'matrix', matrix)

    @property
    def name(self) -> str:
        return f'{self.target}_from_{self.source}'

    @property
    def rotation(self) -> np.ndarray:
        return self.matrix[:3, :3]

    @property
    def translation_m(self) -> np.ndarray:
        return self.matrix[:3, 3]

    @classmethod
    def identity(cls, target: str, source: str) -> RigidTransform:
        return cls(target, source, np.eye(4))

    @classmethod
    def from_quaternion(cls, target: str, source: str, translation_m, quaternion_xyzw) -> RigidTransform:
        """From a ROS quaternion (x, y, z, w); normalised here. Raises InvalidInput where it is far from unit length."""
        quaternion = np.asarray(quaternion_xyzw, dtype=np.float64)
        norm = np.linalg.norm(quaternion)
        if not np.isfinite(norm) or abs(norm - 1) > 0.1:
            raise InvalidInput(f'{target}_from_{source}: expected a unit quaternion, got {quaternion.tolist()}')
        matrix = np.eye(4)
        matrix[:3, :3] = _rotation(quaternion / norm)
        matrix[:3, 3] = translation_m
        return cls(target, source, matrix)

    def quaternion_xyzw(self) -> np.ndarray:
        """(4,) unit quaternion (x, y, z, w) with w >= 0."""
        return _quaternion(self.rotation)

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        """a_from_b @ b_from_c -> a_from_c. Raises FrameMismatch when the inner frames differ."""
        if self.source != other.target:
            raise FrameMismatch(f'cannot chain {self.name} @ {other.name}: {self.source!r} is not {other.target!r}')
        return RigidTransform(self.target, other.source, self.matrix @ other.matrix)

    def inverse(self) -> RigidTransform:
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation.T
        matrix[:3, 3] = -self.rotation.T @ self.translation_m
        return RigidTransform(self.source, self.target, matrix)

    def apply(self, xyz_m: np.ndarray) -> np.ndarray:
        """(N, 3) points of `source` -> (N, 3) points of `target`, in the dtype of the input (float32 or float64)."""
        dtype = xyz_m.dtype if xyz_m.dtype in (np.float32, np.float64) else np.float64
        return xyz_m.astype(dtype, copy=False) @ self.rotation.T.astype(dtype) + self.translation_m.astype(dtype)

    def interpolated(self, other: RigidTransform, fraction: float) -> RigidTransform:
        """Between self (0) and other (1): translation linear, rotation by slerp; same frames required."""
        if (self.target, self.source) != (other.target, other.source):
            raise FrameMismatch(f'cannot interpolate between {self.name} and {other.name}')
        translation = (1 - fraction) * self.translation_m + fraction * other.translation_m
        quaternion = _slerp(self.quaternion_xyzw(), other.quaternion_xyzw(), fraction)
        return RigidTransform.from_quaternion(self.target, self.source, translation, quaternion)


def _rotation(q: np.ndarray) -> np.ndarray:
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _quaternion(r: np.ndarray) -> np.ndarray:
    # Bar-Itzhack: the eigenvector of the largest eigenvalue; well conditioned for every rotation
    k = (
        np.array(
            [
                [r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
                [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
                [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
                [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
            ]
        )
        / 3
    )
    quaternion = np.linalg.eigh(k)[1][:, -1]
    return -quaternion if quaternion[3] < 0 else quaternion


def _slerp(a: np.ndarray, b: np.ndarray, fraction: float) -> np.ndarray:
    dot = float(a @ b)
    if dot < 0:
        b, dot = -b, -dot
    angle = np.arccos(min(dot, 1.0))
    if angle < 1e-6:
        mixed = (1 - fraction) * a + fraction * b
    else:
        mixed = np.sin((1 - fraction) * angle) * a + np.sin(fraction * angle) * b
    return mixed / np.linalg.norm(mixed)
