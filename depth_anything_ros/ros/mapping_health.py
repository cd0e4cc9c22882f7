# SPDX-License-Identifier: Apache-2.0
"""How mapping_node is doing: the counts and alarms of a depth node, told of frames that went into a map."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus

from depth_anything_ros.ros.health import RECENT, Health


class MappingHealth(Health):
    """`integrated` takes the place of `published`: every depth image ends there or in `dropped`."""

    def __init__(self, node, depth_topic: str):
        self.paused = False
        super().__init__(node, image_topic=depth_topic, expects_prompt=False)

    def integrated(self, stamp_ns: int, timings_ms: Mapping[str, float], facts: Mapping[str, object]) -> None:
        """A frame that is in the map now; facts: of the map, for ~/status."""
        with self._lock:
            self._published += 1
            self._heard_at = self._seconds()
            self._published_at.append(self._heard_at)
            for stage, value in timings_ms.items():
                self._latencies_ms.setdefault(stage, deque(maxlen=RECENT)).append(value)
            told = {'stamp_ns': str(stamp_ns), **{key: str(value) for key, value in facts.items()}}
            told |= {f'latency.{stage}_ms': f'{values[-1]:.2f}' for stage, values in self._latencies_ms.items()}
            self._frame = told
        self._publish_status()

    def counts(self) -> dict[str, int]:
        """integrated, dropped.<reason>, warned.<cause>: since the start."""
        counts = super().counts()
        return {'integrated': counts.pop('published'), **counts}

    def level(self) -> tuple[bytes, str]:
        if self.active and self.paused:
            return DiagnosticStatus.OK, 'paused (~/pause)'
        level, text = super().level()
        text = text.replace('no image on', 'no depth on').replace('images come, no depth', 'depth comes, no map')
        return level, text
