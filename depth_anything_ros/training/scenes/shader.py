# SPDX-License-Identifier: Apache-2.0
"""A small builder of Blender shader node trees."""

from __future__ import annotations

import bpy


class Shader:
    """One material: `add` makes a node, sets its inputs from values or sockets and returns its output socket."""

    def __init__(self, name: str, lidar_intensity: float = 60, lidar_dropout: float = 0.0):
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.material['lidar_intensity'] = float(lidar_intensity)
        self.material['lidar_dropout'] = float(lidar_dropout)
        self.tree = self.material.node_tree
        self.principled = self.tree.nodes['Principled BSDF']
        self.place = self.add('TexCoord', out='Object')

    def add(self, kind: str, out: str | int = 0, inputs: dict | None = None, **attributes):
        node = self.tree.nodes.new('ShaderNode' + kind)
        for name, value in attributes.items():
            setattr(node, name, value)
        for name, value in (inputs or {}).items():
            self.feed(node.inputs[name], value)
        return node.outputs[out]

    def feed(self, socket, value):
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif socket.type == 'RGBA' and len(value) == 3:
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def finish(self, bump=None, bump_m: float = 0.001, **inputs) -> bpy.types.Material:
        """Connects the principled shader; bump: a height socket in 0..1, bump_m: what 1 means in metres."""
        for name, value in inputs.items():
            self.feed(self.principled.inputs[name.replace('_', ' ').title().replace('Ior', 'IOR')], value)
        if bump is not None:
            normal = self.add('Bump', inputs={'Height': bump, 'Distance': bump_m, 'Strength': 0.8})
            self.feed(self.principled.inputs['Normal'], normal)
        return self.material

    def stretched(self, scale, shift_per_object: bool = False):
        """Object coordinates times `scale` (3,); shifted by a random amount, so that no two boards look alike."""
        vector = self.place
        if shift_per_object:
            chance = self.add('ObjectInfo', out='Random')
            shift = self.add('Math', inputs={0: chance, 1: 40.0}, operation='MULTIPLY')
            vector = self.add('VectorMath', inputs={0: vector, 1: shift}, operation='ADD')
        return self.add('Mapping', inputs={'Vector': vector, 'Scale': scale})

    def noise(self, vector, scale: float, detail: float = 4, roughness: float = 0.55, distortion: float = 0.0):
        inputs = {'Vector': vector, 'Scale': scale, 'Detail': detail, 'Roughness': roughness, 'Distortion': distortion}
        return self.add('TexNoise', inputs=inputs)

    def ramp(self, factor, stops):
        """stops: (position, (r, g, b)) in rising order."""
        output = self.add('ValToRGB', inputs={0: factor})
        elements = output.node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (position, color) in zip(elements, stops, strict=True):
            element.position, element.color = position, (*color, 1.0)
        return output

    def mix(self, factor, a, b, blend: str = 'MIX'):
        output = self.add('Mix', out=2, data_type='RGBA', blend_type=blend)
        node = output.node
        for socket, value in ((node.inputs[0], factor), (node.inputs[6], a), (node.inputs[7], b)):
            self.feed(socket, value)
        return output

    def math(self, operation: str, a, b=0.0, clamp: bool = False):
        return self.add('Math', inputs={0: a, 1: b}, operation=operation, use_clamp=clamp)
