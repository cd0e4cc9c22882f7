# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros demo`: a recording through the real nodes, and what came of it."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from depth_anything_ros.cli.model_argument import add_model_arguments, engine_options, make_estimator
from depth_anything_ros.cli.progress import note, progress_bar

HELP = 'Play a recording through the real depth node, score what comes out, and write a report with pictures.'
EPILOG = """
The node, the player and this command talk over the real ROS 2 middleware, in a domain of their own on this machine.
A recording with a truth topic is scored on it. Of any other, every 4th ring of the LiDAR (--keep-ring-every) is
played and the other rings score.

examples:
  depth_anything_ros demo
  depth_anything_ros demo --bag drive.mcap --keep-ring-every 4 --output out/
"""
SHARE_OF_TIME = 0.4  # the estimator may take this much of the time between two images; the rest is for the middleware
ATTEMPTS = 4
TIMED_FRAMES = 3
END_TO_END = 'end to end (player to here)'


def add_arguments(parser) -> None:
    parser.add_argument('--bag', type=Path, help='recording to play (default: the supplied room)')
    parser.add_argument('--output', type=Path, default=Path('out'), help='folder of the report (default: out)')
    add_model_arguments(parser)
    parser.add_argument('--rate', type=float, help='speed of the replay (default: real time, or what the machine does)')
    parser.add_argument(
        '--keep-ring-every', type=int, default=0, metavar='N', help='play every Nth ring, score the rest'
    )
    parser.add_argument('--score-frames', type=int, default=12, metavar='N', help='score at most N frames (0: all)')


def run(args) -> int:
    from depth_anything_ros.core.resources import resource
    from depth_anything_ros.evaluation.recording_case import ScoringConfig, open_recording, recording_case

    bag = args.bag or resource('recordings', 'room')
    with ExitStack() as stack:
        recording = stack.enter_context(open_recording(bag))
        case = recording_case(recording, ScoringConfig(args.keep_ring_every))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='depth_anything_ros_')))
        played = _played_bag(recording, bag, case.keep_ring_every, folder) if case.keep_ring_every else bag
        expected, rate = _plan(args, recording)
        collector = _replay(args, recording, played, expected, rate, folder)
        result = _score(case, recording, collector, args.score_frames)
        return _report(args, bag, recording, collector, expected, result)


def _played_bag(recording, bag: Path, keep_every: int, folder: Path) -> Path:
    """The recording with the kept rings only."""
    from depth_anything_ros.core.frames import RangeKind
    from depth_anything_ros.evaluation.reduction import reduce_rings

    played = folder / 'reduced.mcap'
    lidar = [topic for topic, kind in recording.topics.points if kind == RangeKind.LIDAR]
    with progress_bar('messages') as bar:
        task = bar.add_task(f'keeping one ring in {keep_every}', total=recording.reader.count)
        for count in reduce_rings(bag, lidar, keep_every, played):
            bar.update(task, completed=count)
    return played


def _replay(args, recording, played: Path, expected: set[int], rate: float, folder: Path):
    """Play until every image is answered: slower, where the machine did not keep up and no rate was asked for."""
    from depth_anything_ros.ros.replay import ReplayConfig, replay

    attempts = 1 if args.rate is not None else ATTEMPTS
    for attempt in range(attempts):
        note(f'playing {played.name} at {rate:.2f} x through the depth node ({len(expected)} images)')
        with progress_bar('images') as bar:
            task = bar.add_task('answered', total=len(expected))
            collector = replay(
                recording,
                ReplayConfig(played, rate, args.model, args.engine, engine_options(args)),
                folder / f'replay_{attempt}',
                expected,
                lambda answered, bar=bar, task=task: bar.update(task, completed=answered),
            )
        missing = len(expected) - len(collector.complete(expected))
        if not missing or attempt + 1 == attempts:
            return collector
        rate /= 2
        note(f'{missing} images were not answered in time (a newer one is always preferred): again, slower')


def _plan(args, recording) -> tuple[set[int], float]:
    """(stamps of the images that can be answered, rate that the machine keeps up with)."""
    estimator = make_estimator(args)
    stamps, elapsed_s = [], []
    for frame in recording.frames():
        stamps.append(frame.observation.stamp_ns)
        if len(elapsed_s) < TIMED_FRAMES:
            started = time.perf_counter()
            estimator.estimate(frame.observation)
            elapsed_s.append(time.perf_counter() - started)
    estimator.engine.close()
    if args.rate is not None:
        return set(stamps), args.rate
    period_s = (stamps[-1] - stamps[0]) / 1e9 / max(1, len(stamps) - 1) if len(stamps) > 1 else 1.0
    # the first frame also pays for warming up
    return set(stamps), min(1.0, SHARE_OF_TIME * period_s / min(elapsed_s))


