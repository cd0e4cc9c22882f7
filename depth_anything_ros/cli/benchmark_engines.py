# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark engines`: models and engines side by side, against the transformers pipeline too."""

from __future__ import annotations

import tempfile
from pathlib import Path

from depth_anything_ros.cli.benchmark_table import add_output_arguments, image_size, machine, print_table, write_json

HELP = 'models and engines side by side in one run, with the transformers pipeline on the same weights'
EPILOG = """
From a uint8 image in memory to float depth at the image's size; the contenders take turns frame by frame, with as many
threads each as there are cores. Without --models: Depth Anything V2-S at 518x518 through the pipeline and our engines,
and the default network, Prompt Depth Anything S and Depth Anything V2-S at 640x480 beside each other.
Checkpoints that are not on this machine are replaced by random weights of the same shapes, which take the same time.
Graphs are exported for the run where a model has none, with their parity against torch.
Speed-up is over the first row; differences are relative, to the first row of the same model; roof is the share of the
rate of a large matrix product that this machine was measured to reach in the same precision.

examples:
  depth_anything_ros benchmark engines --rounds 30 --plot engines.png
  depth_anything_ros benchmark engines --models depth_anything_v2_small prompt_depth_small --engines torch onnx
  depth_anything_ros benchmark engines --models depth_anything_v2_large --engines torch --size 518x518 --path
"""
PIPELINE_MODEL, PIPELINE_SIZE = 'depth_anything_v2_small', (518, 518)
COMPARED_MODELS = ('prompt_depth_small', 'prompt_depth_anything_small', 'depth_anything_v2_small')
COMPARED_SIZE = (640, 480)
ENGINES = ('pipeline', 'onnx', 'torch')
PRECISIONS = ('fp32', 'fp16', 'bf16')
COLUMNS = ('model', 'run by', 'p50', 'p95', 'speed-up', 'worst diff.', 'mean diff.', 'roof')


def add_arguments(parser) -> None:
    parser.add_argument('--models', nargs='+', metavar='MODEL', help='cards by name or path (default: see below)')
    parser.add_argument('--engines', nargs='+', choices=ENGINES, default=ENGINES, help='default: all')
    parser.add_argument(
        '--precisions',
        nargs='+',
        choices=PRECISIONS,
        help='of torch and the pipeline (default: fp32 and half)',
    )
    parser.add_argument('--size', type=image_size, metavar='WxH', help='image (default: 518x518 and 640x480)')
    parser.add_argument('--compile', action='store_true', help='torch.compile too: minutes before the first frame')
    parser.add_argument('--path', action='store_true', help='also the whole frame path with prompt, torch or onnx')
    parser.add_argument('--rounds', type=int, default=20, help='frames that are timed (default: 20)')
    parser.add_argument('--warm-up', type=int, default=3, metavar='N', help='frames before them (default: 3)')
    add_output_arguments(parser)


def run(args) -> int:
    from depth_anything_ros.core.errors import ConfigError
    from depth_anything_ros.evaluation.engine_contenders import Comparison

    if args.rounds < 1 or args.warm_up < 0:
        raise ConfigError(f'--rounds, --warm-up: expected 1 or more and 0 or more, got {args.rounds}, {args.warm_up}')
    precisions = tuple(args.precisions) if args.precisions else _precisions()
    settings = {'compiled': args.compile, 'path': args.path}
    if args.models:
        size = args.size or COMPARED_SIZE
        plans = [Comparison(tuple(args.models), size, tuple(args.engines), precisions, **settings)]
    else:
        plans = [
            Comparison((PIPELINE_MODEL,), args.size or PIPELINE_SIZE, tuple(args.engines), precisions, **settings),
            Comparison(COMPARED_MODELS, args.size or COMPARED_SIZE, ('onnx',), ('fp32',)),
        ]
    tables = [_measured(plan, args) for plan in plans]
    write_json(args.output, {'threads': _threads(), 'comparisons': tables})
    if args.plot:
        from depth_anything_ros.evaluation.engine_plot import plot_engines

        plot_engines(tables, machine(), args.plot)
    return 0


def _measured(plan, args) -> dict:
    """Run one comparison, print it; what the JSON file and the plot hold of it."""
    from depth_anything_ros.cli.progress import progress_bar
    from depth_anything_ros.evaluation.engine_contenders import contenders
    from depth_anything_ros.evaluation.engine_speed import race
    from depth_anything_ros.evaluation.roofline import matmul_rate

    with tempfile.TemporaryDirectory(prefix='benchmark-engines-') as folder:
        found = contenders(plan, Path(folder), lambda text: print(text, flush=True))
        with progress_bar() as bar:
            task = bar.add_task('frames', total=(args.rounds + args.warm_up) * len(found))
            speeds = race(found, args.rounds, args.warm_up, lambda: bar.advance(task))
    rates = {precision: matmul_rate(precision) for precision in {speed.precision for speed in speeds}}
    size = '{}x{}'.format(*plan.size)
    rows = [_row(speed, rates[speed.precision]) for speed in speeds]
    print_table(
        f'{size}, {args.rounds} frames, {_threads()} threads, milliseconds; {machine()}',
        COLUMNS,
        [_said(r) for r in rows],
    )
    rates_said = ', '.join(f'{precision} {rate / 1e9:.0f}' for precision, rate in sorted(rates.items()))
    print(f'measured rate of matrix products, GFLOP/s: {rates_said}')
    return {'size': size, 'rounds': args.rounds, 'matmul_rate': rates, 'rows': rows}


def _row(speed, rate: float) -> dict:
    return {
        'model': speed.group,
        'name': speed.name,
        'precision': speed.precision,
        'p50_ms': round(speed.median_ms, 3),
        'p95_ms': round(speed.p95_ms, 3),
        'speed_up': speed.speed_up,
        'largest_difference': speed.largest_difference,
        'mean_difference': speed.mean_difference,
        'flops': speed.flops,
        'roofline': speed.share_of(rate),
        'facts': speed.facts,
        'laps_ms': [round(lap, 3) for lap in speed.laps_ms],
    }


def _said(row: dict) -> list[str]:
    roofline = '' if row['roofline'] is None else f'{row["roofline"]:.0%}'
    times = [f'{row["p50_ms"]:.1f}', f'{row["p95_ms"]:.1f}', f'{row["speed_up"]:.2f} x']
    return [
        row['model'],
        row['name'],
        *times,
        f'{row["largest_difference"]:.1e}',
        f'{row["mean_difference"]:.1e}',
        roofline,
    ]


def _precisions() -> tuple[str, ...]:
    import torch

    from depth_anything_ros.engines.torch_precision import choose_precision

    best = choose_precision('fp16', 'cuda' if torch.cuda.is_available() else 'cpu').name
    return ('fp32',) if best == 'fp32' else ('fp32', best)


def _threads() -> int:
    import torch

    return torch.get_num_threads()
