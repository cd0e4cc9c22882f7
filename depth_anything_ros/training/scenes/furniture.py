# SPDX-License-Identifier: Apache-2.0
"""Pieces of furniture, each standing on the floor of the workshop's frame with its front towards -y."""

from __future__ import annotations

import itertools
import math
import random

from depth_anything_ros.training.scenes import household
from depth_anything_ros.training.scenes.shapes import Workshop


def table(w: Workshop, length_m: float = 1.5, width_m: float = 0.85, height_m: float = 0.74):
    w.box((0, 0, height_m - 0.016), (length_m, width_m, 0.032), 'walnut', 0.006, 3)
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * (0.5 * length_m - 0.09), sy * (0.5 * width_m - 0.09)
            w.rod((x, y, height_m - 0.03), (x + 0.05 * sx, y + 0.05 * sy, 0), 0.028, 'walnut_z', 0.016)
        w.box((sx * (0.5 * length_m - 0.13), 0, height_m - 0.065), (0.022, width_m - 0.22, 0.065), 'walnut_y')
    for sy in (-1, 1):
        w.box((0, sy * (0.5 * width_m - 0.11), height_m - 0.065), (length_m - 0.26, 0.022, 0.065), 'walnut')


def chair(w: Workshop):
    """A spindle-back chair; its legs and spindles are 2-3 cm thick."""
    w.box((0, 0, 0.445), (0.42, 0.42, 0.028), 'beech', 0.012, 3)
    w.cushion((0, -0.01, 0.475), (0.38, 0.38, 0.05), 'seat')
    for sx in (-1, 1):
        w.rod((sx * 0.16, -0.16, 0.44), (sx * 0.2, -0.21, 0), 0.015, 'beech', 0.011)
        w.rod((sx * 0.16, 0.16, 0.44), (sx * 0.19, 0.23, 0), 0.015, 'beech', 0.011)
        w.rod((sx * 0.18, -0.19, 0.2), (sx * 0.175, 0.195, 0.2), 0.009, 'beech')
        w.rod((sx * 0.18, 0.18, 0.45), (sx * 0.19, 0.25, 0.88), 0.014, 'beech', 0.011)
    w.rod((-0.18, 0, 0.2), (0.18, 0, 0.2), 0.009, 'beech')
    for i in range(5):
        x = -0.12 + 0.06 * i
        w.rod((x, 0.18, 0.45), (1.08 * x, 0.242, 0.84), 0.0075, 'beech')
    w.box((0, 0.246, 0.865), (0.42, 0.022, 0.07), 'oak', 0.01, 3)


def sofa(w: Workshop, width_m: float = 2.0):
    depth = 0.88
    w.box((0, 0, 0.24), (width_m, depth, 0.22), 'sofa', 0.04, 4)
    w.box((0, 0.5 * depth - 0.1, 0.52), (width_m, 0.2, 0.52), 'sofa', 0.07, 5)
    for s in (-1, 1):
        w.box((s * (0.5 * width_m - 0.09), -0.02, 0.42), (0.18, depth - 0.04, 0.38), 'sofa', 0.06, 5)
        w.cushion((s * 0.25 * (width_m - 0.36), -0.09, 0.43), (0.5 * (width_m - 0.38), 0.66, 0.19), 'sofa')
        w.cushion((s * 0.25 * (width_m - 0.36), 0.2, 0.66), (0.5 * (width_m - 0.4), 0.2, 0.42), 'sofa')
        for y in (-0.36, 0.36):
            w.rod((s * (0.5 * width_m - 0.12), y, 0.14), (s * (0.5 * width_m - 0.1), y, 0), 0.025, 'walnut_z', 0.015)
    w.at(-0.62, 0.02, 0.68, yaw_deg=22, tilt_deg=-18).cushion((0, 0, 0), (0.44, 0.14, 0.44), 'mustard')
    w.at(0.6, 0.02, 0.68, yaw_deg=-15, tilt_deg=-20).cushion((0, 0, 0), (0.42, 0.14, 0.42), 'striped')
    w.at(0.3, -0.02, 0.66, yaw_deg=-4, tilt_deg=-26).cushion((0, 0, 0), (0.38, 0.13, 0.38), 'linen')


