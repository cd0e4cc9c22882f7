# SPDX-License-Identifier: Apache-2.0
"""Random surfaces under the names that furniture and streets ask for, so that no two scenes look alike."""

from __future__ import annotations

import colorsys
import random

import bpy
import numpy as np

from depth_anything_ros.training.scenes import materials
from depth_anything_ros.training.scenes.shader import Shader

ITEMS = 14  # materials 'item0'.. of small things
PAINTS = 6  # 'paint0'.. of vehicles
FACADES = 6  # 'facade0'..
# what may be of any picture instead of its usual stuff, and the size of the picture on it in metres
REPLACEABLE = {
    'floor': (0.4, 1.6),
    'wall': (0.5, 2.5),
    'wall_green': (0.5, 2.5),
    'brick': (0.5, 2.5),
    'rug': (0.4, 1.2),
    'sofa': (0.2, 0.8),
    'linen': (0.2, 0.6),
    'mustard': (0.2, 0.6),
    'striped': (0.2, 0.6),
    'drape': (0.2, 0.8),
    'seat': (0.1, 0.4),
    'oak': (0.3, 1.2),
    'oak_z': (0.3, 1.2),
    'walnut': (0.3, 1.2),
    'cardboard': (0.3, 0.8),
    'print_warm': (0.4, 1.2),
    'print_blue': (0.4, 1.2),
}


def random_colour(dice: random.Random, most_saturation: float = 0.7) -> tuple[float, float, float]:
    """Linear RGB; mostly subdued, as real surfaces are."""
    value = dice.uniform(0.03, 0.75) ** 1.3
    return colorsys.hsv_to_rgb(dice.random(), most_saturation * dice.random() ** 1.5, value)


def random_materials(dice: random.Random, pictures: list[np.ndarray]) -> dict[str, bpy.types.Material]:
    """Every name of `materials.all_materials` and more. pictures: tileable (S, S, 3) uint8 sRGB images."""
    images = [_image(f'picture{i}', picture) for i, picture in enumerate(dice.sample(pictures, min(24, len(pictures))))]
    dark, light = _wood_tones(dice), _wood_tones(dice)
    made = materials.all_materials() | {
        material.name: material
        for material in [
            materials.planks('floor') if dice.random() < 0.5 else _tiles('floor', dice),
            materials.bricks('brick'),
            materials.plaster('wall', _wall_colour(dice)),
            materials.plaster('wall_green', random_colour(dice, 0.5)),
            materials.plaster('ceiling', (dice.uniform(0.6, 0.85),) * 3),
            *(materials.wood('oak' + axis, *dark, axis[1:] or 'x') for axis in ('', '_y', '_z')),
            *(materials.wood('walnut' + axis, *light, axis[1:] or 'x') for axis in ('', '_y', '_z')),
            materials.fabric('sofa', random_colour(dice)),
            materials.fabric('linen', random_colour(dice), 300),
            materials.fabric('mustard', random_colour(dice), 300),
            materials.fabric('striped', random_colour(dice), 300, accent=random_colour(dice)),
            materials.fabric('drape', random_colour(dice), 500),
            materials.fabric('seat', random_colour(dice), 350),
        ]
    }
    made = {material.name.split('.')[0]: material for material in made.values()}
    for name, (least_m, most_m) in REPLACEABLE.items():
        if dice.random() < 0.4:
            made[name] = pictured(dice, name, dice.choice(images), dice.uniform(least_m, most_m))
    for i in range(ITEMS):
        made[f'item{i}'] = _item(dice, f'item{i}', images)
    for i in range(PAINTS):
        colour = random_colour(dice, 0.9) if dice.random() < 0.5 else (dice.choice((0.01, 0.1, 0.3, 0.7)),) * 3
        made[f'paint{i}'] = materials.lacquer(f'paint{i}', colour, 0.25, 0.8, 60, 0.15)
    for i in range(FACADES):
        made[f'facade{i}'] = _facade(dice, f'facade{i}', images)
    made |= _outdoors(dice, images)
    return made


