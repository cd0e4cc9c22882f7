# SPDX-License-Identifier: Apache-2.0
"""Memory of a depth node over very many frames, through the real middleware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.core.errors import EngineError
from depth_anything_ros.ros.load import LoadRig

CHUNK = 100  # frames between two samples


@dataclass(frozen=True)
class Sample:
    """After `frames` frames: memory of the node's process in MB, threads, open files, latencies of the last chunk.

    own_mb: resident without shared memory, heap, stacks and code. shared_mb: what is touched of the middleware's
    segments, whose size is fixed; it rises when a listener falls behind, and never falls.
    """

    frames: int
    own_mb: float
    shared_mb: float
    threads: int
    files: int
    p50_ms: float
    p99_ms: float


def soak(rig: LoadRig, frames: int) -> Iterator[Sample]:
    """Send frames as fast as they are answered, a sample for every chunk. Raises EngineError where the node ends."""
    done = 0
    while done < frames:
        chunk = min(CHUNK, frames - done)
        rig.send(chunk)
        done += chunk
        latencies_ms = rig.take_latencies_ms()
        if not latencies_ms:
            raise EngineError(f'none of the last {chunk} frames was answered; the node counts {rig.counts()}')
        p50_ms, p99_ms = np.percentile(latencies_ms, (50, 99))
        yield Sample(done, *process_memory_mb(rig.pid), *_handles(rig.pid), float(p50_ms), float(p99_ms))


def process_memory_mb(pid: int) -> tuple[float, float]:
    """(own, shared) resident memory of a process in MB; Linux only."""
    fields = _status(pid)
    resident_mb, shared_mb = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ('VmRSS', 'RssShmem'))
    return resident_mb - shared_mb, shared_mb


def _handles(pid: int) -> tuple[int, int]:
    return int(_status(pid)['Threads']), len(list(Path(f'/proc/{pid}/fd').iterdir()))


def _status(pid: int) -> dict[str, str]:
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(':') for line in lines)}
