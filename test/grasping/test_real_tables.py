# SPDX-License-Identifier: Apache-2.0
"""Kinect frames of real tables; how many objects stand apart on each was counted by eye."""

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.grasping.antipodal import plan_grasps
from depth_anything_ros.grasping.box import upright_box
from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.segmentation import segment
from depth_anything_ros.grasping.settings import PlannerConfig, SegmentationConfig

KINECT = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)
OBJECTS = {
    **{'learn1': 2, 'learn2': 2, 'learn9': 2, 'learn13': 3, 'learn16': 3, 'learn33': 5, 'learn34': 3, 'learn36': 3},
    **{'learn38': 4, 'learn43': 3, 'learn44': 3, 'test10': 2, 'test11': 3, 'test12': 3, 'test28': 2},
}


@pytest.fixture
def cloud(shared_data):
    def read(name):
        path = shared_data('pcl_mosd_rgbd') / f'{name}_depth_mm.png'
        depth_m = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
        depth_m[depth_m == 0] = np.nan
        return (KINECT.rays() * depth_m[..., None]).reshape(-1, 3).astype(np.float32)

    return read


@pytest.mark.parametrize('name', OBJECTS)
def test_every_object_of_a_real_table_is_found_once(cloud, name):
    points = cloud(name)
    workspace = segment(points, None, SegmentationConfig())
    assert len(workspace.clusters) == OBJECTS[name]
    boxes = [upright_box(points[cluster], workspace.support) for cluster in workspace.clusters]
    assert all(0.04 < box.size_m[2] < 0.3 and box.size_m[0] < 0.3 for box in boxes), [box.size_m for box in boxes]


def test_a_real_bowl_and_a_real_mug_get_grasps_from_above_within_the_hand(cloud):
    points = cloud('learn33')
    workspace = segment(points, None, SegmentationConfig())
    rng, gripper, count = np.random.default_rng(0), Gripper(), 0
    for cluster in workspace.clusters:
        grasps = plan_grasps(points[cluster], points, gripper, PlannerConfig(), rng, support=workspace.support)
        box = upright_box(points[cluster], workspace.support)
        count += bool(grasps)
        for grasp in grasps:
            middle = grasp.contacts_m.mean(axis=0)
            assert (np.abs((middle - box.center_m) @ box.axes) < box.size_m / 2 + 0.01).all(), 'within its box'
            assert grasp.frame_from_gripper[:3, 2] @ workspace.support.normal < 0
    assert count >= 3
