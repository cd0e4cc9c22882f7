# SPDX-License-Identifier: Apache-2.0
"""Where every frame was at every stamp: a bounded history of transforms, looked up with interpolation.

The live node fills it from /tf and /tf_static, the evaluation from a bag. It never extrapolates: a pose
that isn't known yet is said to be unknown, because a guessed one would bend the depth it is used for.
"""

from __future__ import annotations

import bisect
import math
import threading

import numpy as np

from depth_anything_ros.core.errors import DepthError, InvalidInput
from depth_anything_ros.core.transform import RigidTransform

# translation x y z and unit quaternion x y z w: plain floats, since numpy on 3-vectors costs ten times the arithmetic
Pose = tuple[float, float, float, float, float, float, float]
IDENTITY: Pose = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


class TransformUnavailable(DepthError):
    """A transform that isn't known at the stamp asked for; the message names the edge at fault.

    late_ns > 0: the edge is known, its newest sample is that much older than the stamp, so waiting may help.
    """

    def __init__(self, message: str, late_ns: int = 0):
        super().__init__(message)
        self.late_ns = late_ns


class _Edge:
    """History of parent_from_child; a static edge has one sample that holds at every stamp."""

    __slots__ = ('parent', 'poses', 'stamps', 'static')

    def __init__(self, parent: str, static: bool):
        self.parent, self.static = parent, static
        self.stamps: list[int] = []
        self.poses: list[Pose] = []


