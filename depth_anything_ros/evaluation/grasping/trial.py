# SPDX-License-Identifier: Apache-2.0
"""One trial: one scene, seen by every source, and a grasp from each carried out in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.evaluation.grasping.appearance import photograph
from depth_anything_ros.evaluation.grasping.cells import NO_GRASP, Cell
from depth_anything_ros.evaluation.grasping.execution import Outcome, execute
from depth_anything_ros.evaluation.grasping.film import Frame
from depth_anything_ros.evaluation.grasping.perception import (
    Percept,
    Perception,
    View,
    depth_error_m,
    make_view,
    object_points,
)
from depth_anything_ros.evaluation.grasping.ranger import sweep_of
from depth_anything_ros.evaluation.grasping.scene import CAMERA, make_scene
from depth_anything_ros.evaluation.grasping.world import Canvas, World, view_rays
from depth_anything_ros.grasping.antipodal import Grasp, plan_grasps
from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.settings import PlannerConfig

RANGER, PLANNER = 1, 2  # streams of random numbers beside the scene's


@dataclass(frozen=True)
class Result:
    """One grasp. result: LIFTED or a failure. points: of the object, that the planner was given; returns: of the
    ranger that truly hit it; depth_error_m: median on the object, None where nothing was known of it.
    """

    material: str
    distance: str
    trial: int
    source: str
    result: str
    shape: str
    points: int
    returns: int
    grasps: int
    score: float | None
    depth_error_m: float | None
    raised_m: float
    pushed_m: float


def run_trial(
    cell: Cell,
    trial: int,
    seed: int,
    perception: Perception,
    sources: Sequence[str],
    gripper: Gripper,
    planner: PlannerConfig,
    filmed: bool = False,
    blind: bool = False,
) -> tuple[list[Result], list[Frame]]:
    """Results by source, and with `filmed` a Frame of each for the film strip. blind: as in ranger's `pulses`."""
    world = World(make_scene(cell, trial, seed, gripper))
    results, frames = [], []
    with Canvas(world) as canvas:
        view = look(world, canvas, np.random.default_rng([seed, trial, RANGER]), blind)
        for percept in perception.percepts(view, world, sources):
            object_m, scene_m, support = object_points(percept)
            grasp, count = best_grasp(world, object_m, scene_m, support, gripper, planner, seed)
            outcome = execute(world, grasp, gripper) if grasp else Outcome(NO_GRASP)
            results.append(_result(world, view, percept, len(object_m), grasp, count, outcome))
            if filmed:
                after = canvas.picture(hand=True)
                frames.append(Frame(cell, percept.source, view, percept.depth_m, grasp, outcome.result, after,
                                    world.scene.world_from_camera))  # fmt: skip
            world.reset()
    return results, frames


def look(world: World, canvas: Canvas, rng: np.random.Generator, blind: bool = False) -> View:
    pose = world.scene.world_from_camera
    hits = world.cast(pose.translation_m, view_rays(CAMERA, pose))
    return make_view(photograph(world, canvas, hits), sweep_of(world, rng, blind), hits)


def best_grasp(
    world: World, object_m, scene_m, support, gripper: Gripper, planner: PlannerConfig, seed: int
) -> tuple[Grasp | None, int]:
    """The planner's first choice, and how many it found."""
    if not len(object_m):
        return None, 0
    rng = np.random.default_rng([seed, world.scene.trial, PLANNER])
    eye_m = world.scene.world_from_camera.translation_m
    grasps = plan_grasps(object_m, scene_m, gripper, planner, rng, eye_m, support)
    return (grasps[0] if grasps else None), len(grasps)


def _result(
    world: World, view: View, percept: Percept, points: int, grasp: Grasp | None, count: int, outcome: Outcome
) -> Result:
    cell, error_m = world.scene.cell, depth_error_m(percept, view)
    return Result(
        cell.material,
        cell.distance,
        world.scene.trial,
        percept.source,
        outcome.result,
        world.scene.shape.name,
        points,
        _returns_on_object(view),
        count,
        round(grasp.score, 4) if grasp else None,
        round(error_m, 5) if math.isfinite(error_m) else None,
        round(outcome.raised_m, 4),
        round(outcome.pushed_m, 4),
    )


def _returns_on_object(view: View) -> int:
    """Returns on the object's pixels whose depth is the object's, within 2 cm."""
    points_m = view.sweep.camera_from_sensor.apply(view.sweep.points.xyz_m)
    pixels, seen = CAMERA.project(points_m)
    column, row = np.rint(pixels[seen]).astype(int).T
    right = np.abs(points_m[seen, 2] - view.depth_m[row, column]) < 0.02
    return int(np.count_nonzero(right & view.on_object[row, column]))
