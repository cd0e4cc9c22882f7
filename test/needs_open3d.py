# SPDX-License-Identifier: Apache-2.0
"""Skips where Open3D is missing or lacks a library of the system."""

import pytest

from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.mapping.voxels import open3d


def open3d_or_skip(allow_module_level: bool = True):
    try:
        return open3d()
    except DepthError as error:
        pytest.skip(str(error), allow_module_level=allow_module_level)
