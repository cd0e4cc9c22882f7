# SPDX-License-Identifier: Apache-2.0
"""A recording as files -> a rosbag2 recording with images, camera_info, points, depth and transforms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.evaluation import bag_messages
from depth_anything_ros.evaluation.bag_writer import BagWriter
from depth_anything_ros.evaluation.source import Source, SourceFrame, read_depth_png, read_image

IMAGE, COMPRESSED = '/camera/image_raw', '/camera/image_raw/compressed'
CAMERA_INFO, DEPTH, POINTS = '/camera/camera_info', '/camera/depth/image_raw', '/points'


def write_bag(source: Source, path: Path, jpeg_quality: int | None = None) -> Iterator[int]:
    """Write every frame; yields the number written so far after each, so that the caller can show progress.

    jpeg_quality 1 to 100: images as CompressedImage jpeg, None: raw rgb8. Within one stamp, transforms and points
    come before camera_info and the image, so that a replay has everything when the image arrives.
    Raises RecordingError on a damaged file or a path that exists.
    """
    if jpeg_quality is not None and not 1 <= jpeg_quality <= 100:
        raise InvalidInput(f'jpeg quality: expected 1 to 100, got {jpeg_quality}')
    with BagWriter(path) as writer:
        types = writer.typestore
        poses = list(source.poses)
        if source.camera_from_points is not None:
            first_ns = source.frames[0].stamp_ns
            writer.write('/tf_static', bag_messages.transforms(types, [(source.points_from_camera, 0)]), first_ns)
        for count, frame in enumerate(source.frames, 1):
            while poses and poses[0][0] <= frame.stamp_ns:
                _write_pose(writer, *poses.pop(0))
            _write_frame(writer, source, frame, jpeg_quality)
            yield count
        for pose in poses[:1]:  # the one after the last image, to interpolate to it
            _write_pose(writer, *pose)


def _write_pose(writer: BagWriter, stamp_ns: int, pose) -> None:
    writer.write('/tf', bag_messages.transforms(writer.typestore, [(pose, stamp_ns)]), stamp_ns)


def _write_frame(writer: BagWriter, source: Source, frame: SourceFrame, jpeg_quality: int | None) -> None:
    types, camera, stamp_ns = writer.typestore, source.camera, frame.stamp_ns
    if frame.points is not None:
        columns = source.read_points(frame.points)
        cloud = bag_messages.point_cloud(types, columns, frame.points_stamp_ns, source.camera_from_points.source)
        writer.write(POINTS, cloud, stamp_ns)
    if frame.depth is not None:
        depth_m = read_depth_png(frame.depth, source.depth_unit_m)
        message = bag_messages.depth_image(types, depth_m, frame.depth_stamp_ns, camera.frame_id, '16UC1')
        writer.write(DEPTH, message, stamp_ns)
    image_rgb = read_image(frame.image)
    if image_rgb.shape[:2] != (camera.height, camera.width):
        raise RecordingError(
            f'{frame.image}: expected {camera.width}x{camera.height} as the calibration says,'
            f' got {image_rgb.shape[1]}x{image_rgb.shape[0]}'
        )
    writer.write(CAMERA_INFO, bag_messages.camera_info(types, camera, stamp_ns), stamp_ns)
    if jpeg_quality is None:
        writer.write(IMAGE, bag_messages.image(types, image_rgb, stamp_ns, camera.frame_id), stamp_ns)
    else:
        data = encode_jpeg(image_rgb, jpeg_quality)
        message = bag_messages.compressed_image(types, data, 'jpeg', stamp_ns, camera.frame_id)
        writer.write(COMPRESSED, message, stamp_ns)


def encode_jpeg(image_rgb, quality: int) -> bytes:
    """(H, W, 3) uint8 RGB -> the bytes of a JPEG file."""
    import cv2

    return cv2.imencode('.jpg', image_rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
