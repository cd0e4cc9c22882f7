# SPDX-License-Identifier: Apache-2.0
"""Read rosbag2 recordings (mcap or sqlite3; a folder or a bare file) without a ROS installation."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from depth_anything_ros.core.errors import MissingExtra, RecordingError

IMAGE, COMPRESSED_IMAGE = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO, POINTS = 'sensor_msgs/msg/CameraInfo', 'sensor_msgs/msg/PointCloud2'
TRANSFORMS = 'tf2_msgs/msg/TFMessage'


class BagMessage(NamedTuple):
    """One serialised message. log_ns: when it was recorded; raw: its CDR bytes."""

    topic: str
    msgtype: str
    log_ns: int
    raw: bytes


@dataclass(frozen=True)
class BagTopic:
    """msgtype as 'sensor_msgs/msg/Image'; qos: the offered profiles as the recorder noted them, may be empty."""

    name: str
    msgtype: str
    count: int
    qos: tuple[Any, ...] = ()

    @property
    def latched(self) -> bool:
        """True where a late subscriber is owed the old messages (/tf_static and other transient-local topics)."""
        return self.name.endswith('/tf_static') or any(q.durability.name == 'TRANSIENT_LOCAL' for q in self.qos)


class BagReader:
    """An open recording; use as a context manager, or `close()` it.

    Raises RecordingError, one line each, where the path is missing, not a bag, truncated or corrupt; the same while
    iterating or decoding.
    """

    def __init__(self, path: Path | str):
        try:
            from rosbags.highlevel import AnyReader
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise MissingExtra('rosbags', 'bags', 'reading a recording') from error
        self.path = _storage(Path(path))
        with self._faults():
            # bags of older distributions hold no message definitions
            self._reader = AnyReader([self.path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
            self._reader.open()
        if not self._reader.message_count:
            self.close()
            raise RecordingError(f'{self.path}: the recording holds no messages')
        self.topics: dict[str, BagTopic] = {}
        for connection in self._reader.connections:
            known = self.topics.get(connection.topic)
            count = connection.msgcount + (known.count if known else 0)
            qos = tuple(getattr(connection.ext, 'offered_qos_profiles', ()) or ())
            self.topics[connection.topic] = BagTopic(connection.topic, connection.msgtype, count, qos)
        self.start_ns: int = self._reader.start_time
        self.end_ns: int = self._reader.end_time

    @property
    def count(self) -> int:
        return self._reader.message_count

    def of_type(self, *msgtypes: str) -> list[str]:
        """Names of the topics that have one of these types and at least one message, sorted."""
        return sorted(t.name for t in self.topics.values() if t.msgtype in msgtypes and t.count)

    def messages(
        self, topics: Iterable[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[BagMessage]:
        """Messages in the order of recording, of these topics (all: None), start_ns <= log_ns < stop_ns."""
        wanted = None if topics is None else set(topics)
        connections = [c for c in self._reader.connections if wanted is None or c.topic in wanted]
        if wanted and (missing := wanted - set(self.topics)):
            raise RecordingError(f'{self.path}: no topic {", ".join(sorted(missing))}; it has {self._known()}')
        if not connections:  # an empty list would mean all of them to rosbags
            return
        with self._faults():
            for connection, log_ns, raw in self._reader.messages(connections, start_ns, stop_ns):
                yield BagMessage(connection.topic, connection.msgtype, log_ns, raw)

    def decode(self, message: BagMessage) -> Any:
        """The message as an object with the fields of its ROS type; arrays are numpy arrays."""
        with self._faults():
            return self._reader.deserialize(message.raw, message.msgtype)

    def close(self) -> None:
        if self._reader.stack:
            self._reader.close()

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def _known(self) -> str:
        return ', '.join(f'{t.name} ({t.msgtype})' for t in self.topics.values())

    def _faults(self):
        return _Faults(self.path)


def header_stamp_ns(message: BagMessage) -> int:
    """The stamp of a message whose first field is a std_msgs/Header, without decoding the rest."""
    if len(message.raw) < 12:
        raise RecordingError(f'{message.topic}: a message of {len(message.raw)} bytes is too short for a header')
    order = '<' if message.raw[1] & 1 else '>'
    seconds, nanoseconds = struct.unpack_from(f'{order}iI', message.raw, 4)
    return seconds * 1_000_000_000 + nanoseconds


class _Faults:
    """Turns what the storage libraries raise on damaged files into one RecordingError that names the file."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        # sqlite, zstd, lz4, struct and the YAML reader each raise types of their own on damaged bytes
        if isinstance(error, Exception) and not isinstance(error, RecordingError):
            cause = ' '.join(str(error).split()) or kind.__name__
            raise RecordingError(
                f'{self.path}: cannot be read as a rosbag2 recording, truncated or corrupt? ({cause})'
            ) from error
        return False


def _storage(path: Path) -> Path:
    """The path to hand to rosbags; raises RecordingError where that can't be a recording."""
    if not path.exists():
        raise RecordingError(f'{path}: no such recording; expected a rosbag2 folder, an .mcap or a .db3 file')
    if path.is_dir():
        if (path / 'metadata.yaml').exists():
            return path
        files = [file for pattern in ('*.mcap', '*.db3') for file in sorted(path.glob(pattern))]
        if len(files) == 1:  # a recorder that was killed writes no metadata
            return files[0]
        raise RecordingError(f'{path}: expected a folder with metadata.yaml or one .mcap or .db3, found {len(files)}')
    if path.suffix not in ('.mcap', '.db3'):
        raise RecordingError(f'{path}: expected a rosbag2 folder, an .mcap or a .db3 file, got a {path.suffix!r} file')
    return path
