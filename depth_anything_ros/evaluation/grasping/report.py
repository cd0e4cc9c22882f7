# SPDX-License-Identifier: Apache-2.0
"""The benchmark as files: grasp.json, success.png, film_*.jpg, and tables for a Markdown page."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros import __version__
from depth_anything_ros.core.errors import MissingExtra, RecordingError
from depth_anything_ros.evaluation.grasping.benchmark import BenchmarkConfig
from depth_anything_ros.evaluation.grasping.cells import FAILURES, MATERIALS, SOURCES
from depth_anything_ros.evaluation.grasping.score import Rate, rate, table, times_returns
from depth_anything_ros.evaluation.grasping.trial import Result
from depth_anything_ros.evaluation.report import machine

BEGIN, END = '<!-- {}: made by the command -->', '<!-- {}: end -->'
COLOURS = ('#7a7f87', '#1f77b4', '#d62728', '#ff9f1c', '#9ecae1')
JPEG_QUALITY = 84


def write_report(
    folder: Path,
    results: Sequence[Result],
    config: BenchmarkConfig,
    strips: dict[str, list[np.ndarray]],
    command: str,
    engine: dict[str, str],
    page: Path | None = None,
) -> Path:
    """Writes into `folder`, and the tables and pictures also into the Markdown `page`; returns grasp.json's path.

    page: an existing one keeps its text: only what stands between this run's BEGIN and END is replaced, or put at the
    end.
    Raises RecordingError where they cannot be written.
    """
    rows = table(results, config.sources)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'grasp.json').write_text(json.dumps(as_json(results, rows, config, command, engine), indent=1))
        pictures = _write_pictures(folder, rows, strips, config.blind)
        (folder / 'grasp.md').write_text(_tables(rows, results, config, command, engine, pictures, '') + '\n')
        if page is not None:
            beside = page.with_suffix('')
            beside.mkdir(parents=True, exist_ok=True)
            _write_pictures(beside, rows, strips, config.blind)
            made = _tables(rows, results, config, command, engine, pictures, f'{beside.name}/')
            text = page.read_text() if page.is_file() else '# Grasp benchmark\n'
            page.write_text(_inserted(text, made, 'grasp-benchmark --blind' if config.blind else 'grasp-benchmark'))
    except OSError as error:
        raise RecordingError(f'{folder}: the report cannot be written: {error}') from error
    return folder / 'grasp.json'


def as_json(results, rows, config: BenchmarkConfig, command: str, engine: dict[str, str]) -> dict:
    """Plain data; NaN and infinity become null."""
    return {
        'version': __version__,
        'made': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
        'machine': machine(),
        'command': command,
        'engine': engine,
        'seed': config.seed,
        'trials_per_cell': config.trials,
        'blind': config.blind,
        'rows': {
            name: {
                'ours_over_raw_returns': _finite(times_returns(row)),
                'sources': {source: _as_dict(value) for source, value in row.items()},
            }
            for name, row in rows.items()
        },
        'trials': [vars(result) for result in results],
    }


def cell_text(value: Rate) -> str:
    """As '15/20 75 % (53-89)'."""
    low, high = value.interval
    return f'{value.successes}/{value.trials} {100 * value.share:.0f} % ({100 * low:.0f}-{100 * high:.0f})'


def bars(rows: dict[str, dict[str, Rate]], file: Path) -> None:
    """Success by cell and source with 95 % intervals. Raises MissingExtra."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra('matplotlib', 'report', 'the plot of the grasp benchmark') from error
    figure = Figure(figsize=(11, 4.2), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    sources = list(next(iter(rows.values())))
    wide = 0.84 / len(sources)
    for index, source in enumerate(sources):
        shares = np.array([row[source].share for row in rows.values()])
        ends = np.array([row[source].interval for row in rows.values()]).T
        places = np.arange(len(rows)) + (index - (len(sources) - 1) / 2) * wide
        axes.bar(places, 100 * shares, wide, color=COLOURS[list(SOURCES).index(source)], label=source)
        reach = 100 * np.abs(ends - shares)
        axes.errorbar(places, 100 * shares, reach, fmt='none', ecolor='#333333', elinewidth=0.8, capsize=1.5)
    axes.set_xticks(np.arange(len(rows)), [name.replace(' ', '\n', 1) for name in rows], fontsize=8)
    axes.set_ylabel('object lifted and held [%]')
    axes.set_ylim(0, 104)
    axes.legend(ncols=len(sources), loc='lower center', bbox_to_anchor=(0.5, 1.0), frameon=False)
    axes.spines[['top', 'right']].set_visible(False)
    figure.savefig(file, dpi=110)


def _write_pictures(folder: Path, rows, strips: dict[str, list[np.ndarray]], blind: bool) -> list[str]:
    """Their names; those of a blind ranger stand beside the others."""
    suffix = '_blind' if blind else ''
    names = [f'success{suffix}.png']
    bars(rows, folder / names[0])
    for material in MATERIALS:
        if material in strips:
            names.append(f'film_{material}{suffix}.jpg')
            film = np.concatenate(strips[material])[:, :, ::-1]
            cv2.imwrite(str(folder / names[-1]), film, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return names


def _tables(rows, results, config: BenchmarkConfig, command, engine, pictures: list[str], beside: str) -> str:
    sources = config.sources
    lines = [
        f'Made by `{command}`; model {engine.get("model", "?")}, engine {engine.get("engine", "?")},'
        f' seed {config.seed}, {config.trials} trials a cell. Lifted/trials, share, and its 95 % interval (Wilson).',
        '',
        _row(['cell', *sources, 'ours / raw returns']),
        _row(['---', *['---:'] * (len(sources) + 1)]),
    ]
    for name, row in rows.items():
        bold = '**' if name.startswith('all') else ''
        cells = [f'{bold}{cell_text(row[source])}{bold}' for source in sources]
        lines.append(_row([f'{bold}{name}{bold}', *cells, _times(times_returns(row))]))
    lines += ['', 'Why grasps failed, over all cells, and how far depth on the object was off:', '']
    lines.append(_row(['depth', *FAILURES, 'error on the object, median']))
    lines.append(_row(['---', *['---:'] * (len(FAILURES) + 1)]))
    for source in sources:
        whole = rate(r for r in results if r.source == source)
        error = '–' if math.isnan(whole.depth_error_m) else f'{1000 * whole.depth_error_m:.1f} mm'
        lines.append(_row([source, *(str(whole.failures.get(reason, 0)) for reason in FAILURES), error]))
    lines += ['', 'Returns that truly hit the object, and the error of depth on it in mm; medians over the trials:', '']
    lines += [_row(['cell', 'returns', *sources]), _row(['---', *['---:'] * (len(sources) + 1)])]
    for name, row in rows.items():
        errors = [1000 * row[source].depth_error_m for source in sources]
        returns = f'{row[sources[0]].returns:.0f}'
        lines.append(_row([name, returns, *('–' if math.isnan(error) else f'{error:.1f}' for error in errors)]))
    for picture in pictures:
        lines += ['', f'![{picture.rpartition(".")[0].replace("_", ", ")}]({beside}{picture})']
    return '\n'.join(lines)


def _inserted(text: str, made: str, name: str) -> str:
    begin, end = BEGIN.format(name), END.format(name)
    part = f'{begin}\n\n{made}\n\n{end}'
    before, found, rest = text.partition(begin)
    if not found:
        return f'{text.rstrip()}\n\n{part}\n'
    return before + part + rest.partition(end)[2]


def _times(value: float) -> str:
    return '–' if math.isnan(value) else '∞' if math.isinf(value) else f'{value:.1f}'


def _as_dict(value: Rate) -> dict:
    low, high = value.interval
    return {
        'successes': value.successes,
        'trials': value.trials,
        'share': _finite(value.share),
        'interval_95': [low, high],
        'failures': value.failures,
        'depth_error_m': _finite(value.depth_error_m),
        'returns': _finite(value.returns),
    }


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
