# SPDX-License-Identifier: Apache-2.0
"""A reconstruction as a folder: map.html with scores and pictures from one viewpoint, map.json, the meshes."""

from __future__ import annotations

import base64
import html
import json
import math
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros import __version__
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.evaluation.mesh_view import error_colours, mesh_picture, overview, points_picture
from depth_anything_ros.evaluation.reconstruction import EXPLAINED, NEAREST, OURS, TRUTH, WITH_RETURNS, Reconstruction
from depth_anything_ros.evaluation.report import machine
from depth_anything_ros.evaluation.report_page import file_name
from depth_anything_ros.evaluation.report_style import STYLE
from depth_anything_ros.mapping.files import write_mesh

COLUMNS = (
    ('Acc m', 'acc_m', '.4f', min),
    ('Comp m', 'comp_m', '.4f', min),
    ('Prec', 'precision', '.3f', max),
    ('Recall', 'recall', '.3f', max),
    ('F-score', 'f_score', '.3f', max),
)
SWEEPS_RGB = np.array([[120, 200, 255]], np.uint8)


def write_report(folder: Path, done: Reconstruction, command: str, meshes: bool = True) -> Path:
    """Returns the path of map.html. Raises RecordingError where the folder cannot be written."""
    images = pictures(done)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'map.json').write_text(json.dumps(as_json(done), indent=1), encoding='utf-8')
        for name, picture in images.items():
            (folder / f'map_{file_name(name)}.png').write_bytes(_png(picture))
        (folder / 'map_strip.png').write_bytes(_png(strip(images)))
        (folder / 'map.html').write_text(page(done, images, command), encoding='utf-8')
    except OSError as error:
        raise RecordingError(f'{folder}: the report cannot be written: {error}') from error
    for result in done.results if meshes else ():
        if result.mesh is not None and not result.mesh.empty:
            write_mesh(folder / f'map_{file_name(result.method)}.ply', result.mesh)
    return folder / 'map.html'


