# SPDX-License-Identifier: Apache-2.0
"""Cars, vans, buses and lorries, along y with their front towards -y."""

from __future__ import annotations

import math
import random

from depth_anything_ros.training.scenes.palette import ITEMS, PAINTS
from depth_anything_ros.training.scenes.shapes import Workshop


def vehicle(w: Workshop, dice: random.Random):
    """A car, van or lorry along y, its front towards -y."""
    if dice.random() < 0.22:
        van(w, dice)
    else:
        car(w, dice)


CAR_SIDE = [  # (y from the front to the back, lower z, upper z) as shares of length and height, at the belt and roof
    (-0.5, 0.22, 0.44),
    (-0.47, 0.16, 0.52),
    (-0.24, 0.13, 0.6),
    (-0.08, 0.13, 0.64),
    (0.3, 0.13, 0.64),
    (0.42, 0.15, 0.63),
    (0.48, 0.18, 0.58),
    (0.5, 0.24, 0.5),
]


def car(w: Workshop, dice: random.Random):
    """A body lofted along its length, a glazed cabin and four wheels."""
    length, wide, high = dice.uniform(3.6, 4.9), dice.uniform(1.65, 1.9), dice.uniform(1.38, 1.8)
    paint = f'paint{dice.randrange(PAINTS)}'
    _loft(w, [(length * y, high * low, high * up, wide / 2) for y, low, up in CAR_SIDE], paint)
    back = dice.choice((0.26, 0.36, 0.46))  # saloon, hatchback, estate
    cabin = [
        (-0.22, 0.6, 0.62, 0.44),
        (-0.06, 0.6, 0.96, 0.38),
        (0.08, 0.6, 1.0, 0.37),
        (back - 0.1, 0.6, 0.97, 0.37),
        (back, 0.6, 0.64, 0.42),
    ]
    _loft(w, [(length * y, high * low, high * up, wide * s) for y, low, up, s in cabin], 'pane')
    roof = [(-0.05, 0.965, 0.985, 0.36), (0.08, 0.98, 1.012, 0.36), (back - 0.1, 0.965, 0.985, 0.36)]
    _loft(w, [(length * y, high * low, high * up, wide * s) for y, low, up, s in roof], paint)
    for sx in (-1, 1):  # pillars
        for y, top in ((-0.2, -0.05), (0.1, 0.1), (back, back - 0.1)):
            w.rod(
                (sx * wide * 0.435, length * y, high * 0.62),
                (sx * wide * 0.372, length * top, high * 0.975),
                0.035,
                paint,
                steps=6,
            )
        w.box((sx * (wide / 2 + 0.06), -0.17 * length, 0.66 * high), (0.16, 0.1, 0.12), paint, 0.03, 3)
        w.box((sx * 0.36 * wide, -0.485 * length, 0.45 * high), (0.32, 0.08, 0.13), 'steel', 0.03, 3)
        w.box((sx * 0.4 * wide, 0.49 * length, 0.5 * high), (0.22, 0.06, 0.16), 'lamp_red', 0.02)
    w.box((0, -0.503 * length, 0.3 * high), (0.5, 0.02, 0.11), 'white_gloss', 0.003)
    w.box((0, -0.497 * length, 0.4 * high), (0.7, 0.03, 0.12), 'black_matt', 0.01)
    w.box((0, 0.503 * length, 0.42 * high), (0.5, 0.02, 0.11), 'white_gloss', 0.003)
    _wheels(w, wide, (-0.31 * length, 0.3 * length), dice.uniform(0.29, 0.35))


def van(w: Workshop, dice: random.Random):
    """A van, a bus or a lorry with its box."""
    length, wide, high = dice.uniform(4.8, 9), dice.uniform(1.9, 2.5), dice.uniform(1.9, 3.4)
    paint = f'paint{dice.randrange(PAINTS)}'
    nose = dice.uniform(0.06, 0.2)
    side = [(-0.5, 0.12, 0.42), (-0.49, 0.1, 0.5), (-0.5 + nose, 0.1, 0.95), (-0.46 + nose, 0.1, 1.0), (0.5, 0.1, 1.0)]
    _loft(w, [(length * y, high * low, high * up, wide / 2) for y, low, up in side], paint)
    for sx in (-1, 1):
        w.box((sx * wide / 2, length * (-0.42 + nose), 0.68 * high), (0.02, 0.14 * length, 0.28 * high), 'pane', 0)
        if dice.random() < 0.5:
            w.box((sx * wide / 2, 0.15 * length, 0.68 * high), (0.02, 0.5 * length, 0.28 * high), 'pane', 0)
        else:
            w.box(
                (sx * wide / 2, 0.15 * length, 0.55 * high),
                (0.02, 0.4 * length, 0.4 * high),
                f'item{dice.randrange(ITEMS)}',
                0,
            )
        w.box((sx * (wide / 2 + 0.12), length * (-0.45 + nose), 0.6 * high), (0.16, 0.08, 0.3), 'black_matt', 0.02)
    w.at(
        0, length * (-0.497 + 0.5 * nose), 0.72 * high, tilt_deg=-math.degrees(math.atan2(nose * length, 0.45 * high))
    ).box((0, -0.03, 0), (0.86 * wide, 0.03, 0.36 * high), 'pane', 0.01)
    w.box((0, 0.502 * length, 0.7 * high), (0.8 * wide, 0.02, 0.3 * high), 'pane', 0)
    _wheels(w, wide, (-0.34 * length, 0.3 * length), dice.uniform(0.34, 0.45))


def _loft(w: Workshop, sections: list[tuple[float, float, float, float]], material: str):
    """A body through rounded rectangles (y, low z, high z, half width) along y."""
    around, vertices, faces = 16, [], []
    for y, low, high, half in sections:
        for i in range(around):
            a = 2 * math.pi * (i + 0.5) / around
            c, s = math.cos(a), math.sin(a)
            # a superellipse: the rounding of pressed steel
            x, z = math.copysign(abs(c) ** 0.32, c), math.copysign(abs(s) ** 0.32, s)
            vertices.append((half * x, y, (low + high) / 2 + (high - low) / 2 * z))
    for r in range(len(sections) - 1):
        for i in range(around):
            n = (i + 1) % around
            faces.append((r * around + i, r * around + n, (r + 1) * around + n, (r + 1) * around + i))
    last = (len(sections) - 1) * around
    faces += [tuple(range(around)), tuple(last + i for i in reversed(range(around)))]
    w.mesh(vertices, faces, material, smooth=True)


def _wheels(w: Workshop, wide: float, axles, radius: float):
    tyre = [(0, -0.1), (0.6, -0.11), (0.92, -0.11), (1, -0.08), (1, 0.08), (0.92, 0.11), (0.6, 0.11), (0, 0.1)]
    hub = [(0, 0.112), (0.56, 0.112), (0.6, 0.1)]
    for sx in (-1, 1):
        for y in axles:
            wheel = w.at(sx * (wide / 2 - 0.1), y, radius, 90 * sx, 0).at(0, 0, 0, 0, 90)
            wheel.lathe((0, 0, 0), [(r * radius, z) for r, z in tyre], 'rubber', 24)
            wheel.lathe((0, 0, 0), [(r * radius, z) for r, z in hub[::-1]], 'steel', 20)
            wheel.lathe((0, 0, 0), [(r * radius, -z) for r, z in hub], 'steel', 20)
