# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark soak`: memory of the node over very many frames, and whether it grows."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

from depth_anything_ros.cli.benchmark_load import add_system_arguments, load_config
from depth_anything_ros.cli.benchmark_table import add_output_arguments, machine, write_json
from depth_anything_ros.core.errors import ConfigError

HELP = 'memory of the node over very many frames; fails where it grows'
EPILOG = """
Frames go through the real middleware as fast as they are answered: 21600 of them are two hours of a 3 Hz camera.
The exit status is 1 where the memory of the last tenth exceeds that of the first after warm-up by more than
--max-growth. The middleware's shared memory, whose size is fixed, is told but not judged: it depends on how far the
slowest listener has fallen behind.

examples:
  depth_anything_ros benchmark soak --frames 21600 --size 320x240 --points 8000 --plot soak.png
"""
FEWEST = 600  # frames that memory can be judged on


def add_arguments(parser) -> None:
    add_system_arguments(parser, '?')
    parser.add_argument('--frames', type=int, default=21600, help='how many (default: 21600)')
    parser.add_argument(
        '--warm-up', type=int, default=2000, metavar='N', help="frames that don't count (default: 2000)"
    )
    parser.add_argument('--max-growth', type=float, default=0.01, help='share of the memory (default: 0.01, 1 %%)')
    add_output_arguments(parser)


def run(args) -> int:
    from depth_anything_ros.cli.progress import progress_bar
    from depth_anything_ros.evaluation.benchmark_plots import plot_soak
    from depth_anything_ros.evaluation.memory_growth import memory_growth
    from depth_anything_ros.ros.load import load_rig
    from depth_anything_ros.ros.soak import soak

    system = args.systems if isinstance(args.systems, str) else args.systems[0]
    if args.frames < args.warm_up + FEWEST:
        raise ConfigError(f'expected {FEWEST} frames after --warm-up {args.warm_up} at least; got {args.frames} in all')
    with tempfile.TemporaryDirectory(prefix='depth_anything_ros_') as folder, progress_bar('frames') as bar:
        task = bar.add_task(system, total=args.frames)
        with load_rig(load_config(args, system), Path(folder)) as rig:
            samples = []
            for sample in soak(rig, args.frames):
                samples.append(sample)
                bar.update(task, completed=sample.frames)
                if sample.frames % (max(1, args.frames // 1000) * 100) == 0:  # for logs, where a bar shows nothing
                    bar.console.print(f'{sample.frames} frames: {sample.own_mb:.1f} MB', highlight=False)
            facts, counts = rig.facts, rig.counts()
    columns = {name: [getattr(sample, name) for sample in samples] for name in asdict(samples[0])}
    growth = memory_growth(columns['frames'], columns['own_mb'], args.warm_up)
    flat = growth.share <= args.max_growth
    verdict = (
        f'{growth.before_mb:.1f} MB after {args.warm_up} frames, {growth.after_mb:.1f} MB after {args.frames}:'
        f' {growth.share:+.2%}, {"within" if flat else "more than"} the {args.max_growth:.2%} allowed'
    )
    shared = f'shared memory {columns["shared_mb"][0]:.1f} to {columns["shared_mb"][-1]:.1f} MB'
    print(f'{system}, {args.size[0]}x{args.size[1]}: {verdict}; {shared}; the node counts {counts}')
    figures = {
        'system': system,
        'facts': facts,
        'counts': counts,
        'growth': asdict(growth) | {'share': growth.share, 'max': args.max_growth, 'warm_up': args.warm_up},
        'samples': columns,
    }
    write_json(args.output, figures)
    if args.plot:
        plot_soak(columns, args.warm_up, f'{system}: {verdict}; {machine()}', args.plot)
    return 0 if flat else 1
