# SPDX-License-Identifier: Apache-2.0
"""A scene in MuJoCo: settled physics, exact ray casts, pictures. One World a trial, whatever asks for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.evaluation.grasping.hand import AWAY_M, CARRIAGE, GROUP, quaternion_wxyz
from depth_anything_ros.evaluation.grasping.scene import CAMERA, EYE, PROBE, TARGET, TARGET_GROUP, Scene
from depth_anything_ros.evaluation.grasping.simulator import gl_context, mujoco

SETTLE_S = 0.3
OPTICAL = np.diag([1.0, -1.0, -1.0])  # MuJoCo's cameras look along -z, y up


@dataclass(frozen=True, eq=False)
class Hits:
    """What rays meet: range_m (N,) inf where nothing; normal (N, 3) outward; on_target (N,) bool."""

    range_m: np.ndarray
    normal: np.ndarray
    on_target: np.ndarray


class World:
    """model, data: MuJoCo's, with the object at rest; the hand is away. Raises MissingExtra, EngineError."""

    def __init__(self, scene: Scene):
        mj = mujoco()
        self.scene = scene
        self.model = mj.MjModel.from_xml_string(scene.xml, scene.assets)
        self.data = mj.MjData(self.model)
        self.target = self.model.body(TARGET).id
        pose = scene.world_from_camera
        self.place_camera(EYE, pose.translation_m, pose.rotation)
        mj.mj_forward(self.model, self.data)
        for _ in range(round(SETTLE_S / self.model.opt.timestep)):
            mj.mj_step(self.model, self.data)
        self._rest = self.data.qpos.copy()
        self.reset()

    def reset(self) -> None:
        """Everything at rest again, the hand away."""
        mj = mujoco()
        self.model.body_pos[self.model.body(CARRIAGE).id] = AWAY_M
        mj.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self._rest
        mj.mj_forward(self.model, self.data)

    def place_camera(self, name: str, place_m: np.ndarray, world_from_optical: np.ndarray) -> None:
        camera = self.model.camera(name).id
        self.model.cam_pos[camera] = place_m
        self.model.cam_quat[camera] = quaternion_wxyz(world_from_optical @ OPTICAL)

    def cast(self, origin_m: np.ndarray, directions: np.ndarray, without_target: bool = False) -> Hits:
        """Rays from one origin (3,) along (N, 3); ranges are in lengths of the directions."""
        mj = mujoco()
        count = len(directions)
        geom, distance = np.full((count, 1), -1, np.int32), np.full((count, 1), -1.0)
        normal = np.zeros((count * 3, 1))
        seen = np.array([1, 1, 1, 0, 0, 0], np.uint8)  # all but the hand
        mj.mj_multiRay(
            self.model, self.data, np.asarray(origin_m, np.float64).reshape(3, 1),
            np.ascontiguousarray(directions, np.float64).reshape(-1, 1), seen, True,
            self.target if without_target else -1, geom, distance, normal, count, 1e6,
        )  # fmt: skip
        hit = geom[:, 0] >= 0
        return Hits(
            np.where(hit, distance[:, 0], np.inf),
            normal.reshape(-1, 3),
            hit & (self.model.geom_bodyid[geom[:, 0]] == self.target),
        )

    @property
    def object_m(self) -> np.ndarray:
        """(3,) where the object's centre of mass is, in the world."""
        return self.data.xipos[self.target].copy()


class Canvas:
    """Draws a World; use as a context manager, one at a time in a process."""

    def __init__(self, world: World):
        mj = mujoco()
        self._world = world
        self._gl = gl_context(CAMERA.width, CAMERA.height)
        self._context = mj.MjrContext(world.model, mj.mjtFontScale.mjFONTSCALE_100)
        mj.mjr_setBuffer(mj.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mj.MjvScene(world.model, maxgeom=200)

    def __enter__(self) -> Canvas:
        return self

    def __exit__(self, *exc) -> None:
        self._context.free()
        self._gl.free()

    def picture(
        self,
        camera: str = EYE,
        width: int = CAMERA.width,
        height: int = CAMERA.height,
        target: bool = True,
        hand: bool = False,
        shadows: bool = True,
    ) -> np.ndarray:
        """(height, width, 3) uint8 RGB."""
        mj = mujoco()
        option, view = mj.MjvOption(), mj.MjvCamera()
        option.geomgroup[TARGET_GROUP], option.geomgroup[GROUP] = target, hand
        view.type, view.fixedcamid = mj.mjtCamera.mjCAMERA_FIXED, self._world.model.camera(camera).id
        mj.mj_camlight(self._world.model, self._world.data)
        mj.mjv_updateScene(self._world.model, self._world.data, option, None, view, mj.mjtCatBit.mjCAT_ALL, self._scene)
        self._scene.flags[mj.mjtRndFlag.mjRND_SHADOW] = shadows
        frame = mj.MjrRect(0, 0, width, height)
        mj.mjr_render(frame, self._scene, self._context)
        image = np.empty((height, width, 3), np.uint8)
        mj.mjr_readPixels(image, None, frame, self._context)
        return image[::-1].copy()

    def surroundings(self, size: int = 128) -> dict[tuple[int, int], np.ndarray]:
        """(axis, sign) -> (size, size, 3) uint8: a cube map around the object, without it."""
        faces = {}
        for axis in range(3):
            for sign in (-1, 1):
                self._world.place_camera(PROBE, self._world.object_m, face_axes(axis, sign))
                mujoco().mj_forward(self._world.model, self._world.data)
                faces[axis, sign] = self.picture(PROBE, size, size, target=False, shadows=False)
        return faces


def face_axes(axis: int, sign: int) -> np.ndarray:
    """(3, 3) world_from_optical of a face of the cube map: x right, y down, z out of the middle along `axis`."""
    forward = np.zeros(3)
    forward[axis] = sign
    down = np.array([0.0, 0, -1]) if axis != 2 else np.array([0.0, -1, 0])
    return np.column_stack([np.cross(down, forward), down, forward])


def view_rays(camera: CameraModel, world_from_camera: RigidTransform) -> np.ndarray:
    """(H W, 3) in the world; ranges along them are depths."""
    return camera.rays().reshape(-1, 3).astype(np.float64) @ world_from_camera.rotation.T
