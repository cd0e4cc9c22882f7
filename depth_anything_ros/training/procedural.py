# SPDX-License-Identifier: Apache-2.0
"""Procedural scenes for volume: rooms, table tops, streets and floating clutter; a new one for every seed.

World frame: z up, metres. Every scene is a list of textured solids, rendered by `raycast` with exact depth through
a window of a larger virtual image, so that focal length and principal point vary as in crops of real cameras.
"""

from __future__ import annotations

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.training.primitives import BOX, CARD, CYLINDER, ELLIPSOID, ROOM, Solid
from depth_anything_ros.training.raycast import Light, Rendering, render
from depth_anything_ros.training.selection import worth_keeping
from depth_anything_ros.training.textures import TextureBank

KINDS = ('room', 'table', 'street', 'clutter')
SHARES = (0.4, 0.15, 0.35, 0.1)


def generate(rng: np.random.Generator, bank: TextureBank, width: int, height: int, kind: str | None = None):
    """-> Rendering of a random scene of `kind` (one of KINDS; None: drawn by SHARES)."""
    while True:
        drawn = kind or str(rng.choice(KINDS, p=SHARES))
        solids, pose, light = _SCENES[drawn](_Maker(rng, bank))
        rendering = render(solids, bank, _camera(rng, width, height, drawn), pose, light, rng)
        if worth_keeping(rng, rendering.depth_m):
            return rendering


