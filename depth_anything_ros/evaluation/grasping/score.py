# SPDX-License-Identifier: Apache-2.0
"""Success rates with their intervals, by cell and source, and why grasps failed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from depth_anything_ros.evaluation.grasping.cells import (
    DISTANCES_M,
    FAILURES,
    LIFTED,
    MATERIALS,
    OURS,
    RETURNS,
    TRANSPARENT,
)
from depth_anything_ros.evaluation.grasping.trial import Result

Z_95 = 1.959964
FAR = list(DISTANCES_M)[-1]


@dataclass(frozen=True)
class Rate:
    """Grasps that succeeded. Medians over trials, NaN unknown: depth_error_m on the object; returns that hit it."""

    successes: int
    trials: int
    failures: dict[str, int] = field(default_factory=dict)
    depth_error_m: float = math.nan
    returns: float = math.nan

    @property
    def share(self) -> float:
        return self.successes / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % by Wilson ("Probable inference, the law of succession, and statistical inference", 1927)."""
        if not self.trials:
            return 0.0, 1.0
        n, p, z = self.trials, self.share, Z_95
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        reach = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, middle - reach), min(1.0, middle + reach)


def rate(results: Iterable[Result]) -> Rate:
    results = list(results)
    reasons = Counter(result.result for result in results)
    errors = [result.depth_error_m for result in results if result.depth_error_m is not None]
    return Rate(
        reasons[LIFTED],
        len(results),
        {reason: reasons[reason] for reason in FAILURES if reasons[reason]},
        float(np.median(errors)) if errors else math.nan,
        float(np.median([result.returns for result in results])) if results else math.nan,
    )


def groups() -> dict[str, Callable[[Result], bool]]:
    """Rows of the table: the cells, then what the project's bar asks of: all far, all transparent; and all."""
    rows = {
        f'{material} {distance}': lambda r, m=material, d=distance: (r.material, r.distance) == (m, d)
        for material in MATERIALS
        for distance in DISTANCES_M
    }
    rows[f'all {FAR}'] = lambda r: r.distance == FAR
    rows[f'all {TRANSPARENT}'] = lambda r: r.material == TRANSPARENT
    rows['all'] = lambda r: True
    return rows


def table(results: Sequence[Result], sources: Sequence[str]) -> dict[str, dict[str, Rate]]:
    """row -> source -> Rate; rows without trials are left out."""
    found = {}
    for name, belongs in groups().items():
        of_row = [result for result in results if belongs(result)]
        if of_row:
            found[name] = {source: rate(r for r in of_row if r.source == source) for source in sources}
    return found


def times_returns(row: dict[str, Rate]) -> float:
    """Success on our depth over success on the raw returns; inf where these never succeed, NaN where neither does."""
    if OURS not in row or RETURNS not in row:
        return math.nan
    ours, returns = row[OURS].share, row[RETURNS].share
    if returns == 0:
        return math.inf if ours > 0 else math.nan
    return ours / returns
