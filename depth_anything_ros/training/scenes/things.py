# SPDX-License-Identifier: Apache-2.0
"""Random things of a household, each standing on the workshop's frame, and thin structures that sensors miss."""

from __future__ import annotations

import itertools
import math
import random

from depth_anything_ros.training.scenes import household
from depth_anything_ros.training.scenes.palette import ITEMS, random_colour
from depth_anything_ros.training.scenes.shapes import Workshop


def thing(w: Workshop, dice: random.Random, size_m: float):
    """Something about size_m high: a carton, a can, a ball, a vessel, books, a plant, a toy of several parts."""
    kind = dice.choice(('carton', 'carton', 'can', 'ball', 'vessel', 'vessel', 'books', 'plant', 'toy', 'known'))
    item = f'item{dice.randrange(ITEMS)}'
    w = w.at(0, 0, 0, dice.uniform(0, 360))
    if kind == 'carton':
        size = [size_m * dice.uniform(0.4, 1.2) for _ in range(3)]
        w.box((0, 0, size[2] / 2), size, item if dice.random() < 0.8 else 'cardboard', dice.uniform(0.001, 0.02), 3)
    elif kind == 'can':
        radius = size_m * dice.uniform(0.15, 0.45)
        rim = 0.93 * radius
        w.lathe(
            (0, 0, 0),
            [(0, 0), (rim, 0), (radius, 0.03 * size_m), (radius, 0.95 * size_m), (rim, size_m), (0, size_m)],
            item,
            28,
        )
    elif kind == 'ball':
        ball(w, size_m / 2, item)
    elif kind == 'vessel':
        w.lathe((0, 0, 0), vessel_profile(dice, size_m), item, 32)
    elif kind == 'books':
        household.stack(w, dice, dice.randint(1, 6))
    elif kind == 'plant':
        leafy(w, dice, max(size_m, 0.15))
    elif kind == 'toy':
        z = 0.0
        for _ in range(dice.randint(2, 4)):
            part = [size_m * dice.uniform(0.2, 0.7) for _ in range(3)]
            name = f'item{dice.randrange(ITEMS)}'
            turned = w.at(dice.gauss(0, 0.1) * size_m, dice.gauss(0, 0.1) * size_m, z, dice.uniform(0, 90))
            turned.box((0, 0, part[2] / 2), part, name, 0.2 * min(part) * dice.random(), 3)
            z += part[2]
    else:
        known_thing(w, dice)


def known_thing(w: Workshop, dice: random.Random):
    """A thing of its natural size."""
    colour = random_colour(dice, 0.9)
    kind = dice.choice((0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 5, 6, 7, 7))
    if kind == 0:
        household.mug(w, colour)
    elif kind == 1:
        household.bottle(w, dice.choice(('glass', 'green_glass', 'plastic')), dice.uniform(0.2, 0.34), colour)
    elif kind == 2:
        household.bowl(w, colour, dice.uniform(0.07, 0.16))
    elif kind == 3:
        household.globe(w)
    elif kind == 4:
        household.toolbox(w)
    elif kind == 5:
        w.lathe(
            (0, 0, 0), household.vase_profile(dice.uniform(0.05, 0.1), dice.uniform(0.15, 0.4)), 'glazed', color=colour
        )
    elif kind == 6:
        screen(w, dice)
    else:
        cutlery(w, dice)


def ball(w: Workshop, radius_m: float, material: str):
    profile = [(radius_m * math.sin(math.pi * i / 14), radius_m * (1 - math.cos(math.pi * i / 14))) for i in range(15)]
    profile[0], profile[-1] = (0, 0), (0, 2 * radius_m)
    w.lathe((0, 0, 0), profile, material, 28)


def vessel_profile(dice: random.Random, height_m: float) -> list[tuple[float, float]]:
    """(radius, height) of an open turned body, outer wall up and inner wall down."""
    radii = [height_m * dice.uniform(0.12, 0.5) for _ in range(5)]
    outer = [(radius, height_m * (i + 0.15) / 4.15) for i, radius in enumerate(radii)]
    inner = [(0.88 * radius, z) for radius, z in reversed(outer[1:])]
    return [(0, 0), (0.8 * radii[0], 0), *outer, *inner, (0, 0.08 * height_m)]


def leafy(w: Workshop, dice: random.Random, height_m: float):
    """A potted plant with few or many leaves, narrow or broad."""
    pot_m = 0.3 * height_m
    leaves, broad = dice.randint(7, 26), dice.uniform(0.05, 0.45)
    length_m = 0.6 * height_m
    household.plant(w, dice, pot_m, leaves, length_m, broad * length_m, dice.choice(('leaf', 'leaf_pale')))


def screen(w: Workshop, dice: random.Random):
    """A monitor: its glass swallows the light of a ranging sensor."""
    width_m = dice.uniform(0.4, 0.8)
    height_m = 0.58 * width_m
    w.box((0, 0, 0.1 + height_m / 2), (width_m, 0.03, height_m), 'black_matt', 0.004)
    w.box((0, -0.016, 0.1 + height_m / 2), (width_m - 0.03, 0.003, height_m - 0.03), 'black_gloss', 0)
    w.box((0, 0.03, 0.1), (0.05, 0.02, 0.2), 'black_matt')
    w.box((0, 0.02, 0.006), (0.24, 0.18, 0.012), 'black_matt')


