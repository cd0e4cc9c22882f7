# SPDX-License-Identifier: Apache-2.0
"""A planned grasp carried out in physics: approach, close, lift, hold; and why it failed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.evaluation.grasping.cells import COLLISION, LIFTED, NOTHING_BETWEEN, SLIPPED
from depth_anything_ros.evaluation.grasping.hand import CARRIAGE, HAND, LEFT, RIGHT, quaternion_wxyz
from depth_anything_ros.evaluation.grasping.simulator import mujoco
from depth_anything_ros.evaluation.grasping.world import World
from depth_anything_ros.grasping.antipodal import Grasp
from depth_anything_ros.grasping.gripper import Gripper

BACK_M, APPROACH_S = 0.1, 0.7
CLOSE_S = 0.5
LIFT_M, LIFT_S, HOLD_S = 0.12, 0.8, 0.6
HELD_M = 0.09  # the object's centre is higher by this after the hold
BLOCKED_M = 0.006  # the hand stops so far before its goal
PUSHED_M = 0.015  # the object has moved so far before the fingers close
PENETRATION_M = 0.002


@dataclass(frozen=True)
class Outcome:
    """result: LIFTED or a failure. raised_m: of the object's centre at the end; pushed_m: how far, by the approach."""

    result: str
    raised_m: float = 0.0
    pushed_m: float = 0.0


def execute(world: World, grasp: Grasp, gripper: Gripper) -> Outcome:
    """grasp: in the world's frame. Leaves the world as it is at the end; `world.reset()` starts anew."""
    world.reset()
    start_m = world.object_m
    if not _placed(world, grasp, gripper):
        return Outcome(COLLISION)
    _move(world, 'approach', -BACK_M, 0.0, APPROACH_S)
    blocked = abs(world.data.joint('approach').qpos[0]) > BLOCKED_M
    pushed_m = float(np.linalg.norm(world.object_m - start_m))
    if blocked:
        return Outcome(COLLISION, pushed_m=pushed_m)
    opened = world.data.joint(LEFT).qpos[0]
    _move(world, 'grip', opened, gripper.max_width_m / 2, CLOSE_S)
    touched = _touches(world, LEFT) and _touches(world, RIGHT)
    _move(world, 'lift', 0.0, LIFT_M, LIFT_S)
    _wait(world, HOLD_S)
    raised_m = float(world.object_m[2] - start_m[2])
    if raised_m >= HELD_M and _touches(world, LEFT) and _touches(world, RIGHT):
        return Outcome(LIFTED, raised_m, pushed_m)
    if touched:
        return Outcome(SLIPPED, raised_m, pushed_m)
    return Outcome(COLLISION if pushed_m > PUSHED_M else NOTHING_BETWEEN, raised_m, pushed_m)


def _placed(world: World, grasp: Grasp, gripper: Gripper) -> bool:
    """The open hand stands before the object; False where it would stand in something."""
    mj, model, data = mujoco(), world.model, world.data
    pose = grasp.frame_from_gripper
    model.body_pos[model.body(CARRIAGE).id] = pose[:3, 3]
    model.body_quat[model.body(HAND).id] = quaternion_wxyz(pose[:3, :3])
    closed = (gripper.max_width_m - np.clip(grasp.width_m, 0, gripper.max_width_m)) / 2
    for name, place in (('lift', 0.0), ('approach', -BACK_M), (LEFT, closed), (RIGHT, closed)):
        data.joint(name).qpos[:] = place
    for name, goal in (('lift', 0.0), ('approach', -BACK_M), ('grip', closed)):
        data.actuator(name).ctrl[:] = goal
    mj.mj_forward(model, data)
    hand = _contacts(world, HAND) | _contacts(world, LEFT) | _contacts(world, RIGHT)
    return not (hand & (data.contact.dist < -PENETRATION_M)).any()


def _move(world: World, actuator: str, start: float, goal: float, seconds: float) -> None:
    """Along a straight way with gentle ends, and a moment to come to rest."""
    steps = round(seconds / world.model.opt.timestep)
    control = world.data.actuator(actuator).ctrl
    for step in range(1, steps + 1):
        share = step / steps
        control[:] = start + (goal - start) * share * share * (3 - 2 * share)
        mujoco().mj_step(world.model, world.data)
    _wait(world, 0.12)


def _wait(world: World, seconds: float) -> None:
    mujoco().mj_step(world.model, world.data, nstep=round(seconds / world.model.opt.timestep))


def _touches(world: World, finger: str) -> bool:
    bodies = world.model.geom_bodyid[world.data.contact.geom]
    return bool((_contacts(world, finger) & (bodies == world.target).any(axis=1)).any())


def _contacts(world: World, body: str) -> np.ndarray:
    """(contacts,) bool: the body takes part."""
    return (world.model.geom_bodyid[world.data.contact.geom] == world.model.body(body).id).any(axis=1)
