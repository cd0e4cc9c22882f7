# SPDX-License-Identifier: Apache-2.0
"""Renders procedural scenes into shards: `python -m depth_anything_ros.training.render_procedural OUT --count N`.

Resumable and repeatable: shard K depends on the seed and on K alone, and finished shards are left as they are.
`depth_anything_ros render-scenes --kind procedural` also keeps provenance and holds out every tenth shard.
"""

from __future__ import annotations

import argparse
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from depth_anything_ros.training.procedural import generate
from depth_anything_ros.training.shards import Sample, read_rgbd_folder, split_tenth, write_shard
from depth_anything_ros.training.textures import TextureBank

PER_SHARD = 100
WIDTH, HEIGHT = 384, 256
KINECT = (525.0, 525.0, 319.5, 239.5)


def render_frames(index: int, seed: int, count: int, photos: list[np.ndarray] | None) -> list[Sample]:
    """`count` scenes of shard `index` on a texture bank of its own. photos: images whose crops become textures."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, index])
    bank = TextureBank(rng, photos=photos)
    samples = []
    for _ in range(count):
        scene = generate(rng, bank, WIDTH, HEIGHT)
        camera = scene.camera
        samples.append(Sample(scene.image_rgb, scene.depth_m, np.array([camera.fx, camera.fy, camera.cx, camera.cy])))
    return samples


def render_shard(folder: Path, index: int, seed: int, photos_folder: Path | None):
    """Shard `index`: PER_SHARD scenes. photos_folder: RGB-D frames for textures."""
    name = f'procedural_{seed}_{index:04d}'
    if (folder / f'{name}_camera.npy').exists():
        return
    photos = None
    if photos_folder is not None:
        training, _ = split_tenth(read_rgbd_folder(photos_folder, KINECT))  # held-out frames not even as texture
        photos = [sample.image_rgb for sample in training]
    write_shard(folder, name, render_frames(index, seed, PER_SHARD, photos))


def _render(arguments):
    render_shard(*arguments)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--count', type=int, default=4000, help=f'scenes, rounded up to shards of {PER_SHARD}')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--workers', type=int, default=1)
    parser.add_argument(
        '--photos', type=Path, help='folder of *_color.jpg + *_depth_mm.png whose crops become textures'
    )
    given = parser.parse_args()
    jobs = [(given.folder, index, given.seed, given.photos) for index in range(-(-given.count // PER_SHARD))]
    with get_context('spawn').Pool(given.workers) as pool:
        for _ in track(pool.imap_unordered(_render, jobs), total=len(jobs), description='shards'):
            pass


if __name__ == '__main__':
    main()
