# SPDX-License-Identifier: Apache-2.0
"""A random table-top for one trial: room, table, one object to grasp, other things, lights, camera; as MuJoCo XML.

World: z up, table top at z = 0. The same (seed, trial) gives the same scene in every cell but for the object's
material and the camera's distance, so that cells differ in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.grasping.cells import DIFFUSE, SPECULAR, TRANSPARENT, Cell
from depth_anything_ros.evaluation.grasping.hand import hand_xml
from depth_anything_ros.evaluation.grasping.shapes import FAMILIES, Shape
from depth_anything_ros.evaluation.grasping.surfaces import floor, package, table_top, wall
from depth_anything_ros.grasping.gripper import Gripper

CAMERA = CameraModel(640, 480, 610.0, 610.0, 319.5, 239.5)  # the colour camera of common RGB-D cameras
TABLE_M = (1.4, 0.9)
TABLE_HIGH_M = 0.72
ROOM_M = (5.0, 4.4, 2.6)
TARGET, PROBE, EYE = 'target', 'probe', 'eye'
FLAT = {'table': table_top, 'floor': floor, 'wall': wall}
MOST_OTHERS = 4
TARGET_GROUP = 1  # of geoms: rendered apart where glass or mirror is drawn over it
# coefficient of friction against rubber pads
FRICTION = {DIFFUSE: 0.8, TRANSPARENT: 0.55, SPECULAR: 0.55}
# what the object looks like where MuJoCo draws it (diffuse, and after the lift)
LOOK = {
    DIFFUSE: 'texture="object" rgba="1 1 1 1" specular="0.2" shininess="0.3"',
    TRANSPARENT: 'rgba="0.8 0.9 0.88 0.38" specular="1" shininess="0.9"',
    SPECULAR: 'rgba="0.62 0.63 0.65 1" specular="1" shininess="0.8"',
}


@dataclass(frozen=True, eq=False)
class Scene:
    """xml and assets make MuJoCo's model. lights_m (L, 3) positions and lights (L, 3) colours in 0..1."""

    cell: Cell
    trial: int
    shape: Shape
    xml: str
    assets: dict[str, bytes]
    world_from_camera: RigidTransform
    lights_m: np.ndarray
    lights: np.ndarray


def make_scene(cell: Cell, trial: int, seed: int, gripper: Gripper) -> Scene:
    rng = np.random.default_rng([seed, trial])
    shape = FAMILIES[trial % len(FAMILIES)](rng)
    turn_deg = rng.uniform(0, 360)
    papers = {name: paint(rng) for name, paint in FLAT.items()}
    papers |= {name: package(rng) for name in ('object', *(f'other{i}' for i in range(MOST_OTHERS)))}
    assets = {f'{name}.png': _png(image) for name, image in papers.items()}
    view = _camera(rng, cell.distance_m, shape.middle_m)
    lights_m, lights = _lights(rng)
    others = _others(rng)
    body, rest = hand_xml(gripper)
    roll = 'condim="6"' if shape.name in ('ball', 'tube') else 'condim="4"'
    surface = (
        f'material="object" group="{TARGET_GROUP}" priority="1" {roll} friction="{FRICTION[cell.material]} 0.01 0.001"'
    )
    parts = ''.join(part.xml(f'{surface} mass="{part.share * shape.mass_kg:.4f}"') for part in shape.parts)
    xml = f"""<mujoco>
<option timestep="0.003" integrator="implicitfast" cone="elliptic" impratio="10" noslip_iterations="2"/>
<visual><global offwidth="640" offheight="480"/><quality shadowsize="2048" offsamples="4"/>
<headlight ambient="0.25 0.25 0.25" diffuse="0.08 0.08 0.08" specular="0 0 0"/>
<map znear="0.005" zfar="10" shadowscale="0.45"/></visual>
<statistic extent="1" center="0 0 0"/>
<asset>{_textures(rng, papers)}<material name="object" {LOOK[cell.material]}/></asset>
<worldbody>
{_light_xml(lights_m, lights)}
{_room(lights_m)}
{others}
<camera name="{EYE}" mode="fixed" fovy="{np.degrees(2 * np.arctan(CAMERA.height / 2 / CAMERA.fy)):.6f}"/>
<camera name="{PROBE}" mode="fixed" fovy="90"/>
<body name="{TARGET}" pos="0 0 0.001" euler="0 0 {turn_deg:.3f}"><freejoint/>{parts}</body>
{body}
</worldbody>
{rest}
</mujoco>"""
    return Scene(cell, trial, shape, xml, assets, view, lights_m, lights)


def _camera(rng: np.random.Generator, distance_m: float, middle_m: float) -> RigidTransform:
    """Looks down at the object, aimed a little beside it, at `distance_m` from its middle."""
    elevation, azimuth = np.radians(rng.uniform(33, 55)), np.radians(rng.uniform(-30, 30))
    aside = rng.uniform(-0.09, 0.09, 2) * distance_m
    roll = np.radians(rng.normal(0, 2))
    back = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
    eye = np.array([0, 0, middle_m]) + distance_m * back
    forward = -back
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    forward = forward * distance_m + right * aside[0] + down * aside[1]
    forward /= np.linalg.norm(forward)
    right = np.cross(down, forward)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    matrix = np.eye(4)
    matrix[:3, 0] = np.cos(roll) * right + np.sin(roll) * down
    matrix[:3, 1] = np.cos(roll) * down - np.sin(roll) * right
    matrix[:3, 2], matrix[:3, 3] = forward, eye
    return RigidTransform('world', 'camera', matrix)