class _Maker:
    """Solids with random textures; remembers them in `solids`."""

    def __init__(self, rng: np.random.Generator, bank: TextureBank):
        self.rng, self.bank = rng, bank
        self.solids: list[Solid] = []

    def u(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def n(self, low: int, high: int) -> range:
        return range(int(self.rng.integers(low, high + 1)))

    def look(self) -> dict:
        """A texture with scale and tint; parts of one object share it."""
        tint = np.clip(1 + self.rng.normal(0, 0.15, 3), 0.4, 1.6) * self.u(0.5, 1.2)
        return {
            'texture': int(self.rng.integers(self.bank.count)),
            'metres_per_tile': float(np.exp(self.u(np.log(0.15), np.log(2.5)))),
            'tint': tuple(tint.astype(np.float32)),
        }

    def add(self, shape: str, centre, half, rotation=None, look: dict | None = None, **more):
        rotation = np.eye(3) if rotation is None else rotation
        self.solids.append(
            Solid(
                shape,
                np.asarray(centre, np.float32),
                np.maximum(np.asarray(half, np.float32), 1e-3),
                rotation=rotation.astype(np.float32),
                **(look or self.look()),
                **more,
            )
        )

    def thing(self, x: float, y: float, floor_z: float, size: float):
        """Some object standing on floor_z, about `size` metres."""
        half = size * np.exp(self.rng.normal(0, 0.4, 3)) / 2
        turn = yaw(self.u(0, np.pi))
        shape = str(self.rng.choice([BOX, BOX, CYLINDER, ELLIPSOID, 'stack', 'chair', 'rod', 'plant']))
        look = self.look()
        if shape in (BOX, CYLINDER, ELLIPSOID):
            self.add(shape, (x, y, floor_z + half[2]), half, turn, look)
        elif shape == 'stack':
            for _ in self.n(2, 4):
                self.add(BOX, (x, y, floor_z + half[2] / 2), half * (1, 1, 0.5), yaw(self.u(0, np.pi)))
                floor_z += half[2]
                half = half * self.u(0.6, 0.95)
        elif shape == 'chair':
            self.legs(x, y, floor_z, half[0], half[1], half[2], turn, look, thickness=0.06 * size)
            if self.rng.random() < 0.7:
                back = turn @ np.array([0, half[1], 0])
                self.add(BOX, (x + back[0], y + back[1], floor_z + 2 * half[2]), half * (1, 0.1, 0.8), turn, look)
        elif shape == 'rod':
            self.add(CYLINDER, (x, y, floor_z + size), (0.03 * size, 0.03 * size, size), tilt(self.rng, 0.2), look)
        else:
            self.add(CYLINDER, (x, y, floor_z + 0.3 * size), (0.2 * size, 0.2 * size, 0.3 * size), None, look)
            self.foliage(x, y, floor_z + size, 0.5 * size)

    def legs(self, x, y, floor_z, half_x, half_y, half_z, turn, look, thickness):
        """A slab on four legs; half_z: half the height of the whole."""
        slab = max(0.02, thickness / 2)
        self.add(BOX, (x, y, floor_z + 2 * half_z - slab), (half_x, half_y, slab), turn, look)
        for sx in (-1, 1):
            for sy in (-1, 1):
                foot = turn @ np.array([sx * (half_x - thickness), sy * (half_y - thickness), 0])
                centre = (x + foot[0], y + foot[1], floor_z + half_z - slab)
                self.add(BOX, centre, (thickness / 2, thickness / 2, half_z - slab), turn, look)

    def foliage(self, x, y, z, radius):
        look = self.look()
        for _ in self.n(2, 5):
            place = self.rng.normal((x, y, z), 0.35 * radius)
            half = np.full(3, radius * self.u(0.5, 1))
            cutout = int(self.rng.integers(len(self.bank.masks)))
            self.add(CARD, place, half, yaw(self.u(0, np.pi)), look, cutout=cutout)


def _room(make: _Maker):
    rng = make.rng
    half = np.array([make.u(1.2, 6), make.u(1.2, 6), make.u(1.1, 2)])
    if rng.random() < 0.15:
        half[1] *= 4  # corridor or hall
    make.add(ROOM, (0, 0, half[2]), half)
    x, y, top = half[0], half[1], 2 * half[2]
    make.add(BOX, (0, 0, 0), (x, y, 0.005))  # floor and ceiling with their own material
    make.add(BOX, (0, 0, top), (x, y, 0.005))
    for _ in make.n(1, 5):  # cabinets, shelves, doors and pictures along the walls
        wall, depth = int(rng.integers(4)), make.u(0.02, 0.5)
        width, height = make.u(0.2, 1.2), make.u(0.2, half[2])
        z = height if rng.random() < 0.6 else make.u(height, max(height, top - height))
        along = make.u(-1, 1) * (y if wall % 2 else x)
        side = 1 if wall < 2 else -1
        if wall % 2:
            make.add(BOX, (side * (x - depth), along, z), (depth, width, height))
        else:
            make.add(BOX, (along, side * (y - depth), z), (width, depth, height))
    for _ in make.n(1, 4):  # tables with things on them
        tx, ty, height = make.u(-x, x) * 0.8, make.u(-y, y) * 0.8, make.u(0.2, 0.55)
        half_x, half_y, turn = make.u(0.3, 0.9), make.u(0.3, 0.6), yaw(make.u(0, np.pi))
        make.legs(tx, ty, 0, half_x, half_y, height, turn, make.look(), make.u(0.03, 0.1))
        for _ in make.n(1, 8):
            offset = turn @ np.array([make.u(-half_x, half_x), make.u(-half_y, half_y), 0])
            make.thing(tx + offset[0], ty + offset[1], 2 * height, make.u(0.06, 0.35))
    for _ in make.n(4, 16):
        make.thing(make.u(-x, x) * 0.9, make.u(-y, y) * 0.9, 0, make.u(0.2, 1.2))
    for _ in make.n(0, 2):
        make.add(CYLINDER, (make.u(-x, x), make.u(-y, y), half[2]), (make.u(0.01, 0.2),) * 2 + (half[2],))
    eye = np.array(
        [0.9 * x * rng.choice([-1, 1]) * make.u(0.3, 1) ** 0.5, make.u(-y, y) * 0.9, min(make.u(0.3, 1.9), top - 0.2)]
    )
    # mostly looking into the room, not at the next wall
    into = np.arctan2(-eye[1], -eye[0]) + rng.normal(0, 0.6)
    return make.solids, pose(eye, into, rng.normal(-0.15, 0.25), rng.normal(0, 0.06)), _indoor_light(make)


def _table(make: _Maker):
    rng = make.rng
    make.add(BOX, (0, 0, -0.5), (make.u(0.4, 3), make.u(0.4, 3), 0.5))
    make.add(ROOM, (0, 0, 1.0), (make.u(1.5, 5), make.u(1.5, 5), make.u(1.8, 3)))
    for _ in make.n(3, 18):
        make.thing(rng.normal(0, 0.3), rng.normal(0, 0.3), 0, make.u(0.04, 0.4))
    distance, direction, down = make.u(0.5, 1.6), make.u(-np.pi, np.pi), make.u(0.15, 1.3)
    eye = distance * np.array([-np.cos(direction) * np.cos(down), -np.sin(direction) * np.cos(down), np.sin(down)])
    eye[2] += 0.05
    return make.solids, pose(eye, direction, -down + rng.normal(0, 0.1), rng.normal(0, 0.1)), _indoor_light(make)


def _street(make: _Maker):
    rng = make.rng
    road = make.look() | {'metres_per_tile': make.u(1.5, 8)}
    make.add(BOX, (0, 0, -5), (300, 300, 5), tilt(rng, 0.015), road)
    for side in (-1, 1):
        kerb = make.u(3, 9)
        wall = kerb + make.u(1, 16)
        if rng.random() < 0.7:
            make.add(BOX, (side * (kerb + 30), 0, 0), (30, 300, make.u(0.05, 0.25)), None, make.look())
        if rng.random() < 0.8:  # facades, hedges or fences in pieces
            y = make.u(-20, 5)
            while y < 110:
                length, height = make.u(3, 25), float(np.exp(make.u(np.log(1.0), np.log(18))))
                look = make.look() | {'metres_per_tile': make.u(1, 8)}
                inset = wall + make.u(0, 4)
                make.add(BOX, (side * (inset + 6), y + length / 2, height / 2), (6, length / 2, height / 2), None, look)
                y += length + (make.u(0, 12) if rng.random() < 0.5 else 0)
        for _ in make.n(0, 6):
            _vehicle(make, side * make.u(1.8, kerb + 1.0), make.u(4, 70), rng.normal(0, 0.08))
        for _ in make.n(0, 6):
            height, radius = make.u(1, 5), make.u(0.03, 0.25)
            make.add(CYLINDER, (side * make.u(kerb, wall), make.u(3, 60), height), (radius, radius, height))
        for _ in make.n(0, 4):
            _tree(make, side * make.u(kerb, wall + 4), make.u(5, 70))
        for _ in make.n(0, 3):
            _person(make, side * make.u(1, wall), make.u(3, 40))
    if rng.random() < 0.6:  # something that ends the street
        look = make.look() | {'metres_per_tile': make.u(1, 10)}
        make.add(BOX, (make.u(-20, 20), make.u(40, 130), 0), (make.u(5, 80), 3, make.u(2, 15)), None, look)
    if rng.random() < 0.3:
        _vehicle(make, make.u(-2.5, 2.5), make.u(6, 40), rng.normal(0, 0.3))
    eye = np.array([make.u(-2, 2), 0, make.u(1.0, 2.3)])
    heading = np.pi / 2 + (rng.normal(0, 0.15) if rng.random() < 0.7 else make.u(-np.pi, np.pi))
    light = Light(
        direction=_unit([rng.normal(), rng.normal(), make.u(0.4, 2)]),
        ambient=make.u(0.3, 0.8),
        colour=np.clip(1 + rng.normal(0, 0.08, 3), 0.7, 1.3).astype(np.float32) * make.u(0.7, 1.3),
        sky=np.clip(make.u(120, 250) + rng.normal(0, 15, 3), 60, 255).astype(np.float32),
        haze_per_m=float(rng.choice([0, 0.002, 0.01])),
    )
    return make.solids, pose(eye, heading, rng.normal(-0.03, 0.06), rng.normal(0, 0.02)), light


def _clutter(make: _Maker):
    rng = make.rng
    scale = np.exp(make.u(np.log(0.5), np.log(8)))
    far = scale * make.u(2, 6)
    make.add(BOX, (0, far + 0.2, 0), (20 * scale, 0.2, 20 * scale), tilt(rng, 0.5))
    for _ in make.n(5, 30):
        shape = str(rng.choice([BOX, CYLINDER, ELLIPSOID, CARD, CARD]))
        y = make.u(0.5 * scale, far)
        half = scale * np.exp(make.u(np.log(0.03), np.log(0.7))) * np.exp(rng.normal(0, 0.5, 3))
        cutout = int(rng.integers(len(make.bank.masks))) if rng.random() < 0.8 else None
        centre = (make.u(-1, 1) * y, y, make.u(-1, 1) * y)
        make.add(shape, centre, half, tilt(rng, 1.0) @ yaw(make.u(-1, 1)), cutout=cutout)
    return make.solids, pose(np.zeros(3), np.pi / 2, 0.0, rng.normal(0, 0.1)), _indoor_light(make)


_SCENES = {'room': _room, 'table': _table, 'street': _street, 'clutter': _clutter}


def _vehicle(make: _Maker, x, y, heading):
    look, dark = make.look(), make.look() | {'tint': (0.25, 0.25, 0.25)}
    turn = yaw(heading)
    size = make.u(0.85, 1.2) if make.rng.random() < 0.85 else make.u(1.6, 2.4)  # cars; vans and lorries
    half = np.array([0.9, 2.1, 0.42]) * size
    lift = 0.25 * size
    make.add(BOX, (x, y, lift + half[2]), half, turn, look)
    cabin = turn @ np.array([0, make.u(-0.5, 0.3) * size, 0])
    roof = half * (0.85, make.u(0.45, 0.95), make.u(0.7, 1.3))
    make.add(BOX, (x + cabin[0], y + cabin[1], lift + 2 * half[2] + roof[2]), roof, turn, dark)
    wheel = turn @ np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # cylinder axis across the vehicle
    for sx in (-1, 1):
        for sy in (-0.65, 0.65):
            place = turn @ np.array([sx * (half[0] - 0.05), sy * half[1], 0])
            make.add(CYLINDER, (x + place[0], y + place[1], 0.32 * size), (0.32 * size, 0.32 * size, 0.12), wheel, dark)


def _tree(make: _Maker, x, y):
    height, radius = make.u(1.2, 4), make.u(0.05, 0.3)
    make.add(CYLINDER, (x, y, height / 2), (radius, radius, height / 2))
    green = make.look() | {'tint': (make.u(0.4, 0.9), make.u(0.6, 1.1), make.u(0.3, 0.7)), 'metres_per_tile': 1.5}
    for _ in make.n(3, 8):
        place = np.array([x, y, height + make.u(0, 2)]) + make.rng.normal(0, 0.7, 3)
        half = np.full(3, make.u(0.5, 1.6))
        if make.rng.random() < 0.5:
            make.add(ELLIPSOID, place, half, None, green)
        else:
            cutout = int(make.rng.integers(len(make.bank.masks)))
            make.add(CARD, place, half, yaw(make.u(0, np.pi)), green, cutout=cutout)


def _person(make: _Maker, x, y):
    look = make.look()
    make.add(CYLINDER, (x, y, 0.42), (0.13, 0.16, 0.42), None, make.look())
    make.add(ELLIPSOID, (x, y, 1.15), (0.22, 0.26, 0.36), None, look)
    make.add(ELLIPSOID, (x, y, 1.62), (0.1, 0.1, 0.13), None, make.look())


def _indoor_light(make: _Maker) -> Light:
    rng = make.rng
    return Light(
        direction=_unit([rng.normal(), rng.normal(), make.u(0.3, 2)]),
        ambient=make.u(0.25, 0.8),
        colour=np.clip(1 + rng.normal(0, 0.12, 3), 0.6, 1.4).astype(np.float32) * make.u(0.5, 1.3),
        sky=np.full(3, 128, np.float32),
        shadows=bool(rng.random() < 0.7),
    )


def _camera(rng, width: int, height: int, kind: str) -> CameraModel:
    """A window of `width` x `height` px of a virtual image 1 to 3 times as wide, away from its centre as may be."""
    zoom = float(np.exp(rng.uniform(0, np.log(3.0 if kind == 'street' else 2.2))))
    focal = 0.5 * width * zoom / np.tan(np.radians(rng.uniform(50, 95)) / 2)
    slack_x, slack_y = width * (zoom - 1) / 2, height * (zoom - 1) / 2 * (0.35 if kind == 'street' else 0.8)
    cx = (width - 1) / 2 + rng.uniform(-slack_x, slack_x)
    cy = (height - 1) / 2 + rng.uniform(-slack_y, slack_y)
    return CameraModel(width, height, focal, focal * rng.uniform(0.98, 1.02), cx, cy)


def yaw(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def tilt(rng, spread: float) -> np.ndarray:
    """A small random rotation about the horizontal axes."""
    a, b = rng.normal(0, spread, 2)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    return about_x @ about_y


def pose(eye_m, heading: float, pitch: float, roll: float) -> tuple[np.ndarray, np.ndarray]:
    """World from an optical frame (x right, y down, z forward) looking along heading, pitched up, rolled."""
    forward = np.array([np.cos(heading) * np.cos(pitch), np.sin(heading) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(heading), -np.cos(heading), 0])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward], axis=1), np.asarray(eye_m)


def _unit(vector) -> np.ndarray:
    vector = np.asarray(vector, np.float32)
    return vector / np.linalg.norm(vector)


__all__ = ['KINDS', 'Rendering', 'generate']
