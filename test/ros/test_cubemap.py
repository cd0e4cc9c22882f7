# SPDX-License-Identifier: Apache-2.0
"""Panoramas through the real node: range, mask, cloud, and the six pinhole cameras made of them."""

import importlib.util

import box_room
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_node_rig import CAMERA, SECOND, Rig
from sensor_msgs.msg import CameraInfo, Image

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.projection.views import FACES, View, cube_views
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.transforms import TF_STATIC_QOS

PANORAMA = CameraModel.equirectangular(320, 160, 'camera')
LIDAR_FROM_CAMERA = RigidTransform('lidar', 'camera', [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, -0.1], [0, 0, 0, 1]])
IS_PANORAMA = ('-p', 'input.camera_model:=equirectangular')
CUBEMAP = (*IS_PANORAMA, '-p', 'publish.cubemap.enabled:=true')
DENSE = np.linspace(-89, 89, 120)  # elevations of a scanner that sees the whole room


class PanoramaRig(Rig):
    """A robot in the middle of a room; `listen` subscribes to further topics of the node."""

    def listen(self, **topics):
        """name=(type, topic below the node): messages arrive in got[name]."""
        for name, (kind, topic) in topics.items():
            self.got[name] = []
            self.robot.create_subscription(kind, f'/depth_node/{topic}', self.got[name].append, 10)
            publisher = f'/depth_node/{topic}'
            assert self.ros.spin_until(lambda publisher=publisher: self.node.count_subscribers(publisher) > 0)
        return self

    def see(self, stamp_ns, elevations_deg=DENSE, info=False, camera=PANORAMA):
        xyz_m = LIDAR_FROM_CAMERA.apply(box_room.lidar_m(elevations_deg, azimuths=360, crate=False))
        picture = conversions.image_message(box_room.picture(camera), self.header(stamp_ns))
        self.send(stamp_ns, camera=camera, xyz_m=xyz_m, info=info, image=picture)


def pixels(message):
    types = {'32FC1': (np.float32, 1), '16UC1': (np.uint16, 1), 'mono8': (np.uint8, 1), 'rgb8': (np.uint8, 3)}
    kind, channels = types[message.encoding]
    values = np.frombuffer(bytes(message.data), kind)
    return values.reshape(message.height, message.width, *([3] if channels == 3 else []))


@pytest.fixture
def rig(ros, tmp_path):
    return PanoramaRig(ros, tmp_path, *CUBEMAP, subscribe=('depth', 'cloud', 'status')).start()


def test_depth_is_range_and_the_cloud_is_the_room_all_around(rig):
    rig.see(SECOND)
    depth_m, cloud = pixels(rig.answered(SECOND)), rig.answered(SECOND, 'cloud')
    truth_m = box_room.panorama_m(PANORAMA, crate=False)
    assert np.median(np.abs(depth_m / truth_m - 1)) < 0.02
    assert (cloud.height, cloud.width) == (160, 320), 'organised'
    xyz = np.frombuffer(bytes(cloud.data), np.float32).reshape(160, 320, 4)[..., :3]
    known = np.isfinite(xyz).all(axis=-1)
    assert known.mean() > 0.97
    assert np.allclose(np.linalg.norm(xyz[known], axis=-1), depth_m[known], rtol=1e-4)
    seam_m = np.linalg.norm(xyz[40:120, 0] - xyz[40:120, -1], axis=-1)
    assert np.nanmax(seam_m) < 0.5, 'column 0 and the last are neighbours in space'
    assert np.nanmax(np.linalg.norm(xyz[0] - xyz[0, :1], axis=-1)) < 0.2, 'a pole is one place'
    rig.ros.spin_until(lambda: any(v.key == 'depth' for s in rig.got['status'] for v in s.values))
    assert {v.key: v.value for v in rig.got['status'][-1].values}['depth'] == 'radial range'


