# SPDX-License-Identifier: Apache-2.0
"""Ray casts against the scene's triangles: what the simulated LiDAR hits, independent of the renderer."""

from __future__ import annotations

import bpy  # noqa: F401  mathutils is importable only after it
import numpy as np
from mathutils.bvhtree import BVHTree


class SceneCaster:
    """Callable as a `lidar.Cast`. Takes what `room.world_mesh` gives; keeps a bounding volume tree."""

    def __init__(self, vertices_m: np.ndarray, triangles: np.ndarray, intensity: np.ndarray, dropout: np.ndarray):
        self.tree = BVHTree.FromPolygons(vertices_m.tolist(), triangles.tolist(), all_triangles=True)
        self.intensity, self.dropout = intensity, dropout

    def __call__(self, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count = len(origins)
        range_m = np.full(count, np.inf)
        triangle = np.zeros(count, np.int64)
        slant = np.ones(count)
        for i, (origin, direction) in enumerate(zip(origins.tolist(), directions.tolist(), strict=True)):
            _, normal, index, distance = self.tree.ray_cast(origin, direction)
            if index is not None:
                range_m[i], triangle[i] = distance, index
                slant[i] = abs(normal.x * direction[0] + normal.y * direction[1] + normal.z * direction[2])
        # Lambert's law on the surface's own reflectance; a grazing pulse spreads and comes back weak
        return range_m, np.clip(self.intensity[triangle] * (0.25 + 0.75 * slant), 0, 255), self.dropout[triangle]
