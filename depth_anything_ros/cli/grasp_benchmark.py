# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros grasp-benchmark`: does better depth make better grasps? In simulation, cell by cell."""

from __future__ import annotations

from pathlib import Path

from depth_anything_ros.cli.model_argument import add_model_arguments, engine_options
from depth_anything_ros.cli.progress import note, progress_bar

OUTPUT = Path('out/grasping')
HELP = 'Grasp success in MuJoCo on our depth, true depth, raw returns, nearest fill and our depth without returns.'
EPILOG = """
Objects are diffuse, transparent or specular, and near (0.5 m), at middle distance (0.8 m) or far (1.2 m). Every source
of depth is given the same scenes, the same returns of a simulated 16-line ranger and the same grasp planner. A run that
was cut off goes on where it stopped; after a change of the model only its own grasps are run again.

examples:
  depth_anything_ros grasp-benchmark
  depth_anything_ros grasp-benchmark --trials 5 --cells 'transparent far' --output out/few
  depth_anything_ros grasp-benchmark --markdown docs/grasp-benchmark.md
  depth_anything_ros grasp-benchmark --blind --cells 'transparent near' 'transparent middle' 'transparent far'
"""


def add_arguments(parser) -> None:
    add_model_arguments(parser)
    parser.add_argument('--trials', type=int, default=20, metavar='N', help='of each cell (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of scenes, noise and planner (default: %(default)s)')
    parser.add_argument(
        '--sources', nargs='*', metavar='NAME', help="ways to get depth, as 'true depth' 'ours' (default: all five)"
    )
    parser.add_argument(
        '--cells', nargs='*', metavar='CELL', help="as 'transparent far' 'diffuse near' (default: all nine)"
    )
    parser.add_argument('--workers', type=int, default=1, metavar='N', help='processes (default: %(default)s)')
    parser.add_argument(
        '--film', type=int, default=2, metavar='TRIAL', help='trial shown in the film strips (default: %(default)s)'
    )
    parser.add_argument(
        '--blind', action='store_true',
        help='pulses that glass and metal lead astray are lost, instead of coming back from behind or what is mirrored',
    )  # fmt: skip
    parser.add_argument(
        '--output', type=Path, metavar='DIR',
        help=f'results and report; what it holds is not run again (default: {OUTPUT}, with --blind {OUTPUT}_blind)',
    )  # fmt: skip
    parser.add_argument(
        '--markdown', type=Path, metavar='FILE', help='also put tables and pictures into this page; its text stays'
    )


def run(args) -> int:
    from depth_anything_ros.evaluation.grasping.benchmark import GraspBenchmark
    from depth_anything_ros.evaluation.grasping.report import write_report

    config = benchmark_config(args)
    folder = args.output or (OUTPUT.with_name(f'{OUTPUT.name}_blind') if args.blind else OUTPUT)
    benchmark = GraspBenchmark(config, folder)
    with progress_bar('scenes') as bar:
        task = bar.add_task('grasping', total=benchmark.count)
        for done in benchmark.run():
            bar.update(task, completed=done)
    results = benchmark.results()
    _show(results, config)
    command = command_line(args)
    file = write_report(folder, results, config, benchmark.strips(), command, benchmark.engine, args.markdown)
    note(f'report: {file.parent / "grasp.md"}, {file}')
    return 0


def benchmark_config(args):
    """Raises ConfigError on names and numbers that there are none of."""
    from depth_anything_ros.core.errors import ConfigError
    from depth_anything_ros.engines.factory import DEFAULT_MODEL
    from depth_anything_ros.evaluation.grasping.benchmark import BenchmarkConfig
    from depth_anything_ros.evaluation.grasping.cells import CELLS, SOURCES

    by_name = {cell.name: cell for cell in CELLS}
    unknown = [name for name in args.cells or () if name not in by_name]
    if unknown:
        raise ConfigError(f'--cells: expected some of {", ".join(by_name)}; got {", ".join(unknown)}')
    return BenchmarkConfig(
        trials=args.trials,
        seed=args.seed,
        film=args.film,
        blind=args.blind,
        workers=args.workers,
        model=args.model or DEFAULT_MODEL,
        engine=args.engine,
        options=engine_options(args),
        sources=tuple(args.sources or SOURCES),
        cells=tuple(by_name[name] for name in args.cells or by_name),
    )


def command_line(args) -> str:
    """What to type for the same figures."""
    words = ['depth_anything_ros grasp-benchmark']
    words += [f'--model {args.model}'] if args.model else []
    words += [f'--trials {args.trials}'] if args.trials != 20 else []
    words += [f'--seed {args.seed}'] if args.seed else []
    words += ['--blind'] if args.blind else []
    for name in ('sources', 'cells'):
        given = getattr(args, name)
        words += [f'--{name} ' + ' '.join(f"'{value}'" for value in given)] if given else []
    return ' '.join(words)


def _show(results, config) -> None:
    from rich.console import Console
    from rich.table import Table

    from depth_anything_ros.evaluation.grasping.score import table

    view = Table(title=f'objects lifted and held, {config.trials} trials a cell', title_justify='left')
    view.add_column('cell')
    for source in config.sources:
        view.add_column(source, justify='right')
    for name, row in table(results, config.sources).items():
        style = 'bold' if name.startswith('all') else ''
        view.add_row(name, *(_text(row[source]) for source in config.sources), style=style)
    Console().print(view)


def _text(rate) -> str:
    return f'{rate.successes}/{rate.trials} {100 * rate.share:.0f} %'
