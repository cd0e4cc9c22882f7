# SPDX-License-Identifier: Apache-2.0
"""What each source knows of a scene: a depth map or bare returns, as points in the world; and the object among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import Observation, Sweep
from depth_anything_ros.engines.classical import nearest_fill
from depth_anything_ros.evaluation.grasping.cells import DISTANCES_M, NEAREST, OURS, RETURNS, TRUTH, UNPROMPTED
from depth_anything_ros.evaluation.grasping.ranger import LIDAR
from depth_anything_ros.evaluation.grasping.scene import CAMERA, TABLE_M
from depth_anything_ros.evaluation.grasping.world import Hits, World
from depth_anything_ros.grasping.plane import Plane, find_plane
from depth_anything_ros.grasping.settings import SegmentationConfig
from depth_anything_ros.grasping.voxels import connected, thinned
from depth_anything_ros.pipeline.estimator import DepthEstimator
from depth_anything_ros.projection.accumulate import deskew
from depth_anything_ros.projection.cloud import FlyingPixelConfig, remove_flying_pixels
from depth_anything_ros.projection.conditioning import condition
from depth_anything_ros.projection.prompt import build_prompt

UP = np.array([0.0, 0.0, 1.0])
# what a robot knows of where it works: the table and a little around it
WORKSPACE_M = np.array([[-TABLE_M[0] / 2, -TABLE_M[1] / 2, -0.1], [TABLE_M[0] / 2, TABLE_M[1] / 2, 0.5]])
BOX_MARGIN_PX = 6  # detectors draw their boxes a little wide
SURROUNDINGS = 1.5  # what is looked at around the box, on each side, in sizes of it
FEWEST_POINTS = 3
# wider and finer than for rooms: on a table, things stand a few centimetres before what is behind them; chosen on
# scenes of another seed than the default one
FLYING_PIXELS = FlyingPixelConfig(width_px=8, jump=0.03, flatness=0.6)


@dataclass(frozen=True, eq=False)
class View:
    """What camera and ranger gave, and the truth. box: (4,) x0, y0, x1, y1 in pixels around the object, as from a
    detector. depth_m (H, W) exact; on_object (H, W) bool.
    """

    image_rgb: np.ndarray
    sweep: Sweep
    depth_m: np.ndarray
    on_object: np.ndarray
    box: np.ndarray

    @property
    def around(self) -> np.ndarray:
        """(4,) the box and its surroundings; may reach over the image."""
        grown = round(SURROUNDINGS * float(max(self.box[2:] - self.box[:2])))
        return self.box + np.array([-grown, -grown, grown, grown])


@dataclass(frozen=True, eq=False)
class Percept:
    """points_m (N, 3) in the world, of the object's box and its surroundings; in_box (N,) bool: seen within the box.
    depth_m: (H, W), or the returns alone on the image.
    """

    source: str
    depth_m: np.ndarray
    points_m: np.ndarray
    in_box: np.ndarray


def make_view(image_rgb: np.ndarray, sweep: Sweep, hits: Hits) -> View:
    """hits: of the camera's rays, one a pixel."""
    shape = (CAMERA.height, CAMERA.width)
    on_object = hits.on_target.reshape(shape)
    rows, columns = np.nonzero(on_object)
    margin = BOX_MARGIN_PX
    box = np.array([columns.min() - margin, rows.min() - margin, columns.max() + margin, rows.max() + margin])
    return View(image_rgb, sweep, hits.range_m.reshape(shape).astype(np.float32), on_object, box)


class Perception:
    """Percepts of views, all from the same sweep. The estimator is that of depth_node, forgetting between views."""

    def __init__(self, estimator: DepthEstimator):
        self.estimator = estimator

    def percepts(self, view: View, world: World, sources: Sequence[str]) -> Iterator[Percept]:
        observation = Observation(view.image_rgb, CAMERA, 0, (view.sweep,))
        config = self.estimator.config
        prompt = condition(build_prompt(observation, config.prompt), config.conditioning)
        for source in sources:
            self.estimator.reset()  # the scale of the last scene would be no help, or an undeserved one
            if source == RETURNS:
                yield _of_returns(prompt.sparse.depth_m, view, world)
                continue
            if source == TRUTH:
                depth_m = view.depth_m
            elif source == OURS:
                depth_m = self.estimator.estimate(observation).depth_m
            elif source == NEAREST:
                depth_m = nearest_fill(prompt.sparse)
            elif source == UNPROMPTED:
                depth_m = self._without_returns(view)
            yield _of_depth(source, depth_m, view, world)

    def _without_returns(self, view: View) -> np.ndarray:
        try:
            return self.estimator.estimate(Observation(view.image_rgb, CAMERA, 0)).depth_m
        except InvalidInput:  # a relative network, or none at all, knows no depth without returns
            return np.full(view.depth_m.shape, np.nan, np.float32)


