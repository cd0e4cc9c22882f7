# SPDX-License-Identifier: Apache-2.0
"""Objects and grasps of recorded RGB-D frames, drawn over their images: the pictures of docs/grasping.md.

    python tools/draw_workspace.py ../shared/data/pcl_mosd_rgbd out/workspace.jpg learn38 learn44 test33

A frame is NAME_color.jpg with NAME_depth_mm.png (16 bit, millimetres, 0 unknown) and the Kinect's intrinsics. Prints
for each frame what was found and how long it took.

With --returns-every ROWS the depth is the default network's, prompted by every ROWS-th row and every 4th column of the
recorded depth; then the objects are compared with those of the recorded depth.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.encoding import decode_depth
from depth_anything_ros.core.frames import Observation, PointSet, Sweep
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.engines.factory import create_engine
from depth_anything_ros.grasping.antipodal import Grasp, plan_grasps
from depth_anything_ros.grasping.box import OrientedBox, upright_box
from depth_anything_ros.grasping.gripper import Gripper
from depth_anything_ros.grasping.segmentation import segment
from depth_anything_ros.grasping.settings import PlannerConfig, SegmentationConfig
from depth_anything_ros.pipeline.estimator import DepthEstimator
from depth_anything_ros.projection.cloud import FlyingPixelConfig, remove_flying_pixels

KINECT = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5)
COLOURS = ((60, 90, 230), (240, 160, 70), (90, 200, 90), (40, 190, 240), (220, 100, 170), (190, 200, 60))  # BGR
EDGES = [(i, i ^ bit) for i in range(8) for bit in (1, 2, 4) if i < i ^ bit]
TILE_PX = (480, 360)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path)
    parser.add_argument('picture', type=Path)
    parser.add_argument('names', nargs='*', help='frames; none: all of the folder')
    parser.add_argument('--gripper-width', type=float, default=Gripper().max_width_m, help='metres')
    parser.add_argument('--grasps', type=int, default=3, help='drawn for each object; 0: none are planned')
    parser.add_argument('--returns-every', type=int, default=0, metavar='ROWS', help='0: the recorded depth itself')
    parser.add_argument('--columns', type=int, default=3)
    args = parser.parse_intermixed_args()
    names = args.names or sorted(path.name[: -len('_color.jpg')] for path in args.folder.glob('*_color.jpg'))
    gripper = Gripper(max_width_m=args.gripper_width)
    estimator = DepthEstimator(create_engine()) if args.returns_every else None
    tiles, shares, extra = [], [], 0
    for name in names:
        image, recorded_m = read(args.folder, name)
        depth_m = completed(image, recorded_m, estimator, args.returns_every) if estimator else recorded_m
        picture, found = look(name, image, depth_m, gripper, args.grasps)
        tiles.append(cv2.resize(picture, TILE_PX))
        if estimator:
            own, more = compared(segment(cloud_of(recorded_m), None, SegmentationConfig()).clusters, found)
            shares, extra = shares + own, extra + more
    if estimator:
        good = [sum(share > least for share in shares) for least in (0.7, 0.5)]
        print(
            f'of {len(shares)} objects of the recorded depth {good[0]} are found with an intersection over union above'
            f' 0.7, {good[1]} above 0.5; {extra} more are none of them'
        )
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % args.columns)
    rows = [np.hstack(tiles[at : at + args.columns]) for at in range(0, len(tiles), args.columns)]
    args.picture.parent.mkdir(parents=True, exist_ok=True)
    return 0 if cv2.imwrite(str(args.picture), np.vstack(rows)) else 1


def read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(480, 640, 3) BGR and (480, 640) depth in metres, NaN unknown."""
    depth_mm = cv2.imread(str(folder / f'{name}_depth_mm.png'), cv2.IMREAD_UNCHANGED)
    depth_m = decode_depth(depth_mm.tobytes(), *depth_mm.shape, depth_mm.strides[0], '16UC1')
    return cv2.imread(str(folder / f'{name}_color.jpg')), depth_m


