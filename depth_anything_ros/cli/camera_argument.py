# SPDX-License-Identifier: Apache-2.0
"""--camera: four numbers, a calibration file, or the word for a panorama."""

from __future__ import annotations

from pathlib import Path

from depth_anything_ros.core.camera import EQUIRECTANGULAR, CameraModel
from depth_anything_ros.core.errors import CalibrationError


def camera_of(argument: str, width: int, height: int) -> CameraModel:
    """'fx,fy,cx,cy', 'equirectangular' or the path of a calibration YAML -> the camera of an image of this size.

    A calibration for another size of the same aspect is scaled. Raises CalibrationError.
    """
    if argument == EQUIRECTANGULAR:
        return CameraModel.equirectangular(width, height)
    words = argument.split(',')
    if len(words) == 4:
        try:
            numbers = [float(word) for word in words]
        except ValueError as error:
            raise CalibrationError(
                f'--camera: expected fx,fy,cx,cy, equirectangular or a file, got {argument!r}'
            ) from error
        return CameraModel(width, height, *numbers)
    if not Path(argument).exists():
        raise CalibrationError(f'--camera: expected fx,fy,cx,cy, equirectangular or a file, got {argument!r}')
    from depth_anything_ros.core.calibration import Calibration

    camera = Calibration.load(argument).camera()
    if (camera.width, camera.height) == (width, height):
        return camera
    if abs(camera.width * height - camera.height * width) > max(camera.width, width):
        raise CalibrationError(
            f'{argument}: calibrated for {camera.width}x{camera.height}, the image is {width}x{height} (other aspect)'
        )
    return camera.resized(width, height)
