# SPDX-License-Identifier: Apache-2.0
"""A copy of a recording whose LiDAR has fewer rings, so that what is left out can be scored on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.core.frames import PointSet
from depth_anything_ros.core.messages import points_from_message
from depth_anything_ros.evaluation import bag_messages
from depth_anything_ros.evaluation.bag_reader import BagReader
from depth_anything_ros.evaluation.bag_writer import BagWriter
from depth_anything_ros.evaluation.holdout import kept_rings
from depth_anything_ros.projection.accumulate import stamped_at_first_return

HELD_OUT_SUFFIX = '/held_out'


def reduce_rings(source: Path | str, topics: list[str], keep_every: int, path: Path) -> Iterator[int]:
    """Copy a recording; clouds of `topics` keep every keep_every-th ring, the rest goes to <topic>/held_out.

    Yields the number of messages copied so far. Raises RecordingError, and InvalidInput where rings can't be told.
    """
    with BagReader(source) as reader, BagWriter(path) as writer:
        for topic in reader.topics.values():
            if not writer.knows(topic.msgtype):
                raise RecordingError(f'{source}: no definition of {topic.msgtype} on {topic.name} is known')
            best_effort = bool(topic.qos) and topic.qos[0].reliability.name == 'BEST_EFFORT'
            writer.add_topic(topic.name, topic.msgtype, topic.latched, not best_effort)
        for count, message in enumerate(reader.messages(), 1):
            if message.topic in topics:
                points = stamped_at_first_return(points_from_message(reader.decode(message))[0])
                kept = kept_rings(points, keep_every)
                for topic, part in ((message.topic, kept), (message.topic + HELD_OUT_SUFFIX, ~kept)):
                    writer.write(topic, cloud_message(writer.typestore, points.subset(part)), message.log_ns)
            else:
                writer.write_raw(message.topic, bytes(message.raw), message.log_ns)
            yield count


def cloud_message(types, points: PointSet):
    """A PointSet as PointCloud2: x y z, and ring and t (ns after the stamp) where known."""
    columns = dict(zip('xyz', np.ascontiguousarray(points.xyz_m.T, np.float32), strict=True))
    if points.ring is not None:
        columns['ring'] = points.ring
    if points.time_offset_ns is not None:
        columns['t'] = points.time_offset_ns.astype(np.uint32)
    return bag_messages.point_cloud(types, columns, points.stamp_ns, points.frame_id)