def cutlery(w: Workshop, dice: random.Random):
    """Pens and spoons in a cup: rods of a few millimetres."""
    household.mug(w, random_colour(dice))
    for _ in range(dice.randint(3, 7)):
        a, lean = dice.uniform(0, 2 * math.pi), dice.uniform(0.01, 0.06)
        tip = ((0.02 + lean) * math.cos(a), (0.02 + lean) * math.sin(a), dice.uniform(0.13, 0.2))
        w.rod((0, 0, 0.02), tip, dice.uniform(0.002, 0.005), f'item{dice.randrange(ITEMS)}', steps=8)


def rack(w: Workshop, width_m: float, depth_m: float, height_m: float, levels: int, material: str = 'steel'):
    """An open wire shelf; the frame's origin is the middle of its foot. Returns the heights of its levels in metres."""
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * width_m / 2, sy * depth_m / 2
            w.rod((x, y, 0), (x, y, height_m), 0.011, material, steps=8)
    heights = [0.12 + (height_m - 0.2) * i / max(1, levels - 1) for i in range(levels)]
    for z in heights:
        for i in range(9):
            y = depth_m * (i / 8 - 0.5)
            w.rod((-width_m / 2, y, z), (width_m / 2, y, z), 0.003, material, steps=6)
        for sx in (-1, 1):
            w.rod((sx * width_m / 2, -depth_m / 2, z), (sx * width_m / 2, depth_m / 2, z), 0.005, material, steps=6)
    return heights


def ladder(w: Workshop, height_m: float, material: str = 'steel'):
    """A folding ladder that stands open."""
    for side in (-1, 1):
        for x in (-0.22, 0.22):
            w.rod((x * 0.8, 0, height_m), (x, side * 0.28 * height_m, 0), 0.016, material, steps=8)
    steps = max(2, int(height_m / 0.27))
    for i in range(1, steps):
        u = i / steps
        w.box((0, -0.28 * height_m * (1 - u), height_m * u), (0.42, 0.07, 0.02), material, 0.003)


def airer(w: Workshop, material: str = 'white_gloss'):
    """A drying rack: lines of 3 mm between two frames."""
    for x in (-0.45, 0.45):
        for sy in (-1, 1):
            w.rod((x, sy * 0.28, 0), (x, -sy * 0.2, 0.95), 0.008, material, steps=8)
    for i in range(14):
        y = 0.5 * (i / 13 - 0.5)
        w.rod((-0.45, y, 0.93), (0.45, y, 0.93), 0.0022, material, steps=6)


def cable(w: Workshop, start, end, sag_m: float, radius_m: float, material: str = 'black_matt', parts: int = 12):
    """A cord that hangs between two points as a parabola."""
    points = []
    for i in range(parts + 1):
        u = i / parts
        points.append([a + u * (b - a) for a, b in zip(start, end, strict=True)])
        points[-1][2] -= 4 * sag_m * u * (1 - u)
    for a, b in itertools.pairwise(points):
        w.rod(a, b, radius_m, material, steps=6)


def radiator(w: Workshop, width_m: float, height_m: float):
    """Vertical fins before a wall at +y."""
    count = max(4, int(width_m / 0.06))
    for i in range(count):
        x = width_m * ((i + 0.5) / count - 0.5)
        w.box((x, 0, 0.12 + height_m / 2), (0.035, 0.09, height_m), 'white_gloss', 0.008)
    for z in (0.16, 0.08 + height_m):
        w.rod((-width_m / 2, 0, z), (width_m / 2, 0, z), 0.014, 'white_gloss', steps=8)


def bicycle(w: Workshop, dice: random.Random):
    """Wheels with spokes and a frame of tubes, along x, standing on the floor."""
    paint, r = f'item{dice.randrange(ITEMS)}', 0.34
    for x in (-0.52, 0.52):
        w.torus((x, 0, r), r - 0.015, 0.016, 'rubber')
        for i in range(9):
            a = math.pi * i / 9
            dx, dz = 0.31 * math.cos(a), 0.31 * math.sin(a)
            w.rod((x - dx, 0, r - dz), (x + dx, 0, r + dz), 0.0015, 'steel', steps=5)
    crank, seat, head = (-0.06, 0, 0.3), (-0.2, 0, 0.82), (0.36, 0, 0.82)
    for a, b in (
        ((-0.52, 0, r), crank),
        ((-0.52, 0, r), seat),
        (crank, seat),
        (crank, head),
        (seat, head),
        (head, (0.52, 0, r)),
    ):
        w.rod(a, b, 0.016, paint, steps=10)
    w.rod(head, (0.3, 0, 1.0), 0.013, 'steel', steps=8)
    w.rod((0.3, -0.27, 1.02), (0.3, 0.27, 1.02), 0.012, 'black_matt', steps=8)
    w.box((-0.22, 0, 0.9), (0.26, 0.14, 0.05), 'black_matt', 0.02, 3)
    w.rod(seat, (-0.22, 0, 0.9), 0.012, 'steel', steps=8)
