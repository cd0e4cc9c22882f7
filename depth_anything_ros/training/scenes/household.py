# SPDX-License-Identifier: Apache-2.0
"""Small things that stand, lie or hang around: books, crockery, bottles, plants, cartons, pictures."""

from __future__ import annotations

import math
import random

import bpy  # noqa: F401  mathutils is importable only after it
from mathutils import Matrix

from depth_anything_ros.training.scenes.shapes import Workshop

BOOK_COLORS = (
    (0.28, 0.03, 0.03),
    (0.03, 0.1, 0.2),
    (0.05, 0.16, 0.09),
    (0.45, 0.3, 0.06),
    (0.55, 0.5, 0.42),
    (0.06, 0.06, 0.07),
    (0.33, 0.13, 0.05),
    (0.16, 0.08, 0.18),
    (0.1, 0.26, 0.3),
    (0.6, 0.22, 0.1),
)


def books(w: Workshop, dice: random.Random, length_m: float, max_height_m: float):
    """A row of books along +x from the frame's origin, spines towards -y; the last one leans."""
    x = 0.0
    while x < length_m - 0.09:
        thick = dice.uniform(0.016, 0.05)
        height = dice.uniform(0.68, 0.97) * max_height_m
        depth = dice.uniform(0.15, 0.21)
        w.box(
            (x + thick / 2, 0.5 * depth, height / 2),
            (thick - 0.0015, depth, height),
            'book',
            0.003,
            2,
            dice.choice(BOOK_COLORS),
        )
        x += thick
    thick, height = 0.028, 0.8 * max_height_m
    lean = math.radians(dice.uniform(8, 13))
    rise = 0.5 * height * math.cos(lean) + 0.5 * thick * math.sin(lean)
    shift = 0.5 * height * math.sin(lean) + 0.5 * thick * math.cos(lean)
    leaning = w.at(x + 0.004 + shift, 0.09, rise)
    leaning.frame = leaning.frame @ Matrix.Rotation(-lean, 4, 'Y')
    leaning.box((0, 0, 0), (thick, 0.17, height), 'book', 0.003, 2, dice.choice(BOOK_COLORS))


def stack_height(count: int) -> float:
    return 0.032 * count


def stack(w: Workshop, dice: random.Random, count: int):
    """Books lying on one another around the frame's origin."""
    for i in range(count):
        turned = w.at(dice.uniform(-0.01, 0.01), dice.uniform(-0.01, 0.01), 0.032 * i + 0.016, dice.uniform(-14, 14))
        size = (dice.uniform(0.2, 0.25), dice.uniform(0.14, 0.18), 0.031)
        turned.box((0, 0, 0), size, 'book', 0.004, 2, dice.choice(BOOK_COLORS))
        turned.box((0.004, -0.004, 0), (size[0] - 0.004, size[1] - 0.001, 0.023), 'paper', 0)


def vase_profile(radius_m: float, height_m: float):
    """Outer and inner wall of a bellied vase."""
    outer = [(0, 0), (0.55, 0), (0.8, 0.12), (1, 0.35), (0.85, 0.6), (0.45, 0.82), (0.42, 0.9), (0.55, 1)]
    inner = [(0.47, 0.99), (0.36, 0.88), (0.7, 0.6), (0, 0.3)]
    return [(radius_m * r, height_m * h) for r, h in outer + inner]


def bowl(w: Workshop, color, radius_m: float = 0.12):
    shape = [
        (0, 0),
        (0.4, 0),
        (0.42, 0.04),
        (0.75, 0.22),
        (0.95, 0.46),
        (1, 0.62),
        (0.97, 0.63),
        (0.9, 0.46),
        (0.7, 0.26),
        (0.4, 0.1),
        (0, 0.07),
    ]
    w.lathe((0, 0, 0), [(radius_m * r, radius_m * h) for r, h in shape], 'glazed', 48, color)


def mug(w: Workshop, color):
    shape = [
        (0, 0),
        (0.036, 0),
        (0.04, 0.004),
        (0.041, 0.09),
        (0.039, 0.094),
        (0.037, 0.09),
        (0.036, 0.012),
        (0, 0.008),
    ]
    w.lathe((0, 0, 0), shape, 'stoneware', 40, color)
    w.torus((0.038, 0, 0.048), 0.025, 0.005, 'stoneware', arc_deg=200, color=color)


