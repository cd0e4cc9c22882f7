# SPDX-License-Identifier: Apache-2.0
"""Builds the furnished living room in Blender. The odom frame: x ahead, y left, z up, the robot starts at 0, 0."""

from __future__ import annotations

import math
import random

import bpy
import numpy as np
from mathutils import Vector, noise

from depth_anything_ros.training.scenes import furniture, household
from depth_anything_ros.training.scenes.materials import all_materials
from depth_anything_ros.training.scenes.shapes import Workshop

BACK_M, FRONT_M, RIGHT_M, LEFT_M, CEILING_M = -1.3, 6.1, -2.3, 2.7, 2.65
WINDOW_X_M, WINDOW_Z_M = (2.7, 4.7), (0.92, 2.3)


def build_room() -> None:
    """Empties Blender and builds room, furniture, garden and light."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    w = Workshop(all_materials())
    dice = random.Random(4)
    _shell(w)
    _window(w)
    _garden(w, dice)
    _furnish(w, dice)
    _lights()


def _shell(w: Workshop) -> None:
    cx, cy = 0.5 * (BACK_M + FRONT_M), 0.5 * (LEFT_M + RIGHT_M)
    sx, sy = FRONT_M - BACK_M, LEFT_M - RIGHT_M
    t = 0.2
    w.box((cx, cy, -0.05), (sx + 0.4, sy + 0.4, 0.1), 'floor', 0)
    w.box((cx, cy, CEILING_M + 0.05), (sx + 0.4, sy + 0.4, 0.1), 'ceiling', 0)
    w.box((FRONT_M + t / 2, cy, 0.5 * CEILING_M), (t, sy + 0.4, CEILING_M), 'brick', 0)
    w.box((BACK_M - t / 2, cy, 0.5 * CEILING_M), (t, sy + 0.4, CEILING_M), 'wall', 0)
    w.box((cx, RIGHT_M - t / 2, 0.5 * CEILING_M), (sx, t, CEILING_M), 'wall_green', 0)
    (x0, x1), (z0, z1) = WINDOW_X_M, WINDOW_Z_M
    y = LEFT_M + t / 2
    w.box((0.5 * (BACK_M + x0), y, 0.5 * CEILING_M), (x0 - BACK_M, t, CEILING_M), 'wall', 0)
    w.box((0.5 * (x1 + FRONT_M), y, 0.5 * CEILING_M), (FRONT_M - x1, t, CEILING_M), 'wall', 0)
    w.box((0.5 * (x0 + x1), y, 0.5 * z0), (x1 - x0, t, z0), 'wall', 0)
    w.box((0.5 * (x0 + x1), y, 0.5 * (z1 + CEILING_M)), (x1 - x0, t, CEILING_M - z1), 'wall', 0)
    w.box((FRONT_M - 0.01, cy, 0.05), (0.02, sy, 0.1), 'trim', 0.004)
    w.box((cx, LEFT_M - 0.01, 0.05), (sx, 0.02, 0.1), 'trim', 0.004)
    w.box((cx, RIGHT_M + 0.01, 0.05), (sx, 0.02, 0.1), 'trim', 0.004)
    for x in (0.6, 2.4, 4.2, 5.8):
        w.box((x, cy, CEILING_M - 0.07), (0.14, sy, 0.14), 'oak_y', 0.006)


def _window(w: Workshop) -> None:
    """An open casement: frame and bars without panes, so that depth behind it is well defined."""
    (x0, x1), (z0, z1) = WINDOW_X_M, WINDOW_Z_M
    y, xm, zm = LEFT_M + 0.1, 0.5 * (x0 + x1), 0.5 * (z0 + z1)
    for x in (x0 + 0.03, xm, x1 - 0.03):
        w.box((x, y, zm), (0.06, 0.07, z1 - z0), 'trim', 0.006)
    for z in (z0 + 0.03, z1 - 0.03):
        w.box((xm, y, z), (x1 - x0, 0.068, 0.06), 'trim', 0.006)
    w.box((xm, y, z0 + 0.68 * (z1 - z0)), (x1 - x0, 0.04, 0.035), 'trim', 0.004)
    w.box((xm, LEFT_M - 0.06, z0 - 0.015), (x1 - x0 + 0.16, 0.3, 0.03), 'trim', 0.006)
    w.rod((x0 - 0.4, LEFT_M - 0.12, z1 + 0.14), (x1 + 0.4, LEFT_M - 0.12, z1 + 0.14), 0.014, 'brass')
    w.curtain((x0 - 0.33, LEFT_M - 0.12, 0.06), (x0 + 0.12, LEFT_M - 0.12, 0.06), z1 + 0.07, 'drape', 6)
    w.curtain((x1 - 0.12, LEFT_M - 0.12, 0.06), (x1 + 0.33, LEFT_M - 0.12, 0.06), z1 + 0.07, 'drape', 6)
    for i, color in enumerate([(0.6, 0.55, 0.45), (0.35, 0.14, 0.08)]):
        w.lathe((x0 + 0.75 + 0.62 * i, LEFT_M - 0.1, z0), household.vase_profile(0.07, 0.16), 'glazed', color=color)


def _garden(w: Workshop, dice: random.Random) -> None:
    w.box((4, 22.9, -0.75), (70, 40, 0.1), 'hedge', 0)
    for i in range(16):
        x, y = -6 + 1.7 * i + dice.uniform(-0.5, 0.5), dice.uniform(7.2, 9.5)
        _blob(w, (x, y, dice.uniform(-0.2, 0.5)), dice.uniform(0.9, 1.4), dice)
    for x, y in ((3.6, 10.5), (8.5, 9.0), (13.0, 12.0)):
        w.rod((x, y, -0.8), (x + 0.2, y, 2.2), 0.16, 'walnut_z', 0.09)
        for _ in range(5):
            shift = [dice.uniform(-1.1, 1.1) for _ in range(3)]
            _blob(w, (x + shift[0], y + shift[1], 2.9 + 0.6 * shift[2]), dice.uniform(0.8, 1.2), dice)


def _blob(w: Workshop, center, radius_m: float, dice: random.Random) -> None:
    """A bush: a sphere made rough by noise."""
    seed = Vector([dice.uniform(0, 50) for _ in range(3)])
    rows, columns = 28, 48
    vertices, faces = [], []
    for r in range(rows + 1):
        for c in range(columns):
            polar, turn = math.pi * r / rows, 2 * math.pi * c / columns
            d = Vector((math.sin(polar) * math.cos(turn), math.sin(polar) * math.sin(turn), math.cos(polar)))
            rough = (
                0.22 * noise.noise(2.2 * d + seed)
                + 0.16 * noise.noise(7 * d + seed)
                + 0.16 * noise.noise(17 * d + seed)
            )
            vertices.append(d * radius_m * (1 + rough))
    for r in range(rows):
        for c in range(columns):
            n = (c + 1) % columns
            faces.append((r * columns + c, (r + 1) * columns + c, (r + 1) * columns + n, r * columns + n))
    w.mesh(vertices, faces, 'hedge', smooth=True, origin=center)


def _furnish(w: Workshop, dice: random.Random) -> None:
    dining = w.at(3.05, -0.75, yaw_deg=4)
    furniture.table(dining)
    _lay_table(dining.at(0, 0, 0.74), dice)
    furniture.chair(w.at(2.72, -0.12, yaw_deg=8))
    furniture.chair(w.at(3.5, 0.02, yaw_deg=-14))
    furniture.chair(w.at(2.75, -1.42, yaw_deg=176))
    furniture.chair(w.at(4.15, -0.72, yaw_deg=-80))
    furniture.pendant(w.at(3.05, -0.75, 1.62), CEILING_M - 1.62)

    w.box((3.9, 1.05, 0.006), (2.3, 1.5, 0.012), 'rug', 0.004)
    furniture.coffee_table(w.at(3.75, 1.0, 0.012))
    household.stack(w.at(3.62, 0.92, 0.43, 30), dice, 2)
    household.bowl(w.at(3.9, 1.12, 0.43), (0.62, 0.58, 0.5), 0.11)
    household.mug(w.at(3.72, 1.2, 0.43, 40), (0.1, 0.22, 0.3))
    furniture.sofa(w.at(3.95, 2.1))
    furniture.floor_lamp(w.at(5.25, 2.1))
    household.plant(w.at(5.7, 2.3), dice, 0.4, 18, 0.62, 0.17, 'leaf')

    board = w.at(5.86, 0.55, yaw_deg=-90)
    furniture.sideboard(board)
    furniture.table_lamp(board.at(-0.62, 0.02, 0.72))
    household.globe(board.at(0.12, 0.02, 0.72))
    household.stack(board.at(0.5, -0.02, 0.72), dice, 5)
    board.lathe((0.72, 0.03, 0.72), household.vase_profile(0.075, 0.3), 'glazed', color=(0.6, 0.56, 0.48))
    household.bottle(board.at(-0.2, 0.04, 0.72), 'green_glass', 0.31)
    household.picture(w.at(FRONT_M - 0.02, 1.05, 1.62, -90), 'print_warm', 0.62, 0.82)
    household.picture(w.at(FRONT_M - 0.02, 0.2, 1.6, -90), 'print_blue', 0.62, 0.82)
    _clock(w.at(FRONT_M - 0.01, -1.05, 1.85, -90))

    furniture.bookshelf(w.at(4.25, RIGHT_M + 0.31, yaw_deg=180), dice)
    household.carton(w.at(5.66, -1.5), (0.6, 0.5, 0.42), 88)
    household.carton(w.at(5.68, -1.46, 0.42), (0.46, 0.4, 0.34), 101)
    household.carton(w.at(5.62, -0.82), (0.44, 0.38, 0.3), 70)
    household.toolbox(w.at(5.66, -1.47, 0.76, -80))
    household.carton(w.at(2.25, RIGHT_M + 0.35), (0.5, 0.4, 0.36), 5)

    furniture.stool(w.at(1.5, -0.62))
    household.stack(w.at(1.5, -0.62, 0.46, 20), dice, 3)
    household.mug(w.at(1.5, -0.6, 0.46 + household.stack_height(3), 200), (0.55, 0.2, 0.08))
    w.at(1.62, 1.12).box((0, 0, 0.3), (0.3, 0.3, 0.6), 'oak_z', 0.008)
    household.plant(w.at(1.62, 1.12, 0.6), dice, 0.2, 22, 0.34, 0.09, 'leaf_pale')
    w.lathe(
        (4.75, 0.3, 0.0),
        [(0.11 * math.sin(math.pi * i / 16), 0.11 - 0.11 * math.cos(math.pi * i / 16)) for i in range(1, 16)],
        'plastic',
        32,
        (0.75, 0.32, 0.04),
    )


def _lay_table(w: Workshop, dice: random.Random) -> None:
    """Things on the dining table; the frame's origin is the middle of its top."""
    w.box((0.02, 0, 0.002), (0.36, 0.84, 0.003), 'striped', 0)
    household.bowl(w.at(0.02, 0.05), (0.1, 0.24, 0.33), 0.15)
    for i, color in enumerate([(0.6, 0.06, 0.02), (0.75, 0.4, 0.03), (0.35, 0.5, 0.05), (0.7, 0.14, 0.03)]):
        a = 1.6 * i
        apple = [(0.038 * math.sin(math.pi * k / 14), 0.036 - 0.036 * math.cos(math.pi * k / 14)) for k in range(1, 14)]
        w.lathe(
            (0.02 + 0.055 * math.cos(a), 0.05 + 0.055 * math.sin(a), 0.045),
            [(0, apple[0][1]), *apple, (0, apple[-1][1])],
            'glazed',
            24,
            color,
        )
    household.mug(w.at(-0.5, 0.2, 0, 150), (0.6, 0.56, 0.48))
    household.mug(w.at(-0.33, -0.16, 0, -30), (0.08, 0.2, 0.26))
    household.bottle(w.at(0.33, 0.12), 'green_glass')
    household.bottle(w.at(0.42, 0.02), 'plastic', 0.24, (0.85, 0.82, 0.75))
    household.bottle(w.at(-0.12, -0.28), 'glass', 0.26)
    w.lathe((0.58, 0.24, 0), household.vase_profile(0.065, 0.2), 'glazed', color=(0.45, 0.1, 0.06))
    for i in range(7):
        tip = (0.58 + 0.11 * math.cos(0.9 * i), 0.24 + 0.11 * math.sin(0.9 * i), 0.36 + 0.025 * (i % 3))
        w.rod((0.58, 0.24, 0.12), tip, 0.003, 'leaf', 0.002, 8)
        w.lathe(
            tip,
            [(0, -0.01), (0.02, 0.0), (0.028, 0.016), (0.018, 0.03), (0, 0.034)],
            'plastic',
            12,
            (0.8, 0.55, 0.1) if i % 2 else (0.75, 0.68, 0.6),
        )
    plate = [(0, 0), (0.07, 0), (0.115, 0.014), (0.118, 0.018), (0.07, 0.006), (0, 0.005)]
    w.lathe((-0.48, -0.2, 0), plate, 'white_gloss', 48)
    w.lathe((0.5, -0.22, 0), plate, 'white_gloss', 48)
    household.stack(w.at(-0.2, 0.24, 0, 15), dice, 2)
    w.at(0.3, -0.25, 0.008, 25).box((0, 0, 0), (0.3, 0.21, 0.014), 'black_gloss', 0.004)
    w.at(-0.62, -0.02, 0).lathe(
        (0, 0, 0), [(0, 0), (0.03, 0), (0.03, 0.11), (0.028, 0.11), (0.027, 0.006), (0, 0.006)], 'glass', 32
    )


