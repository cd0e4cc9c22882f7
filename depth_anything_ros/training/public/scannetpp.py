# SPDX-License-Identifier: Apache-2.0
"""ScanNet++ with depth rendered from the laser scan: FOLDER holds data/SCENE, or SCENE folders, or is one scene.

Exactly this is read, for the iPhone (and, as kind scannetpp_dslr, for the DSLR): SCENE/iphone/rgb/frame_N.jpg
(SCENE/dslr/resized_images/*.JPG), SCENE/iphone/render_depth/frame_N.png and SCENE/iphone/colmap/cameras.txt. The
toolkit (github.com/scannetpp/scannetpp) makes the first with iphone.prepare_iphone_data and the second with
common.render: 16-bit PNGs in millimetres, 0 for none, of the image's size and with its lens's distortion. Here both
are rectified: cameras.txt holds one camera 'id MODEL width height fx fy cx cy' with k1 k2 p1 p2 (OPENCV) or k1 k2 k3
k4 (OPENCV_FISHEYE), whose pixel centres are at halves (colmap.github.io/cameras.html).

The phone's own depth (depth/, 256x192) is left aside: it is a sensor's estimate and no truth.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CalibrationError, RecordingError
from depth_anything_ros.training.public.files import existing, folders, read_colour, read_depth, sample_of
from depth_anything_ros.training.public.frames import PublicDataset, PublicFrame, Terms
from depth_anything_ros.training.shards import Sample

TERMS = Terms(
    'ScanNet++', 'ScanNet++ Terms of Use, non-commercial research', 'kaldir.vc.in.tum.de/scannetpp', may_ship=False
)
PER_METRE = 1000
IMAGES = {'iphone': 'rgb', 'dslr': 'resized_images'}
ENDINGS = ('.jpg', '.JPG', '.png')
MODELS = {'PINHOLE': ('plumb_bob', 0), 'OPENCV': ('plumb_bob', 4), 'OPENCV_FISHEYE': ('equidistant', 4)}


def open_scannetpp(folder: str | Path, device: str = 'iphone') -> PublicDataset:
    """device: iphone or dslr. Raises RecordingError or CalibrationError naming what is missing."""
    folder = existing(folder, 'ScanNet++')
    rendered = f'{device}/render_depth'
    places = [[folder], folders(folder / 'data') if (folder / 'data').is_dir() else [], folders(folder)]
    scenes = next((found for place in places if (found := [s for s in place if (s / rendered).is_dir()])), [])
    if not scenes:
        raise RecordingError(f"{folder}: expected SCENE/{rendered}/*.png, as the toolkit's common.render writes them")
    return PublicDataset(TERMS, tuple(frame for scene in scenes for frame in _frames(scene, device)))


def _frames(scene: Path, device: str) -> list[PublicFrame]:
    camera = read_camera(scene / device / 'colmap' / 'cameras.txt')
    images = scene / device / IMAGES[device]
    frames = []
    for depth in sorted((scene / device / 'render_depth').glob('*.png')):
        image = next((path for ending in ENDINGS if (path := images / f'{depth.stem}{ending}').exists()), None)
        if image is None:
            raise RecordingError(f'{depth}: expected its image, {images / depth.stem}{ENDINGS[0]}')
        frames.append(PublicFrame(scene.name, depth.stem, partial(_read, image, depth, camera)))
    return frames


def read_camera(path: Path) -> CameraModel:
    """The one camera of a COLMAP cameras.txt. Raises CalibrationError."""
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip() and line[0] != '#']
        ((_, name, width, height, *values),) = lines
        (model, count), size = MODELS[name], (int(width), int(height))
        fx, fy, cx, cy, *coefficients = (float(value) for value in values)
        if len(coefficients) != count:
            raise ValueError(f'{len(coefficients)} coefficients')
    except (OSError, ValueError, KeyError) as error:
        raise CalibrationError(
            f"{path}: expected one line 'id {'|'.join(MODELS)} width height fx fy cx cy coefficients': {error}"
        ) from error
    return CameraModel(
        *size,
        fx,
        fy,
        cx - 0.5,
        cy - 0.5,
        distortion_model=model,
        coefficients=tuple(coefficients),
    )


def _read(image: Path, depth: Path, camera: CameraModel) -> Sample:
    seen = sample_of(read_colour(image), read_depth(depth, PER_METRE), camera, depth)
    target, (columns, rows) = camera.rectified(), _maps(camera)
    colour = cv2.remap(seen.image_rgb, columns, rows, cv2.INTER_LINEAR, borderValue=0)
    # nearest: between two surfaces there is nothing
    truth_m = cv2.remap(seen.depth_m, columns, rows, cv2.INTER_NEAREST, borderValue=np.nan)
    return sample_of(colour, truth_m, target, depth)


@lru_cache(maxsize=4)  # every frame of a scene has the same
def _maps(camera: CameraModel) -> tuple[np.ndarray, np.ndarray]:
    return camera.rectification_maps(camera.rectified())
