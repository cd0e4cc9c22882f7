# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark load`: the whole node through the real middleware, latency against offered rate."""

from __future__ import annotations

import tempfile
from pathlib import Path

from depth_anything_ros.cli.benchmark_table import (
    add_output_arguments,
    image_size,
    machine,
    percentiles,
    print_table,
    write_json,
)

HELP = 'the whole node through the real middleware: latency, throughput and drops against the offered rate'
EPILOG = """
Three processes: a source that publishes images and sweeps, the depth node, and this command, which receives the depth.
Latency is from the image's stamp, the moment before it is published, to the callback here that has the depth.
cpu and faults are processor milliseconds and minor page faults of the node's process per frame.
The sustainable rate, at which 99 % of the images are answered, is found first; --shares are of that rate.
--ros-args after all others goes to the node: its parameters, as --ros-args -p estimator.sharp.enabled:=true.

examples:
  depth_anything_ros benchmark load
  depth_anything_ros benchmark load classical prompt_depth_small:onnx prompt_depth_small:torch --plot load.png
  depth_anything_ros benchmark load --bag run.mcap --shares 0.5 0.8 --seconds 60
"""
SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.2, 1.4)
FEWEST = 20  # frames of a step, however slow


def add_arguments(parser) -> None:
    add_system_arguments(parser, '*')
    parser.add_argument(
        '--shares', type=float, nargs='+', default=SHARES, metavar='S', help='offered rates, of the sustainable one'
    )
    parser.add_argument('--seconds', type=float, default=15.0, help='of every offered rate (default: 15)')
    parser.add_argument('--rate', type=float, metavar='HZ', help='take this for the sustainable rate')
    add_output_arguments(parser)


def add_system_arguments(parser, how_many: str) -> None:
    """What runs and what it is fed with; the same for `soak`."""
    from depth_anything_ros.engines.factory import DEFAULT_MODEL

    parser.add_argument(
        'systems',
        nargs=how_many,
        default=[DEFAULT_MODEL],
        metavar='MODEL[:ENGINE]',
        help=f'model card by name or path, or classical (default: {DEFAULT_MODEL})',
    )
    parser.add_argument('--size', type=image_size, default=(640, 480), metavar='WxH', help='image (default: 640x480)')
    parser.add_argument('--points', type=int, default=30000, help='returns of a sweep (default: 30000)')
    parser.add_argument('--bag', type=Path, help='send the first frames of this recording, over and over')
    parser.add_argument(
        '--outputs', nargs='*', default=['camera_info', 'points'], help='received beside the depth, also confidence'
    )


def load_config(args, system: str):
    """A system as it was named on the command line -> LoadConfig."""
    from depth_anything_ros.engines.factory import ENGINES
    from depth_anything_ros.ros.feed import FeedConfig
    from depth_anything_ros.ros.load import LoadConfig

    model, _, engine = system.rpartition(':')
    if engine not in ENGINES or not model:
        model, engine = system, 'auto'
    feed = FeedConfig(args.bag, *args.size, args.points)
    return LoadConfig(model, engine, feed, tuple(args.outputs), tuple(args.ros_arguments))


def run(args) -> int:
    from depth_anything_ros.evaluation.benchmark_plots import plot_load

    results = {system: _measure(args, system) for system in args.systems}
    for system, result in results.items():
        _show(args, system, result)
    write_json(args.output, {'arguments': _plain(args), 'systems': results})
    if args.plot:
        steps = {system: result['steps'] for system, result in results.items()}
        plot_load(steps, f'{_fed(args)}; {machine()}', args.plot)
    return 0


def _measure(args, system: str) -> dict:
    from depth_anything_ros.cli.progress import progress_bar
    from depth_anything_ros.ros.load import find_sustainable_hz, load_rig

    config = load_config(args, system)
    with tempfile.TemporaryDirectory(prefix='depth_anything_ros_') as folder, progress_bar('rates') as bar:
        task = bar.add_task(f'{system}: starting', total=len(args.shares))
        with load_rig(config, Path(folder)) as rig:
            sustainable_hz = args.rate or find_sustainable_hz(
                rig,
                FEWEST * 2,
                lambda rate_hz: bar.update(task, description=f'{system}: is {rate_hz:.1f} Hz sustainable?'),
            )
            steps = []
            for share in args.shares:
                rate_hz = share * sustainable_hz
                bar.update(task, description=f'{system}: {rate_hz:.1f} Hz')
                step = rig.offer(max(FEWEST, round(rate_hz * args.seconds)), rate_hz)
                steps.append({'share': share, **_figures(step)})
                bar.advance(task)
            return {'facts': rig.facts, 'sustainable_hz': sustainable_hz, 'steps': steps}


def _figures(step) -> dict:
    return {
        'offered_hz': step.sent_hz,
        'answered_hz': step.answered_hz,
        'frames': step.frames,
        'answered': step.answered,
        'latency_ms': step.percentiles_ms(),
        'drops': step.drops,
        'cpu_ms_per_frame': step.cpu_ms / step.frames,
        'page_faults_per_frame': step.page_faults / step.frames,
        'stages_ms': percentiles(step.stages_ms),
    }


def _show(args, system: str, result: dict) -> None:
    columns = ('share', 'offered', 'answered', 'frames', 'p50', 'p95', 'p99', 'p99/p50', 'dropped', 'cpu', 'faults')
    rows = []
    for step in result['steps']:
        ms = step['latency_ms']
        rows.append(
            [
                f'{step["share"]:.0%}',
                f'{step["offered_hz"]:.2f}',
                f'{step["answered_hz"]:.2f}',
                str(step['frames']),
                *(f'{ms[key]:.1f}' for key in ('p50', 'p95', 'p99')),
                f'{ms["p99"] / ms["p50"]:.2f}',
                _dropped(step),
                f'{step["cpu_ms_per_frame"]:.0f}',
                f'{step["page_faults_per_frame"]:.0f}',
            ]
        )
    title = f'{system}: {result["sustainable_hz"]:.1f} Hz sustainable; {_fed(args)}; Hz and ms; {machine()}'
    print_table(title, columns, rows)


def _dropped(step: dict) -> str:
    missing = step['frames'] - step['answered']
    return f'{missing} ({", ".join(step["drops"])})' if missing else '-'


def _fed(args) -> str:
    return args.bag.name if args.bag else f'{args.size[0]}x{args.size[1]}, {args.points} returns'


def _plain(args) -> dict:
    names = ('systems', 'size', 'points', 'bag', 'outputs', 'shares', 'seconds', 'ros_arguments')
    return {name: getattr(args, name) for name in names}
