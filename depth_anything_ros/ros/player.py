# SPDX-License-Identifier: Apache-2.0
"""Publish a recording on real topics, with /clock, at the pace it was recorded or any other."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool

from depth_anything_ros.core.errors import ConfigError, RecordingError
from depth_anything_ros.core.settings import setting, validate
from depth_anything_ros.evaluation.bag_reader import BagMessage, BagReader, BagTopic

CLOCK_PERIOD_S = 0.01
SETTLED_S = 0.5  # subscribers of one node appear one after the other
ACKNOWLEDGE_S = 5.0
LATCHED_DEPTH = 100


@dataclass(frozen=True)
class PlayConfig:
    """How a recording is played."""

    rate: float = setting(1.0, 'speed relative to the recording', low=0.01, high=1000.0)
    loop: bool = setting(False, 'start again at the end; time then jumps back')
    start_offset_s: float = setting(0.0, 'skip the beginning; latched messages before it are still sent', low=0.0)
    clock: bool = setting(True, 'publish /clock')
    paused: bool = setting(False, 'wait until resumed')
    wait_for_s: float = setting(0.0, 'wait up to this long until somebody subscribes', unit='s', low=0.0)
    wait_topics: list[str] = setting([], "topics that must have a subscriber; 'topic:n': n of them; none: any topic")

    def __post_init__(self):
        validate(self)
        for item in self.wait_topics:
            if ':' in item and not item.rpartition(':')[2].isdigit():
                raise ConfigError(f"wait_topics: expected 'topic' or 'topic:number', got {item!r}")


class Player:
    """Plays one recording through a node's publishers.

    topics: which ones (None: all); remaps: recorded name -> published name. `skipped` says which topics can't be
    published here and why. The service ~/pause (std_srvs/SetBool) pauses and resumes.
    Raises RecordingError where nothing can be played or a topic isn't in the recording.
    """

    def __init__(
        self,
        node: Node,
        reader: BagReader,
        config: PlayConfig | None = None,
        topics: list[str] | None = None,
        remaps: dict[str, str] | None = None,
    ):
        self.config = config or PlayConfig()
        self.skipped: dict[str, str] = {}
        self.sent = 0
        self.loops = 0
        self._node, self._reader = node, reader
        self._running = threading.Event()
        if not self.config.paused:
            self._running.set()
        if self.config.start_offset_s * 1e9 >= reader.end_ns - reader.start_ns:
            raise RecordingError(
                f'start offset {self.config.start_offset_s} s is beyond the end of {reader.path}'
                f' ({(reader.end_ns - reader.start_ns) / 1e9:.1f} s)'
            )
        self._publishers = {}
        for name in self._chosen(topics, remaps or {}):
            self._advertise(reader.topics[name], (remaps or {}).get(name, name))
        if not self._publishers:
            reasons = '; '.join(f'{topic}: {why}' for topic, why in self.skipped.items())
            raise RecordingError(f'{reader.path}: no topic to play ({reasons or "the choice is empty"})')
        self._clock = node.create_publisher(Clock, '/clock', 10) if self.config.clock else None
        node.create_service(SetBool, '~/pause', self._on_pause)

    @property
    def topics(self) -> list[str]:
        """What is played, by its recorded name."""
        return list(self._publishers)

    @property
    def duration_s(self) -> float:
        """Length of what is played once, in recorded time."""
        return (self._reader.end_ns - self._start_ns) / 1e9

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    def pause(self, paused: bool) -> None:
        if paused:
            self._running.clear()
        else:
            self._running.set()

    def play(self, stop: threading.Event, on_progress: Callable[[float], None] = lambda position_s: None) -> None:
        """Block until the recording (every loop of it) is sent or `stop` is set.

        on_progress is told the position in recorded seconds after every message.
        """
        self._send_latched()
        self._wait_for_subscribers(stop)
        while not stop.is_set():
            self._play_once(stop, on_progress)
            self.loops += 1
            if not self.config.loop:
                break
        self._wait_until_received(stop)

    @property
    def _start_ns(self) -> int:
        return self._reader.start_ns + int(self.config.start_offset_s * 1e9)

    def _send_latched(self) -> None:
        """What never changes is told first, so that the first image finds its transforms whatever the offset."""
        for topic in self._publishers:
            if self._reader.topics[topic].latched:
                stop_ns = None if _static(topic) else self._start_ns
                for message in self._reader.messages([topic], stop_ns=stop_ns):
                    self._send(message)

    def _play_once(self, stop: threading.Event, on_progress: Callable[[float], None]) -> None:
        pace = _Pace(self._start_ns, self.config.rate)
        for message in self._reader.messages(self._publishers, start_ns=self._start_ns):
            if _static(message.topic):
                continue
            while not stop.is_set():
                if self.paused:
                    pace.hold(CLOCK_PERIOD_S, stop)
                    continue
                early_s = pace.early_s(message.log_ns)
                self._tell_time(min(pace.now_ns(), message.log_ns))
                if early_s <= 0:
                    break
                stop.wait(min(early_s, CLOCK_PERIOD_S))
            if stop.is_set():
                return
            self._send(message)
            on_progress((message.log_ns - self._start_ns) / 1e9)

    def _send(self, message: BagMessage) -> None:
        self._publishers[message.topic].publish(bytes(message.raw))
        self.sent += 1

    def _tell_time(self, now_ns: int) -> None:
        if self._clock is not None:
            clock = Clock()
            clock.clock.sec, clock.clock.nanosec = divmod(now_ns, 1_000_000_000)
            self._clock.publish(clock)

    def _wait_for_subscribers(self, stop: threading.Event) -> None:
        give_up = time.monotonic() + self.config.wait_for_s
        settled, before = 0.0, []
        while time.monotonic() < give_up and settled < SETTLED_S and not stop.is_set():
            counts = [publisher.get_subscription_count() for publisher in self._publishers.values()]
            settled = settled + 0.05 if self._awaited() and counts == before else 0.0
            before = counts
            stop.wait(0.05)

    def _awaited(self) -> bool:
        """Whether those who are waited for are there."""
        if not self.config.wait_topics:
            return any(p.get_subscription_count() for name, p in self._publishers.items() if not name.startswith('/tf'))
        wanted = (item.partition(':') for item in self.config.wait_topics)
        return all(
            topic in self._publishers and self._publishers[topic].get_subscription_count() >= int(number or 1)
            for topic, _, number in wanted
        )

    def _wait_until_received(self, stop: threading.Event) -> None:
        from rclpy.duration import Duration

        for publisher in self._publishers.values():
            if not stop.is_set() and publisher.get_subscription_count():
                publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGE_S))

    def _chosen(self, topics: list[str] | None, remaps: dict[str, str]) -> list[str]:
        unknown = (set(topics or ()) | set(remaps)) - set(self._reader.topics)
        if unknown:
            have = ', '.join(self._reader.topics)
            raise RecordingError(f'{self._reader.path}: no topic {", ".join(sorted(unknown))}; it has {have}')
        # a recorded /clock would contradict ours
        names = topics or [name for name in self._reader.topics if name != '/clock']
        return [name for name in names if self._reader.topics[name].count]

    def _advertise(self, topic: BagTopic, name: str) -> None:
        try:
            message_class = load_message(topic.msgtype)
        except ImportError as error:
            self.skipped[topic.name] = f'{topic.msgtype} is not installed ({error})'
            return
        self._publishers[topic.name] = self._node.create_publisher(message_class, name, offered_qos(topic))

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.pause(request.data)
        response.success, response.message = True, 'paused' if request.data else 'playing'
        return response


class _Pace:
    """When a recorded stamp is due on the wall clock."""

    def __init__(self, start_ns: int, rate: float):
        self._start_ns, self._rate, self._began = start_ns, rate, time.monotonic()

    def now_ns(self) -> int:
        return self._start_ns + int((time.monotonic() - self._began) * self._rate * 1e9)

    def early_s(self, log_ns: int) -> float:
        return (log_ns - self.now_ns()) / 1e9 / self._rate

    def hold(self, seconds: float, stop: threading.Event) -> None:
        before = time.monotonic()
        stop.wait(seconds)
        self._began += time.monotonic() - before


def _static(topic: str) -> bool:
    return topic.endswith('/tf_static')


def load_message(msgtype: str):
    """'sensor_msgs/msg/Image' -> its class. Raises ImportError where the package is not installed."""
    package, _, name = msgtype.partition('/msg/')
    module = importlib.import_module(f'{package}.msg')
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise ImportError(f'{package} has no message {name}') from error


def offered_qos(topic: BagTopic) -> QoSProfile:
    """The QoS the recorder noted, else reliable; /tf_static and latched topics are kept for late subscribers."""
    offered = topic.qos[0] if topic.qos else None
    best_effort = offered is not None and offered.reliability.name == 'BEST_EFFORT'
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=LATCHED_DEPTH if topic.latched else max(10, min(offered.depth, 100) if offered else 10),
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )
