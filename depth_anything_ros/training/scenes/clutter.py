# SPDX-License-Identifier: Apache-2.0
"""A crowded workshop or store-room in Blender: many small things at many depths, one before the other, where most of
what a depth network gets wrong in real rooms lies.
"""

from __future__ import annotations

import math
import random

import bpy
import numpy as np

from depth_anything_ros.training.scenes import light, things
from depth_anything_ros.training.scenes.fittings import stand
from depth_anything_ros.training.scenes.indoor import Room, hang, shell
from depth_anything_ros.training.scenes.layout import View, Wish, facing_view, furnish
from depth_anything_ros.training.scenes.palette import ITEMS, random_materials
from depth_anything_ros.training.scenes.shapes import Workshop

PER_M2 = 5.0  # things on a square metre of floor, at most
CLEAR_M = 0.35  # around the middle of the floor that stays free for a camera


class CrowdedRoom(Room):
    """A room whose cameras face one of the crowded spots from 0.7 to 3.5 m."""

    def view(self, dice: random.Random) -> View:
        if dice.random() < 0.15 or not self.tops_m:
            return super().view(dice)
        return facing_view(dice, dice.choice(self.tops_m), self.size_x_m, self.size_y_m, self.height_m)


def build_clutter(dice: random.Random, pictures: list[np.ndarray], skies: list) -> CrowdedRoom:
    """Empties Blender and builds the room. skies: HDRI files."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    w = Workshop(random_materials(dice, pictures))
    size_x, size_y, height = dice.uniform(2.6, 5.5), dice.uniform(2.6, 5.5), dice.uniform(2.3, 3.2)
    windows = shell(w, dice, size_x, size_y, height)
    places = furnish(dice, size_x, size_y, _wishes(dice))
    tops = []
    for place in places:
        spot = w.at(place.x_m, place.y_m, 0, place.yaw_deg)
        if place.name == 'machine':
            machine(spot, dice, place.width_m)
            tops.append((place.x_m, place.y_m, 0.5))
            continue
        tops += stand(spot, dice, place, height)
        for _ in range(dice.randint(1, 5)):  # before it and against it
            beside = spot.at(dice.uniform(-0.5, 0.5) * place.width_m, -place.depth_m / 2 - dice.uniform(0.05, 0.35))
            _something(beside, dice)
    for yaw_deg in (0, 90, 180, 270):
        length, out = (size_x, size_y / 2) if yaw_deg in (0, 180) else (size_y, size_x / 2)
        if dice.random() < 0.7:
            tool_wall(w.at(0, 0, 0, yaw_deg).at(0, out, 0), dice, length, height)
    for _ in range(round(dice.uniform(0.3, 1) * PER_M2 * size_x * size_y)):
        x, y = dice.uniform(-0.48, 0.48) * size_x, dice.uniform(-0.48, 0.48) * size_y
        if math.hypot(x, y) > CLEAR_M and not any(place.holds(x, y, 0.03) for place in places):
            _something(w.at(x, y, 0.002), dice)
            if dice.random() < 0.3:
                tops.append((x, y, 0.3))
    hang(w, dice, size_x, size_y, height)
    light.light_room(dice, size_x, size_y, height, windows, skies)
    return CrowdedRoom(size_x, size_y, height, places, tops)


def machine(w: Workshop, dice: random.Random, size_m: float):
    """Wheels, drums, tubes, housings and cables on a frame: everything shows through everything."""
    high = size_m * dice.uniform(0.6, 1.2)
    half = size_m / 2
    frame = _metal_or_paint(dice)
    corners = [(sx * half * 0.8, sy * half * 0.45) for sx in (-1, 1) for sy in (-1, 1)]
    for x, y in corners:
        w.rod((x, y, 0), (x * dice.uniform(0.5, 1), y, high), dice.uniform(0.01, 0.025), frame, steps=8)
    for _ in range(dice.randint(4, 10)):
        (x0, y0), (x1, y1) = dice.sample(corners, 2)
        w.rod((x0, y0, dice.random() * high), (x1, y1, dice.random() * high), dice.uniform(0.006, 0.02), frame, steps=8)
    for _ in range(dice.randint(1, 3)):
        radius = dice.uniform(0.15, 0.45) * size_m
        x, y, z = dice.uniform(-half, half), dice.uniform(-0.5, 0.5) * half, radius + dice.random() * 0.3 * high
        _wheel(w.at(x, y, z, dice.gauss(0, 25)), dice, radius)
    for _ in range(dice.randint(4, 12)):
        part = f'item{dice.randrange(ITEMS)}' if dice.random() < 0.7 else frame
        x, y, z = dice.uniform(-half, half), dice.uniform(-0.6, 0.6) * half, dice.uniform(0.1, 1) * high
        turned = w.at(x, y, z, dice.uniform(0, 360), dice.choice((0, 0, 90, dice.uniform(0, 90))))
        size = [size_m * dice.uniform(0.05, 0.3) for _ in range(3)]
        if dice.random() < 0.5:
            turned.box((0, 0, 0), size, part, 0.1 * min(size))
        else:
            r, length = 0.5 * size[0], size[1]
            turned.lathe((0, 0, -length / 2), [(0, 0), (r, 0), (r, length), (0, length)], part, 24)
    for _ in range(dice.randint(1, 6)):
        ends = [(dice.uniform(-half, half), dice.uniform(-0.5, 0.5) * half, dice.random() * high) for _ in range(2)]
        things.cable(w, *ends, dice.uniform(0.02, 0.2), dice.uniform(0.003, 0.01), 'rubber', 8)


def _wheel(w: Workshop, dice: random.Random, radius_m: float):
    w.torus((0, 0, 0), 0.92 * radius_m, 0.08 * radius_m, dice.choice(('rubber', _metal_or_paint(dice))))
    spokes = _metal_or_paint(dice)
    w.rod((0, -0.06, 0), (0, 0.06, 0), 0.1 * radius_m, spokes, steps=12)
    count = dice.choice((3, 5, 9, 14))
    for i in range(count):
        a = 2 * math.pi * i / count
        w.rod(
            (0, 0, 0), (0.9 * radius_m * math.cos(a), 0, 0.9 * radius_m * math.sin(a)), 0.02 * radius_m, spokes, steps=6
        )


def tool_wall(w: Workshop, dice: random.Random, length_m: float, height_m: float):
    """Shelves with things, tools on hooks and pipes along a wall whose face is the frame's y = 0."""
    for _ in range(dice.randint(0, 3)):
        wide = dice.uniform(0.5, 0.6 * length_m)
        deep, z = dice.uniform(0.15, 0.35), dice.uniform(0.9, height_m - 0.4)
        shelf = w.at(dice.uniform(-0.5, 0.5) * (length_m - wide), -deep / 2, z)
        shelf.box((0, 0, 0), (wide, deep, 0.02), dice.choice(('oak', 'white_gloss', 'walnut', 'steel')), 0.003)
        for _ in range(round(wide * dice.uniform(4, 12))):
            spot = shelf.at(dice.uniform(-0.48, 0.48) * wide, dice.uniform(-0.4, 0.4) * deep, 0.011)
            things.thing(spot, dice, dice.uniform(0.05, 0.3))
    for _ in range(dice.randint(0, 14)):
        x, z = dice.uniform(-0.45, 0.45) * length_m, dice.uniform(0.8, height_m - 0.3)
        tool, item, long = w.at(x, -0.03, z), f'item{dice.randrange(ITEMS)}', dice.uniform(0.08, 0.5)
        if dice.random() < 0.3:
            tool.torus((0, 0, 0), long / 2, dice.uniform(0.005, 0.02), item)
        else:
            tip = (dice.gauss(0, 0.1) * long, 0, -long)
            tool.rod((0, 0, 0), tip, dice.uniform(0.006, 0.02), item, steps=8)
            if dice.random() < 0.6:
                tool.box(tip, [dice.uniform(0.02, 0.12) for _ in range(3)], f'item{dice.randrange(ITEMS)}', 0.003)
    for _ in range(dice.randint(0, 3)):
        z, y, r = dice.uniform(0.1, height_m - 0.1), -dice.uniform(0.03, 0.15), dice.uniform(0.008, 0.05)
        w.rod((-length_m / 2, y, z), (length_m / 2, y, z), r, _metal_or_paint(dice), steps=12)


