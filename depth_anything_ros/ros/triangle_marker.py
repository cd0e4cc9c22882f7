# SPDX-License-Identifier: Apache-2.0
"""A mesh as visualization_msgs/Marker, serialised from arrays: a list of Point objects would take seconds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from geometry_msgs.msg import Point
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker

HEADER_BYTES = 4  # CDR's encapsulation: alignment counts from behind it


def triangle_marker(corners_m: np.ndarray, rgb: np.ndarray, header, namespace: str = 'map') -> Marker | bytes:
    """(3 T, 3) corners and (3 T, 3) uint8 colours -> what a publisher of Marker takes: bytes, where they come out as
    the message would. Without triangles: a marker that deletes the one before."""
    marker = Marker(header=header, ns=namespace, id=0, type=Marker.TRIANGLE_LIST, action=Marker.ADD)
    marker.pose.orientation.w = marker.scale.x = marker.scale.y = marker.scale.z = 1.0
    marker.color.a = 1.0
    if not len(corners_m):
        marker.action = Marker.DELETE
        return marker
    if _splicing_works():
        return _spliced(marker, corners_m, rgb)
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in corners_m.astype(float).tolist()]
    marker.colors = [ColorRGBA(r=r, g=g, b=b, a=1.0) for r, g, b in (rgb / 255.0).tolist()]
    return marker


def _spliced(marker: Marker, corners_m: np.ndarray, rgb: np.ndarray) -> bytes:
    """The serialised marker with its two empty lists replaced by full ones."""
    empty = serialize_message(marker)
    at = _lists_at(marker, empty)
    points = np.ascontiguousarray(corners_m, '<f8').tobytes()
    colours = np.ones((len(rgb), 4), '<f4')
    np.multiply(rgb, np.float32(1 / 255), out=colours[:, :3])
    count = len(corners_m).to_bytes(4, 'little')
    padding = bytes(-(at + 4 - HEADER_BYTES) % 8)  # doubles stand at multiples of 8
    return b''.join((empty[:at], count, padding, points, count, colours.tobytes(), empty[at + 8 :]))


def _lists_at(marker: Marker, empty: bytes) -> int:
    """Where the length of `points` stands: the one number that follows how many there are.

    Bytes between fields are not initialised, so two serialisations differ in more than what was changed.
    """
    words = len(empty) // 4
    same = np.frombuffer(empty[: 4 * words], '<u4') == 0
    for count in (1, 2, 5):
        marker.points = [Point()] * count
        written = np.frombuffer(serialize_message(marker)[: 4 * words], '<u4')
        same &= written == count
    marker.points = []
    return 4 * int(np.flatnonzero(same)[0])


@lru_cache(maxsize=1)
def _splicing_works() -> bool:
    """Proven by what comes back: another middleware may serialise otherwise."""
    corners_m = np.arange(18, dtype=np.float64).reshape(6, 3)
    rgb = np.arange(18, dtype=np.uint8).reshape(6, 3) * 14
    try:
        for namespace in ('', 'a', 'map', 'longer'):  # every alignment of what follows
            marker = Marker(ns=namespace, text='t', mesh_resource='m')
            marker.pose.orientation.w = 1.0
            back = deserialize_message(_spliced(marker, corners_m, rgb), Marker)
            places = [(p.x, p.y, p.z) for p in back.points]
            colours = np.array([(c.r, c.g, c.b, c.a) for c in back.colors])
            if not (
                np.array_equal(places, corners_m)
                and np.allclose(colours[:, :3] * 255, rgb, atol=1e-3)
                and (colours[:, 3] == 1).all()
                and (back.ns, back.text, back.mesh_resource) == (namespace, 't', 'm')
            ):
                return False
    except Exception:  # whatever another rclpy raises here, the public way remains
        return False
    return True
