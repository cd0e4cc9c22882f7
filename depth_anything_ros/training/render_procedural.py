# SPDX-License-Identifier: Apache-2.0
"""Frames of procedural scenes for one shard (render_shards.py)."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.training.procedural import generate
from depth_anything_ros.training.shards import Sample
from depth_anything_ros.training.textures import TextureBank

SIZES = ((384, 256), (384, 256), (512, 352), (640, 448))  # width, height: crops are larger the later in training
KINECT = (525.0, 525.0, 319.5, 239.5)


def render_frames(index: int, seed: int, count: int, photos: list[np.ndarray] | None) -> list[Sample]:
    """`count` scenes of shard `index`, all of one size, on a texture bank of its own.

    photos: images whose crops become textures.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, index])
    bank = TextureBank(rng, photos=photos)
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    samples = []
    for _ in range(count):
        scene = generate(rng, bank, width, height)
        camera = scene.camera
        samples.append(Sample(scene.image_rgb, scene.depth_m, np.array([camera.fx, camera.fy, camera.cx, camera.cy])))
    return samples