def _clock(w: Workshop) -> None:
    face = w.at(0, 0, 0, tilt_deg=90)
    face.lathe((0, 0, 0), [(0, 0), (0.16, 0), (0.165, 0.03), (0.15, 0.035), (0.148, 0.02), (0, 0.02)], 'black_matt', 48)
    face.lathe((0, 0, 0.0205), [(0.147, 0), (0, 0.001)], 'paper', 48)
    for i in range(12):
        a = math.pi * i / 6
        w.at(0.125 * math.sin(a), -0.023, 0.125 * math.cos(a)).box((0, 0, 0), (0.008, 0.003, 0.008), 'black_matt', 0)
    w.rod((0, -0.025, 0), (0.06, -0.025, 0.05), 0.004, 'black_matt')
    w.rod((0, -0.028, 0), (-0.03, -0.028, 0.105), 0.003, 'black_matt')


def _lights() -> None:
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new('sky')
    scene.world.use_nodes = True
    tree = scene.world.node_tree
    sky = tree.nodes.new('ShaderNodeTexSky')
    sky.sky_type, sky.sun_disc, sky.sun_elevation = 'MULTIPLE_SCATTERING', False, math.radians(32)
    tree.links.new(sky.outputs['Color'], tree.nodes['Background'].inputs['Color'])
    tree.nodes['Background'].inputs['Strength'].default_value = 0.16

    def lamp(kind, location, toward, energy, color, **settings):
        data = bpy.data.lights.new(kind, kind)
        data.energy, data.color = energy, color
        for name, value in settings.items():
            setattr(data, name, value)
        built = bpy.data.objects.new(kind, data)
        built.location = location
        built.rotation_euler = (Vector(toward)).to_track_quat('-Z', 'Y').to_euler()
        built.visible_camera = False
        built.visible_glossy = kind != 'AREA'
        scene.collection.objects.link(built)

    (x0, x1), (z0, z1) = WINDOW_X_M, WINDOW_Z_M
    middle = (0.5 * (x0 + x1), LEFT_M + 0.22, 0.5 * (z0 + z1))
    area = {'shape': 'RECTANGLE'}
    lamp('SUN', (0, 0, 5), (-0.22, -1, -0.56), 5.5, (1.0, 0.87, 0.7), angle=math.radians(0.8))
    lamp('AREA', middle, (0, -1, -0.15), 150, (0.8, 0.9, 1.0), size=x1 - x0, size_y=z1 - z0, **area)
    # stands for the rest of the flat behind the robot: one small window would leave the near half black
    lamp('AREA', (BACK_M + 0.1, 0.2, 1.7), (1, 0, -0.25), 70, (1.0, 0.93, 0.85), size=3.6, size_y=1.6, **area)
    lamp('POINT', (5.25, 2.1, 1.5), (0, 0, -1), 22, (1.0, 0.7, 0.42), shadow_soft_size=0.08)
    lamp('POINT', (3.05, -0.75, 1.66), (0, 0, -1), 18, (1.0, 0.78, 0.52), shadow_soft_size=0.05)
    lamp('POINT', (5.88, 1.17, 1.1), (0, 0, -1), 9, (1.0, 0.7, 0.42), shadow_soft_size=0.05)


