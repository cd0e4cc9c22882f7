# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark`: what the node costs beside inference, by stage, on this machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

HELP = 'time the frame path without inference: decode, project, condition, pack, publish'
EPILOG = """
example:
  depth_anything_ros benchmark --output benchmark.json
"""


def add_arguments(parser) -> None:
    parser.add_argument('--size', type=_size, default=(640, 480), metavar='WxH', help='image size (default: 640x480)')
    parser.add_argument('--points', type=int, default=30000, help='returns of a sweep (default: %(default)s)')
    parser.add_argument(
        '--sweep', type=int, default=120000, help='returns of the rasterised turn (default: %(default)s)'
    )
    parser.add_argument('--frames', type=int, default=200, help='frames that are timed (default: %(default)s)')
    parser.add_argument('--output', type=Path, metavar='FILE.json', help='also write all figures as JSON')


def run(args) -> int:
    import cv2

    from depth_anything_ros.cli.progress import progress_bar
    from depth_anything_ros.ros import overhead

    cv2.setNumThreads(1)  # the figures are for one core
    with progress_bar() as bar:
        task = bar.add_task('frames', total=args.frames)
        stages = overhead.measure(*args.size, args.points, args.frames, lambda: bar.advance(task))
    stages['rasterize one turn'] = overhead.measure_rasterize(args.sweep, args.frames)
    table = percentiles(stages)
    _print(table, args)
    if args.output:
        args.output.write_text(
            json.dumps({'machine': machine(), 'arguments': _plain(args), 'stages_ms': table}, indent=2)
        )
    return 0


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition('x')
    if not (cross and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f'expected WIDTHxHEIGHT such as 640x480, got {text!r}')
    return int(width), int(height)


def percentiles(stages: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """stage -> milliseconds at the median, 95 % and 99 %."""
    import numpy as np

    return {
        stage: dict(zip(('p50', 'p95', 'p99'), np.percentile(values, (50, 95, 99)).round(3).tolist(), strict=True))
        for stage, values in stages.items()
    }


def machine() -> str:
    """Processor and number of cores, as the operating system tells."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        name = next(line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f'{name}, {os.cpu_count()} cores, Python {platform.python_version()}'


def _plain(args) -> dict:
    return {name: getattr(args, name) for name in ('size', 'points', 'sweep', 'frames')}


def _print(table, args) -> None:
    from rich.console import Console
    from rich.table import Table

    view = Table(
        title=f'{args.size[0]}x{args.size[1]}, {args.points} returns, {args.frames} frames, milliseconds; {machine()}'
    )
    view.add_column('stage')
    for column in ('p50', 'p95', 'p99'):
        view.add_column(column, justify='right')
    for stage, row in table.items():
        view.add_row(stage, *(f'{row[c]:.2f}' for c in ('p50', 'p95', 'p99')), style='bold' if stage == 'all' else '')
    Console().print(view)