def test_every_face_is_a_pinhole_camera_with_z_depth_colour_and_info_of_the_images_stamp(rig):
    for face in FACES:
        rig.listen(
            **{
                f'{face} depth': (Image, f'cubemap/{face}/depth'),
                f'{face} image': (Image, f'cubemap/{face}/image'),
                f'{face} info': (CameraInfo, f'cubemap/{face}/camera_info'),
            }
        )
    rig.see(SECOND)
    for view in cube_views(PANORAMA):
        depth, image, info = (rig.answered(SECOND, f'{view.name} {kind}') for kind in ('depth', 'image', 'info'))
        assert {m.header.frame_id for m in (depth, image, info)} == {f'camera_{view.name}'}
        assert (depth.width, depth.height) == (info.width, info.height) == (image.width, image.height) == (80, 80)
        camera = messages.camera_from_message(info)
        assert (camera.distortion_model, camera.coefficients) == ('plumb_bob', (0.0,) * 5)
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((40, 40, 39.5, 39.5)), '90 degrees'
        assert list(info.p[:3]) == list(info.k[:3])
        directions = camera.rays() @ view.panorama_from_view.rotation.T
        z_m = box_room.range_m(directions, crate=False)  # of rays with z = 1
        assert np.median(np.abs(pixels(depth) / z_m - 1)) < 0.02, view.name
        colour = 127.5 + 120 * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        assert np.abs(pixels(image) - colour).max() < 4, view.name


def test_faces_hang_on_the_cameras_frame_by_tf_static_also_for_late_comers(rig):
    tf2_msgs = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs is not installed (make tf2_msgs)')
    rig.listen(front=(Image, 'cubemap/front/depth'))
    rig.see(SECOND)
    assert rig.answered(SECOND, 'front') is not None
    late = rig.ros.node('late')
    heard = []
    late.create_subscription(tf2_msgs.TFMessage, '/tf_static', heard.append, TF_STATIC_QOS)
    assert rig.ros.spin_until(lambda: heard)
    found = {stamped.child_frame_id: messages.transform_from_message(stamped) for stamped in heard[0].transforms}
    assert set(found) == {f'camera_{face}' for face in FACES}
    for view in cube_views(PANORAMA):
        transform = found[view.camera.frame_id]
        assert transform.target == 'camera'
        assert np.allclose(transform.matrix, view.panorama_from_view.matrix, atol=1e-6)


def test_the_points_of_all_faces_are_the_room_again(rig):
    for face in FACES:
        rig.listen(**{face: (Image, f'cubemap/{face}/depth')})
    rig.see(SECOND)
    for view in cube_views(PANORAMA):
        z_m = pixels(rig.answered(SECOND, view.name))
        xyz = view.panorama_from_view.apply((view.camera.rays() * z_m[..., None]).reshape(-1, 3))
        off_wall = np.minimum(np.abs(xyz - box_room.LOW_M), np.abs(xyz - box_room.HIGH_M)).min(axis=1)
        assert np.median(off_wall) < 0.05, view.name


def test_only_faces_that_are_listened_to_are_computed(rig, monkeypatch):
    made, compute = [], View.depth
    monkeypatch.setattr(View, 'depth', lambda view, inverse: made.append(view.name) or compute(view, inverse))
    rig.see(SECOND)
    assert rig.answered(SECOND) is not None
    rig.listen(left=(Image, 'cubemap/left/depth'), up=(CameraInfo, 'cubemap/up/camera_info'))
    rig.see(2 * SECOND)
    assert rig.answered(2 * SECOND, 'left') is not None
    assert set(made) == {'left'}


def test_a_face_alone_is_reason_enough_to_work(ros, tmp_path):
    rig = PanoramaRig(ros, tmp_path, *CUBEMAP, subscribe=()).start().listen(back=(Image, 'cubemap/back/image'))
    rig.see(SECOND)
    assert rig.answered(SECOND, 'back') is not None


def test_size_and_encoding_of_the_faces_are_parameters(ros, tmp_path):
    sized = ('-p', 'publish.cubemap.size_px:=50', '-p', 'publish.depth_encoding:=16UC1')
    rig = PanoramaRig(ros, tmp_path, *CUBEMAP, *sized, subscribe=()).start()
    rig.listen(front=(Image, 'cubemap/front/depth'))
    rig.see(SECOND)
    message = rig.answered(SECOND, 'front')
    assert (message.encoding, message.width) == ('16UC1', 50)
    assert np.abs(pixels(message)[20:30, 20:30] / 1000 - 5.0).max() < 0.2, 'the wall ahead is 5 m away'


