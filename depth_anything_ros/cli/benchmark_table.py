# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: percentiles, the machine, tables, the JSON file and the arguments for them."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

COLUMNS = ('p50', 'p95', 'p99')


def add_output_arguments(parser, plot: bool = True) -> None:
    parser.add_argument('--output', type=Path, metavar='FILE.json', help='also write all figures as JSON')
    if plot:
        parser.add_argument('--plot', type=Path, metavar='FILE.png', help='also draw them (.png, .svg or .pdf)')


def image_size(text: str) -> tuple[int, int]:
    """'640x480' -> (width, height), as argparse's type."""
    width, cross, height = text.partition('x')
    if not (cross and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f'expected WIDTHxHEIGHT such as 640x480, got {text!r}')
    return int(width), int(height)


def percentiles(stages: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """stage -> milliseconds at the median, 95 % and 99 %."""
    import numpy as np

    return {
        stage: dict(zip(COLUMNS, np.percentile(values, (50, 95, 99)).round(3).tolist(), strict=True))
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


def print_stages(table: Mapping[str, Mapping[str, float]], title: str, digits: int = 2) -> None:
    """One row a stage; the sum, called 'all', is bold."""
    rows = [[stage, *(f'{row[column]:.{digits}f}' for column in COLUMNS)] for stage, row in table.items()]
    print_table(title, ('stage', *COLUMNS), rows, bold='all')


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], bold: str = '') -> None:
    from rich.console import Console
    from rich.table import Table

    view = Table(title=title, title_justify='left')
    for index, column in enumerate(columns):
        view.add_column(column, justify='right' if index else 'left')
    for row in rows:
        view.add_row(*row, style='bold' if row[0] == bold else '')
    Console().print(view)


def write_json(path: Path | None, figures: Mapping) -> None:
    """With the machine they were measured on; nothing without a path."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({'machine': machine(), **figures}, indent=2, default=str))
