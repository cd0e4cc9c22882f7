# SPDX-License-Identifier: Apache-2.0
"""Procedural surfaces as Blender shader nodes: no image texture is read. Scales are metric (object coordinates).

Every material also says how a 905 nm LiDAR sees it: `lidar_intensity` (0..255) and `lidar_dropout` (chance that
a pulse on it brings no return, on top of the sensor's own).
"""

from __future__ import annotations

import bpy

from depth_anything_ros.training.scenes.shader import Shader


def wood(name: str, dark, light, grain_axis: str = 'x', roughness: float = 0.38, coat: float = 0.15):
    s = Shader(name, 70, 0.01)
    scale = {'x': (1.2, 14, 14), 'y': (14, 1.2, 14), 'z': (14, 14, 1.2)}[grain_axis]
    vector = s.stretched(scale, shift_per_object=True)
    rings = s.noise(vector, 1.1, detail=3, distortion=1.4)
    fibre = s.noise(vector, 9, detail=6, roughness=0.7)
    tone = s.math('ADD', s.math('MULTIPLY', rings, 0.75), s.math('MULTIPLY', fibre, 0.3))
    color = s.ramp(
        tone, [(0.3, dark), (0.52, [0.55 * a + 0.45 * b for a, b in zip(dark, light, strict=True)]), (0.72, light)]
    )
    return s.finish(base_color=color, roughness=roughness, coat_weight=coat, bump=fibre, bump_m=0.0006)


def planks(name: str):
    """Oak floor: boards 14 cm wide and 1.1 m long, laid along x."""
    s = Shader(name, 75, 0.02)
    inputs = {
        'Vector': s.place,
        'Color1': (0, 0, 0),
        'Color2': (1, 1, 1),
        'Mortar': (0.5, 0.5, 0.5),
        'Scale': 1.0,
        'Mortar Size': 0.0022,
        'Mortar Smooth': 0.1,
        'Bias': 0.0,
        'Brick Width': 1.1,
        'Row Height': 0.14,
    }
    board = s.add('TexBrick', inputs=inputs, offset=0.37)
    gap = board.node.outputs['Factor']
    shift = s.add('VectorMath', inputs={0: s.place, 1: s.math('MULTIPLY', board, 17.0)}, operation='ADD')
    vector = s.add('Mapping', inputs={'Vector': shift, 'Scale': (1.1, 13, 13)})
    rings = s.noise(vector, 1.0, detail=4, distortion=1.2)
    fibre = s.noise(vector, 10, detail=6, roughness=0.7)
    tone = s.math('ADD', s.math('MULTIPLY', rings, 0.6), s.math('MULTIPLY', fibre, 0.3))
    tone = s.math('ADD', tone, s.math('MULTIPLY', board, 0.18))
    color = s.ramp(tone, [(0.35, (0.1, 0.045, 0.018)), (0.55, (0.29, 0.15, 0.065)), (0.8, (0.46, 0.28, 0.14))])
    color = s.mix(gap, color, (0.03, 0.015, 0.008))
    rough = s.math('ADD', s.math('MULTIPLY', fibre, 0.25), 0.22)
    height = s.math('SUBTRACT', s.math('MULTIPLY', fibre, 0.3), gap)
    return s.finish(base_color=color, roughness=rough, coat_weight=0.1, bump=height, bump_m=0.0015)


def bricks(name: str):
    """A bare brick wall that stands in a y-z plane."""
    s = Shader(name, 55)
    split = s.add('SeparateXYZ', out='X', inputs={0: s.place}).node
    vector = s.add('CombineXYZ', inputs={'X': split.outputs['Y'], 'Y': split.outputs['Z'], 'Z': split.outputs['X']})
    wobble = s.add(
        'VectorMath', inputs={0: s.noise(vector, 14).node.outputs['Color'], 'Scale': 0.012}, operation='SCALE'
    )
    wobbly = s.add('VectorMath', inputs={0: vector, 1: wobble}, operation='ADD')
    inputs = {
        'Vector': wobbly,
        'Color1': (0.31, 0.1, 0.055),
        'Color2': (0.5, 0.22, 0.13),
        'Mortar': (0.44, 0.4, 0.35),
        'Scale': 1.0,
        'Mortar Size': 0.008,
        'Mortar Smooth': 0.25,
        'Bias': -0.2,
        'Brick Width': 0.23,
        'Row Height': 0.075,
    }
    brick = s.add('TexBrick', inputs=inputs)
    gap = brick.node.outputs['Factor']
    stain = s.ramp(s.noise(vector, 3, detail=8, roughness=0.65), [(0.3, (0.6, 0.57, 0.55)), (0.7, (1.15, 1.1, 1.08))])
    grain = s.noise(vector, 60, detail=6, roughness=0.75)
    color = s.mix(1.0, brick, stain, 'MULTIPLY')
    color = s.mix(s.math('MULTIPLY', grain, 0.35), color, (0.62, 0.5, 0.42))
    height = s.math('ADD', s.math('MULTIPLY', s.math('SUBTRACT', 1.0, gap), 0.8), s.math('MULTIPLY', grain, 0.3))
    return s.finish(base_color=color, roughness=0.9, bump=height, bump_m=0.008)


