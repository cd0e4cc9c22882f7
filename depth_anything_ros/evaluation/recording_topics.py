# SPDX-License-Identifier: Apache-2.0
"""Which topics of a recording are the camera, its rangers and the truth: found by type, or named by the user."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from depth_anything_ros.core.errors import DepthError, RecordingError
from depth_anything_ros.core.frames import RangeKind
from depth_anything_ros.core.messages import is_depth
from depth_anything_ros.evaluation.bag_reader import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINTS, BagReader

TRUTH_WORDS = ('truth', '/gt')
HELD_OUT_WORD = 'held_out'


@dataclass(frozen=True)
class RecordingTopics:
    """image and camera_info: the camera. points: (topic, kind) of prompts; depth_prompts: aligned depth images.

    truth: a depth image or a cloud to score on, None where returns are to be held out.
    """

    image: str
    camera_info: str
    points: tuple[tuple[str, RangeKind], ...] = ()
    depth_prompts: tuple[str, ...] = ()
    truth: str | None = None

    @property
    def all(self) -> list[str]:
        """Every topic but the transforms."""
        named = [self.image, self.camera_info, *(topic for topic, _ in self.points), *self.depth_prompts]
        return named + ([self.truth] if self.truth else [])


def find_topics(
    reader: BagReader,
    image: str | None = None,
    points: Iterable[str] | None = None,
    depth_prompts: Iterable[str] | None = None,
    truth: str | None = None,
) -> RecordingTopics:
    """Fill in what wasn't named. points: 'topic' or 'topic:kind' with kind lidar, radar or tof.

    Found by itself: the only colour image; the camera_info beside it; every cloud; as truth a depth image or cloud
    with 'truth' or '/gt' in its name, else the only depth image. Raises RecordingError where a choice is open.
    """
    pictures = [name for name in reader.of_type(IMAGE, COMPRESSED_IMAGE) if name != image]
    clouds = reader.of_type(POINTS)
    for name in [*([image] if image else []), *(depth_prompts or ()), *([truth] if truth else [])]:
        if name not in reader.topics:
            raise RecordingError(f'{reader.path}: no topic {name}; it has {", ".join(reader.topics)}')
    depths = [name for name in pictures if is_depth(_first(reader, name))]
    colours = [image] if image else [name for name in pictures if name not in depths]
    chosen = _only(reader, colours, 'colour image', '--image')
    if truth is None:
        truth = next((name for name in [*depths, *clouds] if any(word in name for word in TRUTH_WORDS)), None)
    if truth is None and depth_prompts is None and len(depths) == 1:
        truth = depths[0]
    if points is None:
        points = [name for name in clouds if name != truth and HELD_OUT_WORD not in name]
    return RecordingTopics(
        chosen,
        _beside(reader, chosen),
        tuple(_with_kind(reader, item) for item in points),
        tuple(depth_prompts or ()),
        truth,
    )


def _only(reader: BagReader, names: list[str], what: str, option: str) -> str:
    if len(names) != 1:
        found = ', '.join(names) or 'none'
        raise RecordingError(f'{reader.path}: expected one {what} topic, found {found}; choose with {option}')
    return names[0]


def _beside(reader: BagReader, image: str) -> str:
    """The camera_info in the namespace of the image, or the only one."""
    infos = reader.of_type(CAMERA_INFO)
    base = image.removesuffix('/compressed').rsplit('/', 1)[0]
    if f'{base}/camera_info' in infos:
        return f'{base}/camera_info'
    return _only(reader, infos, f'camera_info topic beside {image}', 'a recording that has it')


def _with_kind(reader: BagReader, item: str) -> tuple[str, RangeKind]:
    topic, _, kind = item.partition(':')
    if topic not in reader.of_type(POINTS):
        clouds = ', '.join(reader.of_type(POINTS)) or 'none'
        raise RecordingError(f'{reader.path}: no cloud on {topic}; clouds are on {clouds}')
    if kind:
        try:
            return topic, RangeKind(kind)
        except ValueError as error:
            kinds = ', '.join(k.value for k in RangeKind)
            raise RecordingError(f'{item}: expected a kind of {kinds}; got {kind!r}') from error
    fields = {field.name.lower() for field in _first(reader, topic).fields}
    is_radar = 'radar' in topic or bool(fields & {'rcs', 'doppler', 'v_r', 'doppler_velocity'})
    return topic, RangeKind.RADAR if is_radar else RangeKind.LIDAR


def _first(reader: BagReader, topic: str):
    try:
        return reader.decode(next(reader.messages([topic])))
    except DepthError:
        raise
    except StopIteration as error:
        raise RecordingError(f'{reader.path}: {topic} holds no message') from error
