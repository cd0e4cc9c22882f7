# SPDX-License-Identifier: Apache-2.0
"""What stands along a street: lamp posts, signs, bollards, benches, fences, people."""

from __future__ import annotations

import random

from depth_anything_ros.training.scenes import things
from depth_anything_ros.training.scenes.palette import FACADES, ITEMS
from depth_anything_ros.training.scenes.shapes import Workshop


def lamp_post(w: Workshop, height: float):
    w.rod((0, 0, 0), (0, 0, height), 0.07, 'black_steel', 0.045, 10)
    w.rod((0, 0, height - 0.1), (0, 1.2, height + 0.15), 0.03, 'black_steel', steps=8)
    w.box((0, 1.3, height + 0.13), (0.18, 0.5, 0.08), 'steel', 0.02)


def sign(w: Workshop, dice: random.Random):
    height = dice.uniform(1.6, 2.8)
    w.rod((0, 0, 0), (0, 0, height + 0.2), 0.03, 'steel', steps=8)
    if dice.random() < 0.5:
        w.box((0, -0.04, height), (dice.uniform(0.3, 0.9), 0.015, dice.uniform(0.3, 0.7)), 'sign', 0.003)
    else:
        w.at(0, -0.04, height, tilt_deg=90).lathe((0, 0, 0), [(0, 0), (0.3, 0), (0.3, 0.015), (0, 0.015)], 'sign', 28)


def bollard(w: Workshop, dice: random.Random):
    for i in range(dice.randint(1, 4)):
        w.rod(
            (1.3 * i, 0, 0),
            (1.3 * i, 0, 0.9),
            dice.uniform(0.04, 0.09),
            dice.choice(('black_steel', 'concrete', 'item2')),
            steps=12,
        )


def bench(w: Workshop):
    for y in (-0.15, 0, 0.15):
        w.box((0, y, 0.45), (1.6, 0.12, 0.035), 'oak', 0.005)
    for z in (0.62, 0.78):
        w.box((0, 0.24, z), (1.6, 0.035, 0.11), 'oak', 0.005)
    for x in (-0.65, 0.65):
        w.box((x, 0.02, 0.22), (0.05, 0.4, 0.44), 'black_steel', 0.004)
        w.box((x, 0.27, 0.5), (0.05, 0.04, 0.75), 'black_steel', 0.004)


def fence(w: Workshop, dice: random.Random, length: float):
    """Pickets, bars, wires or a low wall."""
    kind, height = dice.choice(('pickets', 'bars', 'wires', 'wall')), dice.uniform(0.8, 1.9)
    material = dice.choice(('oak_z', 'black_steel', 'steel', 'trim'))
    if kind == 'wall':
        w.box((0, 0.12, height / 3), (length, 0.24, height / 1.5), f'facade{dice.randrange(FACADES)}', 0.01)
        return
    pitch, bar = {'pickets': (0.13, 0.09), 'bars': (0.12, 0.02), 'wires': (2.2, 0.06)}[kind]
    parts = [(-length / 2 + pitch * i, 0, height / 2, bar, 0.02, height) for i in range(int(length / pitch))]
    levels = 7 if kind == 'wires' else 2
    thick = 0.008 if kind == 'wires' else 0.05
    parts += [(0, 0.02, height * (0.12 + 0.8 * i / (levels - 1)), length, thick, thick) for i in range(levels)]
    boxes(w, parts, material)


def person(w: Workshop, dice: random.Random):
    """A standing or walking figure of rounded limbs, 1.5 to 1.95 m tall, facing -y."""
    tall = dice.uniform(1.5, 1.95) / 1.75
    trousers, coat = f'item{dice.randrange(ITEMS)}', f'item{dice.randrange(ITEMS)}'
    stride = dice.uniform(0, 0.28)
    for side, step in ((-1, stride), (1, -stride)):
        hip, foot = (side * 0.09 * tall, 0, 0.86 * tall), (side * 0.11 * tall, step, 0.05)
        capsule(w, foot, hip, 0.075 * tall, trousers, 0.1 * tall)
        w.box((foot[0], foot[1] - 0.06, 0.04), (0.1, 0.26, 0.08), 'black_matt', 0.03, 3)
        hand = (side * 0.27 * tall, -step, 0.78 * tall)
        capsule(w, hand, (side * 0.2 * tall, 0, 1.38 * tall), 0.045 * tall, coat, 0.06 * tall)
    torso = [(0, 0.8), (0.17, 0.84), (0.19, 1.05), (0.22, 1.3), (0.19, 1.43), (0.07, 1.5), (0, 1.5)]
    body = w.lathe((0, 0, 0), [(r * tall, z * tall) for r, z in torso], coat, 20)
    body.scale.y = 0.62
    capsule(w, (0, 0, 1.46 * tall), (0, 0, 1.52 * tall), 0.055 * tall, 'skin')
    head = w.at(0, -0.01, 1.52 * tall)
    things.ball(head, 0.115 * tall, 'skin')
    things.ball(w.at(0, 0.02, 1.57 * tall), 0.105 * tall, 'bark')


def capsule(w: Workshop, start, end, radius_m: float, material: str, end_radius_m: float | None = None):
    """A limb: a tapered bar with round ends."""
    other = radius_m if end_radius_m is None else end_radius_m
    w.rod(start, end, radius_m, material, other, 12)
    for place, radius in ((start, radius_m), (end, other)):
        things.ball(w.at(place[0], place[1], place[2] - radius), radius, material)


def boxes(w: Workshop, parts: list[tuple[float, ...]], material: str):
    """Many boxes (x, y, z, size x, y, z) as one object."""
    if not parts:
        return
    vertices, faces = [], []
    for x, y, z, a, b, c in parts:
        n = len(vertices)
        vertices += [
            (x + sx * a / 2, y + sy * b / 2, z + sz * c / 2) for sx in (-1, 1) for sy in (-1, 1) for sz in (-1, 1)
        ]
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        faces += [tuple(n + i for i in quad) for quad in quads]
    w.mesh(vertices, faces, material)
