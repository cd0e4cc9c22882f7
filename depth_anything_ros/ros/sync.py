# SPDX-License-Identifier: Apache-2.0
"""Which messages make one frame: an image, its camera_info by exact stamp, and the sweeps near it.

Messages are opaque here; only their stamps count. `now_ns` is the node's ROS clock, so that waits stretch with the
rate of a replayed bag.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from depth_anything_ros.core.settings import setting, validate

NO_INFO = 'no camera_info'
INFO_MISMATCH = 'camera_info does not match'
SUPERSEDED = 'superseded'
TOO_OLD = 'too old'
BACKWARDS = 'stamp went backwards'
REPEATED = 'stamp repeated'
TIME_JUMP = 'time jump'
NO_SWEEP = 'no sweep near the image'

IMAGES_KEPT = 8  # waiting for camera_info, a sweep or tf; more would be latency, not patience
INFOS_KEPT = 64
SILENT_NS = 10**9  # a source that said nothing for this long while images came isn't waited for
SWEEP_SPARE_NS = 10**9  # sweeps are kept this much longer than the window, for images that wait


@dataclass(frozen=True)
class SyncConfig:
    """How messages are brought together."""

    camera_info: str = setting(
        'exact',
        'exact: the camera_info with the stamp of the image; latest: the last one that came, for drivers that'
        ' publish it once or at other stamps',
        choices=('exact', 'latest'),
    )
    camera_info_wait_s: float = setting(
        0.5, 'how long an image waits for its camera_info', unit='s', low=0.0, high=10.0
    )
    sweep_window_s: float = setting(
        0.15, 'a sweep this far from the image, before or after, still prompts it', unit='s', low=0.0, high=10.0
    )
    sweeps: int = setting(1, 'how many sweeps of each source are put together, the nearest ones', low=1, high=100)
    wait_for_sweep_s: float = setting(
        0.05, 'how long an image waits for a sweep that would be nearer than those at hand', unit='s', low=0.0, high=5.0
    )
    time_jump_s: float = setting(
        0.5, 'stamps that go back by more than this mean that time was turned back (a looped bag)', unit='s', low=0.0
    )

    def __post_init__(self):
        validate(self)


class Stamped(NamedTuple):
    stamp_ns: int
    message: Any


@dataclass(frozen=True, eq=False)
class Bundle:
    """What belongs to one image: `sweeps` maps every source to its nearest sweeps, oldest first, maybe none."""

    stamp_ns: int
    image: Any
    camera_info: Any
    sweeps: dict[str, tuple[Stamped, ...]]


@dataclass
class _Waiting:
    stamp_ns: int
    arrived_ns: int
    image: Any
    camera_info: Any = None
    paired: bool = False


@dataclass
class _Source:
    heard_ns: int | None = None  # when its last sweep came; before the first: when the first image came
    sweeps: deque[Stamped] = field(default_factory=deque)  # by stamp

    def period_ns(self) -> int | None:
        stamps = [sweep.stamp_ns for sweep in self.sweeps]
        return min((b - a for a, b in pairwise(stamps)), default=None)


class FrameSync:
    """Collects messages and gives out bundles, the newest complete one first; safe to use from several threads.

    sources: names of the ranging sources. needs_info=False: images go without camera_info (panoramas).
    on_drop(reason, detail): an image that will never be given out. on_jump(detail): time was turned back and
    everything was forgotten; the node clears what else depends on time. on_warn(cause, detail): an image goes without
    a sweep of some source. All are called without a lock held, in the thread of the push or take that noticed.
    """

    def __init__(
        self,
        config: SyncConfig,
        sources: Iterable[str] = (),
        *,
        needs_info: bool = True,
        image_topic: str = 'image',
        info_topic: str = 'camera_info',
        on_drop: Callable[[str, str], None] = lambda reason, detail: None,
        on_jump: Callable[[str], None] = lambda detail: None,
        on_warn: Callable[[str, str], None] = lambda cause, detail: None,
    ):
        self.config = config  # may be replaced at any time
        self.dropped: Counter[str] = Counter()
        self._needs_info, self._image_topic, self._info_topic = needs_info, image_topic, info_topic
        self._on_drop, self._on_jump, self._on_warn = on_drop, on_jump, on_warn
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._infos: OrderedDict[int, Any] = OrderedDict()
        self._sources = {name: _Source() for name in sources}
        self._newest: dict[str, int] = {}  # topic -> newest stamp since the last jump
        self._info_seen = False
        self._images_ns: deque[int] = deque(maxlen=2)  # when the last image came, and the one before
        self._events: list[Callable[[], None]] = []

    def push_image(self, stamp_ns: int, message: Any, now_ns: int) -> None:
        with self._lock:
            newest = self._arrived('image', self._image_topic, stamp_ns)
            if newest is not None and stamp_ns <= newest:
                reason = REPEATED if stamp_ns == newest else BACKWARDS
                self._drop(reason, f'{self._image_topic}: stamp {_s(stamp_ns)} after {_s(newest)}')
            else:
                frame = _Waiting(stamp_ns, now_ns, message, paired=not self._needs_info)
                self._pair(frame)
                self._waiting.append(frame)
                self._images_ns.append(now_ns)
                for source in self._sources.values():
                    source.heard_ns = now_ns if source.heard_ns is None else source.heard_ns
                if len(self._waiting) > IMAGES_KEPT:
                    self._give_up(self._waiting.popleft())
        self._tell()

    def push_info(self, stamp_ns: int, message: Any) -> None:
        with self._lock:
            self._arrived('info', self._info_topic, stamp_ns)
            self._info_seen = True
            self._infos[stamp_ns] = message
            self._infos.move_to_end(stamp_ns)
            while len(self._infos) > INFOS_KEPT:
                self._infos.popitem(last=False)
            for frame in self._waiting:
                self._pair(frame)
        self._tell()

    def push_sweep(self, source: str, stamp_ns: int, message: Any, now_ns: int) -> None:
        """Raises KeyError on a source that wasn't named at construction."""
        with self._lock:
            known = self._sources[source]
            self._arrived(f'sweep {source}', source, stamp_ns)
            known.heard_ns = now_ns
            sweeps = known.sweeps
            sweeps.append(Stamped(stamp_ns, message))
            if (
                len(sweeps) > 1 and sweeps[-2].stamp_ns >= stamp_ns
            ):  # late or repeated: put in order, the last one counts
                by_stamp = {sweep.stamp_ns: sweep for sweep in sweeps}
                sweeps = known.sweeps = deque(by_stamp[stamp] for stamp in sorted(by_stamp))
            horizon_ns = sweeps[-1].stamp_ns - int(self.config.sweep_window_s * 1e9) - SWEEP_SPARE_NS
            while sweeps[0].stamp_ns < horizon_ns:
                sweeps.popleft()
        self._tell()

    def take(
        self,
        now_ns: int,
        *,
        max_age_s: float = 0.0,
        ready: Callable[[Bundle], bool] | None = None,
        ready_wait_s: float = 0.0,
    ) -> Bundle | None:
        """The newest image that has what it needs, or has waited long enough; older ones are dropped. None: not yet.

        max_age_s: older images are dropped, 0: never. ready(bundle): asked of a bundle that is otherwise complete (are
        its transforms there?); False keeps it waiting, for `ready_wait_s` after the image came. It must not call back.
        """
        with self._lock:
            bundle = self._newest_complete(now_ns, max_age_s, ready, ready_wait_s)
        self._tell()
        return bundle

    def clear(self) -> None:
        """Forget every message; counts stay."""
        with self._lock:
            self._forget()

    def _newest_complete(self, now_ns, max_age_s, ready, ready_wait_s) -> Bundle | None:
        config = self.config
        for frame in reversed(tuple(self._waiting)):
            waited_s = (now_ns - frame.arrived_ns) / 1e9
            if max_age_s and now_ns - frame.stamp_ns > max_age_s * 1e9:
                self._waiting.remove(frame)
                age_s = (now_ns - frame.stamp_ns) / 1e9
                self._drop(TOO_OLD, f'{self._image_topic}: {age_s:.3f} s old, max_age_s is {max_age_s:g}')
            elif not frame.paired:
                if waited_s >= config.camera_info_wait_s:
                    self._waiting.remove(frame)
                    self._give_up(frame)
            elif waited_s >= config.wait_for_sweep_s or not self._sweep_expected(frame):
                bundle = self._bundle(frame)
                if ready is None or waited_s >= ready_wait_s or ready(bundle):
                    while self._waiting[0] is not frame:
                        self._give_up(self._waiting.popleft())
                    self._waiting.popleft()
                    self._warn_of_missing(bundle)
                    return bundle
        return None

    def _sweep_expected(self, frame: _Waiting) -> bool:
        """Whether a sweep of some source is yet to come that would be nearer to the image than those at hand."""
        for source in self._sources.values():
            # silent in the face of an earlier image: after a pause of all, sweeps come as much as images do
            if source.heard_ns is not None and self._images_ns and self._images_ns[0] - source.heard_ns > SILENT_NS:
                continue
            if not source.sweeps:
                return True
            period_ns = source.period_ns() or int(self.config.sweep_window_s * 1e9)
            if frame.stamp_ns - source.sweeps[-1].stamp_ns > period_ns / 2:
                return True
        return False

    def _bundle(self, frame: _Waiting) -> Bundle:
        window_ns = self.config.sweep_window_s * 1e9
        chosen = {}
        for name, source in self._sources.items():
            near = [sweep for sweep in source.sweeps if abs(sweep.stamp_ns - frame.stamp_ns) <= window_ns]
            near.sort(key=lambda sweep: abs(sweep.stamp_ns - frame.stamp_ns))
            chosen[name] = tuple(sorted(near[: self.config.sweeps], key=lambda sweep: sweep.stamp_ns))
        return Bundle(frame.stamp_ns, frame.image, frame.camera_info, chosen)

    def _warn_of_missing(self, bundle: Bundle) -> None:
        for name, chosen in bundle.sweeps.items():
            if chosen:
                continue
            apart = [sweep.stamp_ns - bundle.stamp_ns for sweep in self._sources[name].sweeps]
            if apart:  # most often two clocks that were never set to each other
                nearest_s = min(apart, key=abs) / 1e9
                side = 'after' if nearest_s > 0 else 'before'
                detail = (
                    f'{name}: the nearest sweep is {abs(nearest_s):.3f} s {side} the image,'
                    f' sync.sweep_window_s is {self.config.sweep_window_s:g}'
                )
            else:
                detail = f'{name}: nothing came'
            self._events.append(lambda detail=detail: self._on_warn(NO_SWEEP, detail))

    def _pair(self, frame: _Waiting) -> None:
        if frame.paired or not self._infos:
            return
        if self.config.camera_info == 'latest':
            frame.camera_info, frame.paired = next(reversed(self._infos.values())), True
        elif frame.stamp_ns in self._infos:
            frame.camera_info, frame.paired = self._infos.pop(frame.stamp_ns), True

    def _arrived(self, key: str, topic: str, stamp_ns: int) -> int | None:
        """Notes a stamp and returns the newest before it; a jump back forgets everything."""
        newest = self._newest.get(key)
        if newest is not None and newest - stamp_ns > self.config.time_jump_s * 1e9:
            detail = (
                f'{topic}: stamps went back by {(newest - stamp_ns) / 1e9:.3f} s, from {_s(newest)} to {_s(stamp_ns)}'
            )
            for _ in self._waiting:
                self._drop(TIME_JUMP, detail)
            self._forget()
            self._events.append(lambda: self._on_jump(detail))
            newest = None
        self._newest[key] = stamp_ns if newest is None else max(newest, stamp_ns)
        return newest

    def _forget(self) -> None:
        self._waiting.clear()
        self._infos.clear()
        self._newest.clear()
        self._images_ns.clear()
        for source in self._sources.values():
            source.heard_ns = None
            source.sweeps.clear()

    def _give_up(self, frame: _Waiting) -> None:
        if frame.paired:
            self._drop(SUPERSEDED, f'{self._image_topic}: a newer image came before {_s(frame.stamp_ns)} was worked on')
        elif not self._info_seen:
            self._drop(NO_INFO, f'{self._info_topic}: nothing came; is it published, and remapped like the image?')
        else:
            newest = next(reversed(self._infos), None)
            have = 'none is left over' if newest is None else f'the last one has {_s(newest)}'
            self._drop(
                INFO_MISMATCH,
                f'{self._info_topic}: none has the stamp {_s(frame.stamp_ns)} of the image, {have}'
                ' (sync.camera_info: latest takes it all the same)',
            )

    def _drop(self, reason: str, detail: str) -> None:
        self.dropped[reason] += 1
        self._events.append(lambda: self._on_drop(reason, detail))

    def _tell(self) -> None:
        with self._lock:
            events, self._events = self._events, []
        for event in events:
            event()


def _s(stamp_ns: int) -> str:
    return f'{stamp_ns // 10**9}.{stamp_ns % 10**9:09d} s'
