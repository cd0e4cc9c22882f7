# SPDX-License-Identifier: Apache-2.0
"""Grasps planned on one view, tried on the solid that was seen."""

import numpy as np
import pytest
from tabletop import View, ball, box, can, cup, why_not

from depth_anything_ros.core.errors import ConfigError, InvalidInput
from depth_anything_ros.grasping.antipodal import plan_grasps
from depth_anything_ros.grasping.collision import _distance
from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.plane import Plane
from depth_anything_ros.grasping.settings import PlannerConfig, ScoreWeights

GRIPPER = Gripper()
SUPPORT = Plane((0, 0, 1), 0.0)
SOLIDS = {
    'box': box((0, 0), (0.05, 0.06, 0.1), 0.3),
    'long box': box((0, 0), (0.05, 0.2, 0.06), 0.8),
    'flat box': box((0, 0), (0.06, 0.06, 0.03), 0.2),
    'tall box': box((0, 0), (0.05, 0.05, 0.2), 0.5),
    'can': can((0, 0), 0.033, 0.12),
    'ball': ball((0, 0), 0.033),
    'cup': cup((0, 0), 0.03, 0.08),
}
EYES = {'level': (-0.5, 0.0, 0.25), 'slanting': (-0.6, 0.0, 0.5), 'steep': (-0.1, -0.1, 0.7)}


def planned(view, number=0, seed=1, config=None, gripper=GRIPPER, **more):
    return plan_grasps(
        view.cloud(number), view.cloud(), gripper, config or PlannerConfig(), np.random.default_rng(seed),
        view.position_m, **more,
    )  # fmt: skip


@pytest.mark.parametrize('eye', EYES)
@pytest.mark.parametrize('name', SOLIDS)
def test_grasps_planned_on_one_view_hold_the_real_object(name, eye):
    solid = SOLIDS[name]
    grasps = planned(View([solid], position_m=EYES[eye], noise_m=0.001))
    faults = [why_not(grasp, GRIPPER, solid) for grasp in grasps[:10]]
    # of a ball seen from the side the upper half alone is known
    assert faults.count('') >= (6 if name == 'ball' else 9), faults


def test_a_bowl_too_wide_for_the_hand_is_held_by_its_rim():
    solid = cup((0, 0), 0.06, 0.09)
    grasps = planned(View([solid], noise_m=0.001))
    assert sum(not why_not(grasp, GRIPPER, solid) for grasp in grasps[:10]) >= 7
    assert all(np.linalg.norm(np.diff(grasp.contacts_m, axis=0)) < 0.03 for grasp in grasps)


def test_a_solid_too_wide_for_the_hand_has_no_grasp():
    assert planned(View([box((0, 0), (0.16, 0.16, 0.1))], noise_m=0.001)) == []


def test_a_neighbour_is_not_run_into():
    solid, neighbour = box((0, 0), (0.05, 0.05, 0.12)), box((0, 0.065), (0.05, 0.06, 0.2))
    view = View([solid, neighbour], noise_m=0.0005)
    grasps = planned(view)
    assert len(grasps) >= 5
    # the worst go where the neighbour hides its own depth: nobody saw it there, which is why they are the worst
    assert not [why for grasp in grasps[:10] if 'another' in (why := why_not(grasp, GRIPPER, solid, [neighbour]))]
    alone = plan_grasps(view.cloud(0), np.zeros((0, 3)), GRIPPER, PlannerConfig(), np.random.default_rng(1),
                        view.position_m, SUPPORT)  # fmt: skip
    assert [why for grasp in alone if 'another' in (why := why_not(grasp, GRIPPER, solid, [neighbour]))], (
        'the scene is what kept them away'
    )


def test_grasps_come_best_first_apart_and_in_the_frame_that_is_documented():
    grasps = planned(View([SOLIDS['box']]))
    assert [g.score for g in grasps] == sorted((g.score for g in grasps), reverse=True)
    for grasp in grasps:
        pose = grasp.frame_from_gripper
        assert pose[:3, :3] @ pose[:3, :3].T == pytest.approx(np.eye(3), abs=1e-5)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1, abs=1e-5)
        assert 0 <= grasp.score <= 1 and grasp.width_m <= GRIPPER.max_width_m + 1e-6
        closing = np.diff(grasp.contacts_m, axis=0)[0]
        assert closing / np.linalg.norm(closing) == pytest.approx(pose[:3, 0], abs=1e-4)
        inset = (grasp.contacts_m - pose[:3, 3]) @ pose[:3, 2]
        assert (inset < 0).all(), 'the contacts lie behind the fingertips'
    origins = np.array([g.frame_from_gripper[:3, 3] for g in grasps])
    assert np.linalg.norm(origins[1:] - origins[0], axis=1).max() > 0.01


