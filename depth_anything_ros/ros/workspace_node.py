# SPDX-License-Identifier: Apache-2.0
"""workspace_node: a camera's cloud in; the support, the objects on it and grasps out. The work is grasping/'s."""

from __future__ import annotations

import sys
import traceback

import numpy as np
from sensor_msgs.msg import PointCloud2

from depth_anything_ros.core.errors import DepthError
from depth_anything_ros.core.messages import stamp_ns
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.core.transform_tree import TransformUnavailable
from depth_anything_ros.grasping.antipodal import Grasp, plan_grasps
from depth_anything_ros.grasping.box import upright_box
from depth_anything_ros.grasping.segmentation import Workspace, segment
from depth_anything_ros.grasping.voxels import connected
from depth_anything_ros.pipeline.estimator import StageClock
from depth_anything_ros.ros.parameters import Parameters
from depth_anything_ros.ros.spinning import run_node
from depth_anything_ros.ros.transforms import TransformSource
from depth_anything_ros.ros.worker import Worker
from depth_anything_ros.ros.working_node import WorkingNode
from depth_anything_ros.ros.workspace_health import WorkspaceHealth
from depth_anything_ros.ros.workspace_input import POINTS, NewestCloud, inside, usable_points
from depth_anything_ros.ros.workspace_node_config import WorkspaceNodeConfig
from depth_anything_ros.ros.workspace_outputs import WorkspaceOutputs

LOOK_AGAIN_S = 0.02  # a waiting cloud is looked at this often when no message comes


class WorkspaceNode(WorkingNode):
    """Lifecycle: configure opens the outputs, activate subscribes, deactivate unsubscribes.

    Raises ConfigError at construction on a parameter that is unknown or out of range.
    """

    def __init__(self, node_name: str = 'workspace_node', **kwargs):
        super().__init__(node_name, **kwargs)
        self.parameters = Parameters(self, WorkspaceNodeConfig())
        self.health = WorkspaceHealth(self, POINTS)
        self.health.active = False

    def _open(self) -> None:
        connected(np.zeros((1, 3)), 1.0)  # a scipy that is missing is told now, not with every cloud
        self._outputs = WorkspaceOutputs(self, self.health)
        self._opened.callback(self._outputs.close)
        self._transforms = TransformSource(self, warn=self.health.warned)
        self._opened.callback(self._transforms.close)

    def _listen(self) -> None:
        worker = Worker(self._work, LOOK_AGAIN_S)
        self._listening.callback(worker.close)
        self._newest: NewestCloud = NewestCloud(self, self.health, worker.wake, self._on_time_jump)
        self._listening.callback(self._newest.close)
        self._listening.callback(setattr, self.health, 'active', False)
        self.health.active = True

    def _work(self) -> None:
        """The newest cloud, if one is ready. In the worker's thread, so that messages go on arriving."""
        config = self.parameters.config
        try:
            cloud = self._newest.take(lambda cloud: self._ready(cloud, config), config.tf_tolerance_s)
            if cloud is None:
                return
            age_s = (self.get_clock().now().nanoseconds - stamp_ns(cloud.header.stamp)) * 1e-9
            if 0 < config.max_age_s < age_s:
                self.health.dropped('too old', f'{age_s:.2f} s, expected at most max_age_s = {config.max_age_s:g}')
            elif self._outputs.wanted():
                self._look(cloud, config)
            else:
                self.health.idle()
        except TransformUnavailable as error:
            self.health.dropped('no transform', str(error))
        except DepthError as error:
            self.health.dropped(type(error).__name__, f'{self.resolve_topic_name(POINTS)}: {error}')
        except Exception as error:  # a fault of ours costs this cloud, not the node
            self.health.dropped('internal error', repr(error))
            self.get_logger().error(traceback.format_exc(), throttle_duration_sec=5.0)

    def _look(self, cloud: PointCloud2, config: WorkspaceNodeConfig) -> None:
        clock = StageClock()
        box_from_points, up = self._placed(cloud, config)
        seen_m = usable_points(cloud)
        within = inside(seen_m, config.workspace, box_from_points)
        points_m = seen_m[within]
        clock.lap('decode')
        workspace = segment(points_m, up, config.segmentation)
        if workspace.support is None:
            self.health.warned(
                'no support plane',
                f'fewer than {config.segmentation.min_support:.0%} of {len(points_m)} points lie on one'
                + (f' within {config.segmentation.max_tilt_deg:g} degrees of level' if config.up_frame else ''),
            )
        clouds_m = [points_m[cluster] for cluster in workspace.clusters]
        boxes = [upright_box(points, workspace.support) for points in clouds_m]
        clock.lap('segment')
        # the hand must not run into what stands outside of the workspace either
        scene_m = np.concatenate([np.delete(points_m, workspace.veils, axis=0), seen_m[~within]])
        grasps = self._planned(clouds_m, scene_m, workspace, config)
        clock.lap('plan')
        self._outputs.publish(workspace.border_m, boxes, clouds_m, grasps, config, cloud.header)
        clock.lap('publish')
        at_ns = stamp_ns(cloud.header.stamp)
        facts = {'points': len(points_m), 'objects': len(boxes), 'grasps': sum(map(len, grasps))}
        for number, box in enumerate(boxes):
            facts[f'object_{number}.size_m'] = ' '.join(f'{side:.3f}' for side in box.size_m)
            facts[f'object_{number}.grasps'] = len(grasps[number]) if number < len(grasps) else 0
        total_ms = (self.get_clock().now().nanoseconds - at_ns) * 1e-6
        self.health.segmented(at_ns, clock.laps_ms | {'total': total_ms}, facts)

    def _planned(
        self, clouds_m: list[np.ndarray], scene_m: np.ndarray, workspace: Workspace, config: WorkspaceNodeConfig
    ) -> list[list[Grasp]]:
        if not config.plan.enabled or not self._outputs.wanted('grasps', 'grasp markers'):
            return []
        rng = np.random.default_rng(config.plan.seed)
        return [
            plan_grasps(points, scene_m, config.gripper, config.planner, rng, support=workspace.support)
            for points in clouds_m[: config.plan.max_objects]
        ]

    def _ready(self, cloud: PointCloud2, config: WorkspaceNodeConfig) -> bool:
        try:
            self._placed(cloud, config)
        except TransformUnavailable:
            return False
        return True

    def _placed(
        self, cloud: PointCloud2, config: WorkspaceNodeConfig
    ) -> tuple[RigidTransform | None, np.ndarray | None]:
        """box_from_points and which way is up among the points, each None where not asked for."""
        frame, at_ns = cloud.header.frame_id, stamp_ns(cloud.header.stamp)
        box, up = config.workspace.frame, config.up_frame
        box_from_points = self._transforms.lookup(box, frame, at_ns) if box else None
        return box_from_points, self._transforms.lookup(frame, up, at_ns).rotation[:, 2] if up else None

    def _on_time_jump(self, detail: str) -> None:
        self.health.warned('time jump', detail)
        self._transforms.clear()


def main(args: list[str] | None = None) -> int:
    """Entry point of the executable."""
    return run_node(WorkspaceNode, args)


if __name__ == '__main__':
    sys.exit(main())
