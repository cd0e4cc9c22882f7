# SPDX-License-Identifier: Apache-2.0
"""Where a network errs: its error by distance to the nearest depth edge, beside that of classical completion.

`python -m depth_anything_ros.training.edge_errors SHARDS --model CARD`. The columns of a row are parts of its AbsRel:
they add up to it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.engines.base import Engine
from depth_anything_ros.engines.classical import nearest_fill
from depth_anything_ros.engines.onnx_engine import OnnxEngine
from depth_anything_ros.networks.card import load_card
from depth_anything_ros.training.resolution import KINDS, depth_of, drawn_prompt
from depth_anything_ros.training.shards import ShardSet

EDGE = 0.05  # jump within 3x3 pixels, of the nearest, from which on it is an edge
FARTHER_M = 1000.0  # stands for the unknown: the sky beside a roof is an edge
DISTANCES_PX = (1.5, 3.0, 6.0, 12.0, 24.0)
OURS, NEAREST, PIXELS = 'ours', 'nearest', 'share of the pixels'


def distance_to_edge_px(depth_m: np.ndarray) -> np.ndarray:
    """(H, W) -> (H, W) float32 pixels to the nearest depth edge; infinite where there is none."""
    depth_m = np.nan_to_num(depth_m, nan=FARTHER_M)
    square = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(depth_m, square) > (1 + EDGE) * cv2.erode(depth_m, square)
    if not edge.any():
        return np.full(depth_m.shape, np.inf, np.float32)
    return cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def errors_by_distance(depth_m: np.ndarray, true_m: np.ndarray) -> np.ndarray:
    """(len(DISTANCES_PX) + 1,) parts of AbsRel from pixels up to each distance from an edge, and beyond the last."""
    known = np.isfinite(true_m)
    relative = np.abs(depth_m - true_m)[known] / true_m[known]
    return _by_distance(true_m, relative) / known.sum()


def study(shards: Path, engine: Engine, kinds: tuple[str, ...], frames: int) -> dict[str, dict[str, np.ndarray]]:
    """kind of prompt -> 'ours', 'nearest', 'share of the pixels' -> means over the frames.

    Raises InvalidInput on fewer frames than asked for.
    """
    samples = ShardSet(shards)
    if not 0 < frames <= len(samples):
        raise InvalidInput(f'{shards}: expected at least {frames} frames, got {len(samples)}')
    parts: dict[str, dict[str, list[np.ndarray]]] = {kind: {PIXELS: [], OURS: [], NEAREST: []} for kind in kinds}
    for number in range(frames):
        sample = samples[number * len(samples) // frames]
        for kind in kinds:
            prompt = drawn_prompt(np.random.default_rng([number, KINDS.index(kind)]), sample, kind)
            if prompt.sparse.empty:
                continue
            known = np.isfinite(sample.depth_m)
            parts[kind][PIXELS].append(_by_distance(sample.depth_m, np.ones(known.sum())) / known.sum())
            parts[kind][OURS].append(errors_by_distance(depth_of(engine, sample, prompt), sample.depth_m))
            parts[kind][NEAREST].append(errors_by_distance(nearest_fill(prompt.sparse), sample.depth_m))
    return {kind: {name: np.mean(values, axis=0) for name, values in row.items()} for kind, row in parts.items()}


def markdown(table: dict[str, dict[str, np.ndarray]]) -> str:
    """One row for every kind of prompt and method."""
    bounds = [f'{distance:g} px' for distance in DISTANCES_PX]
    lines = [f'| prompt | | AbsRel | up to {" | ".join(bounds)} | beyond |', '|---|---|' + '---:|' * (len(bounds) + 2)]
    for kind, row in table.items():
        for name, parts in row.items():
            total = '' if name == PIXELS else f'{parts.sum():.4f}'
            cells = ' | '.join(f'{part:.0%}' if name == PIXELS else f'{part:.4f}' for part in parts)
            lines.append(f'| {kind} | {name} | {total} | {cells} |')
    return '\n'.join(lines)


def _by_distance(true_m: np.ndarray, values: np.ndarray) -> np.ndarray:
    """values: one for every known pixel -> their sums by distance."""
    place = np.digitize(distance_to_edge_px(true_m)[np.isfinite(true_m)], DISTANCES_PX, right=True)
    return np.bincount(place, values, minlength=len(DISTANCES_PX) + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('shards', type=Path, help='folder of held-out shards')
    parser.add_argument('--model', default='prompt_depth_small', help='name or path of a card')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=['points', 'rows', 'grid'])
    parser.add_argument('--frames', type=int, default=16)
    given = parser.parse_args()
    try:
        print(markdown(study(given.shards, OnnxEngine(load_card(given.model)), tuple(given.kinds), given.frames)))
    except InvalidInput as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