class TransformTree:
    """Frames and how they hang together over time; safe to use from several threads.

    max_age_s: how much history is kept behind the newest sample of an edge.
    """

    def __init__(self, max_age_s: float = 10.0):
        if not max_age_s > 0:
            raise InvalidInput(f'max_age_s: expected more than 0, got {max_age_s}')
        self._max_age_ns = int(max_age_s * 1e9)
        self._edges: dict[str, _Edge] = {}
        self._lock = threading.Lock()

    def add(self, transform: RigidTransform, stamp_ns: int, static: bool = False) -> None:
        """Take in `parent_from_child` at a stamp; samples may come out of order, an equal stamp is replaced.

        A child that gets a new parent forgets its old one. Raises InvalidInput on a frame without a name, a frame
        under itself, a loop, or a sample older than the whole history (time was turned back: `clear()` first).
        """
        parent, child = _plain(transform.target), _plain(transform.source)
        if not parent or not child or parent == child:
            raise InvalidInput(f'transform {parent!r} -> {child!r}: expected two different, named frames')
        pose = _pose(transform.matrix)
        with self._lock:
            edge = self._edges.get(child)
            if edge is None or edge.parent != parent or edge.static != static:
                self._refuse_loop(parent, child)
                edge = self._edges[child] = _Edge(parent, static)
            if static:
                edge.stamps, edge.poses = [stamp_ns], [pose]
            else:
                self._insert(edge, child, stamp_ns, pose)

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        """target_from_source at one stamp. Raises TransformUnavailable."""
        with self._lock:
            pose = self._pose_between(target, source, stamp_ns)
        return _transform(target, source, pose)

    def lookup_through(
        self, target: str, target_stamp_ns: int, source: str, source_stamp_ns: int, fixed: str
    ) -> RigidTransform:
        """target at its stamp from source at its own, through a frame that stood still in between (ego motion).

        Raises TransformUnavailable.
        """
        with self._lock:
            to_target = self._pose_between(target, fixed, target_stamp_ns)
            to_fixed = self._pose_between(fixed, source, source_stamp_ns)
        return _transform(target, source, _compose(to_target, to_fixed))

    def newest_ns(self, target: str, source: str) -> int | None:
        """The newest stamp at which every edge between two frames is known; None: all static, known at any stamp.

        Raises TransformUnavailable where the frames aren't connected.
        """
        with self._lock:
            up, down = self._paths(target, source)
            newest = [edge.stamps[-1] for _, edge in (*up, *down) if not edge.static]
        return min(newest, default=None)

    def frames(self) -> set[str]:
        with self._lock:
            return set(self._edges) | {edge.parent for edge in self._edges.values()}

    def clear(self) -> None:
        """Forget every moving edge and keep the static ones: after a jump in time the old poses are of another run."""
        with self._lock:
            self._edges = {child: edge for child, edge in self._edges.items() if edge.static}

    def _insert(self, edge: _Edge, child: str, stamp_ns: int, pose: Pose) -> None:
        stamps, poses = edge.stamps, edge.poses
        if not stamps or stamp_ns > stamps[-1]:
            stamps.append(stamp_ns)
            poses.append(pose)
        else:
            behind_ns = stamps[-1] - stamp_ns
            if behind_ns > self._max_age_ns:
                raise InvalidInput(
                    f'transform {edge.parent} -> {child}: stamp {_seconds(stamp_ns)} is {behind_ns / 1e9:.3f} s older'
                    f' than the newest; expected at most {self._max_age_ns / 1e9:g} s (clear() after a jump in time)'
                )
            at = bisect.bisect_left(stamps, stamp_ns)
            if stamps[at] == stamp_ns:
                poses[at] = pose
            else:
                stamps.insert(at, stamp_ns)
                poses.insert(at, pose)
        # one sample at or before the horizon stays, so that the whole of max_age can be interpolated
        keep = bisect.bisect_right(stamps, stamps[-1] - self._max_age_ns) - 1
        if keep > 0:
            del stamps[:keep], poses[:keep]

    def _refuse_loop(self, parent: str, child: str) -> None:
        frame = parent
        while frame in self._edges:
            frame = self._edges[frame].parent
            if frame == child:
                raise InvalidInput(f'transform {parent} -> {child}: {parent!r} already hangs under {child!r} (a loop)')

    def _chain(self, frame: str) -> list[tuple[str, _Edge]]:
        """(child, edge) from a frame up to its root."""
        chain = []
        while (edge := self._edges.get(frame)) is not None:
            chain.append((frame, edge))
            frame = edge.parent
        return chain

    def _paths(self, target: str, source: str) -> tuple[list[tuple[str, _Edge]], list[tuple[str, _Edge]]]:
        """Edges from target and from source up to the nearest frame above both."""
        target, source = _plain(target), _plain(source)
        if target == source:
            return [], []
        up, down = self._chain(target), self._chain(source)
        up_root, down_root = up[-1][1].parent if up else target, down[-1][1].parent if down else source
        if up_root != down_root:
            raise TransformUnavailable(self._unconnected(target, source, up_root, down_root))
        while up and down and up[-1][1] is down[-1][1]:
            up.pop()
            down.pop()
        return up, down

    def _unconnected(self, target: str, source: str, target_root: str, source_root: str) -> str:
        known = set(self._edges) | {edge.parent for edge in self._edges.values()}
        missing = [repr(frame) for frame in (target, source) if frame not in known]
        if missing:
            have = ', '.join(sorted(known)[:12]) + (', ...' if len(known) > 12 else '')
            return (
                f'no transform {target} <- {source}: nothing known of {" and ".join(missing)}; known: {have or "none"}'
            )
        return (
            f'no transform {target} <- {source}: not connected'
            f' ({target!r} hangs under {target_root!r}, {source!r} under {source_root!r})'
        )

    def _pose_between(self, target: str, source: str, stamp_ns: int) -> Pose:
        up, down = self._paths(target, source)
        pose = IDENTITY
        for child, edge in down:
            pose = _compose(self._sample(edge, child, target, source, stamp_ns), pose)
        if up:
            root_from_target = IDENTITY
            for child, edge in up:
                root_from_target = _compose(self._sample(edge, child, target, source, stamp_ns), root_from_target)
            pose = _compose(_inverted(root_from_target), pose)
        return pose

    @staticmethod
    def _sample(edge: _Edge, child: str, target: str, source: str, stamp_ns: int) -> Pose:
        stamps, poses = edge.stamps, edge.poses
        if edge.static:
            return poses[0]
        at = bisect.bisect_left(stamps, stamp_ns)
        if at < len(stamps) and stamps[at] == stamp_ns:
            return poses[at]
        if 0 < at < len(stamps):
            return _interpolated(poses[at - 1], poses[at], (stamp_ns - stamps[at - 1]) / (stamps[at] - stamps[at - 1]))
        late_ns = stamp_ns - stamps[-1] if at else 0
        gap = (
            f'{late_ns / 1e9:.3f} s after its newest sample'
            if at
            else f'{(stamps[0] - stamp_ns) / 1e9:.3f} s before its oldest sample'
        )
        raise TransformUnavailable(
            f'no transform {target} <- {source} at {_seconds(stamp_ns)}: edge {edge.parent} -> {child}'
            f' is known from {_seconds(stamps[0])} to {_seconds(stamps[-1])}; asked for {gap}',
            late_ns,
        )


