# SPDX-License-Identifier: Apache-2.0
"""How workspace_node is doing: the counts and alarms of a depth node, told of clouds that were looked through."""

from __future__ import annotations

from collections.abc import Mapping

from depth_anything_ros.ros.mapping_health import MappingHealth


class WorkspaceHealth(MappingHealth):
    """Every cloud ends as `segmented` or in `dropped`."""

    def segmented(self, stamp_ns: int, timings_ms: Mapping[str, float], facts: Mapping[str, object]) -> None:
        """A cloud whose objects were published; facts: about them, for ~/status."""
        self.integrated(stamp_ns, timings_ms, facts)

    def counts(self) -> dict[str, int]:
        """segmented, dropped.<reason>, warned.<cause>: since the start."""
        counts = super().counts()
        return {'segmented': counts.pop('integrated'), **counts}

    def level(self) -> tuple[bytes, str]:
        level, text = super().level()
        for of_map, ours in (
            ('no depth on', 'no cloud on'),
            ('depth comes, no map', 'clouds come, no objects'),
            ('images come, nobody subscribes to the depth', 'clouds come, nobody subscribes'),
        ):
            text = text.replace(of_map, ours)
        return level, text
