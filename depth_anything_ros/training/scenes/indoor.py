# SPDX-License-Identifier: Apache-2.0
"""A random furnished room in Blender, and views of it. The room is centred on the origin, its floor at z = 0."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import bpy
import numpy as np

from depth_anything_ros.training.scenes import furniture, household, light, things
from depth_anything_ros.training.scenes.fittings import stand
from depth_anything_ros.training.scenes.greenery import blob
from depth_anything_ros.training.scenes.layout import Place, View, Wish, close_view, furnish, room_view
from depth_anything_ros.training.scenes.palette import ITEMS, random_materials
from depth_anything_ros.training.scenes.shapes import Workshop

WALL_M = 0.18


@dataclass(frozen=True)
class Room:
    """Size in metres, what stands where, and the points (x, y, z) of tops that things stand on."""

    size_x_m: float
    size_y_m: float
    height_m: float
    places: list[Place]
    tops_m: list[tuple[float, float, float]]

    def view(self, dice: random.Random) -> View:
        if self.tops_m and dice.random() < 0.3:
            return close_view(dice, *dice.choice(self.tops_m))
        return room_view(dice, self.size_x_m, self.size_y_m, self.height_m, self.places)


def build_indoor(dice: random.Random, pictures: list[np.ndarray], skies: list) -> Room:
    """Empties Blender and builds a room with furniture, things and light. skies: HDRI files."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    w = Workshop(random_materials(dice, pictures))
    size_x, size_y = dice.uniform(2.4, 8.5), dice.uniform(2.4, 8.5)
    if dice.random() < 0.12:
        size_x, size_y = dice.uniform(1.3, 2.2), dice.uniform(6, 16)  # a corridor
    height = dice.uniform(2.3, 3.4)
    windows = shell(w, dice, size_x, size_y, height)
    places = furnish(dice, size_x, size_y, _wishes(dice, size_x * size_y))
    tops = []
    for place in places:
        tops += stand(w.at(place.x_m, place.y_m, 0, place.yaw_deg), dice, place, height)
    _on_walls(w, dice, size_x, size_y, height)
    hang(w, dice, size_x, size_y, height)
    _litter(w, dice, size_x, size_y, places)
    light.light_room(dice, size_x, size_y, height, windows, skies)
    return Room(size_x, size_y, height, places, tops)


def _wishes(dice: random.Random, area_m2: float) -> list[Wish]:
    wall = [
        Wish('bookshelf', 1.92, 0.34),
        Wish('sideboard', 1.75, 0.5),
        Wish('sofa', 2.1, 0.95),
        Wish('cabinet', dice.uniform(0.5, 1.6), dice.uniform(0.35, 0.65)),
        Wish('cabinet', dice.uniform(0.5, 1.6), dice.uniform(0.35, 0.65)),
        Wish('desk', dice.uniform(1.0, 1.7), dice.uniform(0.6, 0.8)),
        Wish('bed', dice.uniform(0.9, 1.8), 2.05),
        Wish('rack', dice.uniform(0.6, 1.2), dice.uniform(0.35, 0.5)),
        Wish('radiator', dice.uniform(0.5, 1.4), 0.14),
        Wish('mirror', dice.uniform(0.4, 1.2), 0.08),
        Wish('plant', 0.5, 0.5),
        Wish('boxes', dice.uniform(0.5, 1.0), 0.6),
        Wish('bicycle', 1.75, 0.5),
        Wish('door', 0.95, 0.08),
    ]
    free = [
        Wish('table', dice.uniform(1.1, 1.9), dice.uniform(0.75, 1.0), False),
        Wish('coffee_table', 0.9, 0.9, False),
        Wish('chair', 0.48, 0.52, False),
        Wish('chair', 0.48, 0.52, False),
        Wish('chair', 0.48, 0.52, False),
        Wish('stool', 0.36, 0.36, False),
        Wish('floor_lamp', 0.4, 0.4, False),
        Wish('plant', 0.5, 0.5, False),
        Wish('ladder', 0.5, 0.9, False),
        Wish('airer', 1.0, 0.6, False),
        Wish('pile', 0.6, 0.6, False),
        Wish('pile', 0.6, 0.6, False),
        Wish('pillar', 0.4, 0.4, False),
    ]
    dice.shuffle(wall)
    dice.shuffle(free)
    amount = dice.uniform(0.4, 1.1) * area_m2 / 4
    return wall[: 2 + round(0.8 * amount)] + free[: 2 + round(amount)]


