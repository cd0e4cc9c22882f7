# SPDX-License-Identifier: Apache-2.0
"""mapping_node's publications: the mesh as a Marker and as a coloured cloud, at a pace of their own.

Only tiles that changed are meshed anew, one after the other with a pause between, since Open3D holds the interpreter
lock while it works; integration and callbacks go on meanwhile.
"""

from __future__ import annotations

import time

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
from visualization_msgs.msg import Marker

from depth_anything_ros.mapping.blocks import Tile
from depth_anything_ros.mapping.mesh import Mesh, simplified
from depth_anything_ros.mapping.scene_map import SceneMap
from depth_anything_ros.ros import conversions, qos
from depth_anything_ros.ros.triangle_marker import triangle_marker

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)  # who comes later sees the map at once, even of a robot that stands still
BREATH_S = 0.002
UNLIT_SHARE = 0.4  # of the colour that stays on a surface seen edge-on: RViz draws these triangles without light


class MapOutputs:
    """Publishers of one node and the meshes of all tiles, as last published."""

    def __init__(self, node):
        self._node = node
        self._marker = node.create_lifecycle_publisher(Marker, '~/mesh', LATCHED)
        self._cloud = node.create_lifecycle_publisher(PointCloud2, '~/cloud', LATCHED)
        self._tiles: dict[Tile, Mesh] = {}
        self._listeners = 0

    def close(self) -> None:
        for publisher in (self._marker, self._cloud):
            qos.withdraw(self._node, publisher)

    def publish(self, scene: SceneMap, stamp_ns: int, max_triangles: int) -> dict[str, float] | None:
        """What changed since the last time, if anybody listens: stage -> milliseconds; None: nothing was to do.

        Raises MapFileError where a stored part cannot be read.
        """
        listeners = self._marker.get_subscription_count() + self._cloud.get_subscription_count()
        if not listeners:
            self._listeners = 0
            return None
        changed = scene.take_changed()
        if not changed:
            return None
        started = time.perf_counter()
        for tile in changed:
            mesh = scene.mesh_of(tile)
            if mesh.empty:
                self._tiles.pop(tile, None)
            else:
                self._tiles[tile] = mesh
            time.sleep(BREATH_S)
        meshed = time.perf_counter()
        meshes = self._within(max_triangles, scene.config.tsdf.voxel_size_m)
        header = conversions.header_message(stamp_ns, scene.frame_id)
        if self._marker.get_subscription_count():
            corners = [mesh.vertices_m[mesh.triangles].reshape(-1, 3) for mesh in meshes]
            colours = [_lit(mesh)[mesh.triangles].reshape(-1, 3) for mesh in meshes]
            self._marker.publish(triangle_marker(_joined(corners, np.float32), _joined(colours, np.uint8), header))
        if self._cloud.get_subscription_count():
            points_m = _joined([mesh.vertices_m for mesh in meshes], np.float32)
            rgb = _joined([mesh.rgb for mesh in meshes], np.uint8)
            self._cloud.publish(conversions.cloud_message(packed_cloud(points_m, rgb), header))
        return {'mesh': (meshed - started) * 1e3, 'publish': (time.perf_counter() - meshed) * 1e3}

    def forget(self) -> None:
        """The map was replaced: no tile is known any more."""
        self._tiles.clear()

    def _within(self, max_triangles: int, voxel_size_m: float) -> list[Mesh]:
        total = sum(len(mesh.triangles) for mesh in self._tiles.values())
        if total <= max_triangles:
            return list(self._tiles.values())
        share = max_triangles / total
        coarse = [simplified(mesh, int(share * len(mesh.triangles)), voxel_size_m) for mesh in self._tiles.values()]
        return [mesh for mesh in coarse if not mesh.empty]


def packed_cloud(points_m: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """(N, 3) points and colours -> (1, N, 4) float32: x, y, z and the bits of 0x00RRGGBB, as RViz and PCL read them."""
    cloud = np.empty((1, len(points_m), 4), np.float32)
    cloud[0, :, :3] = points_m
    red, green, blue = rgb.astype(np.uint32).T
    cloud.view(np.uint32)[0, :, 3] = (red << 16) | (green << 8) | blue
    return cloud


def _lit(mesh: Mesh) -> np.ndarray:
    """(V, 3) uint8 colours with a lamp from above and the side baked in, so that shape can be seen."""
    lamp = np.array([0.36, 0.48, 0.8], np.float32)
    share = UNLIT_SHARE + (1 - UNLIT_SHARE) * (0.5 + 0.5 * (mesh.normals @ lamp))
    return np.clip(mesh.rgb * share[:, None], 0, 255).astype(np.uint8)


def _joined(parts: list[np.ndarray], dtype) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros((0, 3), dtype)
