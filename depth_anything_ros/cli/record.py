# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros record`: topics into a file."""

from __future__ import annotations

import contextlib
import time

from depth_anything_ros.cli.progress import note
from depth_anything_ros.core.errors import RecordingError

HELP = 'Write ROS topics to a recording. Topics may appear later; Ctrl-C ends and finishes the file.'
EPILOG = """
examples:
  depth_anything_ros record /camera/image_raw /camera/camera_info /points /tf /tf_static --output run.mcap
  depth_anything_ros record /depth_node/depth/image_rect --output depth.mcap --duration 10
"""


def add_arguments(parser) -> None:
    parser.add_argument('topics', nargs='+', metavar='TOPIC')
    parser.add_argument('--output', required=True, help='name.mcap, name.db3, or a folder to be made')
    parser.add_argument('--duration', type=float, metavar='S', help='stop by itself after S seconds')
    parser.add_argument('--quiet', action='store_true', help='no live table')


def run(args) -> int:
    from depth_anything_ros.ros.recorder import Recorder
    from depth_anything_ros.ros.spinning import interruptible_node

    with interruptible_node('recorder', args.ros_arguments) as (node, stop):
        recorder = Recorder(node, args.topics, args.output)
        with _live(recorder, args.quiet) as refresh:
            end = time.monotonic() + (float('inf') if args.duration is None else args.duration)
            while time.monotonic() < end and not stop.wait(0.1) and recorder.failure is None:
                refresh()
        node.executor.shutdown(timeout_sec=2.0)  # nothing may be written once the file is closed
        recorder.close()
    for topic, reason in recorder.skipped.items():
        note(f'not recorded: {topic}: {reason}')
    for topic in recorder.missing:
        note(f'not recorded: {topic}: nobody published it')
    total = sum(recorder.counts.values())
    if not total:
        raise RecordingError(f'{args.output}: no message came on {", ".join(args.topics)}')
    print(f'{args.output}: {total} messages on {sum(map(bool, recorder.counts.values()))} topics')
    return 0


@contextlib.contextmanager
def _live(recorder, quiet: bool):
    """A table of what has come so far; yields the function that refreshes it."""
    if quiet:
        yield lambda: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    def picture() -> Table:
        table = Table('topic', 'messages')
        for topic, count in recorder.counts.items():
            table.add_row(topic, str(count))
        for topic in recorder.missing:
            table.add_row(topic, 'waiting for a publisher')
        return table

    with Live(picture(), console=Console(stderr=True), refresh_per_second=4) as view:
        yield lambda: view.update(picture())
