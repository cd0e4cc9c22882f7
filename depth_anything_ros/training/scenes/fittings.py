# SPDX-License-Identifier: Apache-2.0
"""Pieces of furniture at their place in a random room, with things on their tops."""

from __future__ import annotations

import math
import random

import bpy  # noqa: F401  mathutils is importable only after it
from mathutils import Vector

from depth_anything_ros.training.scenes import furniture, household, things
from depth_anything_ros.training.scenes.layout import Place
from depth_anything_ros.training.scenes.shapes import Workshop


def stand(w: Workshop, dice: random.Random, place: Place, ceiling_m: float) -> list[tuple[float, float, float]]:
    """One piece of furniture and what stands on it; returns the middles of its tops in the room."""
    name, width, depth = place.name, place.width_m, place.depth_m
    tops: list[tuple[float, float, float, float, float]] = []  # x, y, z, half width, half depth in the piece's frame
    if name == 'bookshelf':
        furniture.bookshelf(w.at(0, -0.15), dice, 1.9, min(2.1, ceiling_m - 0.15))
    elif name == 'sideboard':
        furniture.sideboard(w)
        tops = [(0, 0, 0.72, 0.75, 0.14)]
    elif name == 'sofa':
        furniture.sofa(w)
    elif name == 'cabinet':
        tops = [
            (0, 0, cabinet(w, dice, width, depth, dice.choice((0.5, 0.9, 0.92, 1.2, 1.9))), width / 2 - 0.1, depth / 3)
        ]
    elif name in ('desk', 'table'):
        height = dice.uniform(0.7, 0.78) if dice.random() < 0.9 else 1.05
        if dice.random() < 0.5:
            furniture.table(w, width, depth, height)
        else:
            steel_table(w, dice, width, depth, height)
        if name == 'desk' and dice.random() < 0.7:
            things.screen(w.at(0, 0.12, height), dice)
        tops = [(0, 0, height, width / 2 - 0.08, depth / 2 - 0.08)]
    elif name == 'bed':
        bed(w, width, depth)
    elif name == 'rack':
        levels = things.rack(w, width - 0.04, depth - 0.04, dice.uniform(1.2, 1.9), dice.randint(3, 5))
        tops = [(0, 0, z, width / 2 - 0.1, depth / 2 - 0.1) for z in levels]
    elif name == 'radiator':
        things.radiator(w, width, dice.uniform(0.4, 0.9))
    elif name == 'mirror':
        high = min(dice.uniform(0.5, 1.8), ceiling_m - 0.5)
        base = dice.choice((0.05, 0.9)) if high < 1.2 else 0.05
        w.box((0, 0.02, base + high / 2), (width, 0.02, high), 'walnut', 0.004)
        w.box((0, 0.008, base + high / 2), (width - 0.06, 0.004, high - 0.06), 'mirror', 0)
    elif name == 'plant':
        things.leafy(w, dice, dice.uniform(0.5, 1.5))
    elif name == 'boxes':
        z = 0.0
        for _ in range(dice.randint(1, 4)):
            size = (width * dice.uniform(0.5, 0.9), depth * dice.uniform(0.5, 0.9), dice.uniform(0.2, 0.45))
            household.carton(w.at(dice.gauss(0, 0.03), dice.gauss(0, 0.03), z), size, dice.gauss(0, 8))
            z += size[2]
    elif name == 'bicycle':
        things.bicycle(w, dice)
    elif name == 'door':
        w.box((0, 0.02, 1.0), (0.86, 0.04, 2.0), dice.choice(('trim', 'oak_z', 'walnut_z')), 0.006)
        w.rod((0.36, -0.03, 1.0), (0.25, -0.03, 1.0), 0.009, 'steel')
        for x in (-0.46, 0.46):
            w.box((x, 0.01, 1.03), (0.06, 0.06, 2.06), 'trim', 0.004)
    elif name == 'coffee_table':
        furniture.coffee_table(w)
        tops = [(0, 0, 0.418, 0.25, 0.25)]
    elif name == 'chair':
        furniture.chair(w) if dice.random() < 0.6 else swivel_chair(w)
    elif name == 'stool':
        furniture.stool(w, dice.uniform(0.42, 0.75))
    elif name == 'floor_lamp':
        furniture.floor_lamp(w)
    elif name == 'ladder':
        things.ladder(w, dice.uniform(1.0, 1.7))
    elif name == 'airer':
        things.airer(w)
    elif name == 'pile':
        for _ in range(dice.randint(1, 4)):
            things.thing(w.at(dice.gauss(0, 0.15), dice.gauss(0, 0.15)), dice, dice.uniform(0.15, 0.6))
    else:
        w.box((0, 0, ceiling_m / 2), (0.3, 0.3, ceiling_m), dice.choice(('brick', 'wall', 'item0')), 0.01)
    for x, y, z, half_x, half_y in tops:
        for _ in range(dice.choice((0, 3, 5, 7, 11))):
            spot = w.at(x + dice.uniform(-half_x, half_x), y + dice.uniform(-half_y, half_y), z)
            if dice.random() < 0.45:
                things.known_thing(spot.at(0, 0, 0, dice.uniform(0, 360)), dice)
            else:
                things.thing(spot, dice, dice.uniform(0.05, 0.3))
    return [tuple((w.frame @ Vector((x, y, z)))[:3]) for x, y, z, _, _ in tops if z < 1.3]