def bookshelf(w: Workshop, dice: random.Random, width_m: float = 1.9, height_m: float = 2.1):
    """Open shelves with books, boxes and things; the back stands at y = +0.3."""
    for x in (-0.5 * width_m, 0, 0.5 * width_m):
        w.box((x, 0.15, 0.5 * height_m), (0.028, 0.3, height_m), 'oak_z', 0.003)
    w.box((0, 0.295, 0.5 * height_m), (width_m, 0.01, height_m), 'oak', 0)
    levels = [0.06, 0.44, 0.79, 1.12, 1.45, 1.78, height_m - 0.014]
    for z in levels:
        w.box((0, 0.15, z), (width_m, 0.298, 0.026), 'oak', 0.003)
    span = 0.5 * width_m - 0.05
    for i, (low, high) in enumerate(itertools.pairwise(levels)):
        for side in (0, 1):
            bay = w.at(-0.5 * width_m + 0.025 + side * (0.5 * width_m), 0.05, low + 0.013)
            room = high - low - 0.05
            kind = (i * 2 + side) % 12
            if kind in (0, 5):  # two storage boxes
                for k in range(2):
                    color = ((0.5, 0.42, 0.3), (0.16, 0.22, 0.24))[(k + side) % 2]
                    bay.box((0.22 + 0.44 * k, 0.12, 0.45 * room), (0.36, 0.22, 0.9 * room), 'plastic', 0.012, 3, color)
                    bay.box((0.22 + 0.44 * k, 0.005, 0.6 * room), (0.1, 0.012, 0.03), 'brass', 0.003)
            elif kind in (3, 8):
                household.books(bay, dice, 0.5 * span, room)
                bay.lathe(
                    (0.74 * span, 0.12, 0), household.vase_profile(0.075, 0.9 * room), 'glazed', color=(0.08, 0.2, 0.28)
                )
            elif kind in (6, 11):
                household.stack(bay.at(0.17, 0.12), dice, 4)
                household.bowl(bay.at(0.17, 0.12, household.stack_height(4)), (0.55, 0.3, 0.12), 0.075)
                household.books(bay.at(0.38, 0), dice, span - 0.38, room)
            else:
                household.books(bay, dice, span - dice.uniform(0.0, 0.25), room)


def sideboard(w: Workshop, width_m: float = 1.7):
    """A low cabinet with sliding doors on thin legs; top at 0.72 m, 0.42 m deep around y = 0."""
    w.box((0, 0, 0.45), (width_m, 0.42, 0.54), 'walnut', 0.006)
    for i in range(3):
        x = (i - 1) * width_m / 3
        w.box((x, -0.215, 0.45), (width_m / 3 - 0.02, 0.018, 0.47), 'oak' if i != 1 else 'white_gloss', 0.004)
        w.rod((x + 0.18, -0.224, 0.52), (x + 0.18, -0.245, 0.52), 0.014, 'brass')
    for sx in (-1, 1):
        for y in (-0.15, 0.15):
            w.rod(
                (sx * (0.5 * width_m - 0.12), y, 0.19), (sx * (0.5 * width_m - 0.08), y, 0), 0.02, 'black_steel', 0.012
            )


def coffee_table(w: Workshop):
    top = [(0, 0.385), (0.4, 0.385), (0.42, 0.392), (0.425, 0.402), (0.42, 0.412), (0.4, 0.418), (0, 0.418)]
    w.lathe((0, 0, 0), top, 'oak', 64)
    for i in range(3):
        a = 2 * math.pi * i / 3 + 0.4
        w.rod(
            (0.26 * math.cos(a), 0.26 * math.sin(a), 0.39),
            (0.36 * math.cos(a), 0.36 * math.sin(a), 0),
            0.02,
            'black_steel',
            0.011,
        )


def stool(w: Workshop, height_m: float = 0.46):
    w.lathe(
        (0, 0, 0),
        [(0, height_m - 0.035), (0.15, height_m - 0.035), (0.165, height_m - 0.02), (0.16, height_m), (0, height_m)],
        'oak',
    )
    for i in range(4):
        a = math.pi * (0.25 + 0.5 * i)
        c, s = math.cos(a), math.sin(a)
        w.rod((0.1 * c, 0.1 * s, height_m - 0.03), (0.17 * c, 0.17 * s, 0), 0.014, 'beech', 0.011)
        n = math.pi * (0.75 + 0.5 * i)
        w.rod((0.145 * c, 0.145 * s, 0.17), (0.145 * math.cos(n), 0.145 * math.sin(n), 0.17), 0.007, 'black_steel')


def floor_lamp(w: Workshop):
    w.lathe((0, 0, 0), [(0, 0), (0.14, 0), (0.14, 0.018), (0.02, 0.03), (0, 0.03)], 'black_steel')
    w.rod((0, 0, 0.02), (0, 0, 1.5), 0.011, 'brass')
    w.lathe((0, 0, 0), [(0.2, 1.36), (0.15, 1.66)], 'shade')


def table_lamp(w: Workshop):
    w.lathe(
        (0, 0, 0),
        [(0, 0), (0.06, 0), (0.1, 0.05), (0.105, 0.11), (0.07, 0.19), (0.025, 0.23), (0.015, 0.28), (0, 0.28)],
        'glazed',
        color=(0.1, 0.28, 0.27),
    )
    w.rod((0, 0, 0.27), (0, 0, 0.36), 0.008, 'brass')
    w.lathe((0, 0, 0), [(0.16, 0.29), (0.11, 0.5)], 'shade')


def pendant(w: Workshop, ceiling_m: float):
    """A metal dome that hangs from the ceiling; the frame's origin is its lower rim."""
    w.lathe(
        (0, 0, 0),
        [(0.215, 0), (0.2, 0.06), (0.15, 0.13), (0.07, 0.175), (0.035, 0.19), (0.03, 0.25), (0, 0.25)],
        'black_matt',
        48,
    )
    w.lathe((0, 0, 0), [(0.21, 0.002), (0.195, 0.058), (0.145, 0.125), (0.066, 0.168), (0, 0.172)], 'brass', 48)
    w.lathe((0, 0, 0.06), [(0, 0), (0.03, 0.012), (0.04, 0.04), (0.03, 0.07), (0, 0.1)], 'bulb', 20)
    w.rod((0, 0, 0.24), (0, 0, ceiling_m), 0.004, 'black_matt')
