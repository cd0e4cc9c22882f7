# SPDX-License-Identifier: Apache-2.0
"""Write rosbag2 recordings (mcap or sqlite3; a folder or one bare file) without a ROS installation."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from depth_anything_ros.core.errors import MissingExtra, RecordingError

MESSAGE_DEFINITIONS = 'ROS2_KILTED'  # its sensor, geometry and tf messages are those of Humble and Jazzy


class BagWriter:
    """A recording being written; use as a context manager.

    path: `name.mcap` or `name.db3` gives that one file (its metadata is inside), any other name an mcap folder.
    Nothing is at `path` until `close()`: the bag grows in `<path>.partial` beside it. An exception leaves that folder
    behind for inspection. Raises RecordingError where `path` exists or can't be written.
    """

    def __init__(self, path: Path | str):
        try:
            from rosbags.rosbag2 import StoragePlugin, Writer
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise MissingExtra('rosbags', 'bags', 'writing a recording') from error
        self.path = Path(path)
        if self.path.exists():
            raise RecordingError(f'{self.path} exists already: choose another name or remove it')
        self.typestore = get_typestore(Stores[MESSAGE_DEFINITIONS])
        self.counts: dict[str, int] = {}
        self._partial = self.path.with_name(self.path.name + '.partial')
        self._bare = self.path.suffix in ('.mcap', '.db3')
        self._connections: dict[str, Any] = {}
        plugin = StoragePlugin.SQLITE3 if self.path.suffix == '.db3' else StoragePlugin.MCAP
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._partial.exists():  # left by a run that was killed
                shutil.rmtree(self._partial)
            self._writer = Writer(self._partial, version=9, storage_plugin=plugin)
            self._writer.open()
        except OSError as error:
            raise RecordingError(f'{self.path}: cannot be written: {error}') from error

    def knows(self, msgtype: str) -> bool:
        """True where the definition of this message type is at hand."""
        return msgtype in self.typestore.types

    def define(self, msgtype: str, definition: str) -> None:
        """Add a message type from its .msg text."""
        from rosbags.typesys import get_types_from_msg

        self.typestore.register(get_types_from_msg(definition, msgtype))

    def add_topic(self, topic: str, msgtype: str, latched: bool = False, reliable: bool = True) -> None:
        """Announce a topic with the QoS it is to be replayed with. Raises RecordingError on an unknown type."""
        if not self.knows(msgtype):
            raise RecordingError(f'{topic}: no definition of message type {msgtype} is known')
        self._connections[topic] = self._writer.add_connection(
            topic, msgtype, typestore=self.typestore, offered_qos_profiles=[_qos(latched, reliable)]
        )
        self.counts[topic] = 0

    def write(self, topic: str, message: Any, log_ns: int) -> None:
        """Write a typed message (made from `typestore.types`); the topic is announced at its first message."""
        msgtype = message.__msgtype__
        if topic not in self._connections:
            self.add_topic(topic, msgtype, latched=topic.endswith('/tf_static'))
        self.write_raw(topic, self.typestore.serialize_cdr(message, msgtype), log_ns)

    def write_raw(self, topic: str, raw: bytes, log_ns: int) -> None:
        """Write CDR bytes to a topic that was announced."""
        try:
            self._writer.write(self._connections[topic], log_ns, raw)
        except OSError as error:
            raise RecordingError(f'{self.path}: cannot be written: {error}') from error
        self.counts[topic] += 1

    def close(self) -> None:
        """Finish the index and move the bag to its place."""
        try:
            self._writer.close()
            if self._bare:
                (file,) = self._partial.glob(f'*{self.path.suffix}')
                file.replace(self.path)
                shutil.rmtree(self._partial)
            else:
                self._rename_storage()
                self._partial.replace(self.path)
        except OSError as error:
            raise RecordingError(f'{self.path}: cannot be written: {error}') from error

    def discard(self) -> None:
        """Give up: nothing is left on the disk."""
        self._writer.abort()
        shutil.rmtree(self._partial, ignore_errors=True)

    def _rename_storage(self) -> None:
        # rosbags names the file after its folder, which is still the partial one
        metadata = self._partial / 'metadata.yaml'
        (file,) = self._partial.glob('*.mcap')
        named = f'{self.path.name}.mcap'
        metadata.write_text(metadata.read_text().replace(file.name, named))
        file.rename(file.with_name(named))

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, kind, _error, _trace) -> None:
        if kind is None:
            self.close()
        else:
            self._writer.abort()


def _qos(latched: bool, reliable: bool):
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(9223372036, 854775807)
    return Qos(
        QosHistory.KEEP_LAST,
        100 if latched else 10,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        False,
    )
