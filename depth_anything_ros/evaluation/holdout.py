# SPDX-License-Identifier: Apache-2.0
"""Make prompts from what is known densely, and keep the rest to score on."""

from __future__ import annotations

import dataclasses

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import DepthPrompt, Observation, PointSet, RangeKind, Sweep
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.rings import estimate_rings
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt


def hold_out_rings(
    observation: Observation, keep_every: int, config: PromptConfig | None = None
) -> tuple[Observation, np.ndarray]:
    """Prompt with every keep_every-th ring; truth are the returns of the others.

    The truth (H, W) holds held-out returns that the camera sees: the occlusion filter runs on the whole cloud, and a
    pixel with a kept return is not scored. Rings are estimated where the cloud has none.
    Raises InvalidInput where there is no LiDAR sweep or no rings in it.
    """
    if keep_every < 2:
        raise InvalidInput(f'keep_every: expected 2 or more (1 leaves nothing to score on), got {keep_every}')
    if not any(sweep.points.kind == RangeKind.LIDAR for sweep in observation.sweeps):
        raise InvalidInput('holding out rings needs a LiDAR sweep, this observation has none')
    kept = tuple(
        dataclasses.replace(sweep, points=sweep.points.subset(kept_rings(sweep.points, keep_every)))
        if sweep.points.kind == RangeKind.LIDAR
        else sweep
        for sweep in observation.sweeps
    )
    reduced = dataclasses.replace(observation, sweeps=kept)
    return reduced, unseen(observation, reduced, config)


def kept_rings(points: PointSet, keep_every: int) -> np.ndarray:
    """(N,) bool: the returns of rings 0, keep_every, 2 keep_every, ..."""
    ring = estimate_rings(points.xyz_m) if points.ring is None else points.ring
    return ring % keep_every == 0


def unseen(full: Observation, reduced: Observation, config: PromptConfig | None = None) -> np.ndarray:
    """(H, W) depth of the full observation's visible returns where the reduced one has none, NaN elsewhere."""
    config = config or PromptConfig()
    truth_m = build_prompt(full, config).depth_m
    return np.where(np.isnan(build_prompt(reduced, config).depth_m), truth_m, np.float32(np.nan))


def random_points(truth_m: np.ndarray, camera: CameraModel, count: int, stamp_ns: int, seed: int = 0) -> Sweep:
    """`count` returns at random pixels of the truth (all of them where it has fewer)."""
    v, u = np.nonzero(np.isfinite(truth_m))
    pick = np.random.default_rng(seed).permutation(len(v))[:count]
    return sweep_at(v[pick], u[pick], truth_m, camera, stamp_ns)


def scan_lines(truth_m: np.ndarray, camera: CameraModel, lines: int, stamp_ns: int) -> Sweep:
    """Returns as a spinning LiDAR in the camera's place would have them, one per image column and line.

    The lines are cones of constant elevation, evenly spread over the camera's vertical field of view.
    """
    rays = camera.rays()
    elevation = np.arctan2(-rays[..., 1], np.hypot(rays[..., 0], rays[..., 2]))
    centre = elevation[:, camera.width // 2]
    edges = np.linspace(np.nanmin(centre), np.nanmax(centre), lines + 1)
    rows, columns, rings = [], [], []
    for ring, target in enumerate((edges[:-1] + edges[1:]) / 2):
        off = np.abs(np.where(np.isnan(elevation), np.inf, elevation) - target)
        row = off.argmin(axis=0)
        hit = off[row, np.arange(camera.width)] < abs(centre[0] - centre[-1]) / camera.height
        hit &= np.isfinite(truth_m[row, np.arange(camera.width)])
        rows.append(row[hit])
        columns.append(np.flatnonzero(hit))
        rings.append(np.full(hit.sum(), ring, np.uint16))
    v, u = np.concatenate(rows), np.concatenate(columns)
    return sweep_at(v, u, truth_m, camera, stamp_ns, np.concatenate(rings))


def low_resolution(truth_m: np.ndarray, factor: int, stamp_ns: int) -> DepthPrompt:
    """A depth image of 1/factor of the size, each pixel the depth at its cell's centre."""
    height, width = truth_m.shape[0] // factor, truth_m.shape[1] // factor
    v = ((np.arange(height) + 0.5) * truth_m.shape[0] / height).astype(int)
    u = ((np.arange(width) + 0.5) * truth_m.shape[1] / width).astype(int)
    return DepthPrompt(np.ascontiguousarray(truth_m[np.ix_(v, u)]), stamp_ns, RangeKind.TOF)


def sweep_at(
    v: np.ndarray,
    u: np.ndarray,
    depth_m: np.ndarray,
    camera: CameraModel,
    stamp_ns: int,
    ring: np.ndarray | None = None,
    kind: RangeKind = RangeKind.LIDAR,
) -> Sweep:
    """The depths at pixels (v, u) as returns of a ranger that sits in the camera."""
    xyz_m = camera.unproject(np.stack([u, v], axis=1).astype(np.float64), depth_m[v, u]).astype(np.float32)
    points = PointSet(xyz_m, camera.frame_id, stamp_ns, kind, ring=ring)
    return Sweep(points, RigidTransform.identity(camera.frame_id, camera.frame_id))
