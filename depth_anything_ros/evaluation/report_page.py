# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page: pictures inside, no script, no network."""

from __future__ import annotations

import base64
import datetime
import html
import math
from collections.abc import Iterable, Mapping, Sequence

from depth_anything_ros import __version__
from depth_anything_ros.evaluation.evaluate import CaseResult, geometric_mean_ratio
from depth_anything_ros.evaluation.metrics import Score
from depth_anything_ros.evaluation.report_style import CHART_COLOURS, STYLE

# label, field of Score, format, whether smaller is better
COLUMNS = (
    ('AbsRel', 'abs_rel', '{:.4f}', True),
    ('MAE [m]', 'mae_m', '{:.3f}', True),
    ('RMSE [m]', 'rmse_m', '{:.3f}', True),
    ('iRMSE [1/m]', 'irmse_per_m', '{:.4f}', True),
    ('δ<1.25', 'delta1', '{:.3f}', False),
    ('δ<1.25^½', 'delta05', '{:.3f}', False),
    ('within σ', 'within_sigma', '{:.2f}', None),
    ('coverage', 'coverage', '{:.3f}', False),
)
CAPTIONS = {
    'image': 'image',
    'prompt': 'the returns that prompt the network',
    'depth': 'depth, near red to far blue',
    'nearest return': 'the nearest return to each pixel, for comparison',
    'truth': 'truth',
    'error': 'relative error of ours: green 0, red 25 % or more, magenta unknown',
    'error of nearest': 'relative error of nearest',
    'sigma': 'relative sigma: blue sure, red unsure',
    'cloud': 'the cloud from above and beside the camera',
}
LEGEND = (
    '<p>d: depth, z: truth, over all pixels where both are known. AbsRel: mean |d−z|/z. MAE: mean |d−z|.'
    ' RMSE: root of the mean of (d−z)². iRMSE: the same of 1/d−1/z. δ<1.25: share with max(d/z, z/d) below 1.25;'
    ' δ<1.25^½: below 1.118. within σ: share of errors within the predicted standard deviation, 0.68 is honest.'
    ' coverage: share of the pixels with truth that got a depth. Per case: mean over frames; by range: over pixels.</p>'
    '<p>nearest: depth of the nearest return; linear: interpolation between returns; dilation: returns grown'
    ' morphologically until they fill the image. All get exactly the prompt that the network gets.</p>'
)


def page(
    results: Sequence[CaseResult],
    pictures: Mapping[str, Mapping[str, bytes]],
    title: str,
    machine: str,
    live_command: str = '',
) -> str:
    """The page, complete in itself. pictures: case -> name -> JPEG bytes."""
    body = [
        f'<header><h1>{html.escape(title)}</h1><p>{html.escape(_facts(results, machine))}</p></header>',
        _summary(results) if len(results) > 1 else '',
        *(_section(result, pictures[result.case]) for result in results),
        f'<section><h2>See it live</h2><pre>{html.escape(live_command)}</pre></section>' if live_command else '',
        f'<section><h2>What the numbers are</h2>{LEGEND}</section>',
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>{"".join(body)}</body></html>'
    )


def _facts(results: Sequence[CaseResult], machine: str) -> str:
    engine = results[0].engine
    parts = [f'{key} {engine[key]}' for key in ('model', 'engine', 'provider', 'device') if engine.get(key)]
    return ' · '.join([*parts, machine, datetime.date.today().isoformat(), f'depth_anything_ros {__version__}'])


def _summary(results: Sequence[CaseResult]) -> str:
    names = [method.method for method in results[0].methods]
    rows = []
    for result in results:
        values = {m.method: m.score.abs_rel for m in result.methods}
        best = min(values.values())
        cells = ''.join(_cell(values[n], '{:.4f}', values[n] == best) for n in names)
        rows.append(
            f'<tr><th><a href="#{file_name(result.case)}">{html.escape(result.case)}</a></th>'
            f'<td>{result.prompt_returns:.0f}</td>{cells}{_cell(result.against_best_classical, "{:.2f}", False)}</tr>'
        )
    head = ''.join(f'<th>{html.escape(name)}</th>' for name in names)
    return (
        '<section><h2>AbsRel of every case</h2>'
        f'<table><tr><th>case</th><th>returns</th>{head}<th>ours / best classical</th></tr>{"".join(rows)}</table>'
        f'<p>Geometric mean of the last column: <b>{geometric_mean_ratio(results):.2f}</b></p></section>'
    )


def _section(result: CaseResult, pictures: Mapping[str, bytes]) -> str:
    notes = ''.join(f'<p class="note">{html.escape(note)}</p>' for note in result.notes)
    figures = ''.join(
        f'<figure><img alt="{html.escape(name)}" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
        f'<figcaption>{html.escape(CAPTIONS.get(name, name))}</figcaption></figure>'
        for name, picture in pictures.items()
    )
    camera = result.example.sample.observation.camera
    layout = 'gallery wide' if camera.width > 2 * camera.height else 'gallery'
    return (
        f'<section id="{file_name(result.case)}"><h2>{html.escape(result.case)}</h2>'
        f'<p>{html.escape(result.description)} {result.frames} frames,'
        f' {result.prompt_returns:.0f} returns each.</p>{notes}'
        f'{_accuracy_table(result)}'
        f'<div class="pair"><div><h3>AbsRel by range</h3>{_range_chart(result)}</div>'
        f'<div><h3>Latency</h3>{_latency_table(result)}</div></div>'
        f'<details><summary>All figures by range</summary>{_range_tables(result)}</details>'
        f'<h3>{html.escape(result.example.sample.name)}</h3><div class="{layout}">{figures}</div></section>'
    )