def test_without_being_asked_for_there_is_no_cubemap(ros, tmp_path):
    rig = PanoramaRig(ros, tmp_path, *IS_PANORAMA).start()
    assert not [name for name, _ in rig.robot.get_topic_names_and_types() if 'cubemap' in name]


def test_a_cubemap_of_a_pinhole_camera_is_told_and_costs_nothing_else(ros, tmp_path):
    rig = PanoramaRig(ros, tmp_path, '-p', 'publish.cubemap.enabled:=true').start()
    rig.listen(front=(Image, 'cubemap/front/depth'))
    rig.send(SECOND, camera=CAMERA)
    assert rig.answered(SECOND) is not None
    assert rig.counted('warned.no cubemap'), rig.counts()
    assert not rig.got['front']


def test_the_mask_says_where_depth_is_known(ros, tmp_path):
    # the room ends 5 m ahead; beyond 3 m counts as unknown here
    rig = PanoramaRig(ros, tmp_path, *IS_PANORAMA, '-p', 'estimator.output.max_depth_m:=3.0').start()
    rig.listen(mask=(Image, 'depth/mask'))
    rig.see(SECOND)
    mask, depth_m = rig.answered(SECOND, 'mask'), pixels(rig.answered(SECOND))
    assert mask.encoding == 'mono8'
    assert set(np.unique(pixels(mask))) == {0, 255}
    assert ((pixels(mask) == 255) == np.isfinite(depth_m)).all()
    assert pixels(mask)[80, 160] == 0 and pixels(mask)[80, 240] == 255, 'ahead far, to the right near'


def test_camera_info_alone_can_say_that_it_is_a_panorama(ros, tmp_path):
    rig = PanoramaRig(ros, tmp_path).start()
    rig.see(SECOND, info=True)
    depth, info = rig.answered(SECOND), rig.answered(SECOND, 'info')
    assert info.distortion_model == 'equirectangular' and not np.any(info.k)
    assert np.median(np.abs(pixels(depth) / box_room.panorama_m(PANORAMA, crate=False) - 1)) < 0.02


def test_an_image_that_is_no_full_panorama_is_dropped_with_the_reason(ros, tmp_path):
    rig = PanoramaRig(ros, tmp_path, *IS_PANORAMA).start()
    rig.send(SECOND, camera=CAMERA, info=False)
    assert rig.counted('dropped.CalibrationError'), rig.counts()
    assert 'twice as wide as high, got 160x120' in rig.health.level()[1]


def test_a_panoramas_camera_info_of_another_size_is_dropped_with_the_reason(ros, tmp_path):
    rig = PanoramaRig(ros, tmp_path).start()
    info = conversions.camera_info_message(CameraModel.equirectangular(640, 320), rig.header(SECOND))
    rig.see(SECOND, info=info)
    assert rig.counted('dropped.InvalidInput'), rig.counts()
    assert 'the camera is 640x320, its image 320x160' in rig.health.level()[1]


def test_a_network_for_pinhole_images_answers_a_panorama_by_views(ros, tmp_path):
    if not any(importlib.util.find_spec(name) for name in ('onnxruntime', 'torch')):
        pytest.skip('no engine for a network is installed')
    rig = PanoramaRig(ros, tmp_path, *IS_PANORAMA, '-p', 'model:=prompt_depth_small').start()
    rig.see(SECOND, elevations_deg=np.linspace(-60, 60, 60))
    depth_m = pixels(rig.answered(SECOND, timeout_s=60.0))
    error = np.abs(depth_m / box_room.panorama_m(PANORAMA, crate=False) - 1)
    assert np.median(error[30:130]) < 0.05, 'range, though every view answers with z'
    assert np.median(np.abs(np.log(depth_m[30:130, 0] / depth_m[30:130, -1]))) < 0.02
    assert rig.ros.spin_until(
        lambda: rig.got['status'] and any(v.key == 'panorama' for v in rig.got['status'][-1].values)
    )
