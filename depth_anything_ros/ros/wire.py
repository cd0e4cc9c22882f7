# SPDX-License-Identifier: Apache-2.0
"""Messages kept in the form in which they travel, so that a frame is written where the middleware reads it.

rclpy's publish() copies the data of a message into a C message, and from there into the middleware's own buffer. What
is serialised already needs the second copy only: 0.4 ms less for the cloud of a VGA image. The bytes are those that
rclpy itself serialised, once; of every frame only the stamp and the data are new.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message

ENCAPSULATION_BYTES = 4  # before the first field of every serialised message (OMG DDSI-RTPS, 10.2)
CACHE_LINE_BYTES = 64


def pattern(shape: tuple[int, ...], dtype) -> np.ndarray:
    """An array whose bytes are found again in a serialised message that was made of it."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    return (np.arange(size) % 251).astype(np.uint8).view(dtype).reshape(shape)


class WireMessage:
    """A message that begins with a header, serialised, to be published again and again with another stamp and data.

    array: where the message has the bytes of `marked`, the `pattern` that it was made with; None without one. It
    belongs to this object: write to it, then `publish`, which has copied it when it returns.
    Raises ValueError where the serialised message doesn't hold stamp and array as expected.
    """

    def __init__(self, message: Any, marked: np.ndarray | None = None):
        raw = serialize_message(message)
        at = 0 if marked is None else raw.find(marked.tobytes())
        self._bytes = _aligned(len(raw), at)
        self._bytes[:] = np.frombuffer(raw, np.uint8)
        self._stamp = self._bytes[ENCAPSULATION_BYTES : ENCAPSULATION_BYTES + 8].view(np.int32)
        stamp = message.header.stamp
        if at < 0 or self._stamp.tolist() != [stamp.sec, stamp.nanosec]:
            raise ValueError(f'{type(message).__name__}: not serialised as a stamp first and data in one piece')
        self.array = None
        if marked is not None:
            self.array = self._bytes[at : at + marked.nbytes].view(marked.dtype).reshape(marked.shape)
        self._serialised = _SerialisedMessage(self._bytes.ctypes.data, len(raw), len(raw))

    def publish(self, publisher: Any, stamp: Any) -> None:
        """Send with this stamp (sec, nanosec). Nothing is sent by a lifecycle publisher that isn't active."""
        self._stamp[:] = stamp.sec, stamp.nanosec
        if not getattr(publisher, 'is_activated', True):
            return
        send = _send()
        if send is not None:
            handle = publisher.handle
            with handle:  # it stays while the middleware uses it
                if send(handle.pointer, ctypes.byref(self._serialised), None) == 0:
                    return
        publisher.publish(self._bytes.tobytes())  # the public way: one more copy, and rclpy's own handling of errors


class _Allocator(ctypes.Structure):
    """rcutils_allocator_t"""

    _fields_ = [(name, ctypes.c_void_p) for name in ('allocate', 'deallocate', 'reallocate', 'zero_allocate', 'state')]


class _SerialisedMessage(ctypes.Structure):
    """rcl_serialized_message_t"""

    _fields_ = [
        ('buffer', ctypes.c_void_p),
        ('buffer_length', ctypes.c_size_t),
        ('buffer_capacity', ctypes.c_size_t),
        ('allocator', _Allocator),
    ]


@lru_cache(maxsize=1)
def _send():
    """rcl_publish_serialized_message of the rcl that rclpy has loaded; None where it can't be had."""
    try:
        function = ctypes.CDLL('librcl.so', mode=os.RTLD_NOLOAD).rcl_publish_serialized_message
    except (OSError, AttributeError):  # not Linux, or rcl linked in
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.POINTER(_SerialisedMessage), ctypes.c_void_p)
    function.restype = ctypes.c_int
    return function


def _aligned(size: int, at: int) -> np.ndarray:
    """(size,) uint8 of which byte `at` begins a cache line."""
    room = np.zeros(size + CACHE_LINE_BYTES, np.uint8)
    start = -(room.ctypes.data + at) % CACHE_LINE_BYTES
    return room[start : start + size]