def world_mesh() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The scene as it is rendered, with its modifiers applied.

    Returns vertices (V, 3) float64 in metres, odom frame; triangles (T, 3) int64; and per triangle the LiDAR
    intensity (0..255) and the extra drop-out probability, both (T,) float32.
    """
    graph = bpy.context.evaluated_depsgraph_get()
    vertices, triangles, intensity, dropout = [], [], [], []
    offset = 0
    for built in bpy.context.scene.objects:
        if built.type != 'MESH':
            continue
        evaluated = built.evaluated_get(graph)
        mesh = evaluated.to_mesh()
        mesh.calc_loop_triangles()
        xyz = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get('co', xyz)
        index = np.empty(3 * len(mesh.loop_triangles), np.int32)
        mesh.loop_triangles.foreach_get('vertices', index)
        pose = np.array(evaluated.matrix_world)
        vertices.append(xyz.reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3])
        triangles.append(index.reshape(-1, 3).astype(np.int64) + offset)
        material = built.data.materials[0]
        intensity.append(np.full(len(triangles[-1]), material['lidar_intensity'], np.float32))
        dropout.append(np.full(len(triangles[-1]), material['lidar_dropout'], np.float32))
        offset += len(vertices[-1])
        evaluated.to_mesh_clear()
    return np.concatenate(vertices), np.concatenate(triangles), np.concatenate(intensity), np.concatenate(dropout)