def pictured(
    dice: random.Random, name: str, image, metres: float, roughness: float | None = None, dropout: float = 0.02
) -> bpy.types.Material:
    """A surface with an image laid on from three sides, `metres` a tile, tinted, with relief from its brightness."""
    s = Shader(name, 60, dropout)
    vector = s.stretched((1 / metres,) * 3, shift_per_object=True)
    colour = s.add('TexImage', inputs={'Vector': vector}, image=image, projection='BOX', projection_blend=0.1)
    tint = [dice.uniform(0.6, 1.2) * (1 + dice.gauss(0, 0.1)) for _ in range(3)]
    tinted = s.mix(1.0, colour, tint, 'MULTIPLY')
    roughness = dice.uniform(0.25, 0.95) if roughness is None else roughness
    bump = colour if dice.random() < 0.5 else None
    return s.finish(base_color=tinted, roughness=roughness, bump=bump, bump_m=0.004 * metres)


def _image(name: str, picture: np.ndarray):
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = picture[::-1] / np.float32(255)
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    return image


def _wood_tones(dice: random.Random):
    light = colorsys.hsv_to_rgb(dice.uniform(0.04, 0.1), dice.uniform(0.2, 0.75), dice.uniform(0.08, 0.65))
    return [dice.uniform(0.3, 0.6) * channel for channel in light], light


def _wall_colour(dice: random.Random):
    return colorsys.hsv_to_rgb(dice.random(), dice.uniform(0, 0.25), dice.uniform(0.35, 0.8))


def _tiles(name: str, dice: random.Random, least_roughness: float = 0.08) -> bpy.types.Material:
    """Square floor tiles with joints, laid in the x-y plane."""
    s = Shader(name, 90, 0.03)
    first, size = random_colour(dice, 0.3), dice.choice((0.15, 0.3, 0.45, 0.6))
    second = first if dice.random() < 0.7 else random_colour(dice, 0.3)
    inputs = {
        'Vector': s.place,
        'Color1': first,
        'Color2': [0.92 * c for c in second],
        'Mortar': [0.5 * c for c in first],
        'Scale': 1.0,
        'Mortar Size': 0.004,
        'Brick Width': size,
        'Row Height': size,
    }
    tile = s.add('TexBrick', inputs=inputs, offset=dice.choice((0.0, 0.5)))
    cloud = s.noise(s.place, 4, detail=3)
    colour = s.mix(s.math('MULTIPLY', cloud, 0.3), tile, [min(1.0, 1.4 * c) for c in first])
    gap = s.math('SUBTRACT', 1.0, tile.node.outputs['Factor'])
    return s.finish(
        base_color=colour, roughness=dice.uniform(least_roughness, 0.5 + least_roughness), bump=gap, bump_m=0.002
    )


def _item(dice: random.Random, name: str, images) -> bpy.types.Material:
    kind = dice.random()
    if kind < 0.55:
        return pictured(dice, name, dice.choice(images), dice.uniform(0.08, 0.5))
    if kind < 0.85:
        return materials.lacquer(name, random_colour(dice, 0.95), dice.uniform(0.12, 0.7), dice.uniform(0, 0.5), 70)
    if kind < 0.93:
        return materials.metal(name, random_colour(dice, 0.4), dice.uniform(0.05, 0.5), dice.uniform(0.1, 0.5))
    return materials.glass(name, colorsys.hsv_to_rgb(dice.random(), dice.uniform(0, 0.5), 0.95))


def _facade(dice: random.Random, name: str, images) -> bpy.types.Material:
    kind = dice.random()
    if kind < 0.3:
        return _bricked(dice, name)
    if kind < 0.65:
        return pictured(dice, name, dice.choice(images), dice.uniform(1.0, 5.0), 0.85)
    return materials.plaster(name, _wall_colour(dice) if dice.random() < 0.7 else random_colour(dice, 0.6))


