# SPDX-License-Identifier: Apache-2.0
"""Results as a folder: report.html that opens anywhere, report.json, and the pictures as files."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros import __version__
from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.evaluation.evaluate import CaseResult, Example, geometric_mean_ratio
from depth_anything_ros.evaluation.metrics import as_dict
from depth_anything_ros.evaluation.pictures import cloud_view, depth_picture, error_picture
from depth_anything_ros.evaluation.report_page import file_name, page
from depth_anything_ros.projection.overlay import overlay_prompt

PICTURE_WIDTH_PX = 960
JPEG_QUALITY = 85


def write_report(folder: Path, results: Sequence[CaseResult], title: str, live_command: str = '') -> Path:
    """report.html, report.json and the pictures as files in `folder`; returns the HTML's path.

    live_command: what to type to see it live. Raises RecordingError where the folder can't be written.
    """
    pictures = {
        result.case: {name: _jpeg(picture) for name, picture in example_pictures(result.example).items()}
        for result in results
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'report.json').write_text(json.dumps(as_json(results), indent=1), encoding='utf-8')
        for case, images in pictures.items():
            for name, jpeg in images.items():
                (folder / f'{file_name(case)}_{file_name(name)}.jpg').write_bytes(jpeg)
        file = folder / 'report.html'
        file.write_text(page(results, pictures, title, machine(), live_command), encoding='utf-8')
    except OSError as error:
        raise RecordingError(f'{folder}: the report cannot be written: {error}') from error
    return file


def example_pictures(example: Example) -> dict[str, np.ndarray]:
    """Name -> (H, W, 3) uint8 RGB, in the order of the report; depth pictures share the truth's colours."""
    observation, frame, truth_m = example.sample.observation, example.frame, example.sample.truth_m
    dense_truth = np.isfinite(truth_m).mean() > 0.2
    reference = truth_m if dense_truth else frame.depth_m
    image = observation.image_rgb
    pictures = {
        'image': image,
        'prompt': overlay_prompt(image, frame.prompt.depth_m),
        'depth': depth_picture(frame.depth_m, reference),
        'nearest return': depth_picture(example.nearest_m, reference),
        'truth': depth_picture(truth_m, reference) if dense_truth else overlay_prompt(image, truth_m),
        'error': error_picture(frame.depth_m, truth_m, image),
        'error of nearest': error_picture(example.nearest_m, truth_m, image),
        'sigma': depth_picture(1 / np.maximum(frame.sigma_m / frame.depth_m, 1e-3)),
        'cloud': cloud_view(frame.depth_m, observation.camera, image),
    }
    return {name: _shrunk(picture) for name, picture in pictures.items()}


def as_json(results: Sequence[CaseResult]) -> dict:
    """Plain data; NaN and infinity become null."""
    return {
        'version': __version__,
        'made': datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
        'machine': machine(),
        'geometric_mean_of_abs_rel_against_best_classical': _finite(geometric_mean_ratio(results)),
        'cases': [
            {
                'case': result.case,
                'description': result.description,
                'notes': result.notes,
                'frames': result.frames,
                'returns_per_prompt': result.prompt_returns,
                'engine': result.engine,
                'methods': {
                    method.method: {
                        'score': as_dict(method.score),
                        'by_range': [
                            {'low_m': r.low_m, 'high_m': _finite(r.high_m), **as_dict(r.score)} for r in method.ranges
                        ],
                    }
                    for method in result.methods
                },
                'latency_ms': {row.stage: {'median': row.median_ms, 'p95': row.p95_ms} for row in result.latency},
            }
            for result in results
        ],
    }


def machine() -> str:
    """Processor and number of cores, as the system names them."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        name = next(line.split(':', 1)[1].strip() for line in lines if line.startswith('model name'))
    except (OSError, StopIteration):
        pass  # not Linux, or a processor without a name
    return f'{name}, {os.cpu_count()} cores'


def _shrunk(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    if width <= PICTURE_WIDTH_PX:
        return picture
    return cv2.resize(
        picture, (PICTURE_WIDTH_PX, round(height * PICTURE_WIDTH_PX / width)), interpolation=cv2.INTER_AREA
    )


def _jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode('.jpg', picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
