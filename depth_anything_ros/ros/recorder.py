# SPDX-License-Identifier: Apache-2.0
"""Write topics to a recording as they come, without decoding them."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.evaluation.bag_writer import BagWriter
from depth_anything_ros.ros.player import load_message

DISCOVERY_PERIOD_S = 0.2
DEPTH = 100


class Recorder:
    """Subscribes to topics as they appear and writes their messages with the node's time of receipt.

    counts: topic -> messages so far; `missing`: topics nobody publishes yet; `skipped`: topics that can't be
    recorded here and why; `failure`: why writing had to stop, else None. Call `close()` to finish the file.
    """

    def __init__(self, node: Node, topics: list[str], output: Path | str):
        if not topics:
            raise RecordingError('expected at least one topic to record')
        self.skipped: dict[str, str] = {}
        self.failure: RecordingError | None = None
        self._node = node
        self._writer = BagWriter(output)
        self._subscriptions = {}
        self._wanted = list(dict.fromkeys(node.resolve_topic_name(topic) for topic in topics))
        self._timer = node.create_timer(DISCOVERY_PERIOD_S, self._discover, clock=_wall_clock())
        self._discover()

    @property
    def counts(self) -> dict[str, int]:
        return dict(self._writer.counts)

    @property
    def missing(self) -> list[str]:
        return [topic for topic in self._wanted if topic not in self._subscriptions and topic not in self.skipped]

    def close(self) -> None:
        """Put the finished recording in its place; nothing is left where no message came.

        The node must not be spinning any more. Raises RecordingError where writing failed.
        """
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        if self.failure is not None:
            raise self.failure
        if any(self.counts.values()):
            self._writer.close()
        else:
            self._writer.discard()

    def _discover(self) -> None:
        missing = self.missing
        if not missing:
            return
        offered = dict(self._node.get_topic_names_and_types())
        for topic in missing:
            publishers = self._node.get_publishers_info_by_topic(topic)
            if topic in offered and publishers:
                self._subscribe(topic, offered[topic], publishers)

    def _subscribe(self, topic: str, msgtypes: list[str], publishers: list) -> None:
        if len(msgtypes) != 1:
            self.skipped[topic] = f'it is published with several types: {", ".join(msgtypes)}'
            return
        msgtype = msgtypes[0]
        try:
            message_class = load_message(msgtype)
            self._define(msgtype)
        except (ImportError, RecordingError) as error:
            self.skipped[topic] = str(error)
            return
        profiles = [publisher.qos_profile for publisher in publishers]
        latched = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles)
        reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles)
        self._writer.add_topic(topic, msgtype, latched, reliable)
        # asking for more than the weakest publisher offers would silently record nothing of it
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        self._subscriptions[topic] = self._node.create_subscription(
            message_class, topic, lambda raw, topic=topic: self._on_message(topic, raw), qos, raw=True
        )

    def _define(self, msgtype: str) -> None:
        """Make sure the file can carry the definition of this type; ours come from the share folders."""
        if self._writer.knows(msgtype):
            return
        definition = _definition_file(msgtype)
        if definition is None:
            raise RecordingError(f'no definition of {msgtype} is known, and none is installed')
        self._writer.define(msgtype, definition.read_text())

    def _on_message(self, topic: str, raw: bytes) -> None:
        if self.failure is not None:
            return
        try:
            self._writer.write_raw(topic, raw, self._node.get_clock().now().nanoseconds)
        except RecordingError as error:  # a full disk: raising here would end in the executor's thread, unseen
            self.failure = error


def _definition_file(msgtype: str) -> Path | None:
    """share/<package>/msg/<Name>.msg of an installed package."""
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
    except ImportError:
        return None
    package, _, name = msgtype.partition('/msg/')
    try:
        path = Path(get_package_share_directory(package)) / 'msg' / f'{name}.msg'
    except (PackageNotFoundError, ValueError):
        return None
    return path if path.exists() else None


def _wall_clock():
    # under simulated time the node's own timers stand still until /clock comes
    from rclpy.clock import Clock, ClockType

    return Clock(clock_type=ClockType.STEADY_TIME)
