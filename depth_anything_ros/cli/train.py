# SPDX-License-Identifier: Apache-2.0
"""depth_anything_ros train: make or go on with a training run."""

from __future__ import annotations

from pathlib import Path

HELP = 'Train the sparse-prompt network as a YAML configuration says.'
EPILOG = """
A run that was killed goes on from its last checkpoint when the same command is given again.
Shards come from: depth_anything_ros render-scenes SHARDS --kind procedural --frames 3000
Several processes: torchrun --nproc-per-node 2 -m depth_anything_ros.cli.main train CONFIG ...
Shards that were rendered meanwhile are taken in when the command is given again.

Example: depth_anything_ros train models/training/prompt_depth_small.yaml --output runs/first --shards SHARDS
"""


def add_arguments(parser) -> None:
    parser.add_argument('config', type=Path, help='YAML of TrainingConfig; what it leaves out has its default')
    parser.add_argument('--output', metavar='DIR', help='checkpoints, curves and metrics')
    parser.add_argument('--shards', metavar='DIR[=SHARE]', nargs='+', help='folders of shards to train on')
    parser.add_argument('--validation-shards', metavar='DIR', nargs='+', help='folders of shards to evaluate on')
    parser.add_argument('--rgbd', metavar='DIR', help='folder of *_color.jpg + *_depth_mm.png to train on')
    parser.add_argument('--steps', type=int, help='length of the run, if not as configured')
    parser.add_argument(
        '--start-from', metavar='FILE', help='weights of this network, or of a smaller one, that a new run begins with'
    )


def run(args) -> int:
    from depth_anything_ros.cli.progress import progress_bar
    from depth_anything_ros.core.errors import MissingExtra

    try:
        from depth_anything_ros.training.config import read_config
        from depth_anything_ros.training.loop import train
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name, 'train', 'training') from error

    data = {'shards': args.shards, 'validation_shards': args.validation_shards, 'rgbd': args.rgbd}
    own = {'output': args.output, 'steps': args.steps, 'start_from': args.start_from}
    config = read_config(args.config, _given(own) | ({'data': _given(data)} if _given(data) else {}))
    bar = progress_bar('steps')
    task = bar.add_task('training', total=config.steps)

    def report(step: int, figures: dict[str, float]):
        shown = {name: value for name, value in figures.items() if '/' not in name}
        share = 100 * step / config.steps
        bar.update(task, completed=step)
        bar.console.print(
            f'{share:5.1f} % step {step:6d}  ' + '  '.join(f'{name} {value:.4g}' for name, value in shown.items()),
            highlight=False,
            soft_wrap=True,
        )

    with bar:
        weights = train(config, report)
    print(f'averaged weights: {weights}')
    return 0


def _given(values: dict) -> dict:
    return {name: value for name, value in values.items() if value is not None}
