# SPDX-License-Identifier: Apache-2.0
"""Renders procedural solids by ray casting: RGB with shading and shadows, and exact z-depth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.training.primitives import CARD, ROOM, Solid
from depth_anything_ros.training.textures import TextureBank

SHADOW_STRIDE = 2  # shadows are traced at half size: soft edges, a quarter of the work


@dataclass(frozen=True)
class Light:
    """direction: unit vector towards the light, world; ambient in [0, 1]; haze_per_m: fading into the sky colour."""

    direction: np.ndarray
    ambient: float
    colour: np.ndarray
    sky: np.ndarray
    haze_per_m: float = 0.0
    shadows: bool = True


@dataclass(frozen=True, eq=False)
class Rendering:
    """image_rgb (H, W, 3) uint8, depth_m (H, W) float32 z-depth, NaN where a ray leaves the scene (sky)."""

    image_rgb: np.ndarray
    depth_m: np.ndarray
    camera: CameraModel


def render(
    solids: list[Solid],
    bank: TextureBank,
    camera: CameraModel,
    world_from_camera: tuple[np.ndarray, np.ndarray],
    light: Light,
    rng: np.random.Generator,
) -> Rendering:
    """world_from_camera: rotation (3, 3) and camera centre (3,) in the world frame (z up)."""
    rotation, eye_m = (part.astype(np.float32) for part in world_from_camera)
    rays = camera.rays() @ rotation.T  # z = 1 in the camera: the ray parameter is z-depth
    depth, owner = _first_hits(solids, bank, camera, rays, rotation, eye_m)
    seen = np.isfinite(depth)
    colour = np.empty((*depth.shape, 3), np.float32)
    colour[:] = _sky(rng, rays, light)
    normals = np.zeros_like(rays)
    for index in np.unique(owner[seen]):
        pixels = owner == index
        solid = solids[index]
        origin, directions = solid.local(eye_m, rays[pixels])
        tiles_m, normal = solid.surface(origin + depth[pixels][:, None] * directions)
        footprint_m = depth[pixels] / camera.fx
        colour[pixels] = solid.tint * bank.sample(
            solid.texture, tiles_m / solid.metres_per_tile, footprint_m / solid.metres_per_tile
        )
        normals[pixels] = normal @ solid.rotation.T
    # a card is seen from both sides
    facing = np.sign((normals * -rays).sum(-1, keepdims=True))
    lambert = np.clip((normals * np.where(facing == 0, 1, facing)) @ light.direction, 0, 1)
    if light.shadows:
        lambert = lambert * _lit(solids, bank, rays, depth, eye_m, light)
    brightness = light.ambient + (1 - light.ambient) * lambert
    brightness = brightness * _occlusion(depth)
    shaded = colour * brightness[..., None] * light.colour
    clear = np.exp(-np.where(seen, depth, 0) * light.haze_per_m)[..., None]
    colour = np.where(seen[..., None], shaded * clear + light.sky * (1 - clear), colour)
    colour = _exposed(colour, rng)
    image = cv2.GaussianBlur(np.clip(colour, 0, 255), (0, 0), 0.5)  # one ray a pixel leaves jagged edges
    return Rendering(image.astype(np.uint8), np.where(seen, depth, np.nan).astype(np.float32), camera)


def _first_hits(solids, bank, camera, rays, rotation, eye_m) -> tuple[np.ndarray, np.ndarray]:
    depth = np.full(rays.shape[:2], np.inf, np.float32)
    owner = np.full(rays.shape[:2], -1, np.int32)
    for index, solid in enumerate(solids):
        window = _window(solid, camera, rotation, eye_m)
        if window is None:
            continue
        origin, directions = solid.local(eye_m, rays[window])
        t = solid.hit(origin, directions, bank.masks)
        nearer = t < depth[window]
        depth[window] = np.where(nearer, t, depth[window])
        owner[window] = np.where(nearer, index, owner[window])
    return depth, owner


def _window(solid: Solid, camera: CameraModel, rotation, eye_m) -> tuple[slice, slice] | None:
    """The part of the image that the solid can cover; None: out of view."""
    if solid.shape == ROOM:
        return slice(None), slice(None)
    corners = (solid.corners_m() - eye_m) @ rotation
    if (corners[:, 2] < 0.05).all():
        return None
    if (corners[:, 2] < 0.05).any():
        return slice(None), slice(None)
    u = corners[:, 0] / corners[:, 2] * camera.fx + camera.cx
    v = corners[:, 1] / corners[:, 2] * camera.fy + camera.cy
    left, right = max(int(u.min()), 0), min(int(u.max()) + 2, camera.width)
    top, bottom = max(int(v.min()), 0), min(int(v.max()) + 2, camera.height)
    return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None


def _lit(solids, bank, rays, depth, eye_m, light: Light) -> np.ndarray:
    """1 where the light reaches the surface, 0 in shadow, soft between."""
    small = slice(None, None, SHADOW_STRIDE)
    t = depth[small, small]
    points = eye_m + rays[small, small] * np.where(np.isfinite(t), t, 0)[..., None] + 0.01 * light.direction
    blocked = np.zeros(t.shape, bool)
    toward = np.broadcast_to(light.direction.astype(np.float32), points.shape)
    for solid in solids:
        if solid.shape in (ROOM, CARD) or solid.half_m.max() > 50:
            continue  # the room's walls let their light in through the ceiling; the ground shades nothing
        away = solid.centre_m - points
        along = away @ light.direction
        reach = float(np.linalg.norm(solid.half_m))
        near = ((away * away).sum(-1) - along**2 < reach**2) & (along > -reach) & np.isfinite(t) & ~blocked
        if near.any():
            origin, directions = solid.local(points[near], toward[near])
            blocked[near] = np.isfinite(solid.hit(origin, directions, bank.masks))
    lit = cv2.GaussianBlur(1 - blocked.astype(np.float32), (0, 0), 0.8)
    return cv2.resize(lit, depth.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _occlusion(depth: np.ndarray) -> np.ndarray:
    """Darkening near nearer surfaces, from the unsharp-masked depth buffer (Luft et al., SIGGRAPH 2006)."""
    inverse = np.where(np.isfinite(depth), 1 / np.maximum(depth, 1e-3), 0).astype(np.float32)
    blurred = cv2.GaussianBlur(inverse, (0, 0), 6)
    return 1 - 0.4 * np.clip((blurred - inverse) / np.maximum(blurred, 1e-6), 0, 1)


def _exposed(colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A camera's automatic exposure: the mean brightness lands somewhere in the middle of the range."""
    gain = rng.uniform(70, 150) / max(float(np.clip(colour, 0, 255).mean()), 5.0)
    return 255 * np.clip(colour * gain / 255, 0, 1) ** rng.uniform(0.8, 1.2)


def _sky(rng, rays, light: Light) -> np.ndarray:
    up = np.clip(rays[..., 2:] / np.linalg.norm(rays, axis=-1, keepdims=True), 0, 1)
    clouds = cv2.resize(rng.random((6, 9), dtype=np.float32), rays.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return light.sky * (1 - 0.3 * up) + 40 * rng.uniform(0, 1) * (clouds[..., None] - 0.5)
