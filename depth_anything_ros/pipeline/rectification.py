# SPDX-License-Identifier: Apache-2.0
"""Undistort images once per camera: the maps are made when the camera is first seen."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput


class Rectifier:
    """From a distorted camera to the pinhole camera of the same size and K.

    camera: the rectified camera. seen (H, W) bool: pixels of the rectified image that the lens sees.
    """

    def __init__(self, distorted: CameraModel):
        self.source = distorted
        self.camera = distorted.rectified()
        map_x, map_y = distorted.rectification_maps(self.camera)
        self.seen = map_x >= 0
        self._maps = cv2.convertMaps(map_x, map_y, cv2.CV_16SC2)  # fixed point: three times faster to apply

    def apply(self, image_rgb: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 as the lens saw it -> the same, rectified; black where nothing was seen."""
        if image_rgb.shape[:2] != self.seen.shape:
            raise InvalidInput(f'image {image_rgb.shape[:2]} does not fit its camera {self.seen.shape} (rows, columns)')
        return cv2.remap(image_rgb, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
