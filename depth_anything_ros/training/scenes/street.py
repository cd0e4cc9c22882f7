# SPDX-License-Identifier: Apache-2.0
"""A random street in Blender along +y, and views of it. The road's middle is x = 0, its surface z = 0."""

from __future__ import annotations

import random
from dataclasses import dataclass

import bpy
import numpy as np

from depth_anything_ros.training.scenes import light, things
from depth_anything_ros.training.scenes.greenery import hedge, tree
from depth_anything_ros.training.scenes.layout import View, street_view
from depth_anything_ros.training.scenes.palette import FACADES, random_materials
from depth_anything_ros.training.scenes.shapes import Workshop
from depth_anything_ros.training.scenes.street_furniture import bench, bollard, boxes, fence, lamp_post, person, sign
from depth_anything_ros.training.scenes.vehicles import vehicle

BACK_M, FRONT_M = -60.0, 110.0  # of the built-up street


@dataclass(frozen=True)
class Street:
    """Half the width of the road in metres; wide: views of a wide image."""

    half_road_m: float
    wide: bool

    def view(self, dice: random.Random) -> View:
        return street_view(dice, self.half_road_m, self.wide)


def build_street(dice: random.Random, pictures: list[np.ndarray], skies: list, wide: bool) -> Street:
    """Empties Blender and builds road, houses, vehicles, trees, fences and people. skies: HDRI files."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    w = Workshop(random_materials(dice, pictures))
    half = dice.uniform(2.6, 7.5)
    middle, length = (BACK_M + FRONT_M) / 2, FRONT_M - BACK_M
    # far ground ends nowhere in sight; the road lies on it so that both are one object of depth
    w.box((0, middle, -0.26), (900, 900, 0.5), dice.choice(('grass', 'grass', 'concrete', 'pavement')), 0)
    w.box(
        (0, middle, -0.05),
        (2 * half, length + 400, 0.1),
        dice.choice(('road', 'road', 'road', 'pavement', 'concrete')),
        0,
    )
    _markings(w, dice, half)
    for side in (-1, 1):
        kerb = half + dice.uniform(1.2, 4.0)
        if dice.random() < 0.75:
            high = dice.uniform(0.06, 0.16)
            w.box((side * (half + kerb) / 2, middle, high / 2), (kerb - half, length, high), 'pavement', 0)
            w.box((side * (half + 0.07), middle, high / 2 + 0.003), (0.14, length, high), 'concrete', 0.01)
        wall = kerb + dice.choice((0.0, dice.uniform(0.5, 3), dice.uniform(3, 14)))
        _line_of_houses(w, dice, side, wall)
        _roadside(w, dice, side, half, kerb, wall)
    _traffic(w, dice, half)
    if dice.random() < 0.5:
        house(w.at(dice.uniform(-10, 10), FRONT_M + 8), dice, dice.uniform(12, 40), 8, dice.uniform(4, 15))
    light.light_street(dice, skies)
    return Street(half, wide)


def _markings(w: Workshop, dice: random.Random, half: float):
    style = dice.choice(('dashed', 'dashed', 'solid', 'none', 'edges'))
    if style == 'dashed':
        for i in range(22):
            w.box((0, -50 + 7 * i, 0.002), (0.13, 3, 0.005), 'marking', 0)
    elif style == 'solid':
        w.box((0, 25, 0.002), (0.14, 170, 0.005), 'marking', 0)
    if style in ('edges', 'dashed') and dice.random() < 0.6:
        for side in (-1, 1):
            w.box((side * (half - 0.3), 25, 0.002), (0.12, 170, 0.005), 'marking', 0)
    if dice.random() < 0.4:
        y = dice.uniform(-20, 50)
        for i in range(int(2 * half / 1.0)):
            w.box((-half + 0.6 + i, y, 0.003), (0.5, 3.0, 0.006), 'marking', 0)


def _line_of_houses(w: Workshop, dice: random.Random, side: int, wall: float):
    """Facades, hedges, fences or open land, piece by piece along one side."""
    town = ('house', 'house', 'house', 'house', 'fence', 'hedge')
    kinds = dice.choice((town, town, ('house', 'hedge', 'fence', 'trees', 'trees', 'open')))
    y = BACK_M
    while y < FRONT_M:
        length = dice.uniform(6, 22)
        kind = dice.choice(kinds)
        out = wall + dice.choice((0, 0, dice.uniform(0, 5)))
        spot = w.at(side * out, y + length / 2, 0, -90 * side)  # its front towards the road
        if kind == 'house':
            depth = dice.uniform(6, 12)
            house(
                spot.at(0, depth / 2),
                dice,
                length - 0.05,
                depth,
                dice.choice((3, 4, 6, 9, 12, 18)) * dice.uniform(0.9, 1.2),
            )
        elif kind == 'hedge':
            hedge(spot, dice, length, dice.uniform(0.8, 2.4))
        elif kind == 'fence':
            fence(spot, dice, length)
        elif kind == 'trees':
            for _ in range(dice.randint(1, 3)):
                tree(spot.at(dice.uniform(-0.5, 0.5) * length, dice.uniform(1, 9)), dice)
        y += length + (dice.uniform(0.5, 6) if dice.random() < 0.4 else 0)


def house(w: Workshop, dice: random.Random, width: float, depth: float, height: float):
    """A block with rows of windows on its front (-y) and sides, a door, perhaps a roof and balconies."""
    front = f'facade{dice.randrange(FACADES)}'
    w.box((0, 0, height / 2), (width, depth, height), front, 0)
    if height < 10 and dice.random() < 0.6:
        _roof(w, width + 0.5, depth + 0.6, height, dice.uniform(1.5, 4))
    storey, bay = dice.uniform(2.7, 3.4), dice.uniform(1.8, 3.6)
    wide, high = dice.uniform(0.4, 0.75) * bay, dice.uniform(0.4, 0.7) * storey
    deep, trim = dice.uniform(0.02, 0.15), dice.choice(('trim', 'black_matt', 'oak'))
    balconies = dice.random() < 0.25
    for face, span in ((0, width), (90, depth), (-90, depth)):
        out = depth / 2 if face == 0 else width / 2
        side = w.at(0, 0, 0, face).at(0, -out)
        columns, rows = int((span - 0.6) / bay), int((height - 0.4) / storey)
        panes, frames = [], []
        for c in range(columns):
            for r in range(rows):
                x, z = (c + 0.5) * bay - columns * bay / 2, 0.9 + r * storey + high / 2
                if r == 0 and face == 0 and c == columns // 2:
                    side.box((x, -0.01, 1.05), (1.0, 0.08, 2.1), dice.choice(('oak_z', 'black_matt', 'item0')), 0.005)
                    continue
                panes.append((x, -0.006, z, wide, 0.02, high))
                t = 0.06
                frames += [(x + s * wide / 2, -deep / 2, z, t, deep, high + t) for s in (-1, 1)]
                frames += [(x, -deep / 2, z + s * high / 2, wide + t, deep, t) for s in (-1, 1)]
                frames.append((x, -0.015, z, 0.04, 0.03, high))
                if balconies and r and face == 0 and c % 2:
                    side.box((x, -0.5, z - high / 2 - 0.15), (wide + 0.6, 1.0, 0.12), 'concrete', 0.01)
                    for i in range(9):
                        bar = x + (wide + 0.5) * (i / 8 - 0.5)
                        frames.append((bar, -0.97, z - high / 2 + 0.4, 0.02, 0.02, 1.0))
                    frames.append((x, -0.97, z - high / 2 + 0.9, wide + 0.6, 0.04, 0.04))
        boxes(side, panes, 'pane')
        boxes(side, frames, trim)


def _roof(w: Workshop, width: float, depth: float, base: float, rise: float):
    x, y = width / 2, depth / 2
    vertices = [(-x, -y, base), (x, -y, base), (x, y, base), (-x, y, base), (-x, 0, base + rise), (x, 0, base + rise)]
    w.mesh(vertices, [(0, 1, 5, 4), (2, 3, 4, 5), (0, 4, 3), (1, 2, 5), (0, 3, 2, 1)], 'item1')


def _roadside(w: Workshop, dice: random.Random, side: int, half: float, kerb: float, wall: float):
    """Lamp posts, signs, trees, benches, bins, bicycles, people between the road and the houses."""

    def spot(low=BACK_M + 10, high=FRONT_M - 30):
        return w.at(
            side * dice.uniform(half + 0.4, max(kerb, half + 0.8)), dice.uniform(low, high), 0, dice.uniform(0, 360)
        )

    spacing = dice.uniform(15, 35)
    if dice.random() < 0.7:
        for i in range(int(140 / spacing)):
            lamp_post(w.at(side * (half + 0.4), BACK_M + 10 + spacing * i, 0, 90 * side), dice.uniform(4, 8))
    if dice.random() < 0.5:
        for i in range(int(130 / (gap := dice.uniform(7, 14)))):
            tree(w.at(side * (half + 1.0), BACK_M + 8 + gap * i), dice)
    if dice.random() < 0.25:
        high = dice.uniform(5, 8)
        for x in (0, 0.5):
            things.cable(
                w,
                (side * (half + 0.6 + x), BACK_M, high),
                (side * (half + 0.6 + x), FRONT_M, high),
                0.8,
                0.012,
                parts=8,
            )
    for _ in range(dice.randint(2, 7)):
        sign(spot(), dice)
    for _ in range(dice.randint(0, 8)):
        person(spot(), dice)
    for _ in range(dice.randint(0, 4)):
        bollard(spot(), dice)
    for _ in range(dice.randint(0, 2)):
        things.bicycle(spot(), dice)
    for _ in range(dice.randint(0, 3)):
        bench(spot())
    for _ in range(dice.randint(0, 4)):
        things.thing(spot(), dice, dice.uniform(0.3, 1.2))


def _traffic(w: Workshop, dice: random.Random, half: float):
    for side in (-1, 1):
        if dice.random() < 0.75:  # parked along the kerb
            y = BACK_M + 8
            while y < FRONT_M - 25:
                if dice.random() < 0.5:
                    vehicle(w.at(side * (half - 1.0), y, 0, 90 + 90 * side + dice.gauss(0, 2)), dice)
                y += dice.uniform(5.6, 9)
        for _ in range(dice.randint(0, 3)):
            lane = side * dice.uniform(0.3, 0.5) * half
            vehicle(w.at(lane, dice.uniform(BACK_M + 15, FRONT_M - 25), 0, 90 + 90 * side + dice.gauss(0, 4)), dice)
