# SPDX-License-Identifier: Apache-2.0
"""Random light: an HDRI that lights and mirrors, a plain sky that cameras see, sun, lamps and window light."""

from __future__ import annotations

import colorsys
import math
import random
from pathlib import Path

import bpy
from mathutils import Vector

INDOOR_SKIES = ('studio', 'interior', 'apartment', 'hall', 'lab', 'lobby', 'warehouse', 'workshop', 'night')


def studio_skies() -> list[Path]:
    """The CC0 HDRIs that come with Blender."""
    folder = Path(bpy.utils.system_resource('DATAFILES')) / 'studiolights' / 'world'
    return sorted(folder.glob('*.exr'))


def light_room(
    dice: random.Random, size_x: float, size_y: float, height: float, windows: list[dict], skies: list[Path]
):
    """Ceiling lamps, light through windows, sometimes sun; ambient occlusion stands for bounced light."""
    _world(dice, skies, strength=dice.uniform(0.3, 1.2), ambient_m=dice.uniform(0.8, 2.5))
    warm = _warmth(dice)
    lamps = 0 if windows and dice.random() < 0.35 else dice.randint(1, 3)
    for _ in range(lamps):
        place = (dice.uniform(-0.35, 0.35) * size_x, dice.uniform(-0.35, 0.35) * size_y, height - 0.03)
        size = dice.choice((0.1, 0.3, 0.6, 1.2))
        _lamp('AREA', place, (0, 0, -1), dice.uniform(25, 90) * size_x * size_y / 12, warm, shape='DISK', size=size)
    if dice.random() < 0.4:
        place = (dice.uniform(-0.4, 0.4) * size_x, dice.uniform(-0.4, 0.4) * size_y, dice.uniform(0.6, 1.8))
        _lamp('POINT', place, (0, 0, -1), dice.uniform(5, 30), (1, 0.7, 0.42), shadow_soft_size=0.08)
    for window in windows:
        x0, x1, z0, z1 = window['hole_m']
        a = math.radians(window['yaw_deg'])
        x, y = (x0 + x1) / 2, window['out_m'] + 0.2
        place = (x * math.cos(a) - y * math.sin(a), x * math.sin(a) + y * math.cos(a), (z0 + z1) / 2)
        inward = (math.sin(a), -math.cos(a), -0.2)
        energy = dice.uniform(10, 70) * (x1 - x0) * (z1 - z0)
        _lamp('AREA', place, inward, energy, (0.85, 0.92, 1), shape='RECTANGLE', size=x1 - x0, size_y=z1 - z0)
        if dice.random() < 0.4:
            across = Vector((inward[0] + dice.gauss(0, 0.4), inward[1] + dice.gauss(0, 0.4), dice.uniform(-0.9, -0.3)))
            _lamp('SUN', (0, 0, 9), across, dice.uniform(1.5, 7), (1, 0.9, 0.76), angle=math.radians(0.8))


def light_street(dice: random.Random, skies: list[Path]):
    """Sunny or overcast."""
    skies = [sky for sky in skies if sky.stem not in INDOOR_SKIES] or skies
    sunny = dice.random() < 0.6
    _world(
        dice, skies, strength=dice.uniform(0.3, 0.7) if sunny else dice.uniform(0.7, 1.3), ambient_m=dice.uniform(3, 10)
    )
    if sunny:
        turn, low = dice.uniform(0, 2 * math.pi), math.radians(dice.uniform(12, 65))
        toward = (-math.cos(turn) * math.cos(low), -math.sin(turn) * math.cos(low), -math.sin(low))
        _lamp('SUN', (0, 0, 50), toward, dice.uniform(2, 6), (1, 0.93, 0.82), angle=math.radians(dice.uniform(0.5, 4)))


def _warmth(dice: random.Random):
    return colorsys.hsv_to_rgb(dice.choice((0.08, 0.1, 0.58)), dice.uniform(0, 0.35), 1)


def _world(dice: random.Random, skies: list[Path], strength: float, ambient_m: float):
    """Cameras see a sky of depthless gradient and clouds only: the houses of an HDRI would have no depth."""
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new('sky')
    scene.world.use_nodes = True
    scene.world.light_settings.distance = ambient_m
    scene.world.light_settings.ao_factor = dice.uniform(0.3, 0.6)
    tree = scene.world.node_tree

    def add(kind, **inputs):
        node = tree.nodes.new('ShaderNode' + kind)
        for name, value in inputs.items():
            if isinstance(value, bpy.types.NodeSocket):
                tree.links.new(value, node.inputs[name])
            else:
                node.inputs[name].default_value = value
        return node

    place = add('TexCoord').outputs['Generated']
    turned = add('Mapping', Vector=place, Rotation=(0, 0, dice.uniform(0, 2 * math.pi)))
    surround = add('TexEnvironment', Vector=turned.outputs[0])
    surround.image = bpy.data.images.load(str(dice.choice(skies)))
    cloud = add('TexNoise', Vector=place, Scale=dice.uniform(2, 7), Detail=5.0)
    ramp = add('ValToRGB', Fac=cloud.outputs[0])
    blue = colorsys.hsv_to_rgb(dice.uniform(0.54, 0.62), dice.uniform(0.0, 0.6), dice.uniform(0.5, 1.0))
    white = dice.uniform(0.7, 1.4)
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[0].color = dice.uniform(0.3, 0.55), (*blue, 1)
    ramp.color_ramp.elements[1].position, ramp.color_ramp.elements[1].color = (
        dice.uniform(0.56, 0.8),
        (white, white, white, 1),
    )
    output = tree.nodes['World Output']
    seen = add('Background', Color=ramp.outputs[0], Strength=dice.uniform(1.0, 2.5))
    lights = tree.nodes['Background']
    paler = add('HueSaturation', Saturation=dice.uniform(0.2, 0.9), Color=surround.outputs[0])  # neon would tint all
    tree.links.new(paler.outputs[0], lights.inputs['Color'])
    lights.inputs['Strength'].default_value = strength
    mix = tree.nodes.new('ShaderNodeMixShader')
    tree.links.new(add('LightPath').outputs['Is Camera Ray'], mix.inputs[0])
    tree.links.new(lights.outputs[0], mix.inputs[1])
    tree.links.new(seen.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs['Surface'])


def _lamp(kind: str, place, toward, energy: float, colour, **settings):
    data = bpy.data.lights.new(kind, kind)
    data.energy, data.color = energy, colour
    for name, value in settings.items():
        setattr(data, name, value)
    built = bpy.data.objects.new(kind, data)
    built.location = place
    built.rotation_euler = Vector(toward).to_track_quat('-Z', 'Y').to_euler()
    built.visible_camera = False
    bpy.context.scene.collection.objects.link(built)
