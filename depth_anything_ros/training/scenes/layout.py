# SPDX-License-Identifier: Apache-2.0
"""Where things stand: floor plans without overlap and places for cameras. No Blender needed.

Metres, z up. A room is centred on the origin, its floor at z = 0; an object's front looks along its own -y.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

TRIES = 25


@dataclass(frozen=True)
class Wish:
    """What is to stand somewhere: name, width along its x and depth along its y; at_wall: its back (+y) to a wall."""

    name: str
    width_m: float
    depth_m: float
    at_wall: bool = True


@dataclass(frozen=True)
class Place:
    """A rectangle on the floor: centre, size along its own axes, yaw in degrees."""

    name: str
    x_m: float
    y_m: float
    width_m: float
    depth_m: float
    yaw_deg: float = 0.0

    def corners_m(self) -> np.ndarray:
        """(4, 2) corners, counter-clockwise."""
        a = math.radians(self.yaw_deg)
        turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (self.width_m / 2, self.depth_m / 2)
        return half @ turn.T + (self.x_m, self.y_m)

    def holds(self, x_m: float, y_m: float, margin_m: float = 0.0) -> bool:
        """Whether a point is within the rectangle grown by a margin."""
        a = math.radians(self.yaw_deg)
        dx, dy = x_m - self.x_m, y_m - self.y_m
        u, v = dx * math.cos(a) + dy * math.sin(a), dy * math.cos(a) - dx * math.sin(a)
        return abs(u) <= self.width_m / 2 + margin_m and abs(v) <= self.depth_m / 2 + margin_m


def overlap(a: Place, b: Place) -> bool:
    """Whether two rectangles share area (separating axis theorem)."""
    first, second = a.corners_m(), b.corners_m()
    for yaw_deg in (a.yaw_deg, b.yaw_deg):
        for turn_deg in (0, 90):
            angle = math.radians(yaw_deg + turn_deg)
            axis = np.array([math.cos(angle), math.sin(angle)])
            p, q = first @ axis, second @ axis
            if p.max() <= q.min() + 1e-9 or q.max() <= p.min() + 1e-9:
                return False
    return True


def furnish(dice: random.Random, size_x_m: float, size_y_m: float, wishes: list[Wish]) -> list[Place]:
    """A place for each wish that fits, inside the room and apart from the others; what doesn't fit is left out."""
    placed: list[Place] = []
    for wish in wishes:
        for _ in range(TRIES):
            place = _at_wall(dice, size_x_m, size_y_m, wish) if wish.at_wall else _free(dice, size_x_m, size_y_m, wish)
            if place is not None and not any(overlap(place, other) for other in placed):
                placed.append(place)
                break
    return placed


def _at_wall(dice, size_x_m, size_y_m, wish: Wish) -> Place | None:
    yaw_deg = dice.choice((0, 90, 180, 270))  # the wall at +y, -x, -y, +x of the room
    along_m, across_m = (size_x_m, size_y_m) if yaw_deg in (0, 180) else (size_y_m, size_x_m)
    slack_m = (along_m - wish.width_m) / 2 - 0.02
    gap_m = dice.uniform(0.01, 0.06)
    if slack_m <= 0 or across_m < wish.depth_m + 2 * gap_m:
        return None
    shift_m, out_m = dice.uniform(-slack_m, slack_m), across_m / 2 - wish.depth_m / 2 - gap_m
    a = math.radians(yaw_deg)
    x_m = shift_m * math.cos(a) - out_m * math.sin(a)
    y_m = shift_m * math.sin(a) + out_m * math.cos(a)
    return Place(wish.name, x_m, y_m, wish.width_m, wish.depth_m, yaw_deg)


def _free(dice, size_x_m, size_y_m, wish: Wish) -> Place | None:
    radius_m = math.hypot(wish.width_m, wish.depth_m) / 2
    slack_x_m, slack_y_m = size_x_m / 2 - radius_m, size_y_m / 2 - radius_m
    if slack_x_m <= 0 or slack_y_m <= 0:
        return None
    x_m, y_m = dice.uniform(-slack_x_m, slack_x_m), dice.uniform(-slack_y_m, slack_y_m)
    return Place(wish.name, x_m, y_m, wish.width_m, wish.depth_m, dice.uniform(0, 360))


@dataclass(frozen=True)
class View:
    """Where a camera stands and looks: eye (3,) metres, heading (0: +x, counter-clockwise), pitch up, roll; radians."""

    eye_m: tuple[float, float, float]
    heading: float
    pitch: float
    roll: float
    fov_deg: float


