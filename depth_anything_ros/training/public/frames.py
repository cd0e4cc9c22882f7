# SPDX-License-Identifier: Apache-2.0
"""What every layout is read into: frames that are decoded when asked for, and the terms they come under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.training.shards import Sample


@dataclass(frozen=True)
class Terms:
    """may_ship: whether a checkpoint trained on the data may be given away for any use, as far as its authors say."""

    dataset: str
    licence: str
    source: str
    may_ship: bool

    def warning(self) -> str | None:
        """One line for whoever trains on it; None where there is nothing to warn of."""
        if self.may_ship:
            return None
        return (
            f'{self.dataset}: {self.licence}. A checkpoint trained on it must not be shipped with this package '
            'or used commercially; for your own experiments only'
        )


@dataclass(frozen=True)
class PublicFrame:
    """scene: what is held out as a whole (a room, a drive, a video); name: of the frame in it; read: decodes it."""

    scene: str
    name: str
    read: Callable[[], Sample]


@dataclass(frozen=True)
class PublicDataset:
    """A sequence of samples in the order of scenes and names; nothing is decoded before it is asked for.

    Depth is z along the optical axis in metres, NaN unknown (never known to be sky). Raises RecordingError where
    there is no frame; reading one raises RecordingError naming the file at fault.
    """

    terms: Terms
    frames: tuple[PublicFrame, ...]

    def __post_init__(self):
        if not self.frames:
            raise RecordingError(f'{self.terms.dataset}: no frames found')
        object.__setattr__(self, 'frames', tuple(sorted(self.frames, key=lambda frame: (frame.scene, frame.name))))

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f'frame {index} of {len(self)}')
        return self.frames[index].read()