def plaster(name: str, color, intensity: float = 90):
    s = Shader(name, intensity)
    patches = s.noise(s.place, 1.3, detail=6, roughness=0.6)
    grain = s.noise(s.place, 90, detail=3)
    trowel = s.noise(s.stretched((1, 1, 2.5)), 7, detail=4, distortion=0.6)
    tint = s.ramp(patches, [(0.3, [0.9 * c for c in color]), (0.7, [min(1, 1.06 * c) for c in color])])
    height = s.math('ADD', s.math('MULTIPLY', grain, 0.25), trowel)
    return s.finish(base_color=tint, roughness=0.85, bump=height, bump_m=0.003)


def fabric(name: str, color, thread_per_m: float = 420, accent=None):
    """Woven cloth; accent: the colour of a coarse stripe pattern, or None."""
    s = Shader(name, 50)
    inputs = {'Vector': s.place, 'Scale': thread_per_m / 6.28, 'Distortion': 0.6}
    warp = s.add('TexWave', out='Factor', inputs=inputs, bands_direction='X')
    weft = s.add('TexWave', out='Factor', inputs=inputs, bands_direction='Z')
    weave = s.math('MULTIPLY', s.math('ADD', warp, weft), 0.5)
    wear = s.noise(s.place, 12, detail=6, roughness=0.65)
    tone = s.math('ADD', s.math('MULTIPLY', weave, 0.5), s.math('MULTIPLY', wear, 0.6))
    shaded = s.ramp(tone, [(0.25, [0.62 * c for c in color]), (0.85, [min(1, 1.2 * c) for c in color])])
    if accent is not None:
        stripes = s.add('TexWave', out='Factor', inputs={'Vector': s.place, 'Scale': 5.0, 'Distortion': 0.0})
        shaded = s.mix(s.math('GREATER_THAN', stripes, 0.72), shaded, accent)
    return s.finish(base_color=shaded, roughness=0.95, sheen_weight=0.25, bump=tone, bump_m=0.0015)


def rug(name: str):
    """A knotted carpet: a field of lozenges in three colours within a dark border."""
    s = Shader(name, 45)
    turned = s.add('Mapping', inputs={'Vector': s.place, 'Rotation': (0, 0, 0.7854), 'Scale': (1, 1, 1)})
    small = s.add(
        'TexChecker', inputs={'Vector': turned, 'Color1': (0.42, 0.07, 0.05), 'Color2': (0.62, 0.5, 0.34), 'Scale': 7.0}
    )
    large = s.add('TexChecker', out='Factor', inputs={'Vector': turned, 'Scale': 2.333})
    field = s.mix(s.math('MULTIPLY', large, 0.75), small, (0.035, 0.07, 0.16))
    generated = s.add('TexCoord', out='Generated')
    split = s.add('SeparateXYZ', inputs={0: generated}).node

    def to_edge(axis):
        return s.math('SUBTRACT', 0.5, s.math('ABSOLUTE', s.math('SUBTRACT', split.outputs[axis], 0.5)))

    edge = s.math('MINIMUM', s.math('MULTIPLY', to_edge('X'), 2.3), s.math('MULTIPLY', to_edge('Y'), 1.6))
    color = s.mix(s.math('LESS_THAN', edge, 0.15), field, (0.62, 0.5, 0.34))
    color = s.mix(s.math('LESS_THAN', edge, 0.12), color, (0.16, 0.025, 0.03))
    tuft = s.noise(s.place, 260, detail=2)
    color = s.mix(s.math('MULTIPLY', tuft, 0.45), color, (0.1, 0.06, 0.05))
    return s.finish(base_color=color, roughness=1.0, sheen_weight=0.3, bump=tuft, bump_m=0.006)


def lacquer(name: str, color, roughness: float = 0.3, coat: float = 0.2, intensity: float = 80, dropout: float = 0.02):
    """Paint, plastic or glazed ceramic, with faint smudges in its gloss."""
    s = Shader(name, intensity, dropout)
    smudge = s.noise(s.place, 18, detail=5)
    rough = s.math('ADD', s.math('MULTIPLY', smudge, 0.18), max(0.02, roughness - 0.09))
    return s.finish(base_color=color, roughness=rough, coat_weight=coat)