def _metal_or_paint(dice: random.Random) -> str:
    return dice.choice(('steel', 'black_steel', 'brass', 'white_gloss', 'black_matt', *(f'item{i}' for i in range(6))))


def _something(w: Workshop, dice: random.Random):
    kind = dice.random()
    if kind < 0.75:
        things.thing(w, dice, dice.uniform(0.08, 0.6))
    elif kind < 0.85:  # long things that lean or stand
        tip = (dice.gauss(0, 0.2), dice.gauss(0, 0.2), dice.uniform(0.6, 1.7))
        w.rod((0, 0, 0), tip, dice.uniform(0.005, 0.03), f'item{dice.randrange(ITEMS)}', steps=8)
    else:
        machine(w.at(0, 0, 0, dice.uniform(0, 360)), dice, dice.uniform(0.25, 0.6))


def _wishes(dice: random.Random) -> list[Wish]:
    wall = [
        Wish('rack', dice.uniform(0.7, 1.4), dice.uniform(0.35, 0.5)),
        Wish('rack', dice.uniform(0.7, 1.4), dice.uniform(0.35, 0.5)),
        Wish('desk', dice.uniform(1.0, 1.8), dice.uniform(0.6, 0.8)),
        Wish('cabinet', dice.uniform(0.5, 1.4), dice.uniform(0.35, 0.6)),
        Wish('boxes', dice.uniform(0.5, 1.0), 0.6),
        Wish('bicycle', 1.75, 0.5),
        Wish('bookshelf', 1.92, 0.34),
        Wish('machine', dice.uniform(0.6, 1.2), 0.6),
    ]
    free = [
        Wish('machine', dice.uniform(0.5, 1.3), 0.6, False),
        Wish('bicycle', 1.75, 0.5, False),
        Wish('table', dice.uniform(1.0, 1.6), dice.uniform(0.6, 0.9), False),
        Wish('chair', 0.48, 0.52, False),
        Wish('stool', 0.36, 0.36, False),
        Wish('ladder', 0.5, 0.9, False),
        Wish('pile', 0.6, 0.6, False),
        Wish('pile', 0.6, 0.6, False),
        Wish('plant', 0.5, 0.5, False),
    ]
    return dice.sample(wall, dice.randint(4, 7)) + dice.sample(free, dice.randint(3, 6))
