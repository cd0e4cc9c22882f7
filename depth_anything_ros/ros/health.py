# SPDX-License-Identifier: Apache-2.0
"""How the node is doing: frames out, frames dropped and why, rates and latencies; as log, ~/status and /diagnostics.

Every image ends in exactly one of `published` or `dropped`; trouble that costs no particular image is `warned`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType

from depth_anything_ros.core.frames import DepthFrame, Mode
from depth_anything_ros.ros.sync import SUPERSEDED

STALE_S = 5.0  # nothing in, or nothing out, for this long is worth an alarm
WARN_S = 10.0  # how long a drop or a warning colours the level
LOG_EVERY_S = 5.0  # per reason
RECENT = 200  # frames whose latencies and rates are kept


class SharedHealth:
    """Tells every camera's Health of what concerns them all: a bad cloud, a transform that makes no sense."""

    def __init__(self, healths: Iterable[Health]):
        self._healths = tuple(healths)

    def warned(self, cause: str, detail: str = '') -> None:
        for number, health in enumerate(self._healths):
            health.warned(cause, detail, log=number == 0)  # one line is enough


class Health:
    """Counts what happens to frames and tells of it.

    image_topic: named when no image comes. expects_prompt: depth without a prompt is a warning. camera: its name in a
    node that has several, to tell their diagnostics and log lines apart.
    `active` False (a lifecycle node that isn't active): silence is fine. `hardware_id`: of the camera, once known.
    """

    def __init__(
        self,
        node,
        *,
        image_topic: str = 'image',
        expects_prompt: bool = True,
        camera: str = '',
        hardware_id: str = '',
        seconds: Callable[[], float] = time.monotonic,
    ):
        self.hardware_id, self._active = hardware_id, True
        self._node, self._camera, self._seconds = node, camera, seconds
        self._image_topic, self._expects_prompt = node.resolve_topic_name(image_topic), expects_prompt
        self._lock = threading.Lock()
        self._drops: Counter[str] = Counter()
        self._warnings: Counter[str] = Counter()
        self._published = 0
        self._published_at: deque[float] = deque(maxlen=RECENT)
        self._latencies_ms: dict[str, deque[float]] = {}
        self._frame: dict[str, str] = {}
        self._mode: Mode | None = None
        self._last_trouble: dict[str, tuple[float, str]] = {}  # 'dropped: x' or 'warned: x' -> when, detail
        self._logged: dict[str, tuple[float, int]] = {}  # the same key -> when, count then
        self._heard_at = self._started_at = seconds()
        self._idle_at = -STALE_S
        self._status_at = -1.0
        self._status = node.create_publisher(DiagnosticStatus, '~/status', 10)
        self._diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # steady time: diagnostics go on when a simulated clock stands still
        self._timer = node.create_timer(
            1.0,
            self._on_second,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    @property
    def active(self) -> bool:
        return self._active

    @active.setter
    def active(self, active: bool) -> None:
        with self._lock:
            self._active = active
            self._heard_at = self._started_at = self._seconds()  # silence counts from here: loading took its time
            self._published_at.clear()

    def dropped(self, reason: str, detail: str = '') -> None:
        """An image that gets no depth; `detail` names topic and cause. Logged at once, then every few seconds."""
        with self._lock:
            self._drops[reason] += 1
            self._heard_at = self._seconds()
            line = self._line('dropped', reason, detail, self._drops[reason])
        if line and reason == SUPERSEDED:  # a camera faster than the network: as it should be
            self._node.get_logger().debug(line)
        elif line:
            self._node.get_logger().warning(line)

    def warned(self, cause: str, detail: str = '', log: bool = True) -> None:
        """Trouble that costs no particular image: incompatible QoS, a jump in time, a broken transform."""
        with self._lock:
            self._warnings[cause] += 1
            line = self._line('warned', cause, detail, self._warnings[cause])
        if line and log:
            self._node.get_logger().warning(line)

    def published(self, frame: DepthFrame, latency_ms: float, facts: Mapping[str, str] | None = None) -> None:
        """A depth that went out, `latency_ms` after the image's stamp; `facts` are added to its status."""
        stats = frame.prompt.stats
        told = {
            'stamp_ns': str(frame.stamp_ns),
            'mode': frame.mode.value,
            'prompt_count': str(stats.count),
            'prompt_coverage': f'{stats.coverage:.5f}',
            'prompt_age_s': f'{stats.age_s:.3f}',
            **{f'rejected.{reason}': str(count) for reason, count in stats.rejected.items()},
            **frame.report,
            **(facts or {}),
        }
        with self._lock:
            self._published += 1
            self._heard_at = self._seconds()
            self._published_at.append(self._heard_at)
            for stage, value in (*frame.timings_ms.items(), ('total', latency_ms)):
                self._latencies_ms.setdefault(stage, deque(maxlen=RECENT)).append(value)
            told.update({f'latency.{stage}_ms': f'{values[-1]:.2f}' for stage, values in self._latencies_ms.items()})
            self._frame, self._mode = told, frame.mode
        self._publish_status()

    def idle(self) -> None:
        """An image came and was let go because nobody listens: neither published nor dropped."""
        with self._lock:
            self._heard_at = self._idle_at = self._seconds()

    def counts(self) -> dict[str, int]:
        """published, dropped.<reason>, warned.<cause>: since the start."""
        with self._lock:
            return {
                'published': self._published,
                **{f'dropped.{reason}': count for reason, count in self._drops.items()},
                **{f'warned.{cause}': count for cause, count in self._warnings.items()},
            }

    def rate_hz(self) -> float:
        """Depths per second, over the recent ones of the last seconds."""
        with self._lock:
            now = self._seconds()
            recent = [at for at in self._published_at if now - at <= STALE_S]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 1 and recent[-1] > recent[0] else 0.0

    def percentiles_ms(self) -> dict[str, tuple[float, float, float]]:
        """stage -> latency at 50, 95 and 99 % of the recent frames."""
        with self._lock:
            latencies = {stage: list(values) for stage, values in self._latencies_ms.items()}
        return {stage: tuple(np.percentile(values, (50, 95, 99))) for stage, values in latencies.items()}

    def level(self) -> tuple[bytes, str]:
        """DiagnosticStatus level and its one line.

        STALE: no image came for a while. ERROR: images come and none gets depth. WARN: images were dropped (other
        than for a newer one), something was warned of, or depth is without prompt. OK otherwise.
        """
        with self._lock:
            now = self._seconds()
            silent_s = now - self._heard_at
            dry_s = now - (self._published_at[-1] if self._published_at else self._started_at)
            recent = {
                key: detail
                for key, (at, detail) in self._last_trouble.items()
                if now - at <= WARN_S and key != f'dropped: {SUPERSEDED}'
            }
            mode, idle = self._mode, now - self._idle_at < 1.0
        if not self.active:
            return DiagnosticStatus.OK, 'inactive'
        if silent_s > STALE_S:
            return DiagnosticStatus.STALE, self.no_image(f' for {silent_s:.0f} s')
        if idle and not recent:
            return DiagnosticStatus.OK, 'images come, nobody subscribes to the depth'
        worst = '; '.join(f'{key} ({detail})' if detail else key for key, detail in recent.items())
        if dry_s > STALE_S and not idle:
            return DiagnosticStatus.ERROR, f'images come, no depth for {dry_s:.0f} s: {worst or "still working"}'
        if worst:
            return DiagnosticStatus.WARN, worst
        if self._expects_prompt and mode not in (None, Mode.PROMPTED):
            return DiagnosticStatus.WARN, f'depth without a prompt ({mode.value}): are the ranging topics alive?'
        return DiagnosticStatus.OK, f'{self.rate_hz():.1f} Hz'

    def no_image(self, how_long: str = '') -> str:
        """A line that names the image's topic and who publishes it."""
        publishers = self._node.get_publishers_info_by_topic(self._image_topic)
        types = {info.topic_type for info in publishers}  # several types: nobody hears the odd one
        of_types = f' of {", ".join(sorted(types))}' if types else ''
        return f'no image on {self._image_topic}{how_long} ({len(publishers)} publishers{of_types})'

    def close(self) -> None:
        """Take back the timer and the topics."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._status)
        self._node.destroy_publisher(self._diagnostics)

    def _line(self, what: str, why: str, detail: str, count: int) -> str | None:
        """The line to log, or None while the same was told a moment ago."""
        key, now = f'{what}: {why}', self._seconds()
        self._last_trouble[key] = (now, detail)
        at, before = self._logged.get(key, (-LOG_EVERY_S, 0))
        if now - at < LOG_EVERY_S:
            return None
        self._logged[key] = (now, count)
        times = f' x{count - before}' if count - before > 1 else ''
        whose = f'{self._camera}: ' if self._camera else ''
        return f'{whose}{key}{times}' + (f': {detail}' if detail else '')

    def _message(self, values: Mapping[str, object]) -> DiagnosticStatus:
        level, text = self.level()
        return DiagnosticStatus(
            level=level,
            name=f'{self._node.get_fully_qualified_name()}: {self._camera} depth'.replace(':  ', ': ').lstrip('/'),
            message=text,
            hardware_id=self.hardware_id,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    def _publish_status(self) -> None:
        self._status_at = self._seconds()
        if self._status.get_subscription_count():
            self._status.publish(self._message({**self._frame, 'rate_hz': f'{self.rate_hz():.2f}', **self.counts()}))

    def _on_second(self) -> None:
        level, text = self.level()
        if level == DiagnosticStatus.STALE:
            with self._lock:
                line = self._line('warned', 'no image', text, 1)
            if line:
                self._node.get_logger().warning(text)
        if self._seconds() - self._status_at >= 1.0:  # drops must show where no depth goes out
            self._publish_status()
        if not self._diagnostics.get_subscription_count():
            return
        values = {'rate_hz': f'{self.rate_hz():.2f}', **self.counts()}
        if self._mode is not None:
            values['mode'] = self._mode.value
        for stage, (half, most, nearly_all) in self.percentiles_ms().items():
            values[f'latency.{stage}_ms p50 p95 p99'] = f'{half:.2f} {most:.2f} {nearly_all:.2f}'
        array = DiagnosticArray(status=[self._message(values)])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(array)
