# SPDX-License-Identifier: Apache-2.0
"""Drawings of a workspace for RViz: the support, the objects' boxes with their numbers, grippers in their places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point, Pose
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.grasping.antipodal import Grasp
from depth_anything_ros.grasping.box import OrientedBox
from depth_anything_ros.grasping.gripper import Gripper

COLOURS = np.array(
    [(230, 90, 60), (70, 160, 240), (90, 200, 90), (240, 190, 40), (170, 100, 220), (60, 200, 190), (240, 120, 180)]
) / 255  # fmt: skip
LINE_M = 0.003


def pose_message(matrix: np.ndarray) -> Pose:
    """(4, 4) -> Pose."""
    pose, transform = Pose(), RigidTransform('points', 'thing', matrix)
    x, y, z, w = map(float, transform.quaternion_xyzw())
    pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = x, y, z, w
    pose.position.x, pose.position.y, pose.position.z = map(float, transform.translation_m)
    return pose


def object_markers(boxes: Sequence[OrientedBox], header) -> MarkerArray:
    """A see-through box for each object, ns 'objects', and its number and size, ns 'labels'; the id is the object's
    number. What was drawn before is deleted."""
    markers = [_all_deleted(header)]
    for number, box in enumerate(boxes):
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = box.axes, box.center_m
        cube = _marker('objects', number, Marker.CUBE, header, 0.35)
        cube.pose = pose_message(matrix)
        cube.scale.x, cube.scale.y, cube.scale.z = (max(float(side), 1e-3) for side in box.size_m)
        label = _marker('labels', number, Marker.TEXT_VIEW_FACING, header, 1.0)
        matrix[:3, 3] += box.axes[:, 2] * (box.size_m[2] / 2 + 0.03)
        label.pose, label.scale.z = pose_message(matrix), 0.03
        label.text = f'{number}: ' + ' x '.join(f'{100 * side:.0f}' for side in box.size_m) + ' cm'
        markers += [cube, label]
    return MarkerArray(markers=markers)


def support_marker(border_m: np.ndarray, header) -> Marker:
    """The part (K, 3) of the support that is seen as one flat, see-through piece; without one: deletes the last."""
    marker = _marker('support', 0, Marker.TRIANGLE_LIST, header, 0.3)
    marker.color = ColorRGBA(r=0.6, g=0.6, b=0.65, a=0.4)
    marker.scale.x = marker.scale.y = marker.scale.z = 1.0
    if len(border_m) < 3:
        marker.action = Marker.DELETE
        return marker
    fan = [border_m[[0, k, k + 1]] for k in range(1, len(border_m) - 1)]
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in np.concatenate(fan).astype(float).tolist()]
    return marker


def grasp_markers(grasps: Sequence[Sequence[Grasp]], gripper: Gripper, drawn: int, header) -> MarkerArray:
    """Per object one list of lines with the outlines of its `drawn` best grasps, green for a score of 1, red for 0."""
    markers = [_all_deleted(header)]
    for number, of_object in enumerate(grasps):
        if not of_object[:drawn]:
            continue
        marker = _marker('grasps', number, Marker.LINE_LIST, header, 1.0)
        marker.scale.x = LINE_M
        for grasp in of_object[:drawn]:
            lines = gripper.lines(grasp.width_m) @ grasp.frame_from_gripper[:3, :3].T
            lines += grasp.frame_from_gripper[:3, 3]
            colour = ColorRGBA(r=1.0 - grasp.score, g=grasp.score, b=0.1, a=1.0)
            marker.points += [Point(x=x, y=y, z=z) for x, y, z in lines.tolist()]
            marker.colors += [colour] * len(lines)
        markers.append(marker)
    return MarkerArray(markers=markers)


def _marker(namespace: str, number: int, kind: int, header, opacity: float) -> Marker:
    marker = Marker(header=header, ns=namespace, id=number, type=kind, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    red, green, blue = map(float, COLOURS[number % len(COLOURS)])
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=opacity)
    return marker


def _all_deleted(header) -> Marker:
    return Marker(header=header, action=Marker.DELETEALL)
