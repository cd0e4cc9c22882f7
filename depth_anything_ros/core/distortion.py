# SPDX-License-Identifier: Apache-2.0
"""Lens distortion of sensor_msgs/CameraInfo's models, both ways, in normalised image coordinates.

plumb_bob and rational_polynomial: Brown-Conrady with the coefficient order k1 k2 p1 p2 k3 [k4 k5 k6] of OpenCV's
camera calibration chapter. equidistant: Kannala-Brandt, theta_d = theta (1 + k1 theta^2 + ... + k4 theta^8).
"""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.errors import CalibrationError

COEFFICIENTS = {'plumb_bob': (0, 4, 5), 'rational_polynomial': (0, 8), 'equidistant': (0, 4)}
WIDEST_TAN = 40.0  # 88.6 degrees off axis: beyond it a z-depth says nothing


def check(model: str, coefficients: tuple[float, ...], who: str) -> None:
    """Raise CalibrationError unless the number of coefficients fits the model and all are finite."""
    allowed = COEFFICIENTS.get(model, (0,))
    if len(coefficients) not in allowed or not np.isfinite(coefficients).all():
        counts = ' or '.join(map(str, allowed))
        raise CalibrationError(
            f'{who}: {model} expects {counts} finite coefficients, got {len(coefficients)}: {list(coefficients)}'
        )


def distort(model, coefficients, x, y, max_tan):
    """Undistorted (x, y) -> distorted (x, y), known: False where the model is no longer one-to-one."""
    if model != 'equidistant' and not any(coefficients):
        return x, y, np.ones(np.shape(x), dtype=bool)
    radius2 = x * x + y * y
    known = radius2 <= max_tan**2
    radius2 = np.where(known, radius2, 0)
    if model == 'equidistant':
        radius = np.sqrt(radius2)
        scale = _radial_equidistant(coefficients, radius) / np.maximum(radius, 1e-12)
        scale = np.where(radius < 1e-9, 1.0, scale)
        return x * scale, y * scale, known
    k1, k2, p1, p2, k3, k4, k5, k6 = _eight(coefficients)
    radial = (1 + radius2 * (k1 + radius2 * (k2 + radius2 * k3))) / (1 + radius2 * (k4 + radius2 * (k5 + radius2 * k6)))
    xd = x * radial + 2 * p1 * x * y + p2 * (radius2 + 2 * x * x)
    yd = y * radial + p1 * (radius2 + 2 * y * y) + 2 * p2 * x * y
    return xd, yd, known


def undistort(model, coefficients, x, y, max_tan):
    """Distorted (x, y) -> undistorted (x, y); NaN where no ray of the model's range lands there."""
    if model != 'equidistant' and not any(coefficients):
        return x, y
    # the radial part by table look-up, then Newton on both coordinates for the tangential part
    radii = np.linspace(0, max_tan, 8192)
    distorted = _radial(model, coefficients, radii)
    radius = np.hypot(x, y)
    start = np.interp(radius, distorted, radii, right=np.nan) / np.where(radius > 1e-12, radius, 1)
    start = np.where(radius > 1e-12, start, 1.0)
    xu, yu = x * start, y * start
    step = 1e-6
    for _ in range(6):
        xd, yd, _ = distort(model, coefficients, xu, yu, max_tan)
        xdx, ydx, _ = distort(model, coefficients, xu + step, yu, max_tan)
        xdy, ydy, _ = distort(model, coefficients, xu, yu + step, max_tan)
        a, b, c, d = (xdx - xd) / step, (xdy - xd) / step, (ydx - yd) / step, (ydy - yd) / step
        determinant = a * d - b * c
        determinant = np.where(np.abs(determinant) > 1e-12, determinant, np.nan)
        ex, ey = x - xd, y - yd
        xu = xu + (d * ex - b * ey) / determinant
        yu = yu + (a * ey - c * ex) / determinant
    xd, yd, known = distort(model, coefficients, xu, yu, max_tan)
    good = known & (np.hypot(xd - x, yd - y) < 1e-5)
    return np.where(good, xu, np.nan), np.where(good, yu, np.nan)


def largest_invertible(model, coefficients) -> float:
    """The largest undistorted radius (tangent of the angle off axis) up to which distorted radius still grows."""
    if model not in COEFFICIENTS:
        return WIDEST_TAN
    # dense near the axis, where lenses fold; angles are sampled evenly
    radii = np.tan(np.linspace(0, np.arctan(WIDEST_TAN), 8192))
    growing = np.diff(_radial(model, coefficients, radii)) > 0
    return float(radii[-1] if growing.all() else radii[np.argmin(growing)])


def _radial(model, coefficients, radius):
    if model == 'equidistant':
        return _radial_equidistant(coefficients, radius)
    k1, k2, _, _, k3, k4, k5, k6 = _eight(coefficients)
    r2 = radius * radius
    return radius * (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))


def _radial_equidistant(coefficients, radius):
    k1, k2, k3, k4 = coefficients or (0.0, 0.0, 0.0, 0.0)
    theta = np.arctan(radius)
    t2 = theta * theta
    return theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))


def _eight(coefficients):
    return (*coefficients, *(0.0,) * (8 - len(coefficients)))
