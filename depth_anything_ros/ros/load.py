# SPDX-License-Identifier: Apache-2.0
"""A depth node under load: the node, a source and this process talk through the real middleware; we listen.

Every process is the one a robot would run, in a ROS domain of their own on this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import Image

from depth_anything_ros.core.errors import ConfigError, EngineError
from depth_anything_ros.core.messages import stamp_ns
from depth_anything_ros.ros.feed import FeedConfig, make_feed
from depth_anything_ros.ros.outputs import TOPICS
from depth_anything_ros.ros.processes import (
    child_process,
    depth_node_command,
    enter_own_domain,
    last_line,
    wait_until_active,
)
from depth_anything_ros.ros.spinning import interruptible_node

NODE = '/depth_node'
SOURCE_S = 60.0  # to read a recording and be heard
SETTLE_S = 1.3  # the node tells its counts every second at least
LATE_S = 5.0  # an answer that has not come this long after the last one does not come
OUTPUTS = ('camera_info', 'points', 'confidence')  # beside the depth
LEAD_IN = 3  # frames before those that count: after a pause nothing is in step yet
WARM_UP = 10  # frames before anything is measured: caches, buffers, discovery
SUSTAINED = 0.99  # of the frames are answered at a rate that is sustainable
UP, DOWN = 1.1, 0.95  # from one rate that is tried to the next
LOWEST = 0.5  # of the highest throughput
NEVER_ARRIVED = 'never arrived'


@dataclass(frozen=True)
class LoadConfig:
    """model, engine: as of depth_node; outputs: what is listened to beside the depth; ros_arguments: for the node."""

    model: str
    engine: str = 'auto'
    feed: FeedConfig = field(default_factory=FeedConfig)
    outputs: tuple[str, ...] = ('camera_info', 'points')
    ros_arguments: tuple[str, ...] = ()

    def __post_init__(self):
        unknown = set(self.outputs) - set(OUTPUTS)
        if unknown:
            raise ConfigError(f'outputs: expected some of {", ".join(OUTPUTS)}; got {", ".join(sorted(unknown))}')


@dataclass(frozen=True, eq=False)
class Step:
    """What came of a number of frames.

    latencies_ms (N,): of every frame sent, from its stamp (the moment of sending) to the callback of the listener who
    has its depth; NaN where none came. drops: reason -> frames, as the node counted them, the lead-in's too.
    stages_ms: the node's own times of every answered frame. cpu_ms, page_faults: of the node's process in all.
    """

    sent_hz: float
    answered_hz: float
    latencies_ms: np.ndarray
    drops: dict[str, int]
    stages_ms: dict[str, list[float]]
    cpu_ms: float
    page_faults: int

    @property
    def frames(self) -> int:
        return len(self.latencies_ms)

    @property
    def answered(self) -> int:
        return int(np.isfinite(self.latencies_ms).sum())

    def percentiles_ms(self) -> dict[str, float]:
        """p50, p95, p99 and max of the answered frames; NaN without any."""
        known = self.latencies_ms[np.isfinite(self.latencies_ms)]
        values = [*np.percentile(known, (50, 95, 99)), known.max()] if len(known) else [float('nan')] * 4
        return dict(zip(('p50', 'p95', 'p99', 'max'), map(float, values), strict=True))


class LoadRig:
    """A running depth node with a source and a listener. `pid`: of the node; `facts`: what it said of its engine."""

    def __init__(self, listener: _Listener, node: subprocess.Popen, source: subprocess.Popen, stop, folder: Path):
        self._listener, self._node, self._source = listener, node, source
        self._stop, self._folder = stop, folder
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._heard(SOURCE_S)

    @property
    def pid(self) -> int:
        return self._node.pid

    @property
    def facts(self) -> dict[str, str]:
        return self._listener.facts

    def offer(self, frames: int, rate_hz: float = 0.0) -> Step:
        """Send frames at a rate, 0: as fast as they are answered, and wait for what comes of them.

        Raises EngineError where the node or the source ends, KeyboardInterrupt on a signal.
        """
        self._listener.settle(self._pause)
        counts, used = self.counts(), process_use(self.pid)
        stamps = self.send(LEAD_IN + frames, rate_hz)
        self._wait_for_answers(stamps)
        share = frames / len(stamps)
        cpu_ms, faults = (share * (now - before) for now, before in zip(process_use(self.pid), used, strict=True))
        self._listener.settle(self._pause)
        return self._listener.step(stamps, LEAD_IN, counts, cpu_ms, round(faults))

    def send(self, frames: int, rate_hz: float = 0.0) -> list[int]:
        """Send frames as `offer` does; returns their stamps when the last one is out."""
        self._listener.forget()
        self._source.stdin.write(json.dumps({'frames': frames, 'rate_hz': rate_hz}) + '\n')
        self._source.stdin.flush()
        return self._heard(LATE_S + frames * (1 / rate_hz if rate_hz else LATE_S))['stamps_ns']

    def take_latencies_ms(self) -> list[float]:
        """Of the frames that were answered since the last `send`, from their stamps to their depth here."""
        return [(arrived - stamp) / 1e6 for stamp, arrived in list(self._listener.arrived_ns.items())]

    def counts(self) -> dict[str, int]:
        """As the node told them last: published and dropped.<reason> since its start."""
        return dict(self._listener.counts)

    def _wait_for_answers(self, stamps: list[int]) -> None:
        while len(self._listener.arrived_ns) < len(stamps) and self._listener.silent_s() < LATE_S:
            if self._listener.arrived_ns and max(self._listener.arrived_ns) >= stamps[-1]:
                return  # the newest is answered: those before it were dropped
            self._pause(0.02)

    def _heard(self, limit_s: float) -> dict:
        end = time.monotonic() + limit_s
        while True:
            with contextlib.suppress(queue.Empty):
                return json.loads(self._lines.get(timeout=0.05))
            self._pause(0.0)
            if time.monotonic() > end:
                raise EngineError(f'the source of the load said nothing for {limit_s:.0f} s')

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise KeyboardInterrupt
        for name, process in (('depth_node', self._node), ('source', self._source)):
            if process.poll() is not None:
                raise EngineError(f'{name} ended by itself: {last_line(self._folder / f"{name}.log")}')

    def _read(self) -> None:
        for line in self._source.stdout:
            self._lines.put(line)


@contextlib.contextmanager
def load_rig(config: LoadConfig, folder: Path) -> Iterator[LoadRig]:
    """Start everything; folder: for the logs and the calibration. Raises EngineError where the node doesn't come up."""
    folder.mkdir(parents=True, exist_ok=True)
    feed = make_feed(config.feed)
    calibration = folder / 'calibration.yaml'
    feed.calibration.save(calibration)
    parameters = {'model': config.model, 'engine': config.engine, 'input.calibration': str(calibration)}
    command = depth_node_command(feed.parameters | parameters, feed.remaps, list(config.ros_arguments))
    source_command = [sys.executable, '-m', 'depth_anything_ros.ros.load_source', *config.feed.arguments()]
    enter_own_domain()
    with contextlib.ExitStack() as stack:
        node, stop = stack.enter_context(interruptible_node('load_listener'))
        listener = _Listener(node, config.outputs)
        process = stack.enter_context(child_process('depth_node', command, folder))
        wait_until_active(lambda: all(map(node.count_subscribers, feed.topics)), stop, process, folder)
        pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}
        source = stack.enter_context(child_process('source', source_command, folder, **pipes))
        stack.callback(source.stdin.close)
        yield LoadRig(listener, process, source, stop, folder)