def _lights(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One to three lamps under the ceiling, of different strength and warmth."""
    count = int(rng.integers(1, 4))
    places = np.column_stack(
        [rng.uniform(-1.5, 1.5, count), rng.uniform(-1.6, 1.0, count), np.full(count, ROOM_M[2] - TABLE_HIGH_M - 0.12)]
    )
    strength = rng.dirichlet(np.full(count, 3.0)) * rng.uniform(0.75, 1.05)
    warmth = rng.uniform(0.78, 1.0, count)
    return places, np.clip(strength[:, None] * np.stack([np.ones(count), 0.5 + warmth / 2, warmth], axis=1), 0, 1)


def _light_xml(lights_m: np.ndarray, lights: np.ndarray) -> str:
    found = []
    for place, colour in zip(lights_m, lights, strict=True):
        aim = np.array([0, 0, 0]) - place
        found.append(
            f'<light pos="{_row(place)}" dir="{_row(aim)}" diffuse="{_row(colour)}" specular="{_row(colour * 0.6)}"'
            ' cutoff="70" exponent="1" castshadow="true"/>'
        )
    return ''.join(found)


def _room(lights_m: np.ndarray) -> str:
    """Floor, four walls, ceiling with the lamps that mirrors show, table with legs."""
    x, y, z = ROOM_M[0] / 2, ROOM_M[1] / 2, ROOM_M[2]
    low = -TABLE_HIGH_M
    thick = 0.05
    boxes = [
        (f'{x} {y} {thick}', f'0 0 {low - thick}', 'floor'),
        (f'{x} {y} {thick}', f'0 0 {low + z + thick}', 'ceiling'),
        (f'{TABLE_M[0] / 2} {TABLE_M[1] / 2} 0.018', '0 0 -0.018', 'table'),
    ]
    for side in (-1, 1):
        boxes.append((f'{x} {thick} {z / 2}', f'0 {side * (y + thick)} {low + z / 2}', 'wall'))
        boxes.append((f'{thick} {y} {z / 2}', f'{side * (x + thick)} 0 {low + z / 2}', 'wall'))
        for end in (-1, 1):
            leg = f'{side * (TABLE_M[0] / 2 - 0.06)} {end * (TABLE_M[1] / 2 - 0.06)} {low / 2 - 0.018}'
            boxes.append((f'0.025 0.025 {-low / 2 - 0.018}', leg, 'leg'))
    lamps = ''.join(
        f'<geom type="box" size="0.3 0.1 0.01" pos="{_row(place + np.array([0, 0, 0.1]))}" material="lamp"'
        ' contype="0" conaffinity="0"/>'
        for place in lights_m
    )
    return lamps + ''.join(
        f'<geom type="box" size="{size}" pos="{place}" material="{name}" friction="0.6 0.005 0.0005"/>'
        for size, place, name in boxes
    )


def _others(rng: np.random.Generator) -> str:
    """Two to four other things on the table, far enough from the object for the gripper; they stand fast."""
    found, places = [], []
    wanted = int(rng.integers(2, MOST_OTHERS + 1))
    for _ in range(40):
        if len(found) == wanted:
            break
        place = np.array([rng.uniform(-0.42, 0.42), rng.uniform(-0.2, 0.38)])
        if np.linalg.norm(place) < 0.2 or any(np.linalg.norm(place - other) < 0.17 for other in places):
            continue
        shape = FAMILIES[int(rng.integers(len(FAMILIES)))](rng)
        places.append(place)
        parts = ''.join(part.xml(f'material="other{len(found)}"') for part in shape.parts)
        found.append(f'<body pos="{_row(place)} 0" euler="0 0 {rng.uniform(0, 360):.2f}">{parts}</body>')
    return ''.join(found)


def _textures(rng: np.random.Generator, papers: dict[str, np.ndarray]) -> str:
    """Materials of everything but the object; flat things have flat textures, others are wrapped in them."""
    found = []
    for name in papers:
        kind = '2d' if name in FLAT else 'cube'
        found.append(f'<texture name="{name}" type="{kind}" file="{name}.png"/>')
        if name in FLAT:
            repeat = rng.uniform(0.7, 1.6)
            found.append(
                f'<material name="{name}" texture="{name}" texuniform="true" texrepeat="{repeat:.2f} {repeat:.2f}"'
                ' specular="0.15" shininess="0.2"/>'
            )
        elif name != 'object':
            found.append(f'<material name="{name}" texture="{name}" specular="0.3"/>')
    grey = rng.uniform(0.2, 0.7)
    found.append(f'<material name="leg" rgba="{grey} {grey} {grey} 1"/>')
    found.append('<material name="ceiling" rgba="0.9 0.9 0.88 1" emission="0.25"/>')
    found.append('<material name="lamp" rgba="1 1 0.97 1" emission="1"/>')
    return ''.join(found)


def _row(values) -> str:
    return ' '.join(f'{value:.5f}' for value in values)


def _png(image_rgb: np.ndarray) -> bytes:
    return cv2.imencode('.png', image_rgb[:, :, ::-1])[1].tobytes()
