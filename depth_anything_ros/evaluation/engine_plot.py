# SPDX-License-Identifier: Apache-2.0
"""The bar plot of `benchmark engines`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from depth_anything_ros.core.errors import MissingExtra

OURS, THEIRS = '#1f6feb', '#8c959f'
DPI = 110


def plot_engines(comparisons: Sequence[Mapping], machine: str, path: Path) -> None:
    """One panel for each comparison (size, rows with model, name, p50_ms, p95_ms, speed_up): bars of the medians."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra('matplotlib', 'report', 'drawing a plot') from error
    heights = [1 + len(comparison['rows']) for comparison in comparisons]
    figure = Figure(figsize=(9.0, 0.8 + 0.4 * sum(heights)), layout='constrained')
    panels = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={'height_ratios': heights})[:, 0]
    for panel, comparison in zip(panels, comparisons, strict=True):
        rows = comparison['rows'][::-1]
        names = [f'{row["model"]}\n{row["name"]}' for row in rows]
        medians = [row['p50_ms'] for row in rows]
        reach = [max(0.0, row['p95_ms'] - row['p50_ms']) for row in rows]
        colours = [THEIRS if 'pipeline' in row['name'] else OURS for row in rows]
        bars = panel.barh(names, medians, color=colours, xerr=[[0] * len(rows), reach], ecolor='#57606a', capsize=3)
        labels = [f' {row["p50_ms"]:.0f} ms, {row["speed_up"]:.2f} x' for row in rows]
        panel.bar_label(bars, labels, fontsize=7, label_type='center', color='white')
        panel.set(title=comparison['size'], xlabel='ms from uint8 image to float depth: median, whisker to p95')
        panel.tick_params(axis='y', labelsize=7)
        panel.grid(axis='x', alpha=0.3)
    figure.suptitle(machine, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)