def pictures(done: Reconstruction) -> dict[str, np.ndarray]:
    """'method' and 'method, error' -> picture, all from behind the middle of the path."""
    camera, middle = done.path[len(done.path) // 2]
    pose = overview(middle)
    images = {}
    for result in done.results:
        if result.mesh is None:
            rgb = np.broadcast_to(SWEEPS_RGB, result.points_m.shape)
            images[result.method] = points_picture(result.points_m, rgb, camera, pose)
        else:
            images[result.method] = mesh_picture(result.mesh, camera, pose)
        if done.reference_m is None:
            continue
        if result.mesh is None:
            wrong = error_colours(result.points_m, done.reference_m)
            images[f'{result.method}, error'] = points_picture(result.points_m, wrong, camera, pose)
        elif not result.mesh.empty:
            wrong = error_colours(result.mesh.vertices_m, done.reference_m)
            images[f'{result.method}, error'] = mesh_picture(result.mesh, camera, pose, wrong)
    return images


def strip(images: dict[str, np.ndarray], width_px: int = 480) -> np.ndarray:
    """All pictures in one, named: surfaces above, their errors below."""
    rows = [[name for name in images if ', error' not in name], [name for name in images if ', error' in name]]

    def cell(name: str | None) -> np.ndarray:
        height_px = round(width_px * next(iter(images.values())).shape[0] / next(iter(images.values())).shape[1])
        if name is None:
            return np.zeros((height_px, width_px, 3), np.uint8)
        small = cv2.resize(images[name], (width_px, height_px), interpolation=cv2.INTER_AREA)
        cv2.putText(small, name, (9, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.putText(small, name, (9, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 1, cv2.LINE_AA)
        return small

    drawn = []
    for row in filter(None, rows):
        by_method = {name.removesuffix(', error'): name for name in row}
        drawn.append(np.concatenate([cell(by_method.get(name)) for name in rows[0]], axis=1))
    return np.concatenate(drawn)


def as_json(done: Reconstruction) -> dict:
    """Plain data; NaN becomes null."""
    return {
        'version': __version__,
        'machine': machine(),
        'recording': done.name,
        'frames': done.frames,
        'engine': done.engine,
        'notes': done.notes,
        'share_of_the_way_from_nearest_to_true_depth': {
            method: _finite(done.share_of_the_way(method)) for method in (OURS, WITH_RETURNS) if done.result(method)
        },
        'methods': {
            result.method: {
                'score': None if result.score is None else {k: _finite(v) for k, v in asdict(result.score).items()},
                'integrate_ms': _finite(result.integrate_ms),
                'mesh_s': _finite(result.mesh_s),
                'blocks': result.blocks,
                'triangles': 0 if result.mesh is None else len(result.mesh.triangles),
            }
            for result in done.results
        },
    }


def page(done: Reconstruction, images: dict[str, np.ndarray], command: str) -> str:
    """The page, complete in itself."""
    figures = ''.join(
        f'<figure><img alt="{html.escape(name)}" src="data:image/png;base64,'
        f'{base64.b64encode(_png(picture)).decode()}"><figcaption>{html.escape(name)}</figcaption></figure>'
        for name, picture in images.items()
    )
    rows = ''.join(_row(result, done) for result in done.results)
    head = ''.join(f'<th>{label}</th>' for label, *_ in COLUMNS)
    notes = ''.join(f'<p class="note">{html.escape(note)}</p>' for note in [*ways(done), *done.notes])
    facts = ' · '.join([*(f'{k} {v}' for k, v in done.engine.items() if k in ('model', 'engine')), machine()])
    explained = ''.join(
        f'<li><b>{html.escape(result.method)}</b>: {html.escape(EXPLAINED[result.method])}</li>'
        for result in done.results
    )
    title = f'Map of {done.name}'
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<style>{STYLE}</style></head><body><header><h1>{html.escape(title)}</h1><p>{html.escape(facts)}</p></header>'
        f'<section><h2>{done.frames} frames, the same voxels and poses for all</h2><table><tr><th>depth</th>{head}'
        f'<th>ms a frame</th><th>mesh s</th></tr>{rows}</table>{notes}<ul>{explained}</ul></section>'
        f'<section><h2>From one viewpoint</h2><p>Behind and above the camera in the middle of the path.'
        ' Error: distance to the truth, green 0, red 10 cm and more.</p>'
        f'<div class="gallery">{figures}</div></section>'
        f'<section><h2>Again</h2><pre>{html.escape(command)}</pre></section></body></html>'
    )


def ways(done: Reconstruction) -> list[str]:
    """How far each of our maps is on the way from nearest fill to true depth."""
    told = []
    for method in (OURS, WITH_RETURNS):
        share = done.share_of_the_way(method)
        if done.result(method) and math.isfinite(share):
            told.append(f'{method}: {100 * share:.0f} % of the way from {NEAREST} to {TRUTH} by F-score')
    return told


def _row(result, done: Reconstruction) -> str:
    cells = []
    for _, name, form, best_of in COLUMNS:
        if result.score is None:
            cells.append('<td>–</td>')
            continue
        among = [getattr(r.score, name) for r in done.results if r.score is not None and r.method != TRUTH]
        value = getattr(result.score, name)
        best = result.method != TRUTH and value == best_of(v for v in among if not math.isnan(v))
        cells.append(f'<td{" class=best" if best else ""}>{value:{form}}</td>')
    times = f'<td>{_number(result.integrate_ms, ".0f")}</td><td>{_number(result.mesh_s, ".2f")}</td>'
    ours = ' class="ours"' if result.method in (OURS, WITH_RETURNS) else ''
    return f'<tr{ours}><th>{html.escape(result.method)}</th>{"".join(cells)}{times}</tr>'


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else '–'


def _png(picture: np.ndarray) -> bytes:
    return cv2.imencode('.png', np.ascontiguousarray(picture[:, :, ::-1]))[1].tobytes()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