def find_sustainable_hz(rig: LoadRig, frames: int, on_trial: Callable[[float], None] = lambda rate_hz: None) -> float:
    """The highest rate of a steady camera at which (nearly) every one of `frames` frames is answered.

    From the throughput of a node that always has a frame to go on with: upwards while that is kept up with, else
    downwards. Raises EngineError where half of that throughput is too much: something else takes the processor.
    """

    def sustained(rate_hz: float) -> bool:
        on_trial(rate_hz)
        return rig.offer(frames, rate_hz).answered >= SUSTAINED * frames

    rig.offer(WARM_UP)
    highest_hz = rate_hz = rig.offer(frames).answered_hz
    if sustained(rate_hz):
        while sustained(rate_hz * UP):
            rate_hz *= UP
        return rate_hz
    while rate_hz > LOWEST * highest_hz:
        rate_hz *= DOWN
        if sustained(rate_hz):
            return rate_hz
    raise EngineError(
        f'frames are lost at {rate_hz:.1f} Hz already, though {highest_hz:.1f} a second can be answered:'
        ' is the machine busy with something else?'
    )


class _Listener:
    """Subscribes to the outputs; looks at the depth as a user would, at the others not at all."""

    def __init__(self, node, outputs: tuple[str, ...]):
        self.arrived_ns: dict[int, int] = {}  # stamp -> system clock
        self.counts: dict[str, int] = {}
        self.facts: dict[str, str] = {}
        self._stages_ms: dict[int, dict[str, float]] = {}
        self._last = time.monotonic()
        self._told = threading.Event()
        reliable = QoSProfile(depth=50, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE)
        node.create_subscription(Image, self._topic('depth'), self._on_depth, reliable)
        node.create_subscription(DiagnosticStatus, f'{NODE}/status', self._on_status, reliable)
        for name in outputs:
            node.create_subscription(
                TOPICS[name][0], self._topic(name), lambda _: None, qos_profile_sensor_data, raw=True
            )

    def silent_s(self) -> float:
        return time.monotonic() - self._last

    def forget(self) -> None:
        """What was heard of single frames."""
        self._last = time.monotonic()
        self.arrived_ns, self._stages_ms = {}, {}

    def settle(self, pause: Callable[[float], None]) -> None:
        """Return when the node has told its counts while nothing was under way."""
        self._told.clear()
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end and not self._told.is_set():
            pause(0.02)

    def step(self, stamps: list[int], lead_in: int, before: dict[str, int], cpu_ms: float, page_faults: int) -> Step:
        """Of the stamps after the lead-in; `before`: the counts before the first of all."""
        new = {key: count - before.get(key, 0) for key, count in self.counts.items()}
        drops = {key.removeprefix('dropped.'): n for key, n in new.items() if key.startswith('dropped.') and n}
        missing = len(stamps) - new.get('published', 0) - sum(drops.values())
        if missing > 0:
            drops[NEVER_ARRIVED] = missing
        stamps = stamps[lead_in:]
        arrived_ns = [self.arrived_ns[stamp] for stamp in stamps if stamp in self.arrived_ns]
        latencies_ms = np.array([(self.arrived_ns.get(stamp, np.nan) - stamp) / 1e6 for stamp in stamps])
        stages: dict[str, list[float]] = {}
        for stamp in stamps:
            for stage, value in self._stages_ms.get(stamp, {}).items():
                stages.setdefault(stage, []).append(value)
        rates_hz = _rate_hz(stamps), _rate_hz(sorted(arrived_ns))
        return Step(*rates_hz, latencies_ms, drops, stages, cpu_ms, page_faults)

    @staticmethod
    def _topic(name: str) -> str:
        return TOPICS[name][1].replace('~', NODE)

    def _on_depth(self, message: Image) -> None:
        self.arrived_ns[stamp_ns(message.header.stamp)] = time.time_ns()
        self._last = time.monotonic()

    def _on_status(self, message: DiagnosticStatus) -> None:
        values = {item.key: item.value for item in message.values}
        self.counts = {k: int(v) for k, v in values.items() if k == 'published' or k.startswith('dropped.')}
        self.facts = {key: values[key] for key in ('engine', 'model', 'device', 'reason') if key in values}
        if values.get('stamp_ns', '').isdigit():
            laps = {k: float(v) for k, v in values.items() if k.startswith('latency.')}
            stages = {k.removeprefix('latency.').removesuffix('_ms'): v for k, v in laps.items()}
            self._stages_ms[int(values['stamp_ns'])] = stages
        self._told.set()


def process_use(pid: int) -> tuple[float, int]:
    """(processor time in ms, minor page faults) of a process so far; Linux only."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()  # from the third, the state
    ticks = int(fields[11]) + int(fields[12])
    return ticks * 1e3 / os.sysconf('SC_CLK_TCK'), int(fields[7])


def _rate_hz(moments_ns: list[int]) -> float:
    """How often something happened, from the first time to the last; 0 for less than two times."""
    spread_s = (moments_ns[-1] - moments_ns[0]) / 1e9 if len(moments_ns) > 1 else 0.0
    return (len(moments_ns) - 1) / spread_s if spread_s > 0 else 0.0