def room_view(dice: random.Random, size_x_m: float, size_y_m: float, height_m: float, places: list[Place]) -> View:
    """A camera of a robot or a hand in free floor space that looks across the room or at one of the places."""
    for _ in range(8 * TRIES):
        x_m = dice.uniform(-0.5, 0.5) * (size_x_m - 0.4)
        y_m = dice.uniform(-0.5, 0.5) * (size_y_m - 0.4)
        if not any(place.holds(x_m, y_m, 0.12) for place in places):
            break
    z_m = min(dice.choice((dice.uniform(0.2, 0.7), dice.uniform(0.8, 1.8), dice.uniform(1.0, 1.7))), height_m - 0.3)
    target_x_m, target_y_m, target_z_m = 0.3 * size_x_m * dice.gauss(0, 0.6), 0.3 * size_y_m * dice.gauss(0, 0.6), 0.8
    if places and dice.random() < 0.6:
        aim = dice.choice(places)
        target_x_m, target_y_m, target_z_m = aim.x_m, aim.y_m, dice.uniform(0.2, 1.3)
    reach_m = max(0.3, math.hypot(target_x_m - x_m, target_y_m - y_m))
    return View(
        (x_m, y_m, z_m),
        math.atan2(target_y_m - y_m, target_x_m - x_m) + dice.gauss(0, 0.15),
        math.atan2(target_z_m - z_m, reach_m) * dice.uniform(0.4, 1.0) + dice.gauss(0, 0.08),
        dice.gauss(0, 0.05),
        dice.uniform(50, 95),
    )


def close_view(dice: random.Random, x_m: float, y_m: float, z_m: float) -> View:
    """A camera 0.35 to 1.3 m from a point on a table top, looking down at it."""
    distance_m, down, heading = dice.uniform(0.35, 1.3), dice.uniform(0.15, 1.0), dice.uniform(-math.pi, math.pi)
    eye_m = (
        x_m - distance_m * math.cos(heading) * math.cos(down),
        y_m - distance_m * math.sin(heading) * math.cos(down),
        z_m + 0.08 + distance_m * math.sin(down),
    )
    return View(
        eye_m, heading + dice.gauss(0, 0.12), -down + dice.gauss(0, 0.1), dice.gauss(0, 0.08), dice.uniform(40, 80)
    )


def facing_view(
    dice: random.Random, target_m: tuple[float, float, float], size_x_m: float, size_y_m: float, height_m: float
) -> View:
    """A camera in the room that looks at a point from 0.7 to 3.5 m, from about its height or a little above."""
    x_m, y_m, z_m = target_m
    for _ in range(TRIES):
        distance_m, heading = dice.uniform(0.7, 3.5), dice.uniform(-math.pi, math.pi)
        eye_x_m, eye_y_m = x_m - distance_m * math.cos(heading), y_m - distance_m * math.sin(heading)
        if abs(eye_x_m) < size_x_m / 2 - 0.15 and abs(eye_y_m) < size_y_m / 2 - 0.15:
            break
    else:
        eye_x_m, eye_y_m = 0.0, 0.0
    eye_z_m = min(max(0.2, z_m + dice.uniform(-0.2, 0.9)), height_m - 0.3)
    reach_m = max(0.3, math.hypot(x_m - eye_x_m, y_m - eye_y_m))
    return View(
        (eye_x_m, eye_y_m, eye_z_m),
        math.atan2(y_m - eye_y_m, x_m - eye_x_m) + dice.gauss(0, 0.15),
        math.atan2(z_m - eye_z_m, reach_m) + dice.gauss(0, 0.1),
        dice.gauss(0, 0.04),
        dice.uniform(35, 80),
    )


def street_view(dice: random.Random, half_road_m: float, wide: bool) -> View:
    """A camera on a car, or lower on a small robot by the road's edge; most look along the road (+y)."""
    car = dice.random() < 0.65
    eye_m = (
        dice.uniform(-0.6, 0.6) * half_road_m if car else dice.uniform(-1.5, 1.5) * half_road_m,
        dice.uniform(-6, 30),
        dice.uniform(1.2, 2.2) if car else dice.uniform(0.25, 1.2),
    )
    heading = math.pi / 2 + (dice.gauss(0, 0.2) if car or dice.random() < 0.5 else dice.uniform(-math.pi, math.pi))
    if dice.random() < 0.3:
        heading += math.pi
    fov_deg = dice.uniform(65, 100) if wide else dice.uniform(50, 95)
    return View(eye_m, heading, dice.gauss(-0.03, 0.05 if car else 0.1), dice.gauss(0, 0.02), fov_deg)