def test_the_same_seed_gives_the_same_grasps_in_any_frame():
    view = View([SOLIDS['can']])
    one, two = planned(view), planned(view)
    assert len(one) == len(two)
    assert all(np.array_equal(a.frame_from_gripper, b.frame_from_gripper) for a, b in zip(one, two, strict=True))
    of_camera = plan_grasps(
        view.camera_xyz_m[view.which == 0], view.camera_xyz_m.reshape(-1, 3), GRIPPER, PlannerConfig(),
        np.random.default_rng(1),
    )  # fmt: skip
    from_camera = [view.pose @ grasp.frame_from_gripper for grasp in of_camera]
    assert min(pose[2, 3] for pose in from_camera) > 0, 'above the table, which was found in the scene'
    assert sum(pose[2, 2] < -0.5 for pose in from_camera) >= len(from_camera) / 2, 'from above'


def test_noise_of_a_depth_network_and_flying_pixels_leave_good_grasps():
    solid = SOLIDS['box']
    view = View([solid], noise_m=0.003)
    rng = np.random.default_rng(0)
    flying = view.cloud(0)[rng.integers(0, len(view.cloud(0)), 25)]
    flying = flying + rng.uniform(0.01, 0.06, (25, 1)) * (flying - view.position_m)
    cloud = np.concatenate([view.cloud(0), flying])
    grasps = plan_grasps(cloud, view.cloud(), GRIPPER, PlannerConfig(), np.random.default_rng(1), view.position_m)
    assert sum(not why_not(grasp, GRIPPER, solid, tolerance_m=0.006) for grasp in grasps[:10]) >= 8


@pytest.mark.parametrize('count', [0, 1, 2, 5])
def test_too_few_points_have_no_grasp(count):
    points = np.random.default_rng(0).uniform(0, 0.05, (count, 3))
    assert plan_grasps(points, points, GRIPPER, PlannerConfig(), np.random.default_rng(0)) == []


def test_points_that_are_not_finite_change_nothing():
    view = View([SOLIDS['can']])
    dirty = np.concatenate([view.cloud(0), np.full((50, 3), np.nan), np.full((9, 3), np.inf)])
    one = planned(view)
    two = plan_grasps(dirty, view.cloud(), GRIPPER, PlannerConfig(), np.random.default_rng(1), view.position_m)
    assert [g.score for g in one] == [g.score for g in two]


def test_a_wall_of_points_has_no_grasp():
    y, z = np.meshgrid(np.linspace(-0.3, 0.3, 150), np.linspace(0, 0.6, 150))
    wall = np.column_stack([np.full(y.size, 0.5), y.ravel(), z.ravel()])
    assert plan_grasps(wall, wall, GRIPPER, PlannerConfig(), np.random.default_rng(0)) == []


def test_a_face_that_hides_its_depth_is_not_taken_for_a_thin_plate():
    solid = box((0, 0), (0.15, 0.06, 0.24))
    view = View([solid], position_m=(-0.6, 0.0, 0.1), target_m=(0, 0, 0.12))
    for grasp in planned(view, support=SUPPORT):
        assert 'in the object' not in why_not(grasp, GRIPPER, solid)


def test_the_approach_stays_within_its_tilt():
    grasps = planned(View([SOLIDS['tall box']]), config=PlannerConfig(max_tilt_deg=25.0))
    assert grasps and all(grasp.frame_from_gripper[2, 2] <= -np.cos(np.radians(25.1)) for grasp in grasps)


def test_boxes_that_are_drawn_and_checked_are_the_same_gripper():
    rng, opening = np.random.default_rng(0), np.array([0.05])
    points = rng.uniform(-0.15, 0.15, (20_000, 3)) - (0, 0, 0.05)
    centre, half = GRIPPER.boxes(opening)
    expected = (np.abs(points - centre[:, 0][:, None]) < half[:, None]).all(axis=2).any(axis=0)
    x, y, z = (points[None, :, axis] for axis in range(3))
    assert np.array_equal(_distance(x, y, z, GRIPPER, opening)[0] < 0, expected)
    assert expected.any() and np.linalg.norm(points[expected], axis=1).max() <= GRIPPER.reach_m


def test_a_drawing_of_the_gripper_opens_as_wide_as_the_grasp_and_ends_at_its_origin():
    lines = GRIPPER.lines(0.06)
    assert np.ptp(lines[:, 0]) == pytest.approx(0.06) and lines[:, 2].max() == 0.0
    assert lines[:, 2].min() < -GRIPPER.finger_depth_m


def test_bad_arguments_are_refused_in_one_line():
    cloud = np.zeros((5, 3))
    with pytest.raises(InvalidInput, match=r'object_m: expected \(N, 3\)'):
        plan_grasps(np.zeros((5, 4)), cloud, GRIPPER, PlannerConfig(), np.random.default_rng(0))
    with pytest.raises(InvalidInput, match='camera_position'):
        plan_grasps(cloud, cloud, GRIPPER, PlannerConfig(), np.random.default_rng(0), (0, np.nan, 0))
    with pytest.raises(ConfigError, match='at least one weight'):
        ScoreWeights(0, 0, 0, 0, 0, 0)
    with pytest.raises(ConfigError, match='max_width_m'):
        Gripper(max_width_m=0.0)
