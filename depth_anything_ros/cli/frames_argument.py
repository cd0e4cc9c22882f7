# SPDX-License-Identifier: Apache-2.0
"""--frames: what an engine is compared on, a folder of images with prompts or a recording."""

from __future__ import annotations

from pathlib import Path

MOST = 8  # frames of a recording; the reference runs on the CPU


def frames_of(path: Path) -> list:
    """Requests of a folder as engines/parity_frames.py describes it, or of a recording, evenly spread.

    Raises RecordingError or InvalidInput where there is none.
    """
    from depth_anything_ros.core.errors import RecordingError
    from depth_anything_ros.engines.parity_frames import IMAGES, read_frames

    if not path.exists():
        raise RecordingError(f'--frames: there is no {path}')
    if path.is_dir() and any(file.suffix.lower() in IMAGES for file in path.iterdir()):
        return read_frames(path)
    return _recorded(path)


def _recorded(path: Path) -> list:
    from depth_anything_ros.core.errors import RecordingError
    from depth_anything_ros.engines.base import Request
    from depth_anything_ros.evaluation.recording_case import open_recording
    from depth_anything_ros.projection.conditioning import ConditioningConfig, condition
    from depth_anything_ros.projection.prompt import PromptConfig, build_prompt

    requests = []
    with open_recording(path) as recording:
        step = -(-recording.count // MOST)
        for index, frame in enumerate(recording.frames()):
            if index % step == 0:
                observation = frame.observation
                prompt = condition(build_prompt(observation, PromptConfig()), ConditioningConfig())
                requests.append(Request(observation.image_rgb, prompt, observation.network_camera))
    if not requests:
        raise RecordingError(f'{path}: none of its {recording.count} images has what it takes to be a frame')
    return requests
