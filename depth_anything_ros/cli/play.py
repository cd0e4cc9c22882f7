# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros play`: a recording on real topics."""

from __future__ import annotations

import contextlib
import select
import sys
import threading

from depth_anything_ros.cli.progress import note
from depth_anything_ros.core.errors import ConfigError

HELP = 'Publish a recording (mcap or sqlite3) on ROS topics, with /clock. Space pauses, Ctrl-C ends.'
EPILOG = """
examples:
  depth_anything_ros play run.mcap
  depth_anything_ros play run/ --rate 0.5 --loop --start-offset 12.5
  depth_anything_ros play run.mcap --topics /camera/image_raw /points --remap /points:=/velodyne_points

With --loop, time jumps back at every start: nodes that keep history must clear it (ours do).
The service ~/pause (std_srvs/srv/SetBool) pauses and resumes from another terminal.
"""


def add_arguments(parser) -> None:
    parser.add_argument('bag', help='rosbag2 folder, .mcap or .db3 file')
    parser.add_argument('--rate', type=float, default=1.0, help='speed relative to the recording (default 1)')
    parser.add_argument('--loop', action='store_true', help='start again at the end')
    parser.add_argument('--start-offset', type=float, default=0.0, metavar='S', help='skip the first S seconds')
    parser.add_argument('--topics', nargs='+', metavar='TOPIC', help='play only these (default: all)')
    parser.add_argument('--remap', nargs='+', default=[], metavar='OLD:=NEW', help='publish under other names')
    parser.add_argument('--wait-for', type=float, default=0.0, metavar='S', help='wait up to S s for a subscriber')
    parser.add_argument(
        '--wait-topics',
        nargs='+',
        default=[],
        metavar='TOPIC[:N]',
        help='with --wait-for: until these have N subscribers',
    )
    parser.add_argument('--start-paused', action='store_true', help='wait for space (or the service) before the start')
    parser.add_argument('--no-clock', action='store_true', help='do not publish /clock')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')


def run(args) -> int:
    from depth_anything_ros.evaluation.bag_reader import BagReader
    from depth_anything_ros.ros.spinning import interruptible_node

    remaps = parse_remaps(args.remap)
    with BagReader(args.bag) as reader, interruptible_node('player', args.ros_arguments) as (node, stop):
        from depth_anything_ros.ros.player import PlayConfig, Player

        config = PlayConfig(
            args.rate,
            args.loop,
            args.start_offset,
            not args.no_clock,
            args.start_paused,
            args.wait_for,
            args.wait_topics,
        )
        player = Player(node, reader, config, args.topics, remaps)
        for topic, reason in player.skipped.items():
            note(f'not played: {topic}: {reason}')
        note(f'playing {args.bag}: {player.duration_s:.1f} s of {len(player.topics)} topics at {args.rate:g} x')
        with _keyboard(player, stop), _bar(player, args.quiet) as on_progress:
            player.play(stop, on_progress)
        note(f'{player.sent} messages sent' + (' (interrupted)' if stop.is_set() else ''))
    return 0


def parse_remaps(items: list[str]) -> dict[str, str]:
    """['/a:=/b'] -> {'/a': '/b'}. Raises ConfigError on anything else."""
    remaps = {}
    for item in items:
        old, separator, new = item.partition(':=')
        if not separator or not old or not new:
            raise ConfigError(f'--remap: expected OLD:=NEW, got {item!r}')
        remaps[old] = new
    return remaps


@contextlib.contextmanager
def _bar(player, quiet: bool):
    if quiet:
        yield lambda position_s: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn('{task.description}'),
        BarColumn(),
        TextColumn('{task.completed:.1f} of {task.total:.1f} s'),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task('playing', total=player.duration_s)

        def on_progress(position_s: float) -> None:
            name = f'loop {player.loops + 1}' if player.config.loop else 'playing'
            progress.update(task, completed=position_s, description=name)

        yield on_progress


@contextlib.contextmanager
def _keyboard(player, stop: threading.Event):
    """Space pauses and resumes, where there is a terminal to type on."""
    try:
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (ImportError, OSError, ValueError, AttributeError, termios.error):
        yield
        return
    done = threading.Event()

    def listen():
        while not (done.is_set() or stop.is_set()):
            if select.select([sys.stdin], [], [], 0.1)[0] and sys.stdin.read(1) == ' ':
                player.pause(not player.paused)

    tty.setcbreak(descriptor)
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
