# SPDX-License-Identifier: Apache-2.0
"""depth_anything_ros render-scenes: training data from a renderer."""

from __future__ import annotations

from pathlib import Path

HELP = 'Render random scenes with exact depth into shards to train on.'
EPILOG = """
room and outdoor are photoreal and need Blender: pip install 'depth_anything_ros[scenes]' (Python 3.11).
A run that was killed goes on with the next shard when the same command is given again. Every tenth shard goes to
OUT/held_out, for validation. Folders of photos, textures and skies say in assets.yaml (a list of name, licence,
source) what they are; the provenance beside the shards keeps it. docs/training-data.md describes the format.

examples:
  depth_anything_ros render-scenes OUT --kind procedural --frames 4000 --workers 4
  depth_anything_ros render-scenes OUT --kind room --frames 2000 --workers 2 --photos RGBD
"""


def add_arguments(parser) -> None:
    from depth_anything_ros.training.render_shards import KINDS

    parser.add_argument('folder', type=Path, metavar='OUT', help='folder of the shards')
    parser.add_argument('--kind', choices=KINDS, required=True, help='what to render')
    parser.add_argument('--frames', type=int, default=2000, help='rounded up to whole shards (default: 2000)')
    parser.add_argument('--seed', type=int, default=0, help='another seed, other scenes (default: 0)')
    parser.add_argument('--per-shard', type=int, default=32, metavar='N', help='frames a shard (default: 32)')
    parser.add_argument('--workers', type=int, default=1, help='processes (default: 1)')
    parser.add_argument('--threads', type=int, default=1, help='threads of one process, in Blender (default: 1)')
    parser.add_argument(
        '--photos', type=Path, metavar='DIR', help='*_color.jpg + *_depth_mm.png whose crops become textures'
    )
    parser.add_argument('--textures', type=Path, metavar='DIR', help='images (.png, .jpg) whose crops become textures')
    parser.add_argument('--skies', type=Path, metavar='DIR', help="HDRIs (.exr, .hdr) besides Blender's own")


def run(args) -> int:
    from depth_anything_ros.core.errors import InvalidInput
    from depth_anything_ros.training.render_shards import Series, missing_shards, render

    if min(args.frames, args.workers, args.threads) < 1:
        raise InvalidInput(
            f'expected 1 or more frames, workers and threads, got {args.frames}, {args.workers}, {args.threads}'
        )
    series = Series(args.folder, args.kind, args.seed, args.per_shard, args.photos, args.textures, args.skies)
    total = -(-args.frames // args.per_shard) * args.per_shard
    done = total - len(missing_shards(series, args.frames)) * args.per_shard
    with _progress() as bar:
        task = bar.add_task(f'rendering {args.kind}', total=total, completed=done)
        for frames in render(series, args.frames, args.workers, args.threads):
            bar.update(task, advance=frames)
    print(args.folder)
    return 0


def _progress():
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task) -> Text:
            return Text('' if task.speed is None else f'{task.speed:.2f} frames/s')

    columns = [TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), Speed(), TimeRemainingColumn()]
    return Progress(*columns, console=Console(stderr=True), speed_estimate_period=600)