def _accuracy_table(result: CaseResult) -> str:
    head = ''.join(f'<th>{label}</th>' for label, *_ in COLUMNS)
    rows = (
        f'<tr{" class=ours" if index == 0 else ""}><th>{html.escape(method.method)}</th>'
        f'{_score_cells(method.score, [m.score for m in result.methods])}</tr>'
        for index, method in enumerate(result.methods)
    )
    return f'<table><tr><th>method</th>{head}</tr>{"".join(rows)}</table>'


def _score_cells(score: Score, among: Iterable[Score]) -> str:
    cells = []
    for _, name, form, smaller_is_better in COLUMNS:
        values = [getattr(s, name) for s in among if not math.isnan(getattr(s, name))]
        value = getattr(score, name)
        best = len(set(values)) > 1 and smaller_is_better is not None
        best = best and value == (min(values) if smaller_is_better else max(values))
        cells.append(_cell(value, form, best))
    return ''.join(cells)


def _cell(value: float, form: str, best: bool) -> str:
    text = '–' if math.isnan(value) else form.format(value)
    return f'<td class="best">{text}</td>' if best else f'<td>{text}</td>'


def _range_tables(result: CaseResult) -> str:
    head = ''.join(f'<th>{label}</th>' for label, *_ in COLUMNS)
    tables = []
    for method in result.methods:
        rows = ''.join(
            f'<tr><th>{_range_label(r.low_m, r.high_m)}</th><td>{r.score.pixels}</td>{_score_cells(r.score, [])}</tr>'
            for r in method.ranges
        )
        tables.append(
            f'<h4>{html.escape(method.method)}</h4><table><tr><th>range</th><th>pixels</th>{head}</tr>{rows}</table>'
        )
    return ''.join(tables)


def _latency_table(result: CaseResult) -> str:
    if not result.latency:
        return '<p>not measured</p>'
    rows = ''.join(
        f'<tr><th>{html.escape(row.stage)}</th><td>{row.median_ms:.1f}</td><td>{row.p95_ms:.1f}</td></tr>'
        for row in result.latency
    )
    return f'<table><tr><th>stage</th><th>median [ms]</th><th>95 % [ms]</th></tr>{rows}</table>'


def _range_chart(result: CaseResult) -> str:
    """Grouped bars as inline SVG: one group per range bin, one bar per method."""
    bins = [(r.low_m, r.high_m) for r in result.ours.ranges]
    values = {
        m.method: {(r.low_m, r.high_m): r.score.abs_rel for r in m.ranges if not math.isnan(r.score.abs_rel)}
        for m in result.methods
    }
    top = max((v for of_method in values.values() for v in of_method.values()), default=1.0) or 1.0
    width, height, foot = 460, 190, 38
    group = width / max(len(bins), 1)
    bar = group * 0.8 / len(values)
    marks = []
    for column, bounds in enumerate(bins):
        for row, (method, of_method) in enumerate(values.items()):
            if bounds in of_method:
                tall = of_method[bounds] / top * (height - 20)
                marks.append(
                    f'<rect x="{column * group + group * 0.1 + row * bar:.1f}" y="{height - tall:.1f}"'
                    f' width="{bar:.1f}" height="{tall:.1f}" fill="{CHART_COLOURS[row % len(CHART_COLOURS)]}">'
                    f'<title>{html.escape(method)} {_range_label(*bounds)}: {of_method[bounds]:.4f}</title></rect>'
                )
        marks.append(
            f'<text x="{(column + 0.5) * group:.1f}" y="{height + 14}" text-anchor="middle">'
            f'{_range_label(*bounds)}</text>'
        )
    for row, method in enumerate(values):
        x = row * width / len(values)
        marks.append(
            f'<rect x="{x:.0f}" y="{height + 24}" width="10" height="10" fill="{CHART_COLOURS[row % 4]}"/>'
            f'<text x="{x + 15:.0f}" y="{height + 33}">{html.escape(method)}</text>'
        )
    marks.append(f'<text x="0" y="12">{top:.3f}</text><line x1="0" x2="{width}" y1="{height}" y2="{height}"/>')
    return f'<svg viewBox="0 0 {width} {height + foot}" role="img">{"".join(marks)}</svg>'


def _range_label(low_m: float, high_m: float) -> str:
    return f'{low_m:g}+ m' if math.isinf(high_m) else f'{low_m:g}–{high_m:g} m'


def file_name(text: str) -> str:
    """A case's name as part of a file name or anchor."""
    return ''.join(c if c.isalnum() or c in '-.' else '_' for c in text)
