# SPDX-License-Identifier: Apache-2.0
"""All layouts by name."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.training.public.arkitscenes import open_arkitscenes
from depth_anything_ros.training.public.frames import PublicDataset
from depth_anything_ros.training.public.hypersim import open_hypersim
from depth_anything_ros.training.public.kitti_completion import open_kitti_completion
from depth_anything_ros.training.public.nyuv2 import open_nyuv2
from depth_anything_ros.training.public.scannetpp import open_scannetpp
from depth_anything_ros.training.public.tum import open_tum

LAYOUTS = {
    'nyuv2': open_nyuv2,
    'kitti_completion': open_kitti_completion,
    'arkitscenes': open_arkitscenes,
    'scannetpp': open_scannetpp,
    'scannetpp_dslr': partial(open_scannetpp, device='dslr'),
    'hypersim': open_hypersim,
    'tum': open_tum,
}


def open_layout(kind: str, folder: str | Path) -> PublicDataset:
    """The frames of a public data set as downloaded. Raises InvalidInput on an unknown kind; else as its opener."""
    if kind not in LAYOUTS:
        raise InvalidInput(f'layout: expected one of {", ".join(LAYOUTS)}, got {kind!r}')
    return LAYOUTS[kind](folder)
