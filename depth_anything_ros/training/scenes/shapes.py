# SPDX-License-Identifier: Apache-2.0
"""Mesh primitives placed in a local frame: what furniture is put together from. Metres, z up."""

from __future__ import annotations

import itertools
import math

import bpy
from mathutils import Matrix, Vector


class Workshop:
    """Adds objects to the open Blender scene, relative to a local frame.

    materials: name -> bpy material. `at` gives a workshop whose frame is moved and turned, so that a chair
    is described once and put anywhere.
    """

    def __init__(self, materials: dict[str, bpy.types.Material], frame: Matrix | None = None):
        self.materials = materials
        self.frame = frame or Matrix.Identity(4)

    def at(self, x: float, y: float, z: float = 0.0, yaw_deg: float = 0.0, tilt_deg: float = 0.0) -> Workshop:
        """A workshop at (x, y, z) of this one, turned by yaw about z, then tilted about the new x axis."""
        turn = Matrix.Rotation(math.radians(yaw_deg), 4, 'Z') @ Matrix.Rotation(math.radians(tilt_deg), 4, 'X')
        return Workshop(self.materials, self.frame @ Matrix.Translation((x, y, z)) @ turn)

    def mesh(self, vertices, faces, material: str, smooth: bool = False, origin=(0, 0, 0), color=None):
        """One object of the given vertices (local to `origin`) and faces; the normals are made consistent."""
        data = bpy.data.meshes.new(material)
        data.from_pydata([tuple(v) for v in vertices], [], [tuple(f) for f in faces])
        data.materials.append(self.materials[material])
        data.shade_smooth() if smooth else data.shade_flat()
        if smooth:
            data.set_sharp_from_angle(angle=math.radians(40))
        built = bpy.data.objects.new(material, data)
        built.matrix_world = self.frame @ Matrix.Translation(origin)
        if color is not None:
            built.color = (*color, 1.0)
        bpy.context.scene.collection.objects.link(built)
        return built

    def box(self, center, size, material: str, bevel_m: float = 0.004, segments: int = 2, color=None):
        """Axis aligned box with rounded edges; a real edge is never perfectly sharp and catches light."""
        hx, hy, hz = (0.5 * s for s in size)
        vertices = [(sx * hx, sy * hy, sz * hz) for sx in (-1, 1) for sy in (-1, 1) for sz in (-1, 1)]
        faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        built = self.mesh(vertices, faces, material, origin=center, color=color)
        if bevel_m > 0:
            modifier = built.modifiers.new('bevel', 'BEVEL')
            modifier.width = min(bevel_m, 0.45 * min(size))
            modifier.segments = segments
            if segments > 2:
                built.data.shade_smooth()
        return built

    def cushion(self, center, size, material: str, color=None):
        """A soft box: bulging faces and wide round edges."""
        built = self.box(center, size, material, bevel_m=0.42 * min(size), segments=5, color=color)
        bulge = built.modifiers.new('bulge', 'CAST')
        bulge.cast_type, bulge.factor = 'SPHERE', 0.06
        return built

    def lathe(self, location, profile, material: str, steps: int = 40, color=None):
        """Turned body. profile: (radius, height) from bottom to top; a radius of 0 closes an end."""
        vertices, faces, rings = [], [], []
        for radius, height in profile:
            count = 1 if radius == 0 else steps
            rings.append(range(len(vertices), len(vertices) + count))
            for i in range(count):
                angle = 2 * math.pi * i / steps
                vertices.append((radius * math.cos(angle), radius * math.sin(angle), height))
        for lower, upper in itertools.pairwise(rings):
            for i in range(steps):
                j = (i + 1) % steps
                if len(lower) == 1 and len(upper) > 1:
                    faces.append((lower[0], upper[j], upper[i]))
                elif len(upper) == 1 and len(lower) > 1:
                    faces.append((lower[i], lower[j], upper[0]))
                elif len(lower) > 1:
                    faces.append((lower[i], lower[j], upper[j], upper[i]))
        return self.mesh(vertices, faces, material, smooth=True, origin=location, color=color)

    def rod(self, start, end, radius_m: float, material: str, end_radius_m: float | None = None, steps: int = 16):
        """A round bar between two points, tapered where end_radius_m is given."""
        start, end = Vector(start), Vector(end)
        turn = (end - start).to_track_quat('Z', 'Y').to_matrix().to_4x4()
        frame = self.frame @ Matrix.Translation(start) @ turn
        tip = radius_m if end_radius_m is None else end_radius_m
        profile = [(0, 0), (radius_m, 0), (tip, (end - start).length), (0, (end - start).length)]
        return Workshop(self.materials, frame).lathe((0, 0, 0), profile, material, steps)

    def torus(self, center, radius_m: float, thickness_m: float, material: str, arc_deg: float = 360, color=None):
        """A ring, or a part of it, standing in the x-z plane: handles and rims."""
        around, across = 24, 10
        closed = arc_deg >= 360
        vertices, faces = [], []
        for i in range(around + (not closed)):
            a = math.radians(arc_deg) * i / around - math.radians(arc_deg) / 2
            for k in range(across):
                b = 2 * math.pi * k / across
                r = radius_m + thickness_m * math.cos(b)
                vertices.append((r * math.cos(a), thickness_m * math.sin(b), r * math.sin(a)))
        total = len(vertices)
        for i in range(around):
            for k in range(across):
                m = (k + 1) % across
                a, b = i * across, (i + 1) * across
                faces.append((a + k, (b + k) % total, (b + m) % total, a + m))
        return self.mesh(vertices, faces, material, smooth=True, origin=center, color=color)

    def curtain(self, start, end, height_m: float, material: str, folds: int):
        """Hanging cloth with folds between two points of the floor plan; `start` and `end` give its lower edge."""
        start, end = Vector(start), Vector(end)
        along = end - start
        side = Vector((-along.y, along.x, 0)).normalized()
        columns, rows = folds * 10, 8
        vertices, faces = [], []
        for r in range(rows + 1):
            fall = 1 - r / rows
            for c in range(columns + 1):
                u = c / columns
                wave = math.sin(2 * math.pi * folds * u + 0.6 * math.sin(7 * u + 2 * fall))
                depth = (0.028 + 0.016 * fall) * wave + 0.012 * math.sin(11 * u + 3 * fall)
                vertices.append(along * u + side * depth + Vector((0, 0, height_m * (1 - fall))))
        for r in range(rows):
            for c in range(columns):
                a = r * (columns + 1) + c
                faces.append((a, a + 1, a + columns + 2, a + columns + 1))
        return self.mesh(vertices, faces, material, smooth=True, origin=start)

    def leaf(self, root, yaw_deg: float, length_m: float, width_m: float, droop: float, material: str):
        """A bent leaf blade that starts at `root`, rises and falls over; droop in [0, 1]."""
        rows = 9
        vertices, faces = [], []
        for r in range(rows + 1):
            u = r / rows
            half = 0.5 * width_m * math.sin(math.pi * min(1.0, 0.06 + 0.94 * u)) ** 0.7
            out = length_m * (u * (1 - 0.35 * droop * u))
            up = length_m * ((0.95 - 0.5 * droop) * u - 1.15 * droop * u * u)
            for s in (-1, 0, 1):
                vertices.append((out, s * half, up + 0.18 * half * abs(s)))
        for r in range(rows):
            for s in range(2):
                a = r * 3 + s
                faces.append((a, a + 1, a + 4, a + 3))
        turned = self.at(*root, yaw_deg=yaw_deg)
        return turned.mesh(vertices, faces, material, smooth=True)
