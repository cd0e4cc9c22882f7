# SPDX-License-Identifier: Apache-2.0
"""Shards of photoreal frames: random rooms and streets in Blender, several views of each."""

from __future__ import annotations

import random
import tempfile
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.errors import MissingExtra
from depth_anything_ros.training.photograph import photograph
from depth_anything_ros.training.procedural import pose
from depth_anything_ros.training.provenance import Asset
from depth_anything_ros.training.selection import well_exposed, worth_keeping
from depth_anything_ros.training.shards import Sample
from depth_anything_ros.training.textures import TextureBank

VIEWS = 16  # of one scene: building it is paid once
TRIES = 6  # views looked at for one that is kept
TEXTURES = 40
SAMPLES = 2  # light paths a pixel; the denoiser does the rest
SIZES = {  # width, height
    'room': ((384, 288), (416, 320), (448, 320), (320, 384)),
    'clutter': ((480, 352), (448, 336), (512, 304), (352, 448)),
    'outdoor': ((512, 192), (448, 256), (544, 160), (416, 320)),
}
FARTHEST_M = 250.0  # what is farther is no more to be told from the sky
CLEARANCE_M = 0.12  # around the camera


def skies_asset() -> Asset:
    return Asset('studio light HDRIs', 'CC0-1.0', "Blender's datafiles/studiolights/world (Poly Haven)")


def blender_version() -> str:
    """Raises MissingExtra where Blender's module or the reader of its pictures is not installed.

    Asks the package's metadata: importing bpy puts folders on sys.path that spawned workers inherit and stumble over.
    """
    versions = []
    for package in ('bpy', 'OpenEXR'):
        try:
            versions.append(metadata.version(package))
        except metadata.PackageNotFoundError as error:
            raise MissingExtra(package, 'scenes', 'rendering photoreal scenes') from error
    return versions[0]


def render_frames(
    kind: str,
    index: int,
    seed: int,
    count: int,
    photos: list[np.ndarray] | None,
    skies: list[Path] | None,
    threads: int,
) -> list[Sample]:
    """`count` frames of shard `index`, all of one size. photos: images for textures; skies: HDRI files besides ours."""
    import bpy

    from depth_anything_ros.training.scenes.clutter import build_clutter
    from depth_anything_ros.training.scenes.indoor import build_indoor
    from depth_anything_ros.training.scenes.light import studio_skies
    from depth_anything_ros.training.scenes.street import build_street
    from depth_anything_ros.training.scenes.view_camera import ViewCamera

    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, index])
    dice = random.Random(int(rng.integers(2**62)))
    bank = TextureBank(rng, count=TEXTURES, photos=photos)
    pictures = [bank.picture(i) for i in range(bank.count)]
    skies = studio_skies() + (skies or [])
    width, height = dice.choice(SIZES[kind])
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix='depth_anything_ros_') as work:
        while len(samples) < count:
            if kind == 'room':
                scene = build_indoor(dice, pictures, skies)
            elif kind == 'clutter':
                scene = build_clutter(dice, pictures, skies)
            else:
                scene = build_street(dice, pictures, skies, wide=width > 2 * height)
            camera = ViewCamera(width, height, SAMPLES, threads, Path(work))
            wanted = min(VIEWS, count - len(samples))
            samples += _views(rng, dice, scene, camera, wanted)
            bpy.ops.wm.read_factory_settings(use_empty=True)
    return samples


def _views(rng, dice, scene, camera, wanted: int) -> list[Sample]:
    from depth_anything_ros.training.scenes.view_camera import probe_m

    kept: list[Sample] = []
    for _ in range(TRIES * wanted):
        if len(kept) == wanted:
            break
        view = scene.view(dice)
        rotation, eye_m = pose(view.eye_m, view.heading, view.pitch, view.roll)
        around_m, ahead_m = probe_m(eye_m, rotation)
        if around_m < CLEARANCE_M or ahead_m.min() < 1.5 * CLEARANCE_M or np.ptp(np.minimum(ahead_m, 99)) < 0.4:
            continue
        intrinsics = camera.look_from((rotation, eye_m), view.fov_deg)
        depth_m, dropout = camera.render_depth()
        depth_m = np.where(depth_m > FARTHEST_M, np.nan, depth_m).astype(np.float32)
        if not worth_keeping(rng, depth_m, bare=0.1):
            continue
        radiance = camera.render_picture(seed=int(rng.integers(2**31)))
        image = photograph(rng, radiance, np.isfinite(depth_m))
        if well_exposed(image):
            kept.append(Sample(image, depth_m, intrinsics, dropout))
    return kept
