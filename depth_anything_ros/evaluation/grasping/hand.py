# SPDX-License-Identifier: Apache-2.0
"""A free-flying parallel gripper for MuJoCo: carriage, hand, two fingers.

The carriage lifts along the world's z, the hand approaches along its own. Its dimensions are those that the planner
reckons with. The two fingers share one motor and close evenly, as those of a parallel gripper do, so that a grasp off
the middle pushes the object first.
"""

from __future__ import annotations

import numpy as np

from depth_anything_ros.grasping.gripper import Gripper

GROUP = 3  # geom group of the hand: neither camera nor ranger sees it
LIFT_N, APPROACH_N = 120.0, 60.0  # where a motion stops against an obstacle
GRIP_N = 20.0  # of each finger, as of common electric grippers
AWAY_M = (0.0, 0.0, 5.0)
CARRIAGE, HAND, LEFT, RIGHT = 'carriage', 'hand', 'left', 'right'
BODIES = (HAND, LEFT, RIGHT)


def hand_xml(gripper: Gripper) -> tuple[str, str]:
    """(body, rest): what goes into <worldbody>, and the equality and actuators that go beside it.

    Joints and actuators: lift, approach (0 at the grasp, negative before), left (half the opening taken back, m).
    """
    half = gripper.max_width_m / 2
    fingers = ''.join(
        f'<body name="{name}" pos="{side * half} 0 0" gravcomp="1">'
        f'<joint name="{name}" type="slide" axis="{-side} 0 0" range="0 {half}" limited="true" damping="20"/>'
        f'<geom type="box" pos="{side * gripper.finger_thickness_m / 2} 0 {-gripper.finger_depth_m / 2}"'
        f' size="{gripper.finger_thickness_m / 2} {gripper.finger_width_m / 2} {gripper.finger_depth_m / 2}"'
        f' mass="0.05" group="{GROUP}" rgba="0.15 0.15 0.16 1" condim="4"/></body>'
        for name, side in ((LEFT, 1), (RIGHT, -1))
    )
    palm_z = -gripper.finger_depth_m - gripper.palm_depth_m / 2
    body = (
        f'<body name="{CARRIAGE}" pos="0 0 {AWAY_M[2]}"><joint name="lift" type="slide" axis="0 0 1" damping="200"/>'
        f'<geom type="sphere" size="0.001" mass="0.1" contype="0" conaffinity="0" group="{GROUP}"/>'
        f'<body name="{HAND}" gravcomp="1"><joint name="approach" type="slide" axis="0 0 1" damping="100"/>'
        f'<geom type="box" pos="0 0 {palm_z}" group="{GROUP}" mass="0.6" rgba="0.85 0.86 0.88 0.45"'
        f' size="{gripper.palm_length_m / 2} {gripper.palm_width_m / 2} {gripper.palm_depth_m / 2}"/>'
        f'{fingers}</body></body>'
    )
    # the palm's stiffness is the arm's; the fingers are driven by one motor that stops at its force
    rest = (
        f'<equality><joint joint1="{LEFT}" joint2="{RIGHT}" polycoef="0 1 0 0 0" solref="0.004 1"/></equality>'
        '<actuator>'
        f'<position name="lift" joint="lift" kp="8000" kv="300" forcerange="{-LIFT_N} {LIFT_N}"/>'
        f'<position name="approach" joint="approach" kp="8000" kv="300" forcerange="{-APPROACH_N} {APPROACH_N}"/>'
        f'<position name="grip" joint="{LEFT}" kp="6000" kv="60" forcerange="{-2 * GRIP_N} {2 * GRIP_N}"/>'
        '</actuator>'
        '<contact>'
        f'<exclude body1="{LEFT}" body2="{HAND}"/><exclude body1="{RIGHT}" body2="{HAND}"/>'
        '</contact>'
    )
    return body, rest


def quaternion_wxyz(rotation: np.ndarray) -> np.ndarray:
    """(3, 3) -> (4,) as MuJoCo writes it."""
    from depth_anything_ros.core.transform import RigidTransform

    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    x, y, z, w = RigidTransform('world', HAND, matrix).quaternion_xyzw()
    return np.array([w, x, y, z])