def object_points(percept: Percept) -> tuple[np.ndarray, np.ndarray, Plane | None]:
    """(object (M, 3), everything that was seen in the workspace (N, 3), support plane or None).

    The object: of what is above the plane and in the box, the part that hangs together and has the most points. As
    grasping's `segment` does it, but for its least number of points, which bare returns of a far object don't reach.
    """
    low, high = WORKSPACE_M
    within = ((percept.points_m >= low) & (percept.points_m <= high)).all(axis=1)
    points_m, in_box = percept.points_m[within].astype(np.float32), percept.in_box[within]
    nothing = points_m[:0]
    if len(points_m) < FEWEST_POINTS:
        return nothing, points_m, None
    config = segmentation_for(percept.source)
    support = find_plane(
        points_m[thinned(points_m, config.resolution_m)],
        np.random.default_rng(0),
        tolerance_m=config.plane_tolerance_m,
        up=UP,
        max_tilt_deg=config.max_tilt_deg,
        min_share=config.min_support,
    )
    if support is None:
        return nothing, points_m, None
    height_m = support.height_m(points_m)
    object_m = points_m[in_box & (height_m > config.min_height_m) & (height_m < config.max_height_m)]
    if len(object_m) < FEWEST_POINTS:
        return nothing, points_m, support
    label = connected(object_m, config.gap_m)
    object_m = object_m[label == np.bincount(label).argmax()]
    return (object_m if len(object_m) >= FEWEST_POINTS else nothing), points_m, support


def segmentation_for(source: str) -> SegmentationConfig:
    """The defaults; bare returns of one object may lie as far apart as two lines do at the farthest distance."""
    if source != RETURNS:
        return SegmentationConfig()
    apart_m = float(np.radians(np.diff(sorted(LIDAR.elevations_deg)).max())) * max(DISTANCES_M.values())
    return SegmentationConfig(gap_m=round(1.2 * apart_m, 3))


def depth_error_m(percept: Percept, view: View) -> float:
    """Median |depth - truth| on the object; NaN where nothing is known of it."""
    wrong = np.abs(percept.depth_m - view.depth_m)[view.on_object]
    wrong = wrong[np.isfinite(wrong)]
    return float(np.median(wrong)) if len(wrong) else float('nan')


def _of_depth(source: str, depth_m: np.ndarray, view: View, world: World) -> Percept:
    clean_m = remove_flying_pixels(depth_m, CAMERA, FLYING_PIXELS)
    (left, top), (right, bottom) = np.maximum(view.around.reshape(2, 2), 0)
    row, column = np.nonzero(np.isfinite(clean_m[top : bottom + 1, left : right + 1]))
    row, column = row + top, column + left
    points_m = CAMERA.rays()[row, column] * clean_m[row, column, None]
    in_box = _in_box(np.column_stack([column, row]), view.box)
    return Percept(source, depth_m, world.scene.world_from_camera.apply(points_m), in_box)


def _of_returns(sparse_m: np.ndarray, view: View, world: World) -> Percept:
    points_m = deskew(view.sweep)
    pixels, seen = CAMERA.project(points_m)
    seen &= _in_box(pixels, view.around)
    points_m, pixels = points_m[seen], pixels[seen]
    world_m = world.scene.world_from_camera.apply(points_m)
    return Percept(RETURNS, sparse_m, world_m, _in_box(pixels, view.box))


def _in_box(pixels: np.ndarray, box: np.ndarray) -> np.ndarray:
    return ((pixels >= box[:2]) & (pixels <= box[2:])).all(axis=1)