def bottle(w: Workshop, material: str, height_m: float = 0.29, color=None):
    shape = [
        (0, 0),
        (0.034, 0),
        (0.037, 0.01),
        (0.037, 0.62),
        (0.03, 0.7),
        (0.015, 0.8),
        (0.0135, 0.96),
        (0.016, 0.97),
        (0.016, 1),
        (0, 1),
    ]
    w.lathe((0, 0, 0), [(r, h if i in (0, 1) else h * height_m) for i, (r, h) in enumerate(shape)], material, 40, color)


def plant(w: Workshop, dice: random.Random, pot_m: float, leaves: int, length_m: float, width_m: float, material: str):
    """A potted plant; pot_m is the pot's height, its leaves rise from stems in the middle."""
    r = 0.52 * pot_m
    pot = [
        (0, 0),
        (0.72 * r, 0),
        (r, 0.92 * pot_m),
        (1.06 * r, 0.93 * pot_m),
        (1.06 * r, pot_m),
        (0.92 * r, pot_m),
        (0.9 * r, 0.88 * pot_m),
    ]
    w.lathe((0, 0, 0), pot, 'terracotta', 40)
    w.lathe((0, 0, 0), [(0.91 * r, 0.86 * pot_m), (0, 0.9 * pot_m)], 'soil', 40)
    for i in range(leaves):
        yaw = 137.5 * i + dice.uniform(-12, 12)
        u = i / leaves
        size = length_m * dice.uniform(0.75, 1.1)
        stem = (
            0.25 * r * math.cos(math.radians(yaw)),
            0.25 * r * math.sin(math.radians(yaw)),
            pot_m + 0.9 * length_m * u,
        )
        w.rod((0.08 * stem[0], 0.08 * stem[1], 0.85 * pot_m), stem, 0.006, 'leaf', 0.004, 8)
        w.leaf(stem, yaw, size, width_m * dice.uniform(0.8, 1.15), 0.95 - 0.65 * u, material)


def carton(w: Workshop, size, yaw_deg: float = 0.0):
    """A closed cardboard box with its tape along x."""
    w.at(0, 0, 0, yaw_deg).box((0, 0, 0.5 * size[2]), size, 'cardboard', 0.004, 2)


def picture(w: Workshop, material: str, width_m: float, height_m: float):
    """A framed print that hangs in the x-z plane of the frame, its front towards -y."""
    w.box((0, 0, 0), (width_m - 0.02, 0.008, height_m - 0.02), 'paper', 0)
    w.box((0, -0.005, 0), (width_m - 0.16, 0.004, height_m - 0.16), material, 0)
    for s in (-1, 1):
        w.box((s * (0.5 * width_m - 0.012), -0.008, 0), (0.024, 0.026, height_m), 'black_matt', 0.003)
        w.box((0, -0.008, s * (0.5 * height_m - 0.012)), (width_m - 0.048, 0.026, 0.024), 'black_matt', 0.003)


def toolbox(w: Workshop):
    w.box((0, 0, 0.09), (0.42, 0.2, 0.18), 'plastic', 0.012, 3, (0.55, 0.04, 0.03))
    w.box((0, 0, 0.2), (0.4, 0.19, 0.035), 'plastic', 0.012, 3, (0.03, 0.03, 0.035))
    for s in (-1, 1):
        w.rod((s * 0.1, 0, 0.21), (s * 0.1, 0, 0.27), 0.009, 'black_matt')
        w.box((s * 0.12, -0.105, 0.17), (0.03, 0.015, 0.06), 'steel', 0.003)
    w.rod((-0.11, 0, 0.27), (0.11, 0, 0.27), 0.012, 'black_matt')


def globe(w: Workshop):
    w.lathe((0, 0, 0), [(0, 0), (0.08, 0), (0.08, 0.015), (0.012, 0.03), (0.01, 0.06), (0, 0.06)], 'walnut')
    ball = [(0.12 * math.sin(math.pi * i / 20), 0.18 - 0.12 * math.cos(math.pi * i / 20)) for i in range(21)]
    ball[0], ball[-1] = (0, ball[0][1]), (0, ball[-1][1])
    w.lathe((0, 0, 0), ball, 'globe', 48)
    w.at(0, 0, 0.18, yaw_deg=30).torus((0, 0, 0), 0.132, 0.005, 'brass', arc_deg=190)
