# SPDX-License-Identifier: Apache-2.0
"""Maps of the wall, closed at the end."""

import pytest
from needs_open3d import open3d_or_skip
from wall_scene import configured


@pytest.fixture
def open3d():
    return open3d_or_skip(allow_module_level=False)


@pytest.fixture
def scene(open3d):
    """scene(tsdf={...}, bounds={...}) -> a SceneMap, closed at the end."""
    from depth_anything_ros.mapping.scene_map import SceneMap

    made = []

    def make(frame_id='map', **parts):
        made.append(SceneMap(configured(**parts), frame_id))
        return made[-1]

    yield make
    for each in made:
        each.close()
