# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros benchmark frame`: what the node costs beside inference, by stage, on one core."""

from __future__ import annotations

import resource

from depth_anything_ros.cli.benchmark_table import (
    add_output_arguments,
    image_size,
    machine,
    percentiles,
    print_stages,
    write_json,
)

HELP = 'the frame path without inference: decode, project, condition, pack, publish'
EPILOG = """
examples:
  depth_anything_ros benchmark frame --frames 200 --output frame.json --plot frame.png
"""


def add_arguments(parser) -> None:
    parser.add_argument('--size', type=image_size, default=(640, 480), metavar='WxH', help='image (default: 640x480)')
    parser.add_argument('--points', type=int, default=30000, help='returns of a sweep (default: 30000)')
    parser.add_argument('--sweep', type=int, default=120000, help='returns of the rasterised turn (default: 120000)')
    parser.add_argument('--frames', type=int, default=200, help='frames that are timed (default: 200)')
    add_output_arguments(parser)


def run(args) -> int:
    import cv2

    from depth_anything_ros.cli.progress import progress_bar
    from depth_anything_ros.evaluation.benchmark_plots import plot_stages
    from depth_anything_ros.ros import overhead

    cv2.setNumThreads(1)  # the figures are for one core
    faults: list[int] = []
    with progress_bar() as bar:
        task = bar.add_task('frames', total=args.frames)

        def on_frame() -> None:
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
            bar.advance(task)

        stages = overhead.measure(*args.size, args.points, args.frames, on_frame)
    stages['rasterize one turn'] = overhead.measure_rasterize(args.sweep, args.frames)
    table = percentiles(stages)
    title = f'{args.size[0]}x{args.size[1]}, {args.points} returns, {args.frames} frames, milliseconds; {machine()}'
    print_stages(table, title)
    memory = {}
    if len(faults) > 1:
        # the messages are made anew for every frame as well, so this is an upper bound of what the path itself costs
        memory['page_faults_per_frame'] = (faults[-1] - faults[0]) / (len(faults) - 1)
        print(f'page faults per frame: {memory["page_faults_per_frame"]:.1f}')
    arguments = {name: getattr(args, name) for name in ('size', 'points', 'sweep', 'frames')}
    write_json(args.output, {'arguments': arguments, 'stages_ms': table, **memory})
    if args.plot:
        plot_stages(table, title, args.plot)
    return 0
