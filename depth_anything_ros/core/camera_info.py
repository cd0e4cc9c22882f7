# SPDX-License-Identifier: Apache-2.0
"""The camera that the numbers of a sensor_msgs/CameraInfo describe."""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.camera import EQUIRECTANGULAR, CameraModel
from depth_anything_ros.core.errors import CalibrationError

_ALIASES = {'': 'plumb_bob', 'none': 'plumb_bob', 'radtan': 'plumb_bob', 'fisheye': 'equidistant'}


def camera_from_info(
    width: int,
    height: int,
    distortion_model: str,
    d,
    k,
    p=(),
    *,
    frame_id: str = 'camera_optical_frame',
    rectified: bool = False,
    roi: tuple[int, int, int, int] = (0, 0, 0, 0),
    binning: tuple[int, int] = (0, 0),
) -> CameraModel:
    """The camera of the image that a sensor_msgs/CameraInfo describes; k (9,) and p (12,) row-major.

    rectified: the image was rectified, so P's left 3x3 applies and there is no distortion left.
    roi: (x_offset, y_offset, width, height) in unbinned pixels, all 0: the full image; binning: (x, y), 0 means 1.
    The result has the size of the image, (width / binning_x, height / binning_y) of the window. Pixel centres of
    binned images lie at the centre of their super-pixel, as in `CameraModel.resized`.
    Model names as in CameraInfo, 'equirectangular', and the aliases fisheye, radtan, none and ''.
    Raises CalibrationError on an uncalibrated camera and on coefficients this package can't model.
    """
    who = f'camera_info of {frame_id!r}'
    model, coefficients = ('plumb_bob', ()) if rectified else _distortion(distortion_model, d, who)
    if model == EQUIRECTANGULAR:
        if any(roi) or max(binning) > 1:
            raise CalibrationError(f'{who}: expected a full panorama, got roi {roi} and binning {binning}')
        return CameraModel.equirectangular(width, height, frame_id)
    matrix, name = (np.asarray(p, float).ravel(), 'P') if rectified else (np.asarray(k, float).ravel(), 'K')
    columns = 4 if rectified else 3
    if matrix.size != 3 * columns:
        raise CalibrationError(f'{who}: expected {3 * columns} numbers in {name}, got {matrix.size}')
    fx, cx, fy, cy = (float(matrix[at]) for at in (0, 2, columns + 1, columns + 2))
    if fx == 0:
        hint = 'is the image really rectified?' if rectified else 'calibrate it, or give a calibration file'
        raise CalibrationError(f'{who}: the camera is uncalibrated, {name}[0] is 0; {hint}')
    camera = CameraModel(width, height, fx, fy, cx, cy, frame_id, model, coefficients)
    bin_x, bin_y = (max(1, int(bins)) for bins in binning)
    x0, y0, roi_width, roi_height = (int(value) for value in roi)
    roi_width, roi_height = roi_width or width, roi_height or height
    if x0 < 0 or y0 < 0 or x0 + roi_width > width or y0 + roi_height > height:
        raise CalibrationError(f'{who}: expected a roi inside {width}x{height}, got {roi}')
    if bin_x > roi_width or bin_y > roi_height:
        raise CalibrationError(f'{who}: expected a binning below {roi_width}x{roi_height}, got {binning}')
    binned = (roi_width // bin_x, roi_height // bin_y)
    return camera.cropped(x0, y0, binned[0] * bin_x, binned[1] * bin_y).resized(*binned)


def _distortion(model: str, d, who: str) -> tuple[str, tuple[float, ...]]:
    """(our model, its coefficients) of a CameraInfo's model and D."""
    coefficients = tuple(float(value) for value in d)
    named = _ALIASES.get(model.lower(), model)
    if named not in ('plumb_bob', 'rational_polynomial'):
        return named, coefficients
    if model.lower() in ('', 'none') and any(coefficients):
        raise CalibrationError(f'{who}: expected a distortion_model for its {len(coefficients)} coefficients, got none')
    if len(coefficients) in (12, 14):
        if any(coefficients[8:]):
            raise CalibrationError(
                f'{who}: expected at most 8 coefficients, got {len(coefficients)} with thin-prism or tilt terms'
                f' {list(coefficients[8:])}: calibrate with rational_polynomial'
            )
        coefficients = coefficients[:8]
    # drivers name the model loosely, but the count says which of the nested Brown models it is
    return ('rational_polynomial' if len(coefficients) == 8 else 'plumb_bob'), coefficients
