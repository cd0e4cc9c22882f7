# SPDX-License-Identifier: Apache-2.0
"""The process that feeds a depth node under load: publishes frames at a rate, or as fast as they are answered.

Spoken to in lines of JSON. It says {"ready": true} once every topic has a listener; each order
{"frames": n, "rate_hz": r} is answered by {"stamps_ns": [...]} when the last frame is sent; "rate_hz": 0 keeps two
frames under way, so that the node always has one to go on with. It ends with its input.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import threading
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from depth_anything_ros.ros.feed import Feed, FeedConfig, make_feed, stamped
from depth_anything_ros.ros.player import load_message

UNDER_WAY = 2
LOST_S = 10.0  # an answer that takes longer does not come: the frame was dropped
ANSWER = '/depth_node/status'  # the last word on a frame, when all else of it is published


class LoadSource:
    """Publishes a feed's frames in turn, stamped with the time of sending, until all are sent or `stop` is set.

    The node is spun by another thread.
    """

    def __init__(self, node: Node, feed: Feed, stop: threading.Event):
        qos = QoSProfile(depth=10, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE)
        self._feed, self._stop = feed, stop
        self._publishers = {
            topic: node.create_publisher(load_message(msgtype), topic, qos) for topic, msgtype in feed.topics.items()
        }
        self._sent = 0
        self._under_way: list[int] = []
        self._answered = threading.Condition()
        node.create_subscription(DiagnosticStatus, ANSWER, self._on_answer, qos)

    def connected(self) -> bool:
        return all(publisher.get_subscription_count() for publisher in self._publishers.values())

    def at_rate(self, frames: int, rate_hz: float) -> list[int]:
        """Stamps of the frames, sent at even distances."""
        stamps, began = [], time.monotonic()
        while len(stamps) < frames and not self._stop.wait(began + len(stamps) / rate_hz - time.monotonic()):
            stamps.append(self._send())
        return stamps

    def as_answered(self, frames: int) -> list[int]:
        """Stamps of the frames, each sent when fewer than UNDER_WAY wait for their answer, or theirs was lost."""
        stamps: list[int] = []
        while len(stamps) < frames and not self._stop.is_set():
            with self._answered:
                self._answered.wait_for(lambda: len(self._under_way) < UNDER_WAY, LOST_S)
                stamps.append(self._send())
                self._under_way = [*self._under_way[-(UNDER_WAY - 1) :], stamps[-1]]
        return stamps

    def _send(self) -> int:
        """One frame, the image last; returns the stamp of all its messages."""
        frame = self._feed.frames[self._sent % len(self._feed.frames)]
        self._sent += 1
        now_ns = time.time_ns()
        for packet in frame:
            self._publishers[packet.topic].publish(stamped(packet, now_ns))
        return now_ns

    def _on_answer(self, message: DiagnosticStatus) -> None:
        stamp = next((item.value for item in message.values if item.key == 'stamp_ns'), '0')
        with self._answered:
            self._under_way = [under_way for under_way in self._under_way if under_way > int(stamp)]
            self._answered.notify()


def main() -> int:
    from depth_anything_ros.ros.spinning import interruptible_node

    parser = argparse.ArgumentParser()
    parser.add_argument('--bag', type=Path)
    parser.add_argument('--size', type=int, nargs=2)
    parser.add_argument('--points', type=int)
    args = parser.parse_args()
    feed = make_feed(FeedConfig(args.bag, *args.size, args.points))
    with interruptible_node('load_source') as (node, stop):
        source = LoadSource(node, feed, stop)
        gc.freeze()  # a pause here would be taken for one of the node
        while not (source.connected() or stop.wait(0.05)):
            pass
        _say(ready=True)
        for line in sys.stdin:
            order = json.loads(line)
            frames, rate_hz = order['frames'], order['rate_hz']
            _say(stamps_ns=source.at_rate(frames, rate_hz) if rate_hz else source.as_answered(frames))
    return 0


def _say(**facts) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == '__main__':
    sys.exit(main())