def _bricked(dice: random.Random, name: str) -> bpy.types.Material:
    """Courses of brick on walls of any direction."""
    s = Shader(name, 55)
    split = s.add('SeparateXYZ', out='X', inputs={0: s.place}).node
    along = s.math('ADD', split.outputs['X'], split.outputs['Y'])
    vector = s.add('CombineXYZ', inputs={'X': along, 'Y': split.outputs['Z']})
    colour = colorsys.hsv_to_rgb(dice.uniform(0.0, 0.09), dice.uniform(0.2, 0.8), dice.uniform(0.15, 0.5))
    inputs = {
        'Vector': vector,
        'Color1': colour,
        'Color2': [dice.uniform(0.5, 1.4) * c for c in colour],
        'Mortar': (dice.uniform(0.1, 0.5),) * 3,
        'Scale': 1.0,
        'Mortar Size': 0.01,
        'Brick Width': dice.choice((0.23, 0.3, 0.6)),
        'Row Height': dice.choice((0.08, 0.15, 0.3)),
    }
    brick = s.add('TexBrick', inputs=inputs)
    stain = s.ramp(s.noise(s.place, 0.7, detail=4), [(0.3, (0.6, 0.58, 0.55)), (0.7, (1.1, 1.1, 1.1))])
    return s.finish(base_color=s.mix(1.0, brick, stain, 'MULTIPLY'), roughness=0.9)


def _outdoors(dice: random.Random, images) -> dict[str, bpy.types.Material]:
    def ground(name, low, high, scale):
        s = Shader(name, 40, 0.03)
        coarse, fine = s.noise(s.place, 0.35, detail=4), s.noise(s.place, scale, detail=5, roughness=0.8)
        tone = s.math('ADD', s.math('MULTIPLY', coarse, 0.5), s.math('MULTIPLY', fine, 0.7))
        return s.finish(base_color=s.ramp(tone, [(0.42, low), (0.78, high)]), roughness=dice.uniform(0.75, 0.95))

    grey = dice.uniform(0.03, 0.16)
    pale = dice.uniform(0.15, 0.45)
    green = dice.uniform(0.6, 1.3)
    made = {
        'road': ground('road', (grey * 0.5,) * 3, (grey * 2.0, grey * 1.95, grey * 1.85), 12),
        'grass': ground(
            'grass', (0.03 * green, 0.05 * green, 0.012), (0.17 * green, 0.22 * green, dice.uniform(0.03, 0.08)), 7
        ),
        'pavement': _tiles('pavement', dice, 0.45),
        'concrete': ground('concrete', (pale * 0.7,) * 3, (pale * 1.4, pale * 1.37, pale * 1.3), 6),
        'marking': materials.lacquer('marking', (0.65, 0.64, 0.58), 0.7, 0.0, 200),
        'rubber': materials.lacquer('rubber', (0.012, 0.012, 0.013), 0.7, 0.0, 10, 0.2),
        'pane': materials.lacquer('pane', (0.012, 0.016, 0.02), 0.06, 0.6, 10, 0.6),
        'skin': materials.lacquer('skin', colorsys.hsv_to_rgb(0.06, 0.5, dice.uniform(0.12, 0.6)), 0.6, 0.0),
        'bark': ground('bark', (0.03, 0.022, 0.015), (0.16, 0.13, 0.1), 30),
        'lamp_red': materials.lacquer('lamp_red', (0.5, 0.01, 0.01), 0.2, 0.5),
        'sign': pictured(dice, 'sign', dice.choice(images), dice.uniform(0.4, 1.0), 0.4),
        'hedge': _foliage(dice, 'hedge'),
        'leaves': _foliage(dice, 'leaves'),
    }
    if dice.random() < 0.35:
        made['road'] = pictured(dice, 'road', dice.choice(images), dice.uniform(1.5, 6.0), 0.9)
    return made


def _foliage(dice: random.Random, name: str) -> bpy.types.Material:
    s = Shader(name, 60, 0.04)
    hue = dice.uniform(0.17, 0.33) if dice.random() < 0.85 else dice.uniform(0.03, 0.13)
    tone = s.noise(s.place, dice.uniform(2, 9), detail=4, roughness=0.8)
    stops = [
        (0.3, colorsys.hsv_to_rgb(hue, 0.85, 0.04)),
        (0.55, colorsys.hsv_to_rgb(hue, 0.8, 0.15)),
        (0.75, colorsys.hsv_to_rgb(hue - 0.03, 0.65, 0.35)),
    ]
    return s.finish(base_color=s.ramp(tone, stops), roughness=0.6)