def tinted(name: str, roughness: float = 0.35, speckle: float = 0.0, intensity: float = 70, dropout: float = 0.02):
    """The colour is the object's own, so one material serves many objects; speckle in [0, 1] as of stoneware."""
    s = Shader(name, intensity, dropout)
    color = s.add('ObjectInfo', out='Color')
    dots = s.math('GREATER_THAN', s.noise(s.place, 140, detail=2), 0.66)
    color = s.mix(s.math('MULTIPLY', dots, speckle), color, (0.06, 0.04, 0.03))
    return s.finish(base_color=color, roughness=roughness, coat_weight=0.25)


def metal(name: str, color, roughness: float = 0.25, dropout: float = 0.12):
    s = Shader(name, 140, dropout)
    brushed = s.noise(s.stretched((4, 4, 120)), 3, detail=3)
    rough = s.math('ADD', s.math('MULTIPLY', brushed, 0.2), max(0.03, roughness - 0.1))
    return s.finish(base_color=color, metallic=1.0, roughness=rough)


def glass(name: str, color):
    s = Shader(name, 12, 0.7)
    return s.finish(base_color=color, roughness=0.02, transmission_weight=1.0, ior=1.45)


def cardboard(name: str):
    s = Shader(name, 65)
    flutes = s.add(
        'TexWave', out='Factor', inputs={'Vector': s.place, 'Scale': 40.0, 'Distortion': 0.3}, bands_direction='Z'
    )
    fibre = s.noise(s.stretched((1, 1, 6), shift_per_object=True), 24, detail=6, roughness=0.7)
    color = s.ramp(fibre, [(0.3, (0.3, 0.19, 0.1)), (0.7, (0.47, 0.32, 0.19))])
    split = s.add('SeparateXYZ', inputs={0: s.place}).node
    tape = s.math('LESS_THAN', s.math('ABSOLUTE', split.outputs['Y']), 0.028)
    color = s.mix(s.math('MULTIPLY', tape, 0.8), color, (0.55, 0.4, 0.2))
    return s.finish(
        base_color=color, roughness=s.math('SUBTRACT', 0.85, s.math('MULTIPLY', tape, 0.5)), bump=flutes, bump_m=0.0006
    )


def book(name: str):
    """Cloth-bound: gold bands and a title block on every side, which on a shelf only the spine shows."""
    s = Shader(name, 60)
    base = s.add('ObjectInfo', out='Color')
    chance = s.add('ObjectInfo', out='Random')
    height = s.add('SeparateXYZ', out='Z', inputs={0: s.add('TexCoord', out='Generated')})

    def band(low, high):
        return s.math('MULTIPLY', s.math('GREATER_THAN', height, low), s.math('LESS_THAN', height, high))

    low = s.math('ADD', s.math('MULTIPLY', chance, 0.25), 0.3)
    title = band(low, s.math('ADD', low, 0.3))
    letters = s.math('GREATER_THAN', s.noise(s.stretched((60, 60, 26), shift_per_object=True), 2.2, detail=1), 0.53)
    bands = s.math('MAXIMUM', band(0.1, 0.125), band(0.87, 0.895))
    ink = s.math('MAXIMUM', bands, s.math('MULTIPLY', title, letters), clamp=True)
    worn = s.mix(s.math('MULTIPLY', s.noise(s.place, 30, detail=6), 0.35), base, (0.2, 0.17, 0.14))
    color = s.mix(s.math('MULTIPLY', ink, 0.85), worn, (0.72, 0.56, 0.27))
    return s.finish(base_color=color, roughness=0.55, bump=s.noise(s.place, 220, detail=2), bump_m=0.0006)


def painting(name: str, stops, scale: float, voronoi: bool = False):
    """An abstract print in the colours of `stops`."""
    s = Shader(name, 50, 0.05)
    swirl = s.noise(s.place, scale, detail=6, distortion=2.2)
    if voronoi:
        cells = s.add('TexVoronoi', out='Color', inputs={'Vector': s.place, 'Scale': 2.5 * scale})
        swirl = s.math('ADD', s.math('MULTIPLY', swirl, 0.4), s.math('MULTIPLY', cells, 0.6))
    return s.finish(base_color=s.ramp(swirl, stops), roughness=0.25, coat_weight=0.3)


def leaf(name: str, dark, light):
    s = Shader(name, 95, 0.02)
    tone = s.noise(s.stretched((30, 6, 6), shift_per_object=True), 1.5, detail=4)
    color = s.ramp(tone, [(0.35, dark), (0.65, light)])
    return s.finish(base_color=color, roughness=0.4, subsurface_weight=0.0, coat_weight=0.1)


