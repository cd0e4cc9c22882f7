# SPDX-License-Identifier: Apache-2.0
"""One row of the accuracy table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from depth_anything_ros.evaluation.sample import Sample


@dataclass(frozen=True)
class Case:
    """`samples()` reads the files anew each time; count: how many there are. notes: what a reader must know."""

    name: str
    description: str
    count: int
    samples: Callable[[], Iterator[Sample]]
    notes: tuple[str, ...] = ()
