# SPDX-License-Identifier: Apache-2.0
"""Results as a Markdown page, so that the figures in docs/ come from a command and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from depth_anything_ros.evaluation.evaluate import CaseResult, geometric_mean_ratio

COLUMNS = (
    ('AbsRel', 'abs_rel', '.4f'),
    ('MAE [m]', 'mae_m', '.3f'),
    ('RMSE [m]', 'rmse_m', '.3f'),
    ('δ1', 'delta1', '.3f'),
    ('δ0.5', 'delta05', '.3f'),
    ('within σ', 'within_sigma', '.2f'),
)


def accuracy_page(results: Sequence[CaseResult], command: str) -> str:
    """A summary of AbsRel by case and method, then every figure; `command` is what printed it."""
    methods = [method.method for method in results[0].methods]
    first = results[0].engine
    lines = [
        '# Accuracy',
        '',
        f'Made by `{command}`; model {first.get("model", "?")}, engine {first.get("engine", "?")}. '
        'Every method is given the same prompt. AbsRel is mean |d - z| / z over the scored pixels.',
        '',
        _row(['case', *methods, 'ours / best classical']),
        _row(['---', *['---:'] * (len(methods) + 1)]),
    ]
    for result in results:
        values = [f'{method.score.abs_rel:.4f}' for method in result.methods]
        cells = [*values, f'{result.against_best_classical:.2f}']
        lines.append(_row([result.case, *('–' if cell == 'nan' else cell for cell in cells)]))
    if len(results) > 1:
        mean = f'{geometric_mean_ratio(results):.2f}'
        lines.append(_row(['**geometric mean**', *[''] * len(methods), f'**{mean}**']))
    for result in results:
        lines += ['', f'## {result.case}', '', f'{result.description} {result.frames} frames,']
        lines[-1] += f' {result.prompt_returns:.0f} returns each.'
        lines += ['', _row(['method', *(label for label, *_ in COLUMNS)]), _row(['---', *['---:'] * len(COLUMNS)])]
        for method in result.methods:
            cells = [format(getattr(method.score, name), form) for _, name, form in COLUMNS]
            lines.append(_row([method.method, *('–' if cell == 'nan' else cell for cell in cells)]))
    return '\n'.join(lines) + '\n'


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'