def shell(w: Workshop, dice: random.Random, size_x: float, size_y: float, height: float) -> list[dict]:
    """Floor, ceiling, walls with openings; returns the windows: wall yaw, place along it and size."""
    w.box((0, 0, -0.05), (size_x + 0.5, size_y + 0.5, 0.1), 'floor', 0)
    w.box((0, 0, height + 0.05), (size_x + 0.5, size_y + 0.5, 0.1), 'ceiling', 0)
    accent, windows = dice.randrange(4), []
    for i, yaw_deg in enumerate((0, 90, 180, 270)):
        length, out = (size_x, size_y / 2) if yaw_deg in (0, 180) else (size_y, size_x / 2)
        wall = w.at(0, 0, 0, yaw_deg).at(0, out, 0)
        material = dice.choice(('wall_green', 'brick')) if i == accent and dice.random() < 0.6 else 'wall'
        hole = None
        if length > 1.8 and dice.random() < 0.4:
            half = min(dice.uniform(0.4, 1.3), length / 2 - 0.3)
            middle = dice.uniform(-length / 2 + half + 0.2, length / 2 - half - 0.2)
            sill = dice.choice((0.05, 0.85, 0.95))
            hole = (middle - half, middle + half, sill, min(dice.uniform(1.9, 2.3), height - 0.1))
            windows.append({'yaw_deg': yaw_deg, 'out_m': out, 'hole_m': hole})
        _wall(wall, length + 2 * WALL_M, height, material, hole)
        w.at(0, 0, 0, yaw_deg).box((0, out - 0.008, 0.045), (length, 0.016, 0.09), 'trim', 0.004)
        if hole is not None:
            _window(wall, dice, hole)
    if windows:
        _outside(w, dice)
    return windows


def _wall(w: Workshop, length: float, height: float, material: str, hole):
    """Along x of the frame, its inner face at y = 0; hole: (x0, x1, z0, z1) or None."""
    y, half = WALL_M / 2, length / 2
    if hole is None:
        w.box((0, y, height / 2), (length, WALL_M, height), material, 0)
        return
    x0, x1, z0, z1 = hole
    w.box(((x0 - half) / 2, y, height / 2), (x0 + half, WALL_M, height), material, 0)
    w.box(((x1 + half) / 2, y, height / 2), (half - x1, WALL_M, height), material, 0)
    w.box(((x0 + x1) / 2, y, z0 / 2), (x1 - x0, WALL_M, z0), material, 0)
    w.box(((x0 + x1) / 2, y, (z1 + height) / 2), (x1 - x0, WALL_M, height - z1), material, 0)


def _window(w: Workshop, dice: random.Random, hole):
    x0, x1, z0, z1 = hole
    y, middle = 0.1, (z0 + z1) / 2
    for x in (x0 + 0.025, *([(x0 + x1) / 2] if dice.random() < 0.6 else []), x1 - 0.025):
        w.box((x, y, middle), (0.05, 0.06, z1 - z0), 'trim', 0.005)
    for z in (z0 + 0.025, z1 - 0.025, *([middle] if dice.random() < 0.3 else [])):
        w.box(((x0 + x1) / 2, y, z), (x1 - x0, 0.058, 0.05), 'trim', 0.005)
    if dice.random() < 0.4:
        w.rod((x0 - 0.3, -0.08, z1 + 0.1), (x1 + 0.3, -0.08, z1 + 0.1), 0.012, 'brass', steps=8)
        low = 0.03 if z0 < 0.5 or dice.random() < 0.5 else z0 - 0.1
        w.curtain((x0 - 0.28, -0.08, low), (x0 + 0.15, -0.08, low), z1 + 0.07 - low, 'drape', 5)
        w.curtain((x1 - 0.15, -0.08, low), (x1 + 0.28, -0.08, low), z1 + 0.07 - low, 'drape', 5)
    elif dice.random() < 0.3:  # a blind of slats
        drop = dice.uniform(0.2, 1.0) * (z1 - z0)
        for i in range(int(drop / 0.06)):
            w.box(((x0 + x1) / 2, 0.04, z1 - 0.03 - 0.06 * i), (x1 - x0 - 0.06, 0.045, 0.004), 'white_gloss', 0)