def _score(case, recording, collector, limit: int):
    """The collected depth against the truth, beside classical completion of the same prompts."""
    from depth_anything_ros.core.frames import DepthFrame, Mode
    from depth_anything_ros.evaluation.evaluate import Scorer
    from depth_anything_ros.pipeline.estimator import EstimatorConfig
    from depth_anything_ros.projection.conditioning import condition
    from depth_anything_ros.projection.prompt import build_prompt

    config = EstimatorConfig()
    scored = min(limit or case.count, case.count)
    step = -(-case.count // scored)
    scorer = Scorer(case.name, case.description, keep_example=scored // 2)
    with progress_bar('frames') as bar:
        task = bar.add_task('scoring', total=scored)
        for index, sample in enumerate(case.samples()):
            answer = collector.answers.get(sample.observation.stamp_ns)
            if index % step or answer is None or answer.depth_file is None:
                continue
            prompt = condition(build_prompt(sample.observation, config.prompt), config.conditioning).sparse
            depth_m, sigma_m = answer.depth_m(), answer.sigma_m()
            frame = DepthFrame(
                depth_m,
                depth_m * float('nan') if sigma_m is None else sigma_m,
                answer.camera,
                sample.observation.stamp_ns,
                Mode(answer.facts.get('mode', Mode.PROMPTED.value)),
                prompt,
                report=answer.facts,
            )
            scorer.add(sample, frame)
            bar.update(task, completed=scorer.frames)
        bar.update(task, total=scorer.frames)
    return scorer.result()


def _report(args, bag, recording, collector, expected: set[int], result) -> int:
    """Print what came out and write the report; 0 where every image was answered by exactly one of everything."""
    from depth_anything_ros.cli.evaluate import show
    from depth_anything_ros.evaluation.ply import write_ply

    answers = [collector.answers.get(stamp_ns) for stamp_ns in sorted(expected)]
    whole = len(collector.complete(expected))
    verdict = f'{whole} of {len(expected)} images were answered by a depth, a camera_info and a cloud of their stamp'
    if collector.repeated:
        verdict += f'; more than once: {collector.repeated}'
    notes = [verdict, *(f'{count} images left out: {why}' for why, count in recording.skipped.items())]
    result = dataclasses.replace(result, notes=notes, latency=_latency(answers))
    live = live_command(bag, recording)
    show([result], args.output, f'depth_anything_ros demo: {Path(bag).name}', live)
    cloud = args.output / 'cloud.ply'
    example = result.example
    points = write_ply(cloud, example.frame.depth_m, example.frame.camera, example.sample.observation.image_rgb)
    print(f'cloud: {cloud} ({points} points)')
    print(f'to look at it live:\n{live}')
    return 0 if whole == len(expected) and not collector.repeated else 1


def _latency(answers):
    """Stages as the node told them in ~/status, and end to end as we measured it, over every answer."""
    from depth_anything_ros.evaluation.evaluate import latency_table

    stages_ms: dict[str, list[float]] = {}
    for answer in filter(None, answers):
        for stage, elapsed_ms in answer.latency_ms.items():
            if stage != 'total':  # the node's own, in recorded time: a slower replay would stretch it
                stages_ms.setdefault(stage, []).append(elapsed_ms)
        stages_ms.setdefault(END_TO_END, []).append(answer.end_to_end_ms)
    if END_TO_END in stages_ms:
        stages_ms[END_TO_END] = stages_ms.pop(END_TO_END)  # last in the table
    return latency_table(stages_ms)


def live_command(bag: Path, recording) -> str:
    """What to type in two terminals to see the node at work."""
    topics = recording.topics
    image = topics.image.removesuffix('/compressed')
    points = ','.join(topic for topic, _ in topics.points)
    transport = ' image_transport:=compressed' if image != topics.image else ''
    fixed = f' fixed_frame:={recording.fixed_frame}' if recording.fixed_frame else ''
    return (
        f'ros2 launch depth_anything_ros replay.launch.py bag:={bag} image:={image}'
        f' camera_info:={topics.camera_info} points:={points}{transport}{fixed} loop:=true rviz:=true'
    )
