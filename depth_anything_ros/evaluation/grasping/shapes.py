# SPDX-License-Identifier: Apache-2.0
"""Random household shapes that a parallel gripper can hold, made of MuJoCo's primitives: exact to cast rays at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Part:
    """One geom of MuJoCo: kind, its size as MuJoCo means it, where it is in the shape's frame (z up, 0 at its foot)."""

    kind: str
    size_m: tuple[float, ...]
    place_m: tuple[float, float, float]
    euler_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    share: float = 1.0  # of the shape's mass

    def xml(self, attributes: str) -> str:
        place, size, euler = (
            ' '.join(f'{value:.5f}' for value in values) for values in (self.place_m, self.size_m, self.euler_deg)
        )
        return f'<geom type="{self.kind}" size="{size}" pos="{place}" euler="{euler}" {attributes}/>'


@dataclass(frozen=True)
class Shape:
    """middle_m: height of what a camera aims at. hollow: glass of this shape is thin-walled, not solid."""

    name: str
    parts: tuple[Part, ...]
    middle_m: float
    mass_kg: float
    hollow: bool = True


def carton(rng: np.random.Generator) -> Shape:
    x, y, z = rng.uniform(0.032, 0.06), rng.uniform(0.05, 0.1), rng.uniform(0.05, 0.15)
    return Shape('box', (Part('box', (x / 2, y / 2, z / 2), (0, 0, z / 2)),), z / 2, rng.uniform(0.1, 0.35), False)


def can(rng: np.random.Generator) -> Shape:
    radius, high = rng.uniform(0.024, 0.033), rng.uniform(0.07, 0.15)
    return Shape('can', (Part('cylinder', (radius, high / 2), (0, 0, high / 2)),), high / 2, rng.uniform(0.15, 0.4))


def ball(rng: np.random.Generator) -> Shape:
    radius = rng.uniform(0.025, 0.035)
    return Shape('ball', (Part('sphere', (radius,), (0, 0, radius)),), radius, rng.uniform(0.06, 0.2), False)


def bottle(rng: np.random.Generator) -> Shape:
    radius, high = rng.uniform(0.025, 0.033), rng.uniform(0.09, 0.13)
    neck, neck_high = rng.uniform(0.011, 0.014), rng.uniform(0.05, 0.065)
    parts = (
        Part('cylinder', (radius, high / 2), (0, 0, high / 2), share=0.8),
        Part('ellipsoid', (radius, radius, 0.03), (0, 0, high), share=0.1),
        Part('cylinder', (neck, neck_high / 2), (0, 0, high + neck_high / 2), share=0.1),
    )
    return Shape('bottle', parts, high / 2, rng.uniform(0.15, 0.4))


def mug(rng: np.random.Generator) -> Shape:
    radius, high = rng.uniform(0.029, 0.034), rng.uniform(0.075, 0.1)
    reach, half = radius + 0.024, 0.28 * high
    bar = 0.0055
    parts = (
        Part('cylinder', (radius, high / 2), (0, 0, high / 2), share=0.91),
        Part('capsule', (bar, half), (reach, 0, high / 2), share=0.05),
        Part('capsule', (bar, 0.013), (reach - 0.012, 0, high / 2 + half), (0, 90, 0), 0.02),
        Part('capsule', (bar, 0.013), (reach - 0.012, 0, high / 2 - half), (0, 90, 0), 0.02),
    )
    return Shape('mug', parts, high / 2, rng.uniform(0.15, 0.35))


def goblet(rng: np.random.Generator) -> Shape:
    bowl, stem, cup = rng.uniform(0.028, 0.033), rng.uniform(0.05, 0.07), rng.uniform(0.04, 0.05)
    parts = (
        Part('cylinder', (0.031, 0.003), (0, 0, 0.003), share=0.4),
        Part('cylinder', (0.006, stem / 2 + 0.01), (0, 0, stem / 2 + 0.01), share=0.2),
        Part('ellipsoid', (bowl, bowl, cup), (0, 0, 0.006 + stem + cup * 0.85), share=0.4),
    )
    return Shape('goblet', parts, 0.006 + stem + cup / 2, rng.uniform(0.1, 0.2))


def tube(rng: np.random.Generator) -> Shape:
    """Lies on the table."""
    radius, half = rng.uniform(0.02, 0.03), rng.uniform(0.03, 0.06)
    return Shape(
        'tube', (Part('capsule', (radius, half), (0, 0, radius), (90, 0, 0)),), radius, rng.uniform(0.08, 0.25)
    )


FAMILIES: tuple[Callable[[np.random.Generator], Shape], ...] = (carton, can, bottle, ball, mug, tube, goblet)
