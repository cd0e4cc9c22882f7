# SPDX-License-Identifier: Apache-2.0
"""Results as tables in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from depth_anything_ros.evaluation.evaluate import CaseResult, geometric_mean_ratio

COLUMNS = (
    ('AbsRel', 'abs_rel', '.4f', min),
    ('MAE m', 'mae_m', '.3f', min),
    ('RMSE m', 'rmse_m', '.3f', min),
    ('δ1', 'delta1', '.3f', max),
    ('δ0.5', 'delta05', '.3f', max),
    ('in σ', 'within_sigma', '.2f', None),
    ('cover', 'coverage', '.3f', max),
)


def accuracy_table(result: CaseResult) -> Table:
    """One row per method; the best of a column is bold."""
    table = Table(title=f'{result.case}: {result.description}', title_justify='left', title_style='bold')
    table.add_column('method')
    for label, *_ in COLUMNS:
        table.add_column(label, justify='right')
    for method in result.methods:
        cells = []
        for _, name, form, best_of in COLUMNS:
            among = [getattr(m.score, name) for m in result.methods]
            among = [value for value in among if not math.isnan(value)]
            best = best_of(among) if best_of and len(set(among)) > 1 else None
            cells.append(_cell(getattr(method.score, name), form, best))
        table.add_row(method.method, *cells)
    table.caption = f'{result.frames} frames, {result.prompt_returns:.0f} returns each'
    return table


def latency_table(result: CaseResult) -> Table:
    table = Table(title='latency', title_justify='left', title_style='bold')
    for label in ('stage', 'median ms', '95 % ms'):
        table.add_column(label, justify='left' if label == 'stage' else 'right')
    for row in result.latency:
        table.add_row(row.stage, f'{row.median_ms:.1f}', f'{row.p95_ms:.1f}')
    table.caption = ', '.join(f'{key} {result.engine[key]}' for key in ('model', 'engine') if key in result.engine)
    return table


def summary_table(results: Sequence[CaseResult]) -> Table:
    """AbsRel of every case and method, and ours against the best classical completion."""
    names = [method.method for method in results[0].methods]
    table = Table(title='AbsRel', title_justify='left', title_style='bold')
    table.add_column('case')
    for name in [*names, 'ours / best']:
        table.add_column(name, justify='right')
    for result in results:
        values = {method.method: method.score.abs_rel for method in result.methods}
        best = min(values.values())
        cells = (_cell(values[name], '.4f', best) for name in names)
        table.add_row(result.case, *cells, _cell(result.against_best_classical, '.2f', None))
    table.caption = f'geometric mean of the last column: {geometric_mean_ratio(results):.2f}'
    return table


def _cell(value: float, form: str, best: float | None) -> str:
    if math.isnan(value):
        return '-'
    text = format(value, form)
    return f'[bold]{text}[/bold]' if value == best else text