def cabinet(w: Workshop, dice: random.Random, width_m: float, depth_m: float, height_m: float) -> float:
    """A closed body with doors or drawers and handles; returns the height of its top."""
    body, front = dice.choice(
        (('white_gloss', 'white_gloss'), ('oak_z', 'oak_z'), ('walnut', 'oak'), ('item1', 'item2'))
    )
    w.box((0, 0, height_m / 2), (width_m, depth_m - 0.03, height_m), body, 0.004)
    columns, rows = max(1, round(width_m / 0.5)), dice.choice((1, 1, 2, 4)) if height_m < 1.5 else 1
    for c in range(columns):
        for r in range(rows):
            dx, dz = width_m / columns, (height_m - 0.1) / rows
            x, z = dx * (c + 0.5) - width_m / 2, 0.08 + dz * (r + 0.5)
            w.box((x, 0.005 - depth_m / 2, z), (dx - 0.008, 0.02, dz - 0.008), front, 0.003)
            y = -depth_m / 2 - 0.03
            if rows > 1:
                w.rod((x - 0.06, y, z), (x + 0.06, y, z), 0.005, 'steel', steps=8)
            else:
                w.rod((x + 0.3 * dx, y, z - 0.07), (x + 0.3 * dx, y, z + 0.07), 0.005, 'steel', steps=8)
    w.box(
        (0, -0.005, height_m + 0.012),
        (width_m + 0.01, depth_m, 0.025),
        dice.choice(('oak', 'black_gloss', 'item3')),
        0.004,
    )
    return height_m + 0.025


def steel_table(w: Workshop, dice: random.Random, width_m: float, depth_m: float, height_m: float):
    top = dice.choice(('oak', 'white_gloss', 'item4', 'glass', 'black_gloss'))
    w.box((0, 0, height_m - 0.012), (width_m, depth_m, 0.024), top, 0.004)
    leg = dice.choice((0.02, 0.03, 0.05))
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (width_m / 2 - leg), sy * (depth_m / 2 - leg)
            w.box((x, y, height_m / 2 - 0.012), (leg, leg, height_m - 0.024), 'black_steel', 0.002)


def bed(w: Workshop, width_m: float, length_m: float):
    w.box((0, 0, 0.2), (width_m, length_m, 0.22), 'oak', 0.01)
    w.cushion((0, -0.02, 0.38), (width_m - 0.04, length_m - 0.08, 0.2), 'linen')
    w.cushion((0, -0.3, 0.46), (width_m + 0.02, length_m - 0.7, 0.12), 'striped')
    w.box((0, length_m / 2 - 0.02, 0.5), (width_m, 0.04, 0.9), 'oak', 0.01)
    for x in (-0.25, 0.25) if width_m > 1.3 else (0,):
        w.at(x * width_m, length_m / 2 - 0.3, 0.52, tilt_deg=-12).cushion((0, 0, 0), (0.55, 0.38, 0.14), 'mustard')


def swivel_chair(w: Workshop):
    """A desk chair on a star of castors."""
    for i in range(5):
        a = 2 * math.pi * i / 5
        tip = (0.27 * math.cos(a), 0.27 * math.sin(a), 0.06)
        w.rod((0, 0, 0.1), tip, 0.018, 'black_matt', 0.012, 8)
        w.lathe((tip[0], tip[1], 0), [(0, 0), (0.025, 0.01), (0.025, 0.05), (0, 0.06)], 'black_matt', 12)
    w.rod((0, 0, 0.08), (0, 0, 0.46), 0.022, 'steel', steps=10)
    w.cushion((0, 0, 0.49), (0.46, 0.46, 0.09), 'seat')
    w.rod((0, 0.2, 0.47), (0, 0.26, 0.62), 0.018, 'black_matt', steps=8)
    w.cushion((0, 0.26, 0.82), (0.44, 0.08, 0.5), 'seat')
