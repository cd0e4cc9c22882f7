# SPDX-License-Identifier: Apache-2.0
"""Several ways to run networks, timed side by side: from a uint8 image to float depth at the image's size.

They take turns, frame by frame, so that whatever else the machine does hits all alike; who goes first rotates.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.engines.base import Engine, Request
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition

SMALL = 0.01  # of the median: disparity below it, near zero, is compared with it
RETURNS = 3000


@dataclass(frozen=True)
class Contender:
    """One way to run a network. run: an image's number (they differ) -> depth (H, W); group: what it is compared
    with and in parity with, the first of the group being the reference; flops: of the network, None where not known.
    """

    name: str
    group: str
    run: Callable[[int], np.ndarray]
    precision: str = 'fp32'
    flops: float | None = None
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Speed:
    """laps_ms of every timed frame. difference: largest and mean relative difference to the group's reference on the
    same image; speed_up: by the medians, over the first of all.
    """

    name: str
    group: str
    precision: str
    laps_ms: list[float]
    largest_difference: float
    mean_difference: float
    speed_up: float
    flops: float | None
    facts: dict[str, str]

    @property
    def median_ms(self) -> float:
        return float(np.median(self.laps_ms))

    @property
    def p95_ms(self) -> float:
        return float(np.percentile(self.laps_ms, 95))

    def share_of(self, rate: float | None) -> float | None:
        """Of the machine's measured rate of matrix products, operations a second; None where not known."""
        return None if rate is None or self.flops is None else self.flops / (self.median_ms / 1e3) / rate


def race(
    contenders: Sequence[Contender], rounds: int, warm_up: int, on_lap: Callable[[], None] = lambda: None
) -> list[Speed]:
    """Time all of them over `rounds` frames each, after `warm_up` that are not timed."""
    laps: dict[int, list[float]] = {i: [] for i in range(len(contenders))}
    outputs: dict[int, np.ndarray] = {}
    for number in range(warm_up + rounds):
        first = number % len(contenders)
        for i in (*range(first, len(contenders)), *range(first)):
            start = time.perf_counter()
            depth = contenders[i].run(number)
            lap_ms = (time.perf_counter() - start) * 1e3
            if number >= warm_up:
                laps[i].append(lap_ms)
            outputs[i] = depth  # of the last image, the same for all
            on_lap()
    references: dict[str, int] = {}
    speeds = []
    for i, contender in enumerate(contenders):
        reference = references.setdefault(contender.group, i)
        difference = relative_difference(outputs[i], outputs[reference])
        speeds.append(
            Speed(
                contender.name,
                contender.group,
                contender.precision,
                laps[i],
                float(difference.max()),
                float(difference.mean()),
                float(np.median(laps[0]) / np.median(laps[i])),
                contender.flops,
                contender.facts,
            )
        )
    return speeds


def relative_difference(depth: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """|depth - reference| / reference; 1 where only one of the two knows, 0 where neither does."""
    known, expected = np.isfinite(depth), np.isfinite(reference)
    least = SMALL * np.median(np.abs(reference[expected])) if expected.any() else 1.0
    both = known & expected
    difference = (known != expected).astype(np.float64)
    difference[both] = np.abs(depth[both] - reference[both]) / np.maximum(np.abs(reference[both]), max(least, 1e-12))
    return difference


def random_images(width: int, height: int, count: int) -> list[np.ndarray]:
    """Smooth random images, (H, W, 3) uint8: blurred enough that resize rules agree on them."""
    import cv2

    rng = np.random.default_rng(0)
    images = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (max(2, height // 24), max(2, width // 24), 3)).astype(np.uint8)
        images.append(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    return images


def requests_of(images: Sequence[np.ndarray], returns: int = RETURNS) -> list[Request]:
    """The images with a camera and a slanted wall of returns, 2 to 4 m away."""
    requests = []
    for number, image_rgb in enumerate(images):
        height, width = image_rgb.shape[:2]
        camera = CameraModel(width, height, 0.8 * width, 0.8 * width, width / 2 - 0.5, height / 2 - 0.5)
        depth_m = np.full((height, width), np.nan, np.float32)
        at = np.random.default_rng(number).choice(depth_m.size, min(returns, depth_m.size // 4), replace=False)
        depth_m.ravel()[at] = 2 + 2 * (at % width) / width
        stats = PromptStats(len(at), len(at) / depth_m.size)
        prompt = SparsePrompt(depth_m, depth_m * np.float32(0.01), camera, stats=stats)
        requests.append(Request(image_rgb, condition(prompt, ConditioningConfig()), camera))
    return requests


def engine_run(engine: Engine, requests: Sequence[Request]) -> Callable[[int], np.ndarray]:
    return lambda number: engine.infer(*requests[number % len(requests)]).depth_m
