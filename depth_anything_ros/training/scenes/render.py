# SPDX-License-Identifier: Apache-2.0
"""Command: renders the furnished room from a moving robot into a ROS 2 recording with exact ground truth.

    python -m depth_anything_ros.training.scenes.render --output recordings/room --work DIR

Frames are kept in the work folder as they are done, so that a broken run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from depth_anything_ros.core.errors import DepthError, InvalidInput, MissingExtra, RecordingError
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.training.scenes import trajectory
from depth_anything_ros.training.scenes.lidar import SpinningLidar, simulate_sweep
from depth_anything_ros.training.scenes.quiet import quiet_stdout
from depth_anything_ros.training.scenes.recording import RenderedFrame, write_recording

FRAME_PERIOD_S = 0.2
TF_PERIOD_S = 0.02
MARGIN_S = 0.5  # /tf begins this long before the first image and ends this long after the last
BAG_START_NS = 1_700_000_000_000_000_000


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m depth_anything_ros.training.scenes.render', description=__doc__.partition('\n\n')[0]
    )
    parser.add_argument('--output', type=Path, help='rosbag2 folder to write, e.g. recordings/room')
    parser.add_argument('--work', type=Path, help='folder that keeps finished frames; needed with --output')
    parser.add_argument('--frames', type=int, default=40, help='images at 5 Hz along the path (default %(default)s)')
    parser.add_argument('--samples', type=int, default=16, help='light paths per pixel (default %(default)s)')
    parser.add_argument('--size', type=_size, default=(640, 480), metavar='WxH', help='image size (default 640x480)')
    parser.add_argument('--mesh', type=Path, metavar='FILE.ply', help="write the scene's triangles in the odom frame")
    options = parser.parse_args(arguments)
    if options.output is None and options.mesh is None:
        parser.error('nothing to do: give --output with --work, or --mesh')
    if options.output is not None and options.work is None:
        parser.error('--output needs --work, the folder for finished frames')
    try:
        make(options)
    except DepthError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def make(options: argparse.Namespace) -> None:
    """Builds the room, then writes what the options ask for. Raises MissingExtra without Blender's module."""
    try:
        import bpy  # noqa: F401
    except ImportError as error:
        raise MissingExtra('bpy', 'scenes', 'rendering a scene') from error
    from depth_anything_ros.training.scenes.raycast import SceneCaster
    from depth_anything_ros.training.scenes.room import build_room, world_mesh

    build_room()
    mesh = world_mesh()
    if options.mesh is not None:
        write_ply(options.mesh, mesh[0], mesh[1])
    if options.output is None:
        return
    if not 1 <= options.frames <= round(trajectory.DURATION_S / FRAME_PERIOD_S) + 1:
        raise InvalidInput(f'--frames: expected 1 to 40 along the {trajectory.DURATION_S} s path, got {options.frames}')
    focal_px = render_frames(options.work, options.frames, options.samples, *options.size)
    times_s = np.arange(-MARGIN_S, (options.frames - 1) * FRAME_PERIOD_S + MARGIN_S + TF_PERIOD_S / 2, TF_PERIOD_S)
    poses = [
        (stamp_of(time_s), RigidTransform('odom', 'base_link', pose))
        for time_s, pose in zip(times_s, trajectory.odom_from_base(times_s), strict=True)
    ]
    frames = assembled(options.work, options.frames, focal_px, SceneCaster(*mesh))
    written = write_recording(options.output, frames, poses, trajectory.mounts())
    print(f'{written}: {options.frames} frames, {written.stat().st_size / 1e6:.2f} MB')


def render_frames(work: Path, count: int, samples: int, width: int, height: int) -> float:
    """Renders the frames that `work` lacks: NNN.png and NNN.npy (z-depth, float32 metres). Returns fx = fy in px.

    Raises RecordingError where the folder's frames were rendered with other settings.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    settings = {'size': [width, height], 'samples': samples}
    work.mkdir(parents=True, exist_ok=True)
    card = work / 'settings.json'
    if card.exists() and (found := json.loads(card.read_text())) != settings:
        raise RecordingError(f'{work}: expected frames made with {settings}, found {found}; choose another --work')
    card.write_text(json.dumps(settings))

    from depth_anything_ros.training.scenes.blender_camera import BlenderCamera

    camera = BlenderCamera(width, height, samples)
    columns = [TextColumn('rendering'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for i in progress.track(range(count)):
            picture, depth = work / f'{i:03d}.png', work / f'{i:03d}.npy'
            if depth.exists():  # written last, so the frame is complete
                continue
            camera.look_from(trajectory.odom_from_base(i * FRAME_PERIOD_S)[0] @ trajectory.base_from_camera())
            exr = work / 'depth.exr'
            with quiet_stdout():
                camera.render_picture(picture)
                depth_m = camera.render_depth(exr)
            partial = work / 'partial.npy'
            np.save(partial, depth_m)
            partial.replace(depth)
            exr.unlink()
    return camera.focal_px


def assembled(work: Path, count: int, focal_px: float, cast) -> Iterator[RenderedFrame]:
    """The rendered frames with their sweeps; the column that looks straight ahead fires at the image's stamp."""
    import cv2

    lidar = SpinningLidar()
    for i in range(count):
        time_s = i * FRAME_PERIOD_S
        start_s = time_s - lidar.half_sweep_s
        points = simulate_sweep(lidar, cast, odom_from_lidar, start_s, np.random.default_rng(1000 + i))
        image_bgr = cv2.imread(str(work / f'{i:03d}.png'))
        depth_m = np.load(work / f'{i:03d}.npy')
        yield RenderedFrame(stamp_of(time_s), image_bgr, depth_m, focal_px, stamp_of(start_s), points)


def odom_from_lidar(times_s: np.ndarray) -> np.ndarray:
    """(N, 4, 4) poses of the LiDAR at times (N,) in seconds."""
    return trajectory.odom_from_base(times_s) @ trajectory.base_from_lidar()


def stamp_of(time_s: float) -> int:
    """Nanoseconds since the epoch; time_s counts from the first image."""
    return BAG_START_NS + round((time_s + MARGIN_S) * 1e9)


def write_ply(path: Path, vertices_m: np.ndarray, triangles: np.ndarray) -> None:
    """Binary PLY of a triangle mesh."""
    faces = np.empty(len(triangles), np.dtype([('count', 'u1'), ('index', '<i4', 3)]))
    faces['count'], faces['index'] = 3, triangles
    header = (
        f'ply\nformat binary_little_endian 1.0\ncomment metres, frame odom\nelement vertex {len(vertices_m)}\n'
        'property float x\nproperty float y\nproperty float z\n'
        f'element face {len(triangles)}\nproperty list uchar int vertex_indices\nend_header\n'
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode() + vertices_m.astype('<f4').tobytes() + faces.tobytes())


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split('x'))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'expected WIDTHxHEIGHT, e.g. 640x480, got {text!r}') from error
    if width < 16 or height < 16:
        raise argparse.ArgumentTypeError(f'expected at least 16x16, got {text!r}')
    return width, height


if __name__ == '__main__':
    sys.exit(main())
