# SPDX-License-Identifier: Apache-2.0
"""At what resolution a network is best: held-out frames with every kind of prompt, shrunk to several sizes.

`python -m depth_anything_ros.training.resolution SHARDS --model CARD --sizes 640x480 512x384`: what to write into the
card's `largest_px`. The frames must be larger than the sizes; depth is scored at the frames' own.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import SparsePrompt
from depth_anything_ros.engines.base import Engine
from depth_anything_ros.engines.onnx_engine import OnnxEngine
from depth_anything_ros.networks.card import load_card
from depth_anything_ros.projection.conditioning import ConditionedPrompt, ConditioningConfig, condition
from depth_anything_ros.training.batches import camera_of, frame_of
from depth_anything_ros.training.sensors import SensorShares, simulate
from depth_anything_ros.training.shards import Sample, ShardSet
from depth_anything_ros.training.validation import COMPLETIONS

KINDS = tuple(kind for kind in vars(SensorShares()) if kind != 'nothing')
CLASSICAL = 'best classical'


def study(
    shards: Path, engines: dict[str, Engine], frames: int, on_frame: Callable[[], None] = lambda: None
) -> dict[str, dict[str, float]]:
    """kind of prompt -> name of an engine, or 'best classical' -> mean AbsRel over `frames` frames, evenly chosen.

    Every engine is given the same prompts, which went through the run time's gate. Raises InvalidInput on fewer frames
    than asked for.
    """
    samples = ShardSet(shards)
    if not 0 < frames <= len(samples):
        raise InvalidInput(f'{shards}: expected at least {frames} frames, got {len(samples)}')
    errors: dict[str, dict[str, list[float]]] = {kind: {} for kind in KINDS}
    for number in range(frames):
        sample = samples[number * len(samples) // frames]
        for place, kind in enumerate(KINDS):
            prompt = drawn_prompt(np.random.default_rng([number, place]), sample, kind)
            if prompt.sparse.empty:
                continue
            depths_m = {name: depth_of(engine, sample, prompt) for name, engine in engines.items()}
            depths_m |= {fill.__name__: fill(prompt.sparse) for fill in COMPLETIONS}
            for name, depth_m in depths_m.items():
                errors[kind].setdefault(name, []).append(_absrel(depth_m, sample.depth_m))
        on_frame()
    table = {}
    for kind, by_name in errors.items():
        means = {name: float(np.mean(values)) for name, values in by_name.items()}
        classical = min((means.pop(fill.__name__) for fill in COMPLETIONS if fill.__name__ in means), default=np.nan)
        table[kind] = means | {CLASSICAL: classical}
    return table


def drawn_prompt(rng: np.random.Generator, sample: Sample, kind: str) -> ConditionedPrompt:
    """A prompt of `kind` as in training, through the run time's gate."""
    prompt = simulate(rng, frame_of(sample), SensorShares(), kind)
    return condition(SparsePrompt(prompt.depth_m, prompt.sigma_m, camera_of(sample)), ConditioningConfig())


def depth_of(engine: Engine, sample: Sample, prompt: ConditionedPrompt) -> np.ndarray:
    """(H, W) metres at the sample's own size."""
    return engine.infer(np.ascontiguousarray(sample.image_rgb), prompt, camera_of(sample)).depth_m


def _absrel(depth_m: np.ndarray, true_m: np.ndarray) -> float:
    known = np.isfinite(true_m)
    return float((np.abs(depth_m - true_m)[known] / true_m[known]).mean())


def markdown(table: dict[str, dict[str, float]]) -> str:
    """Rows: kinds of prompt, then the geometric mean of the ratio to the best classical completion."""
    names = list(next(iter(table.values())))
    lines = [f'| prompt | {" | ".join(names)} |', '|---|' + '---:|' * len(names)]
    lines += [f'| {kind} | {" | ".join(f"{row[name]:.4f}" for name in names)} |' for kind, row in table.items()]
    ratios = [np.exp(np.mean([np.log(row[name] / row[CLASSICAL]) for row in table.values()])) for name in names]
    return '\n'.join([*lines, f'| **ratio** | {" | ".join(f"{ratio:.3f}" for ratio in ratios)} |'])


def _size(text: str) -> tuple[int, int]:
    width, height = (int(side) for side in text.split('x'))
    return width, height


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('shards', type=Path, help='folder of held-out shards')
    parser.add_argument('--model', default='prompt_depth_small', help='name or path of a card')
    parser.add_argument('--sizes', nargs='+', type=_size, default=[(640, 480), (512, 384), (416, 320)], metavar='WxH')
    parser.add_argument('--frames', type=int, default=16)
    given = parser.parse_args()
    card = load_card(given.model)
    engines = {}
    for width, height in given.sizes:
        engines[f'{width}x{height}'] = OnnxEngine(dataclasses.replace(card, largest_px=width * height))
    done = itertools.count(1)
    table = study(
        given.shards,
        engines,
        given.frames,
        lambda: print(f'\r{next(done)} of {given.frames} frames', end='', file=sys.stderr, flush=True),
    )
    print(file=sys.stderr)
    print(markdown(table))


if __name__ == '__main__':
    main()
