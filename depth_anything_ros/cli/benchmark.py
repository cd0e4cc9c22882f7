# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark`: what the node costs beside inference, by stage, on this machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

HELP = 'time the frame path without inference (decode, project, condition, pack, publish), or mapping'
EPILOG = """
examples:
  depth_anything_ros benchmark --output benchmark.json
  depth_anything_ros benchmark mapping --frames 600 --memory 256
"""


def add_arguments(parser) -> None:
    parser.add_argument('what', nargs='?', default='frame', choices=('frame', 'mapping'), help='default: frame')
    parser.add_argument('--voxel', type=float, default=0.02, metavar='M', help='of mapping (default: %(default)s m)')
    parser.add_argument('--memory', type=int, default=256, metavar='MB', help='of mapping (default: %(default)s MB)')
    parser.add_argument('--size', type=_size, default=(640, 480), metavar='WxH', help='image size (default: 640x480)')
    parser.add_argument('--points', type=int, default=30000, help='returns of a sweep (default: %(default)s)')
    parser.add_argument(
        '--sweep', type=int, default=120000, help='returns of the rasterised turn (default: %(default)s)'
    )
    parser.add_argument('--frames', type=int, default=200, help='frames that are timed (default: %(default)s)')
    parser.add_argument('--output', type=Path, metavar='FILE.json', help='also write all figures as JSON')


def run(args) -> int:
    if args.what == 'mapping':
        return _mapping(args)
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


def _mapping(args) -> int:
    from rich.console import Console
    from rich.table import Table

    from depth_anything_ros.cli.progress import progress_bar
    from depth_anything_ros.evaluation.map_benchmark import CAMERA, STEP_M, drive

    with progress_bar() as bar:
        task = bar.add_task('frames', total=args.frames)
        done = drive(args.frames, args.voxel, args.memory, lambda: bar.advance(task))
    table = percentiles(done.stages_ms)
    facts = {
        'mesh of all in memory': f'{done.mesh_s:.2f} s, {done.triangles} triangles',
        'voxels, most': f'{max(done.memory_mb):.0f} MB of {args.memory} MB',
        'voxels, last': f'{done.memory_mb[-1]:.0f} MB, {done.status["dropped_blocks"]:.0f} blocks dropped on the way',
        'process, half-way and last': f'{done.resident_mb[0]:.0f} MB, {done.resident_mb[1]:.0f} MB',
    }
    view = Table(
        title=f'{CAMERA.width}x{CAMERA.height}, voxels of {args.voxel * 100:g} cm, {args.frames} frames over'
        f' {args.frames * STEP_M:.0f} m, milliseconds; {machine()}'
    )
    for column in ('stage', 'p50', 'p95', 'p99'):
        view.add_column(column, justify='left' if column == 'stage' else 'right')
    for stage, values in table.items():
        view.add_row(stage, *(f'{values[key]:.1f}' for key in ('p50', 'p95', 'p99')))
    console = Console()
    console.print(view)
    for name, value in facts.items():
        console.print(f'{name}: {value}', highlight=False)
    if args.output:
        figures = {'machine': machine(), 'stages_ms': table, 'facts': facts, 'memory_mb': done.memory_mb}
        args.output.write_text(json.dumps(figures, indent=2))
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
