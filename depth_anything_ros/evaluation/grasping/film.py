# SPDX-License-Identifier: Apache-2.0
"""Film strips: what the camera saw, the depth of each source with the planned grasp, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.grasping.cells import LIFTED, RETURNS, Cell
from depth_anything_ros.evaluation.grasping.perception import View
from depth_anything_ros.evaluation.grasping.scene import CAMERA
from depth_anything_ros.grasping.antipodal import Grasp
from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.projection.overlay import colourise, depth_range_m, overlay_prompt

TILE_PX = (240, 180)
LABEL_PX = 20
WINDOW_M = 0.3  # around the object, of depth and grasp pictures
GOOD, BAD, WHITE = (60, 220, 90), (255, 80, 70), (255, 255, 255)


@dataclass(frozen=True, eq=False)
class Frame:
    """One source's part of a strip. depth_m: (H, W), sparse for bare returns; after: (H, W, 3) after the lift."""

    cell: Cell
    source: str
    view: View
    depth_m: np.ndarray
    grasp: Grasp | None
    result: str
    after: np.ndarray
    world_from_camera: RigidTransform


def strip(frames: Sequence[Frame], gripper: Gripper) -> np.ndarray:
    """Frames of one trial -> (2 * 180, (1 + sources) * 240, 3) uint8 RGB: image and returns, then a column a source."""
    first = frames[0]
    columns = [np.concatenate([
        _named(_tile(first.view.image_rgb), first.cell.name),
        _named(_tile(overlay_prompt(first.view.image_rgb, _returns(first))), 'returns'),
    ])]  # fmt: skip
    window = _window(first.view)
    low_m, high_m = depth_range_m(_cut(np.where(np.isfinite(first.view.depth_m), first.view.depth_m, np.nan), window))
    for frame in frames:
        if frame.source == RETURNS:
            picture = _dots(frame.depth_m, low_m, high_m)
        else:
            picture = colourise(frame.depth_m, low_m, high_m)
        if frame.grasp is not None:
            picture = _with_grasp(picture, frame, gripper)
        colour = GOOD if frame.result == LIFTED else BAD
        above = _named(_tile(_cut(picture, window)), frame.source)
        columns.append(np.concatenate([above, _named(_tile(frame.after), frame.result, colour)]))
    return np.concatenate(columns, axis=1)


def _returns(frame: Frame) -> np.ndarray:
    """(H, W) the sweep on the image, as it came."""
    sparse_m = np.full(frame.view.depth_m.shape, np.nan, np.float32)
    points_m = frame.view.sweep.camera_from_sensor.apply(frame.view.sweep.points.xyz_m)
    pixels, seen = CAMERA.project(points_m)
    column, row = np.rint(pixels[seen]).astype(int).T
    sparse_m[row, column] = points_m[seen, 2]
    return sparse_m


def _dots(sparse_m: np.ndarray, low_m: float, high_m: float) -> np.ndarray:
    """Returns on black, large enough to be seen in a tile."""
    near_first = np.nan_to_num(1 / np.where(sparse_m > 0, sparse_m, np.nan), nan=0.0).astype(np.float32)
    spread = cv2.dilate(near_first, np.ones((3, 3), np.uint8))
    return colourise(np.where(spread > 0, 1 / np.maximum(spread, 1e-6), np.nan), low_m, high_m)


def _with_grasp(picture: np.ndarray, frame: Frame, gripper: Gripper) -> np.ndarray:
    """Fingers and palm as lines."""
    pose = frame.grasp.frame_from_gripper
    world_m = gripper.lines(frame.grasp.width_m) @ pose[:3, :3].T + pose[:3, 3]
    seen_m = frame.world_from_camera.inverse().apply(world_m)
    if (seen_m[:, 2] < 0.05).any():
        return picture
    pixels = np.rint(seen_m[:, :2] / seen_m[:, 2:] * (CAMERA.fx, CAMERA.fy) + (CAMERA.cx, CAMERA.cy)).astype(int)
    drawn = np.ascontiguousarray(picture)
    thick = max(1, round(CAMERA.fx * 0.004 / float(np.median(seen_m[:, 2]))))
    for colour, width in (((0, 0, 0), thick + 2), (WHITE, thick)):
        for one, two in pixels.reshape(-1, 2, 2):
            cv2.line(drawn, one.tolist(), two.tolist(), colour, width, cv2.LINE_AA)
    return drawn


def _window(view: View) -> tuple[int, int, int, int]:
    """(x0, y0, width, height) of WINDOW_M around the object, inside the image, of the tiles' aspect."""
    depth_m = float(np.median(view.depth_m[view.on_object]))
    width = int(min(CAMERA.fx * WINDOW_M / depth_m, CAMERA.width))
    height = width * TILE_PX[1] // TILE_PX[0]
    x, y = (view.box[:2] + view.box[2:]) // 2
    return (
        int(np.clip(x - width // 2, 0, CAMERA.width - width)),
        int(np.clip(y - height // 2, 0, CAMERA.height - height)),
        width,
        height,
    )


def _cut(picture: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
    x, y, width, height = window
    return picture[y : y + height, x : x + width]


def _tile(picture: np.ndarray) -> np.ndarray:
    way = cv2.INTER_AREA if picture.shape[1] > TILE_PX[0] else cv2.INTER_NEAREST
    return cv2.resize(picture, TILE_PX, interpolation=way)


def _named(tile: np.ndarray, text: str, colour=WHITE) -> np.ndarray:
    tile = np.ascontiguousarray(tile)
    tile[:LABEL_PX] //= 4  # dark ground for the text
    cv2.putText(tile, text, (5, LABEL_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return tile
