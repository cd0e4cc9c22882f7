# SPDX-License-Identifier: Apache-2.0
"""Transforms for a node: /tf and /tf_static at the stamp, and a calibration that outranks them.

Nothing here waits. A transform often comes a few milliseconds after the image it belongs to, so the node asks
`ready(...)` before it takes a frame from its queue (`FrameSync.take`) and gives up after a tolerance of its own;
then `camera_from_sensor` raises and says which edge is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.core.transform_tree import TransformTree, TransformUnavailable

TF_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
TF_STATIC_QOS = QoSProfile(
    depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class TransformSource:
    """What a node knows of where its frames are.

    calibration: extrinsics from a file. Between frames that it connects it alone is believed; frames it doesn't
    reach come from tf, and the two are chained (camera -calibration- body -tf- lidar).
    warn(cause, detail): told of transforms on /tf that make no sense (`Health.warned`).
    backend: 'tf2_ros', 'tf2_msgs' or 'calibration only'.
    """

    def __init__(
        self,
        node,
        calibration: Iterable[RigidTransform] = (),
        max_age_s: float = 10.0,
        warn: Callable[[str, str], None] | None = None,
    ):
        self._neighbours = _neighbours(calibration)
        self._joined: dict[str, dict[str, RigidTransform]] = {}
        self._tf, self.backend = _listener(node, max_age_s, warn or _logged(node))
        if self._tf is None:
            node.get_logger().warning(
                'neither tf2_ros nor tf2_msgs is installed: /tf is not heard, transforms come from the calibration only'
                ' (install ros-<distro>-tf2-ros, or run `make tf2_msgs` here)'
            )

    def camera_from_sensor(
        self, camera_frame: str, image_stamp_ns: int, sensor_frame: str, sensor_stamp_ns: int, fixed_frame: str | None
    ) -> RigidTransform:
        """Camera at the image's stamp <- sensor at its own stamp, ego motion through `fixed_frame`.

        fixed_frame None or '': the mount at the image's stamp. Raises TransformUnavailable naming what is missing.
        """
        still = not fixed_frame or image_stamp_ns == sensor_stamp_ns

        def between(target: str, source: str) -> RigidTransform:
            if still:
                return self._heard(target, source).lookup(target, source, image_stamp_ns)
            return self._heard(target, source).lookup_through(
                target, image_stamp_ns, source, sensor_stamp_ns, fixed_frame
            )

        return self._chained(camera_frame, sensor_frame, still, between)

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        """target_from_source at one stamp. Raises TransformUnavailable."""
        return self.camera_from_sensor(target, stamp_ns, source, stamp_ns, None)

    def ready(
        self, camera_frame: str, image_stamp_ns: int, sensors: Iterable[tuple[str, int]], fixed_frame: str | None
    ) -> bool:
        """Whether every (sensor frame, stamp) can be transformed to the image now; False: come again later."""
        try:
            for sensor_frame, stamp_ns in sensors:
                self.camera_from_sensor(camera_frame, image_stamp_ns, sensor_frame, stamp_ns, fixed_frame)
        except TransformUnavailable:
            return False
        return True

    def clear(self) -> None:
        """Forget motion, keep mounts: call it when time jumps."""
        if self._tf is not None:
            self._tf.clear()

    def close(self) -> None:
        """Stop listening; what was heard stays known."""
        if self._tf is not None:
            self._tf.close()

    def _heard(self, target: str, source: str):
        if self._tf is None:
            raise TransformUnavailable(
                f'no transform {target} <- {source}: the calibration alone does not give it and /tf is not heard here'
            )
        return self._tf

    def _chained(self, target: str, source: str, still: bool, between) -> RigidTransform:
        ahead, behind = self._calibrated(target), self._calibrated(source)
        if len(ahead) == len(behind) == 1 and target != source:
            return between(target, source)  # the usual case, without the calibration's extra products
        shared = [frame for frame in ahead if frame in behind]
        if shared and still:
            return ahead[shared[0]] @ behind[shared[0]].inverse()
        # rigidly joined by the calibration: any joined frame that tf knows tells how both moved
        pairs = [(frame, frame) for frame in shared] or [(a, b) for a in ahead for b in behind]
        errors = []
        for near, far in pairs:
            try:
                return ahead[near] @ between(near, far) @ behind[far].inverse()
            except TransformUnavailable as error:
                errors.append(error)
        # the pair that only lacks time is the one to tell of; else the frames as asked for
        raise max(errors, key=lambda error: error.late_ns)

    def _calibrated(self, frame: str) -> dict[str, RigidTransform]:
        """Every frame that the calibration joins to `frame`, nearest first, with frame_from_it."""
        if frame not in self._joined:
            start = frame.lstrip('/')
            joined, queue = {start: RigidTransform.identity(frame, start)}, [start]
            for here in queue:
                for there, here_from_there in self._neighbours.get(here, {}).items():
                    if there not in joined:
                        joined[there] = joined[here] @ here_from_there
                        queue.append(there)
            self._joined[frame] = joined
        return self._joined[frame]


class _Tf2Messages:
    """Our own tree, filled from /tf and /tf_static."""

    def __init__(self, node, max_age_s: float, warn: Callable[[str, str], None]):
        from tf2_msgs.msg import TFMessage

        self._node, self._warn, self._tree = node, warn, TransformTree(max_age_s)
        self.lookup, self.lookup_through = self._tree.lookup, self._tree.lookup_through
        self.clear = self._tree.clear
        group = MutuallyExclusiveCallbackGroup()  # its own, so that a long inference doesn't hold back transforms
        self._subscriptions = [
            node.create_subscription(TFMessage, '/tf', self._on_tf, TF_QOS, callback_group=group),
            node.create_subscription(TFMessage, '/tf_static', self._on_static, TF_STATIC_QOS, callback_group=group),
        ]

    def close(self) -> None:
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _on_tf(self, message) -> None:
        self._take(message, '/tf', static=False)

    def _on_static(self, message) -> None:
        self._take(message, '/tf_static', static=True)

    def _take(self, message, topic: str, static: bool) -> None:
        for stamped in message.transforms:
            header, t, q = stamped.header, stamped.transform.translation, stamped.transform.rotation
            try:
                transform = RigidTransform.from_quaternion(
                    header.frame_id, stamped.child_frame_id, (t.x, t.y, t.z), (q.x, q.y, q.z, q.w)
                )
                self._tree.add(transform, header.stamp.sec * 10**9 + header.stamp.nanosec, static)
            except InvalidInput as error:
                self._warn('transform ignored', f'{topic}: {error}')


class _Tf2Ros:
    """tf2_ros' buffer and listener. Its core look-ups are used since the timed ones sleep."""

    def __init__(self, node, max_age_s: float, warn: Callable[[str, str], None]):
        import tf2_ros
        from rclpy.duration import Duration
        from rclpy.time import Time

        self._failure, self._time = tf2_ros.TransformException, lambda stamp_ns: Time(nanoseconds=stamp_ns)
        # without node: given one, its handler for time jumps raises in several releases; clear() does that here
        self._buffer = tf2_ros.Buffer(Duration(seconds=max_age_s))
        self._listener = tf2_ros.TransformListener(self._buffer, node, qos=TF_QOS, static_qos=TF_STATIC_QOS)

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        try:
            found = self._buffer.lookup_transform_core(target.lstrip('/'), source.lstrip('/'), self._time(stamp_ns))
        except self._failure as error:
            raise self._unavailable(error, ((target, source, stamp_ns),)) from error
        return self._rigid(target, source, found)

    def lookup_through(
        self, target: str, target_stamp_ns: int, source: str, source_stamp_ns: int, fixed: str
    ) -> RigidTransform:
        try:
            found = self._buffer.lookup_transform_full_core(
                target.lstrip('/'),
                self._time(target_stamp_ns),
                source.lstrip('/'),
                self._time(source_stamp_ns),
                fixed.lstrip('/'),
            )
        except self._failure as error:
            raise self._unavailable(
                error, ((fixed, target, target_stamp_ns), (fixed, source, source_stamp_ns))
            ) from error
        return self._rigid(target, source, found)

    def clear(self) -> None:
        self._buffer.clear()

    def close(self) -> None:
        self._listener.unregister()

    def _unavailable(self, error: Exception, asked) -> TransformUnavailable:
        late_ns = 0
        for target, source, stamp_ns in asked:
            try:
                newest = self._buffer.get_latest_common_time(target.lstrip('/'), source.lstrip('/'))
            except self._failure:
                continue
            late_ns = max(late_ns, stamp_ns - newest.nanoseconds)
        return TransformUnavailable(f'no transform: {error}', late_ns)

    @staticmethod
    def _rigid(target: str, source: str, stamped) -> RigidTransform:
        t, q = stamped.transform.translation, stamped.transform.rotation
        return RigidTransform.from_quaternion(target, source, (t.x, t.y, t.z), (q.x, q.y, q.z, q.w))


def _logged(node) -> Callable[[str, str], None]:
    return lambda cause, detail: node.get_logger().warning(f'{cause}: {detail}', throttle_duration_sec=5.0)


def _listener(node, max_age_s: float, warn: Callable[[str, str], None]):
    for backend, listener in (('tf2_ros', _Tf2Ros), ('tf2_msgs', _Tf2Messages)):
        try:
            return listener(node, max_age_s, warn), backend
        except ImportError as error:
            node.get_logger().debug(f'{backend} is not used: {error}')
    return None, 'calibration only'


def _neighbours(transforms: Iterable[RigidTransform]) -> dict[str, dict[str, RigidTransform]]:
    """frame -> neighbour -> frame_from_neighbour, both ways."""
    neighbours: dict[str, dict[str, RigidTransform]] = {}
    for given in transforms:
        transform = RigidTransform(given.target.lstrip('/'), given.source.lstrip('/'), given.matrix)
        neighbours.setdefault(transform.target, {})[transform.source] = transform
        neighbours.setdefault(transform.source, {})[transform.target] = transform.inverse()
    return neighbours
