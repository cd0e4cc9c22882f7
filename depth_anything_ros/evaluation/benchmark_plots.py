# SPDX-License-Identifier: Apache-2.0
"""Pictures of benchmarks, from the figures that their JSON files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from depth_anything_ros.core.errors import ConfigError, MissingExtra

COLOURS = ('#1f6feb', '#d1570c', '#1a7f37', '#8250df', '#bf3989', '#6e7781')
FORMATS = ('.png', '.svg', '.pdf')
DPI = 110


def plot_stages(stages_ms: Mapping[str, Mapping[str, float]], title: str, path: Path) -> None:
    """Bars of the medians, with a whisker up to p99; stages_ms: stage -> {'p50': ms, 'p99': ms}."""
    figure, (axes,) = _figure(path, 1, (7.0, 0.8 + 0.32 * len(stages_ms)))
    names = list(stages_ms)[::-1]
    medians = [stages_ms[name]['p50'] for name in names]
    reach = [stages_ms[name]['p99'] - stages_ms[name]['p50'] for name in names]
    axes.barh(names, medians, color=COLOURS[0], xerr=[[0] * len(names), reach], ecolor=COLOURS[5], capsize=3)
    axes.set(xlabel='ms: median, whisker to p99')
    axes.grid(axis='x', alpha=0.3)
    _save(figure, title, path)


def plot_load(systems: Mapping[str, Sequence[Mapping]], title: str, path: Path) -> None:
    """Latency and throughput against the offered rate.

    systems: name -> steps with offered_hz, answered_hz and latency_ms {'p50', 'p99'}.
    """
    figure, (latency, throughput) = _figure(path, 2, (10.0, 4.0))
    for colour, (name, steps) in zip(_colours(len(systems)), systems.items(), strict=True):
        offered = [step['offered_hz'] for step in steps]
        for key, style in (('p50', '-o'), ('p99', '--^')):
            values = [step['latency_ms'][key] for step in steps]
            latency.plot(offered, values, style, color=colour, markersize=4, label=f'{name} {key}')
        throughput.plot(offered, [s['answered_hz'] for s in steps], '-o', color=colour, markersize=4, label=name)
    most = max(throughput.get_xlim()[1], 1e-3)
    throughput.plot([0, most], [0, most], color=COLOURS[5], linewidth=0.8, label='all answered')
    latency.set(xlabel='offered images a second', ylabel='stamp to depth received, ms')
    throughput.set(xlabel='offered images a second', ylabel='answered a second', xlim=(0, most))
    for axes in (latency, throughput):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    _save(figure, title, path)


def plot_soak(samples: Mapping[str, Sequence[float]], warm_up: int, title: str, path: Path) -> None:
    """Memory and latency over frames.

    samples: column -> values, with frames, own_mb, shared_mb, p50_ms and p99_ms. Memory starts at 0: a
    growth that matters is one that shows.
    """
    figure, (memory, latency) = _figure(path, 2, (10.0, 3.6))
    frames = samples['frames']
    memory.plot(frames, samples['own_mb'], color=COLOURS[0], label='resident, without shared memory')
    memory.plot(frames, samples['shared_mb'], color=COLOURS[1], label="the middleware's shared memory")
    latency.plot(frames, samples['p99_ms'], color=COLOURS[5], linewidth=0.8, label='p99 of 100 frames')
    latency.plot(frames, samples['p50_ms'], color=COLOURS[0], label='p50 of 100 frames')
    memory.set(xlabel='frames', ylabel='memory of the node, MB')
    memory.set_ylim(bottom=0)
    latency.set(xlabel='frames', ylabel='stamp to depth received, ms', yscale='log')
    for axes in (memory, latency):
        axes.axvspan(0, warm_up, color=COLOURS[5], alpha=0.15, label='warm-up')
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    _save(figure, title, path)


def _figure(path: Path, columns: int, size: tuple[float, float]):
    if path.suffix not in FORMATS:
        raise ConfigError(f'a plot is written as {", ".join(FORMATS)}; got {path.name!r}')
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra('matplotlib', 'report', 'drawing a plot') from error
    figure = Figure(figsize=size, layout='constrained')
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _save(figure, title: str, path: Path) -> None:
    figure.suptitle(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]
