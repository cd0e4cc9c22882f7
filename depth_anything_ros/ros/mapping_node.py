# SPDX-License-Identifier: Apache-2.0
"""mapping_node: depth with poses in, one surface out. Packs, calls, publishes; the work is mapping/'s."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.core.transform_tree import TransformUnavailable
from depth_anything_ros.mapping.files import write_mesh
from depth_anything_ros.mapping.pose_gate import PoseGate, PoseJump
from depth_anything_ros.mapping.scene_map import SceneMap
from depth_anything_ros.ros.map_outputs import MapOutputs
from depth_anything_ros.ros.mapping_health import MappingHealth
from depth_anything_ros.ros.mapping_inputs import (
    DEPTH,
    DEPTH_INFO,
    Companions,
    MappingInputs,
    companion_names,
    topic_of,
)
from depth_anything_ros.ros.mapping_node_config import MappingNodeConfig
from depth_anything_ros.ros.mapping_view import NoConfidence, ViewMaker
from depth_anything_ros.ros.parameters import Parameters
from depth_anything_ros.ros.poses import PoseSource
from depth_anything_ros.ros.spinning import run_node
from depth_anything_ros.ros.sync import Bundle, FrameSync
from depth_anything_ros.ros.transforms import TransformSource
from depth_anything_ros.ros.worker import Worker
from depth_anything_ros.ros.working_node import WorkingNode

LOOK_AGAIN_S = 0.02  # a waiting frame is looked at this often when no message comes


class MappingNode(WorkingNode):
    """Lifecycle: configure makes (or loads) the map, activate listens, deactivate rests with the map kept, cleanup
    gives it up.

    Services, all answered when the work is done: ~/save (the mesh), ~/save_map, ~/load_map, ~/reset, ~/pause.
    Raises ConfigError at construction on a parameter that is unknown or out of range.
    """

    def __init__(self, node_name: str = 'mapping_node', **kwargs):
        super().__init__(node_name, **kwargs)
        self._map: SceneMap | None = None
        self._sync: FrameSync | None = None
        self._time_jumped = False
        self.parameters = Parameters(self, MappingNodeConfig(), self._on_parameters)
        self.health = MappingHealth(self, DEPTH)
        self.health.active = False

    def _open(self) -> None:
        config = self.parameters.config
        scene = SceneMap(config.map_config, config.map_frame)
        if config.files.load_at_start and Path(config.files.map).exists():
            scene.load(Path(config.files.map))
            self.get_logger().info(f'goes on with {config.files.map}: {scene.status()["blocks"]} blocks')
        self._map = scene  # not before: a map that cannot be read must not be overwritten by an empty one at the end
        self._opened.callback(self._close_map)
        self._outputs = MapOutputs(self)
        self._opened.callback(self._outputs.close)
        self._transforms = TransformSource(self, warn=self.health.warned)
        self._opened.callback(self._transforms.close)
        self._gate = PoseGate(config.pose.gate)
        offered = [
            self.create_service(Trigger, '~/save', self._service(self._save)),
            self.create_service(Trigger, '~/save_map', self._service(self._save_map)),
            self.create_service(Trigger, '~/load_map', self._service(self._load_map)),
            self.create_service(Trigger, '~/reset', self._service(self._reset)),
            self.create_service(SetBool, '~/pause', self._on_pause),
        ]
        for service in offered:
            self._opened.callback(self.destroy_service, service)
        self.get_logger().info(f'maps in {config.map_frame!r} on {scene.device}, poses from {config.pose.source}')

    def _listen(self) -> None:
        config = self.parameters.config
        self._sync = FrameSync(
            config.sync,
            config.returns.lidar_topics,
            image_topic=self.resolve_topic_name(DEPTH),
            info_topic=self.resolve_topic_name(DEPTH_INFO),
            on_drop=self.health.dropped,
            on_jump=self._on_time_jump,
            on_warn=self.health.warned,
        )
        self._companions = Companions(
            companion_names(config), lambda name: self.count_publishers(topic_of(self, name, config)) > 0
        )
        self._views = ViewMaker(self._transforms, self._companions, self.health)
        worker, publisher = Worker(self._work, LOOK_AGAIN_S), Worker(self._publish, config.publish.period_s)
        self._listening.callback(publisher.close)
        self._listening.callback(worker.close)
        self._poses = PoseSource(self, config.pose, config.map_frame, self._transforms, self.health, worker.wake)
        self._listening.callback(self._poses.close)
        inputs = MappingInputs(self, config, self._sync, self._companions, self.health, worker.wake)
        self._listening.callback(inputs.close)
        self._listening.callback(setattr, self.health, 'active', False)
        self.health.active = True

    def _work(self) -> None:
        """One frame, if one is ready: the newest. In the worker's thread, so that messages go on arriving."""
        config = self.parameters.config
        if self._time_jumped:  # here, not where it was noticed: a frame may have been under way then
            self._time_jumped = False
            self._gate.reset()
        try:
            bundle = self._sync.take(
                self.get_clock().now().nanoseconds,
                max_age_s=config.max_age_s,
                ready=self._ready,
                ready_wait_s=config.pose.tolerance_s,
            )
            if bundle is None:
                return
            if self.health.paused:
                self.health.idle()
            else:
                self._integrate(bundle, config)
        except TransformUnavailable as error:
            self.health.dropped('no pose', str(error))
        except NoConfidence as error:
            self.health.dropped('no confidence', str(error))
        except PoseJump as error:
            self.health.dropped('pose jumped', str(error))
        except DepthError as error:
            self.health.dropped(type(error).__name__, f'{self.resolve_topic_name(DEPTH)}: {error}')
        except Exception as error:  # a fault of ours costs this frame, not the map
            self.health.dropped('internal error', repr(error))
            self.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _ready(self, bundle: Bundle) -> bool:
        at_camera = self._poses.ready(bundle.image.header.frame_id, bundle.stamp_ns)
        return at_camera and not self._companions.missing(bundle.stamp_ns)

    def _integrate(self, bundle: Bundle, config: MappingNodeConfig) -> None:
        started = time.perf_counter()
        map_from_camera = self._poses.lookup(bundle.image.header.frame_id, bundle.stamp_ns)
        settled = self._gate.check(bundle.stamp_ns, map_from_camera)
        if settled:
            self.health.warned('pose settled elsewhere', settled)
        view = self._views.make(bundle, map_from_camera, config)
        decoded = time.perf_counter()
        done = self._map.integrate(view)
        finished = time.perf_counter()
        status = self._map.status()
        if done.refused:
            self.health.warned(
                'map is full',
                f'{done.refused} blocks of this frame found no room in {config.bounds.max_memory_mb} MB: raise'
                ' bounds.max_memory_mb, make voxels larger or max_depth_m smaller',
            )
        if self._map.trouble:
            self.health.warned('part of the map lost', self._map.trouble)
            self._map.trouble = ''
        timings_ms = {
            'decode': (decoded - started) * 1e3,
            'integrate': (finished - decoded) * 1e3,
            'total': (self.get_clock().now().nanoseconds - bundle.stamp_ns) * 1e-6,
        }
        left_out = {f'pixels.{why}': count for why, count in done.left_out.items()}
        self.health.integrated(bundle.stamp_ns, timings_ms, {**status, 'pixels': done.pixels, **left_out})

    def _publish(self) -> None:
        try:
            now_ns = self.get_clock().now().nanoseconds
            self._outputs.publish(self._map, now_ns, self.parameters.config.publish.max_triangles)
        except DepthError as error:
            self.health.warned('mesh not published', str(error))
        except Exception as error:  # as above: the next one may work
            self.health.warned('mesh not published', repr(error))
            self.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _service(self, work: Callable[[], str]):
        """A Trigger callback that runs `work` in a thread of its own: messages go on arriving meanwhile."""

        async def callback(request, response):
            future = Future(executor=self.executor)

            def run() -> None:
                try:
                    future.set_result((True, work()))
                except (DepthError, OSError) as error:
                    self.health.warned('service failed', str(error))
                    future.set_result((False, str(error)))
                except Exception as error:  # the caller waits for an answer
                    self.get_logger().error(traceback.format_exc())
                    future.set_result((False, f'internal error: {error!r}'))

            # wakes the executor, which by itself looks at a coroutine again when the next message comes
            future.add_done_callback(lambda _: None)
            threading.Thread(target=run, name='service', daemon=True).start()
            response.success, response.message = await future
            return response

        return callback

    def _save(self) -> str:
        path, mesh = Path(self.parameters.config.files.mesh), self._map.mesh()
        write_mesh(path, mesh, self._map.frame_id)
        return f'{path.absolute()}: {len(mesh.triangles)} triangles in {self._map.frame_id!r}'

    def _save_map(self) -> str:
        path = Path(self.parameters.config.files.map)
        self._map.save(path)
        return f'{path.absolute()}: {path.stat().st_size / 1e6:.1f} MB'

    def _load_map(self) -> str:
        path = Path(self.parameters.config.files.map)
        self._map.load(path)
        self._gate.reset()
        return f'{path.absolute()}: {self._map.status()["blocks"]} blocks'

    def _reset(self) -> str:
        self._map.reset()
        self._gate.reset()
        return 'the map is empty'

    def _on_pause(self, request, response):
        self.health.paused = request.data
        response.success, response.message = True, 'paused' if request.data else 'goes on'
        return response

    def _on_parameters(self, config: MappingNodeConfig) -> None:
        if self._map is not None:
            self._map.config = config.map_config
            self._gate.config = config.pose.gate
        if self._sync is not None:
            self._sync.config = config.sync

    def _on_time_jump(self, detail: str) -> None:
        self.health.warned('time jump', detail)
        self._transforms.clear()
        self._poses.clear()
        self._companions.clear()
        self._time_jumped = True

    def _close_map(self) -> None:
        files = self.parameters.config.files
        if files.save_at_end and self._map.status()['blocks']:
            try:
                self.get_logger().info(f'saved {self._save_map()}')
            except (DepthError, OSError) as error:
                self.get_logger().error(f'the map is not saved: {error}')
        self._map.close()
        self._map = None


def main(args: list[str] | None = None) -> int:
    """Entry point of the executable."""
    return run_node(MappingNode, args)


if __name__ == '__main__':
    sys.exit(main())
