# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark mapping`: what a map costs, and its memory on a long drive."""

from __future__ import annotations

from depth_anything_ros.cli.benchmark_table import (
    add_output_arguments,
    machine,
    percentiles,
    print_stages,
    write_json,
)

HELP = 'milliseconds of a mapped frame, and memory on a long drive down a corridor'
EPILOG = """
examples:
  depth_anything_ros benchmark mapping --frames 600 --memory 256
"""


def add_arguments(parser) -> None:
    parser.add_argument('--voxel', type=float, default=0.02, metavar='M', help='side of a voxel (default: 0.02 m)')
    parser.add_argument('--memory', type=int, default=256, metavar='MB', help='for voxels (default: 256 MB)')
    parser.add_argument('--frames', type=int, default=200, help='frames that are timed (default: 200)')
    add_output_arguments(parser)


def run(args) -> int:
    from rich.console import Console

    from depth_anything_ros.cli.progress import progress_bar
    from depth_anything_ros.evaluation.benchmark_plots import plot_stages
    from depth_anything_ros.evaluation.map_benchmark import CAMERA, STEP_M, drive

    with progress_bar() as bar:
        task = bar.add_task('frames', total=args.frames)
        done = drive(args.frames, args.voxel, args.memory, lambda: bar.advance(task))
    table = percentiles(done.stages_ms)
    facts = {
        'mesh of all in memory': f'{done.mesh_s:.2f} s, {done.triangles} triangles',
        'voxels, most': f'{max(done.memory_mb):.0f} MB of {args.memory} MB',
        'voxels, last': f'{done.memory_mb[-1]:.0f} MB, {done.status["dropped_blocks"]:.0f} blocks dropped on the way',
        'process, half-way and last': f'{done.resident_mb[0]:.0f} MB, {done.resident_mb[1]:.0f} MB',
    }
    title = (
        f'{CAMERA.width}x{CAMERA.height}, voxels of {args.voxel * 100:g} cm, {args.frames} frames over'
        f' {args.frames * STEP_M:.0f} m, milliseconds; {machine()}'
    )
    print_stages(table, title, digits=1)
    console = Console()
    for name, value in facts.items():
        console.print(f'{name}: {value}', highlight=False)
    write_json(args.output, {'stages_ms': table, 'facts': facts, 'memory_mb': done.memory_mb})
    if args.plot:
        plot_stages(table, title, args.plot)
    return 0
