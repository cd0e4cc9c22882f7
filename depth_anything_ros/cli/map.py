# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros map`: a recording becomes a mesh, scored where there is a truth."""

from __future__ import annotations

from pathlib import Path

from depth_anything_ros.cli.model_argument import add_model_arguments, make_estimator
from depth_anything_ros.cli.progress import progress_bar
from depth_anything_ros.cli.settings_argument import add_settings_argument, assigned, split_estimator
from depth_anything_ros.core.errors import ConfigError

HELP = 'Make a map of a recording with poses: a mesh, and its F-score beside completions where truth is known.'
EPILOG = """
WHAT is a recording with an image, camera_info and poses on /tf, or a folder of 7-Scenes frames (frame-*.depth.png,
frame-*.pose.txt), whose depth is taken as given and scored against itself: even frames against odd ones.

Truth is a depth topic ('truth' or '/gt' in its name), or an exact mesh in the fixed frame.

examples:
  depth_anything_ros map run.mcap --output room.ply
  depth_anything_ros map recordings/room --report out/map
  depth_anything_ros map ../shared/data/sevenscenes_redkitchen --report out/redkitchen
"""
METHODS = ('ours', 'ours + returns', 'nearest', 'linear', 'raw sweeps', 'true depth')


def add_arguments(parser) -> None:
    parser.add_argument('what', metavar='WHAT', type=Path, help='a recording, or a folder of 7-Scenes frames')
    add_model_arguments(parser)
    parser.add_argument('--output', type=Path, metavar='FILE', help='write our mesh: .ply, .obj or .glb')
    parser.add_argument('--report', type=Path, metavar='DIR', help='write map.html, map.json, pictures and meshes')
    parser.add_argument('--methods', nargs='*', choices=METHODS, metavar='NAME', help=f'of {", ".join(METHODS)}')
    parser.add_argument('--limit', type=int, default=0, metavar='N', help='at most N frames, evenly spread')
    parser.add_argument('--fixed-frame', metavar='FRAME', help='frame that stands still (default: odom, map or world)')
    parser.add_argument('--sweeps', type=int, metavar='N', help='how many sweeps of each cloud are put together')
    parser.add_argument('--truth', metavar='TOPIC', help='depth image to score on')
    parser.add_argument('--truth-mesh', type=Path, metavar='FILE', help='exact mesh in the fixed frame to score on')
    parser.add_argument('--threshold', type=float, default=0.05, metavar='M', help='of the F-score (default: 0.05 m)')
    add_settings_argument(parser, 'tsdf.voxel_size_m=0.04 or estimator.output.max_depth_m=20')


def run(args) -> int:
    from depth_anything_ros.mapping.settings import MapConfig

    of_estimator, of_map = split_estimator(args.set)
    config = assigned(MapConfig(), of_map)
    if args.what.is_dir() and any(args.what.glob('frame-*.pose.txt')):
        if of_estimator:
            raise ConfigError(f'{args.what}: mapped from its own depth, no network runs: leave out {of_estimator[0]}')
        return _consistency(args, config)
    from depth_anything_ros.evaluation.reconstruction import EXPLAINED, OURS, Reconstructor
    from depth_anything_ros.evaluation.recording_case import open_recording

    methods = args.methods or (EXPLAINED if args.report or not args.output else (OURS,))
    with (
        open_recording(args.what, truth=args.truth, fixed_frame=args.fixed_frame, sweeps=args.sweeps) as recording,
        progress_bar('frames') as bar,
    ):
        estimator = make_estimator(args, of_estimator)
        reconstructor = Reconstructor(
            recording, estimator, config, tuple(methods), args.threshold, args.truth_mesh, limit=args.limit
        )
        task = bar.add_task(args.what.name, total=reconstructor.count)
        for done in reconstructor.run():
            bar.update(task, completed=done)
        bar.update(task, description='meshes and scores')
        reconstruction = reconstructor.finish()
    _show(reconstruction, args)
    return 0


def _show(done, args) -> None:
    from rich.console import Console
    from rich.table import Table

    from depth_anything_ros.evaluation.reconstruction import OURS, WITH_RETURNS
    from depth_anything_ros.evaluation.reconstruction_report import COLUMNS, ways, write_report
    from depth_anything_ros.mapping.files import write_mesh

    console = Console()
    table = Table(title=f'{done.name}: map of {done.frames} frames', title_justify='left', title_style='bold')
    table.add_column('depth')
    for label in (*(label for label, *_ in COLUMNS), 'ms/frame', 'mesh s', 'triangles'):
        table.add_column(label, justify='right')
    for result in done.results:
        scores = [f'{getattr(result.score, name):{form}}' if result.score else '-' for _, name, form, _ in COLUMNS]
        triangles = str(len(result.mesh.triangles)) if result.mesh else f'{len(result.points_m)} points'
        table.add_row(result.method, *scores, f'{result.integrate_ms:.0f}', f'{result.mesh_s:.2f}', triangles)
    console.print(table)
    for line in [*ways(done), *done.notes]:
        console.print(line, highlight=False)
    if args.output:
        result = done.result(OURS) or done.result(WITH_RETURNS) or done.results[0]
        write_mesh(args.output, result.mesh)
        console.print(f'mesh: {args.output}', soft_wrap=True)
    if args.report:
        command = f'depth_anything_ros map {args.what} --report {args.report}'
        console.print(f'report: {write_report(args.report, done, command)}', soft_wrap=True)


def _consistency(args, config) -> int:
    from rich.console import Console

    from depth_anything_ros.evaluation.self_consistency import read_frames, self_consistency, write_consistency

    frames = read_frames(args.what)
    with progress_bar('frames') as bar:
        task = bar.add_task(args.what.name, total=2 * len(frames))
        result = self_consistency(frames, config, args.threshold, lambda: bar.advance(task))
    console = Console()
    for label, value in result.rows():
        console.print(f'{label:44s} {value}', highlight=False)
    if args.report:
        console.print(f'report: {write_consistency(args.report, result)}', soft_wrap=True)
    return 0
