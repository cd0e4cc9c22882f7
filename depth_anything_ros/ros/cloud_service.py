# SPDX-License-Identifier: Apache-2.0
"""One fresh, filtered cloud on request: ~/get_cloud answers when it is on ~/cloud, which keeps the last one.

No standard service has a cloud in its answer, and a type of our own would have to be built into every client. So the
service is a std_srvs/Trigger, and the cloud a message on a latched topic, which every grasping stack takes as it is;
the answer names its stamp, by which a client knows it from an older one.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger

from depth_anything_ros.core.frames import DepthFrame
from depth_anything_ros.projection.cloud import FlyingPixelConfig, organised_cloud, remove_flying_pixels
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.health import Health

LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LOOK_S = 0.05  # how often waiting requests are looked at


class _Request(NamedTuple):
    stamp_ns: int  # ROS time: an image must be newer
    asked_s: float  # steady: a simulated clock that stands still must not keep anybody waiting
    timeout_s: float
    future: Future


class CloudService:
    """Holds requests until a frame answers them; the node computes one whenever `wanted` says so."""

    def __init__(self, node, health: Health, timeout_s: float):
        self.timeout_s = timeout_s  # may be replaced at any time
        self._node, self._health = node, health
        self._lock = threading.Lock()
        self._requests: list[_Request] = []
        self._newest_ns: int | None = None  # of the images that came since somebody asked
        self._refusal = ''
        group = ReentrantCallbackGroup()  # a second request is taken while the first one waits
        self._publisher = node.create_lifecycle_publisher(PointCloud2, '~/cloud', LATCHED)
        self._service = node.create_service(Trigger, '~/get_cloud', self._on_request, callback_group=group)
        self._timer = node.create_timer(
            LOOK_S, self._expire, callback_group=group, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._timer.cancel()

    def wanted(self, stamp_ns: int) -> bool:
        """Whether a request waits for an image of this stamp, or an older one."""
        with self._lock:
            self._newest_ns = stamp_ns
            return any(request.stamp_ns < stamp_ns for request in self._requests)

    def answer(self, frame: DepthFrame, image_rgb: np.ndarray, header, flying_pixels: FlyingPixelConfig) -> None:
        """Publish the frame's cloud and answer every request that it is fresh for."""
        depth_m = frame.depth_m
        if flying_pixels.enabled:
            depth_m = remove_flying_pixels(depth_m, frame.camera, flying_pixels)
        cloud = organised_cloud(depth_m, frame.camera, image_rgb)
        self._publisher.publish(conversions.cloud_message(cloud, header))
        stamp = f'{header.stamp.sec}.{header.stamp.nanosec:09d}'
        points = np.count_nonzero(np.isfinite(depth_m))
        said = f'{stamp}: {points} points of {frame.camera.width}x{frame.camera.height} in {header.frame_id}'
        with self._lock:
            served = [request for request in self._requests if request.stamp_ns < frame.stamp_ns]
            self._requests = [request for request in self._requests if request not in served]
        for request in served:
            request.future.set_result((True, said))

    def refuse(self, why: str) -> None:
        """Answer all who wait, and all who will ask, that there is no cloud; '': they are served again."""
        with self._lock:
            self._refusal = why
            waiting, self._requests = self._requests, []
        for request in waiting:
            request.future.set_result((False, why))

    def close(self) -> None:
        self.refuse('the node is being cleaned up')
        self._node.destroy_timer(self._timer)
        self._node.destroy_service(self._service)
        self._node.destroy_lifecycle_publisher(self._publisher)

    async def _on_request(self, request, response):
        future = Future(executor=self._node.executor)
        now_ns = self._node.get_clock().now().nanoseconds
        with self._lock:
            refusal = self._refusal
            if not refusal:
                self._newest_ns = self._newest_ns if self._requests else None
                self._requests.append(_Request(now_ns, time.monotonic(), self.timeout_s, future))
        if refusal:
            response.success, response.message = False, refusal
            return response
        # wakes the executor, which by itself looks at a coroutine again when the next message comes
        future.add_done_callback(lambda _: None)
        self._timer.reset()
        response.success, response.message = await future
        return response

    def _expire(self) -> None:
        now_s = time.monotonic()
        with self._lock:
            late = [request for request in self._requests if now_s - request.asked_s > request.timeout_s]
            self._requests = [request for request in self._requests if request not in late]
            newest_ns = self._newest_ns
            if not self._requests:
                self._timer.cancel()
        for request in late:
            request.future.set_result((False, self._why(request, newest_ns)))

    def _why(self, request: _Request, newest_ns: int | None) -> str:
        said = f'no fresh cloud within {request.timeout_s:g} s: '
        level, trouble = self._health.level()
        if newest_ns is not None and newest_ns <= request.stamp_ns:
            before_s = (request.stamp_ns - newest_ns) * 1e-9
            said += f'the newest image is stamped {before_s:.3f} s before the request (have both clocks one time?); '
        elif level == DiagnosticStatus.OK:
            return said + (self._health.no_image() if newest_ns is None else 'the first image is still worked on')
        return said + trouble