def foliage(name: str):
    s = Shader(name, 60)
    tone = s.noise(s.place, 9, detail=10, roughness=0.8)
    color = s.ramp(tone, [(0.36, (0.03, 0.07, 0.015)), (0.5, (0.14, 0.27, 0.05)), (0.64, (0.42, 0.55, 0.16))])
    return s.finish(base_color=color, roughness=0.8, bump=tone, bump_m=0.15)


def glow(name: str, color, strength: float):
    s = Shader(name, 70)
    return s.finish(base_color=(0.9, 0.85, 0.75), emission_color=color, emission_strength=strength, roughness=0.9)


def all_materials() -> dict[str, bpy.types.Material]:
    """Every surface of the room by name."""
    made = [
        planks('floor'),
        bricks('brick'),
        plaster('wall', (0.62, 0.6, 0.54)),
        plaster('wall_green', (0.2, 0.29, 0.25), 70),
        plaster('ceiling', (0.8, 0.79, 0.76), 100),
        lacquer('trim', (0.72, 0.7, 0.66), 0.35),
        wood('oak', (0.2, 0.1, 0.042), (0.5, 0.3, 0.15)),
        wood('oak_z', (0.2, 0.1, 0.042), (0.5, 0.3, 0.15), 'z'),
        wood('oak_y', (0.2, 0.1, 0.042), (0.5, 0.3, 0.15), 'y'),
        wood('walnut', (0.045, 0.02, 0.01), (0.17, 0.085, 0.045), roughness=0.3, coat=0.35),
        wood('walnut_y', (0.045, 0.02, 0.01), (0.17, 0.085, 0.045), 'y', roughness=0.3, coat=0.35),
        wood('walnut_z', (0.045, 0.02, 0.01), (0.17, 0.085, 0.045), 'z', roughness=0.3, coat=0.35),
        wood('beech', (0.42, 0.26, 0.13), (0.66, 0.46, 0.28), 'z'),
        rug('rug'),
        fabric('sofa', (0.09, 0.16, 0.2)),
        fabric('linen', (0.6, 0.54, 0.44), 300),
        fabric('mustard', (0.52, 0.28, 0.04), 300),
        fabric('striped', (0.5, 0.46, 0.4), 300, accent=(0.3, 0.05, 0.04)),
        fabric('drape', (0.42, 0.33, 0.22), 500),
        fabric('seat', (0.24, 0.1, 0.06), 350),
        lacquer('white_gloss', (0.78, 0.77, 0.74), 0.12, 0.5, 100, 0.06),
        lacquer('black_gloss', (0.012, 0.012, 0.014), 0.12, 0.4, 15, 0.3),
        lacquer('black_matt', (0.02, 0.02, 0.022), 0.5, 0.0, 20, 0.06),
        lacquer('terracotta', (0.5, 0.19, 0.09), 0.75, 0.0),
        lacquer('soil', (0.03, 0.018, 0.012), 0.95, 0.0, 25),
        lacquer('paper', (0.75, 0.72, 0.65), 0.9, 0.0, 100, 0.0),
        tinted('glazed', 0.14, dropout=0.05),
        tinted('stoneware', 0.42, 0.8),
        tinted('plastic', 0.35),
        metal('steel', (0.62, 0.62, 0.6), 0.25),
        metal('brass', (0.7, 0.47, 0.18), 0.28),
        metal('black_steel', (0.05, 0.05, 0.055), 0.45, 0.08),
        metal('mirror', (0.9, 0.9, 0.9), 0.03, 0.5),
        glass('glass', (0.93, 0.97, 0.95)),
        glass('green_glass', (0.25, 0.6, 0.3)),
        cardboard('cardboard'),
        book('book'),
        painting(
            'print_warm',
            [(0.3, (0.7, 0.6, 0.42)), (0.45, (0.6, 0.2, 0.07)), (0.6, (0.1, 0.14, 0.2)), (0.75, (0.7, 0.5, 0.2))],
            2.4,
        ),
        painting(
            'print_blue',
            [(0.25, (0.03, 0.08, 0.2)), (0.5, (0.12, 0.35, 0.45)), (0.62, (0.75, 0.72, 0.6)), (0.8, (0.65, 0.3, 0.12))],
            3.0,
            True,
        ),
        painting('globe', [(0.5, (0.03, 0.1, 0.22)), (0.53, (0.35, 0.38, 0.14)), (0.7, (0.5, 0.38, 0.2))], 5.0),
        leaf('leaf', (0.012, 0.05, 0.012), (0.07, 0.2, 0.03)),
        leaf('leaf_pale', (0.05, 0.11, 0.03), (0.2, 0.32, 0.1)),
        foliage('hedge'),
        glow('shade', (1.0, 0.72, 0.42), 2.2),
        glow('bulb', (1.0, 0.8, 0.55), 12.0),
    ]
    return {material.name: material for material in made}
