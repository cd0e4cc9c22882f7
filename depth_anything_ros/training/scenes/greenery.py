# SPDX-License-Identifier: Apache-2.0
"""Trees, bushes and hedges, with leaves that stand out singly."""

from __future__ import annotations

import math
import random

import bpy  # noqa: F401  mathutils is importable only after it
import numpy as np
from mathutils import Vector, noise

from depth_anything_ros.training.scenes.shapes import Workshop


def hedge(w: Workshop, dice: random.Random, length: float, height: float):
    """Bushes in a row, or a clipped hedge."""
    if dice.random() < 0.4:
        w.box((0, 0.4, height / 2), (length, 0.8, height), 'hedge', 0.1, 3)
        leaves(w, dice, (0, 0.4, height / 2), (length / 2, 0.43, height / 2), int(60 * length), 0.09)
        return
    for i in range(int(length / 1.1)):
        x = -length / 2 + 1.1 * i + dice.gauss(0, 0.1)
        blob(w, (x, dice.gauss(0.4, 0.15), 0.45 * height), 0.6 * height * dice.uniform(0.8, 1.2), dice)


def blob(w: Workshop, center, radius_m: float, dice: random.Random, material: str = 'hedge'):
    """A bush: a sphere made rough by noise, with loose leaves around it."""
    seed = Vector([dice.uniform(0, 50) for _ in range(3)])
    rows, columns = 14, 22
    vertices, faces = [], []
    for r in range(rows + 1):
        for c in range(columns):
            polar, turn = math.pi * r / rows, 2 * math.pi * c / columns
            d = Vector((math.sin(polar) * math.cos(turn), math.sin(polar) * math.sin(turn), math.cos(polar)))
            vertices.append(
                d * radius_m * (0.9 + 0.25 * noise.noise(2.2 * d + seed) + 0.25 * noise.noise(7 * d + seed))
            )
    for r in range(rows):
        for c in range(columns):
            n = (c + 1) % columns
            faces.append((r * columns + c, (r + 1) * columns + c, (r + 1) * columns + n, r * columns + n))
    w.mesh(vertices, faces, material, smooth=True, origin=center)
    leaves(w, dice, center, (radius_m,) * 3, int(160 * radius_m), 0.1 * radius_m + 0.04)


def leaves(w: Workshop, dice: random.Random, center, half, count: int, size_m: float):
    """Single leaves on the surface of an ellipsoid or box of the given half extents."""
    generator = np.random.default_rng(dice.randrange(2**32))
    direction = generator.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    middle = direction * np.asarray(half) * generator.uniform(0.75, 1.15, (count, 1)) + np.asarray(center)
    across = generator.normal(size=(2, count, 3))
    across *= size_m * generator.uniform(0.4, 1.0, (1, count, 1)) / np.linalg.norm(across, axis=2, keepdims=True)
    corners = middle[:, None] + np.stack([-across[0], -across[1], across[0], across[1]], axis=1)
    faces = np.arange(4 * count).reshape(-1, 4)
    w.mesh(corners.reshape(-1, 3), faces.tolist(), 'leaves')


def tree(w: Workshop, dice: random.Random, bare: bool | None = None):
    """A trunk with branches; a crown unless it is bare."""
    height, radius = dice.uniform(1.6, 4.0), dice.uniform(0.06, 0.28)
    w.rod((0, 0, -0.1), (dice.gauss(0, 0.15), dice.gauss(0, 0.15), height), radius, 'bark', 0.7 * radius, 10)
    bare = dice.random() < 0.25 if bare is None else bare
    crown = dice.uniform(1.0, 2.6)
    for _ in range(dice.randint(5, 9) if bare else 4):
        a, rise = dice.uniform(0, 2 * math.pi), dice.uniform(0.4, 1.3) * crown
        tip = (crown * math.cos(a) * 0.8, crown * math.sin(a) * 0.8, height + rise)
        w.rod((0, 0, height * dice.uniform(0.7, 1.0)), tip, 0.4 * radius, 'bark', 0.015, 7)
        if bare:
            for _ in range(4):
                twig = [t + dice.gauss(0, 0.5) for t in tip]
                w.rod(
                    [0.6 * t + (0.4 * height if i == 2 else 0) for i, t in enumerate(tip)], twig, 0.02, 'bark', 0.005, 5
                )
    if not bare:
        for _ in range(dice.randint(3, 5)):
            place = (dice.gauss(0, 0.4) * crown, dice.gauss(0, 0.4) * crown, height + dice.uniform(0.2, 1.0) * crown)
            blob(w, place, crown * dice.uniform(0.5, 0.8), dice)
