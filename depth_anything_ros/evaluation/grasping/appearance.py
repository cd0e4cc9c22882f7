# SPDX-License-Identifier: Apache-2.0
"""Glass and polished metal, drawn over MuJoCo's picture: what it cannot do itself.

Exact normals come from ray casts. Metal mirrors a cube map of the room around it; glass shows what is behind it, bent
by refraction, and mirrors by Schlick's approximation of Fresnel's law ("An inexpensive BRDF model", 1994); both have
highlights of the lamps. One bounce: an object is not mirrored in itself.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.evaluation.grasping.cells import DIFFUSE, SPECULAR
from depth_anything_ros.evaluation.grasping.scene import CAMERA
from depth_anything_ros.evaluation.grasping.world import Canvas, Hits, World, face_axes, view_rays

GLASS_INDEX = 1.5
GLASS_TINT = np.array([0.90, 0.97, 0.94])  # of what comes through; thick glass is a little green
METAL_TINT = np.array([0.90, 0.91, 0.93])
WALL_M, SOLID_M = 0.006, 0.045  # way of light through glass: two thin walls, or a solid body
GLASS_SHADOW = 0.3  # of an opaque object's
HIGHLIGHT_EXPONENT, HIGHLIGHT = 600.0, 1.2


def photograph(world: World, canvas: Canvas, hits: Hits) -> np.ndarray:
    """(H, W, 3) uint8 RGB of the scene as CAMERA sees it. hits: of view_rays from the camera, one a pixel."""
    image = canvas.picture()
    if world.scene.cell.material == DIFFUSE:
        return image
    shape = (CAMERA.height, CAMERA.width)
    mask = hits.on_target.reshape(shape)
    pixel = np.flatnonzero(hits.on_target)
    rays = view_rays(CAMERA, world.scene.world_from_camera)[pixel]
    origin_m = world.scene.world_from_camera.translation_m
    points_m = origin_m + rays * hits.range_m[pixel, None]
    view = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    normal = hits.normal[pixel]
    facing = np.clip(-np.einsum('ij,ij->i', view, normal), 0, 1)
    mirrored = view + 2 * facing[:, None] * normal
    room = look_up(canvas.surroundings(), mirrored)
    shine = _highlights(world, points_m, view, normal)
    if world.scene.cell.material == SPECULAR:
        colours = room * METAL_TINT * (0.9 + 0.1 * (1 - facing[:, None]) ** 5) + shine
        background = image.astype(np.float64)
    else:
        behind = canvas.picture(target=False)
        shadow = image.astype(np.float64)  # an opaque object's shadow: glass throws a fainter one
        background = behind + GLASS_SHADOW * np.where(mask[..., None], 0, shadow - behind)
        through = _transmitted(world, background, points_m, view, normal, facing)
        fresnel = (0.04 + 0.96 * (1 - facing) ** 5)[:, None]
        fresnel = np.minimum(2 * fresnel, 1)  # front and back of a wall
        colours = (1 - fresnel) * through + fresnel * room + shine
    drawn = background.reshape(-1, 3).copy()
    drawn[pixel] = colours
    return _smooth_outline(np.clip(drawn, 0, 255).reshape(*shape, 3), background, mask).astype(np.uint8)


def look_up(faces: dict[tuple[int, int], np.ndarray], directions: np.ndarray) -> np.ndarray:
    """Cube map at (N, 3) directions -> (N, 3) float colours 0..255."""
    size = next(iter(faces.values())).shape[0]
    axis = np.abs(directions).argmax(axis=1)
    sign = np.where(directions[np.arange(len(directions)), axis] < 0, -1, 1)
    colours = np.zeros((len(directions), 3))
    for (face_axis, face_sign), image in faces.items():
        use = (axis == face_axis) & (sign == face_sign)
        if use.any():
            local = directions[use] @ face_axes(face_axis, face_sign)
            place = ((local[:, :2] / local[:, 2:]) * size / 2 + (size - 1) / 2).astype(np.float32)
            colours[use] = cv2.remap(image, place[None, :, 0], place[None, :, 1], cv2.INTER_LINEAR,
                                     borderMode=cv2.BORDER_REPLICATE)[0]  # fmt: skip
    return colours


def _transmitted(world: World, background, points_m, view, normal, facing) -> np.ndarray:
    """What is seen through: the background where the refracted ray leaves the glass; edges are darker, and tinted."""
    bent = refracted(view, normal, facing)
    way_m = WALL_M if world.scene.shape.hollow else SOLID_M
    way_m = way_m / np.maximum(facing, 0.25)
    leaves_m = points_m + bent * way_m[:, None]
    # beyond the glass the ray goes on as it came: where it meets the scene is taken from the picture
    seen_m = leaves_m + view * 0.05
    pixels, _ = CAMERA.project(world.scene.world_from_camera.inverse().apply(seen_m))
    pixels = pixels.astype(np.float32)
    seen = cv2.remap(
        np.clip(background, 0, 255).astype(np.float32), pixels[None, :, 0], pixels[None, :, 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )[0]  # fmt: skip
    return seen * GLASS_TINT ** (0.5 + 6 * (1 - facing[:, None]) ** 3)


def refracted(view: np.ndarray, normal: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """Snell's law into glass: (N, 3) unit view directions, outward normals and cosines -> (N, 3) unit directions."""
    ratio = 1 / GLASS_INDEX
    cosine = np.sqrt(1 - ratio**2 * (1 - facing**2))
    return ratio * view + (ratio * facing - cosine)[:, None] * normal


def _highlights(world: World, points_m, view, normal) -> np.ndarray:
    """(N, 3) of the lamps, by Blinn and Phong."""
    total = np.zeros((len(points_m), 3))
    for place_m, light in zip(world.scene.lights_m, world.scene.lights, strict=True):
        towards = place_m - points_m
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        half = towards - view
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        share = np.clip(np.einsum('ij,ij->i', half, normal), 0, 1) ** HIGHLIGHT_EXPONENT
        total += 255 * HIGHLIGHT * share[:, None] * np.sqrt(light)
    return total


def _smooth_outline(drawn: np.ndarray, background: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Half-covered pixels along the outline, as in the rest of the picture."""
    cover = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0.6)[..., None]
    edge = (cover > 0.02) & (cover < 0.98)
    inside = np.where(mask[..., None], drawn, 0.0)
    spread = cv2.GaussianBlur(inside, (3, 3), 0.6) / np.maximum(cover, 1e-3)
    return np.where(edge, cover * spread + (1 - cover) * background, drawn)