def _outside(w: Workshop, dice: random.Random):
    """What a window shows: ground, bushes and houses, so that depth behind it is defined."""
    drop = dice.choice((-0.3, -0.3, -3.2, -8.0))
    w.box((0, 0, drop - 0.05), (160, 160, 0.1), dice.choice(('grass', 'road', 'pavement')), 0)
    for _ in range(10):
        a, r = dice.uniform(0, 2 * math.pi), dice.uniform(12, 35)
        size = (dice.uniform(5, 14), dice.uniform(5, 14), dice.uniform(3, 14) - drop)
        w.at(r * math.cos(a) * 1.4, r * math.sin(a) * 1.4, drop, dice.uniform(0, 90)).box(
            (0, 0, size[2] / 2), size, f'facade{dice.randrange(6)}', 0
        )
    for _ in range(14):
        a, r = dice.uniform(0, 2 * math.pi), dice.uniform(11, 16)
        blob(w, (r * math.cos(a), r * math.sin(a), drop + dice.uniform(0.3, 2.5)), dice.uniform(0.7, 1.6), dice)


def _on_walls(w: Workshop, dice: random.Random, size_x: float, size_y: float, height: float):
    for _ in range(dice.randint(1, 7)):
        yaw_deg = dice.choice((0, 90, 180, 270))
        length, out = (size_x, size_y / 2) if yaw_deg in (0, 180) else (size_y, size_x / 2)
        spot = w.at(0, 0, 0, yaw_deg).at(dice.uniform(-0.4, 0.4) * length, out - 0.02, dice.uniform(1.3, height - 0.5))
        kind = dice.random()
        if kind < 0.5:
            name = dice.choice(('print_warm', 'print_blue', f'item{dice.randrange(ITEMS)}'))
            household.picture(spot, name, dice.uniform(0.25, 1.0), dice.uniform(0.25, 0.8))
        elif kind < 0.75:
            wide = dice.uniform(0.4, 1.2)
            spot.box((0, -0.1, 0), (wide, 0.2, 0.025), dice.choice(('oak', 'white_gloss', 'walnut')), 0.003)
            for _ in range(dice.randint(1, 5)):
                things.thing(spot.at(dice.uniform(-0.45, 0.45) * wide, -0.1, 0.013), dice, dice.uniform(0.06, 0.22))
        elif kind < 0.9:
            spot.box((0, 0, 0), (0.09, 0.02, 0.09), 'white_gloss', 0.003)
            things.cable(spot, (0, -0.01, -0.05), (dice.uniform(-0.8, 0.8), -0.02, -1.0), 0.0, 0.004, parts=3)
        else:
            spot.box((0, -0.16, 0), (dice.uniform(0.5, 1.2), 0.32, dice.uniform(0.4, 0.7)), 'white_gloss', 0.004)


def hang(w: Workshop, dice: random.Random, size_x: float, size_y: float, height: float):
    """Lamps, cords and beams under the ceiling."""
    for _ in range(dice.randint(0, 2)):
        x, y, low = dice.uniform(-0.3, 0.3) * size_x, dice.uniform(-0.3, 0.3) * size_y, height - dice.uniform(0.3, 1.0)
        furniture.pendant(w.at(x, y, low), height - low)
    for _ in range(dice.choice((0, 0, 1, 2, 3))):
        ends = [(dice.uniform(-0.5, 0.5) * size_x, dice.uniform(-0.5, 0.5) * size_y, height - 0.02) for _ in range(2)]
        things.cable(
            w, *ends, dice.uniform(0.05, 0.6), dice.uniform(0.002, 0.008), dice.choice(('black_matt', 'white_gloss'))
        )
    if dice.random() < 0.2:
        for i in range(4):
            y = size_y * (i / 4 - 0.375)
            w.box((0, y, height - 0.08), (size_x, 0.14, 0.16), 'oak', 0.006)


def _litter(w: Workshop, dice: random.Random, size_x: float, size_y: float, places: list[Place]):
    if dice.random() < 0.5:
        w.at(0, 0, 0, dice.choice((0, 90, dice.uniform(0, 90)))).box(
            (0, 0, 0.005),
            (dice.uniform(0.9, 0.55 * size_x + 0.5), dice.uniform(0.9, 0.5 * size_y + 0.5), 0.01),
            'rug',
            0.003,
        )
    for _ in range(dice.randint(0, 14)):
        x, y = dice.uniform(-0.47, 0.47) * size_x, dice.uniform(-0.47, 0.47) * size_y
        if not any(place.holds(x, y, 0.1) for place in places):
            things.thing(w.at(x, y, 0.01), dice, dice.uniform(0.06, 0.4))
    if dice.random() < 0.5:
        a = (dice.uniform(-0.4, 0.4) * size_x, dice.uniform(-0.4, 0.4) * size_y, 0.012)
        b = (a[0] + dice.uniform(-1, 1), a[1] + dice.uniform(-1, 1), 0.012)
        things.cable(w, a, b, 0, 0.005, 'black_matt', 3)