def completed(image: np.ndarray, recorded_m: np.ndarray, estimator: DepthEstimator, rows: int) -> np.ndarray:
    """The network's depth where the recording has some (the data set cut its background away), flying pixels removed
    as depth_node does in its cloud."""
    returns_m = cloud_of(recorded_m).reshape(480, 640, 3)[rows // 2 :: rows, ::4].reshape(-1, 3)
    points = PointSet(returns_m[np.isfinite(returns_m[:, 0])], KINECT.frame_id, 0)
    sweep = Sweep(points, RigidTransform.identity(KINECT.frame_id, KINECT.frame_id))
    frame = estimator.estimate(Observation(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), KINECT, 0, (sweep,)))
    depth_m = remove_flying_pixels(frame.depth_m, KINECT, FlyingPixelConfig())
    recorded = cv2.dilate(np.isfinite(recorded_m).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    return np.where(recorded, depth_m, np.float32(np.nan))


def compared(truth: list[np.ndarray], found: list[np.ndarray]) -> tuple[list[float], int]:
    """Best intersection over union of every true object's pixels, and how many of the found are nobody's best."""
    shares, best = [], set()
    for own in truth:
        common = [len(np.intersect1d(own, other, assume_unique=True)) for other in found]
        unions = [c / (len(own) + len(other) - c) for c, other in zip(common, found, strict=True)]
        shares.append(max(unions, default=0.0))
        best |= {int(np.argmax(unions))} if unions else set()
    return shares, len(found) - len(best)


def cloud_of(depth_m: np.ndarray) -> np.ndarray:
    """(307200, 3) float32."""
    return (KINECT.rays() * depth_m[..., None]).reshape(-1, 3).astype(np.float32)


def look(
    name: str, image: np.ndarray, depth_m: np.ndarray, gripper: Gripper, drawn: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """One frame's picture with all that was found in it, and the pixels of its objects."""
    points_m = cloud_of(depth_m)
    started = time.process_time()
    workspace = segment(points_m, None, SegmentationConfig())
    boxes = [upright_box(points_m[cluster], workspace.support) for cluster in workspace.clusters]
    segmented = time.process_time()
    rng, grasps = np.random.default_rng(0), []
    scene_m = np.delete(points_m, workspace.veils, axis=0)
    for cluster in workspace.clusters if drawn else ():
        grasps.append(plan_grasps(points_m[cluster], scene_m, gripper, PlannerConfig(), rng, support=workspace.support))
    planned = time.process_time()
    print(
        f'{name}: {len(boxes)} objects, grasps {[len(some) for some in grasps]},'
        f' {1e3 * (segmented - started):.0f} + {1e3 * (planned - segmented):.0f} ms of one core'
    )
    for number, cluster in enumerate(workspace.clusters):
        tinted = image.reshape(-1, 3)
        tinted[cluster] = (0.55 * tinted[cluster] + 0.45 * np.array(COLOURS[number % len(COLOURS)])).astype(np.uint8)
    for number, box in enumerate(boxes):
        draw_box(image, box, COLOURS[number % len(COLOURS)])
    for some in grasps:
        for grasp in reversed(some[:drawn]):
            draw_grasp(image, grasp, gripper)
    return image, workspace.clusters


def draw_box(image: np.ndarray, box: OrientedBox, colour) -> None:
    corners = pixels(box.corners_m)
    for one, two in EDGES:
        cv2.line(image, corners[one], corners[two], colour, 1, cv2.LINE_AA)


def draw_grasp(image: np.ndarray, grasp: Grasp, gripper: Gripper) -> None:
    pose = grasp.frame_from_gripper
    ends = pixels(gripper.lines(grasp.width_m) @ pose[:3, :3].T + pose[:3, 3])
    for width, colour in ((5, (255, 255, 255)), (3, (30, int(220 * grasp.score), int(220 * (1 - grasp.score))))):
        for at in range(0, len(ends), 2):
            cv2.line(image, ends[at], ends[at + 1], colour, width, cv2.LINE_AA)


def pixels(points_m: np.ndarray) -> list[tuple[int, int]]:
    uv, _ = KINECT.project(points_m)
    return [(round(u), round(v)) for u, v in uv.tolist()]


if __name__ == '__main__':
    sys.exit(main())