def _plain(frame: str) -> str:
    return frame.lstrip('/')  # ROS 1 drivers still write '/camera'


def _seconds(stamp_ns: int) -> str:
    return f'{stamp_ns // 10**9}.{stamp_ns % 10**9 // 10**6:03d} s'


def _pose(matrix: np.ndarray) -> Pose:
    """Shepperd's method: divide by the largest component, which is never small."""
    (a, b, c, x), (d, e, f, y), (g, h, i, z) = matrix[:3].tolist()
    four = (1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i)  # 4 q^2 of x y z w
    largest = max(range(4), key=four.__getitem__)
    s = math.sqrt(four[largest]) * 2
    if largest == 0:
        qx, qy, qz, qw = s / 4, (b + d) / s, (c + g) / s, (h - f) / s
    elif largest == 1:
        qx, qy, qz, qw = (b + d) / s, s / 4, (f + h) / s, (c - g) / s
    elif largest == 2:
        qx, qy, qz, qw = (c + g) / s, (f + h) / s, s / 4, (d - b) / s
    else:
        qx, qy, qz, qw = (h - f) / s, (c - g) / s, (d - b) / s, s / 4
    norm = math.sqrt(qx * qx + qy * qy + qz * qz + qw * qw)
    return x, y, z, qx / norm, qy / norm, qz / norm, qw / norm


def _transform(target: str, source: str, pose: Pose) -> RigidTransform:
    x, y, z, qx, qy, qz, qw = pose
    s = 2 / (qx * qx + qy * qy + qz * qz + qw * qw)
    matrix = (
        (1 - s * (qy * qy + qz * qz), s * (qx * qy - qz * qw), s * (qx * qz + qy * qw), x),
        (s * (qx * qy + qz * qw), 1 - s * (qx * qx + qz * qz), s * (qy * qz - qx * qw), y),
        (s * (qx * qz - qy * qw), s * (qy * qz + qx * qw), 1 - s * (qx * qx + qy * qy), z),
        (0.0, 0.0, 0.0, 1.0),
    )
    return RigidTransform(target, source, np.array(matrix))


def _rotated(q: tuple[float, float, float, float], x: float, y: float, z: float) -> tuple[float, float, float]:
    """v + 2 w (q x v) + 2 q x (q x v)"""
    qx, qy, qz, qw = q
    cx, cy, cz = 2 * (qy * z - qz * y), 2 * (qz * x - qx * z), 2 * (qx * y - qy * x)
    return x + qw * cx + qy * cz - qz * cy, y + qw * cy + qz * cx - qx * cz, z + qw * cz + qx * cy - qy * cx


def _compose(first: Pose, second: Pose) -> Pose:
    ax, ay, az, aw = first[3:]
    bx, by, bz, bw = second[3:]
    x, y, z = _rotated(first[3:], *second[:3])
    return (
        first[0] + x,
        first[1] + y,
        first[2] + z,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _inverted(pose: Pose) -> Pose:
    turn = (-pose[3], -pose[4], -pose[5], pose[6])
    x, y, z = _rotated(turn, *pose[:3])
    return -x, -y, -z, *turn


def _interpolated(first: Pose, second: Pose, fraction: float) -> Pose:
    """Translation linear, rotation by slerp the short way round."""
    a, b = first[3:], second[3:]
    dot = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
    angle = math.acos(min(abs(dot), 1.0))
    if angle < 1e-6:
        near, far = 1 - fraction, fraction
    else:
        sine = math.sin(angle)
        near, far = math.sin((1 - fraction) * angle) / sine, math.sin(fraction * angle) / sine
    if dot < 0:
        far = -far
    rest = 1 - fraction
    return (
        rest * first[0] + fraction * second[0],
        rest * first[1] + fraction * second[1],
        rest * first[2] + fraction * second[2],
        near * a[0] + far * b[0],
        near * a[1] + far * b[1],
        near * a[2] + far * b[2],
        near * a[3] + far * b[3],
    )
