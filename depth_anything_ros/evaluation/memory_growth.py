# SPDX-License-Identifier: Apache-2.0
"""Whether a process that should run for months grows: judged from samples of its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import ConfigError

PART = 0.1  # of the samples after warm-up: the first and the last are compared
FEWEST = 3  # samples of each part: one alone may be the peak of a frame


@dataclass(frozen=True)
class Growth:
    """Median memory of the first and the last tenth of the samples after warm-up."""

    before_mb: float
    after_mb: float

    @property
    def share(self) -> float:
        """How much larger the end is than the beginning: 0.01 is one per cent; negative where it shrank."""
        return self.after_mb / self.before_mb - 1


def memory_growth(frames: Sequence[int], memory_mb: Sequence[float], warm_up: int) -> Growth:
    """frames (N,): how many were done at each sample; warm_up: samples up to this many frames don't count.

    Medians, since a sample may fall into a frame that holds its buffers; ends, since a leak may come in one step as
    well as little by little. Raises ConfigError with too few samples to judge.
    """
    counted = np.asarray(memory_mb, np.float64)[np.asarray(frames) > warm_up]
    part = max(FEWEST, round(PART * len(counted)))
    if len(counted) < 2 * part:
        raise ConfigError(
            f'expected at least {2 * FEWEST} samples after a warm-up of {warm_up} frames, got {len(counted)}:'
            ' soak longer or warm up less'
        )
    return Growth(float(np.median(counted[:part])), float(np.median(counted[-part:])))
