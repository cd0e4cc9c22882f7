# SPDX-License-Identifier: Apache-2.0
"""Messages to arrays and back, and once over the real middleware."""

import sys
from types import ModuleType

import cv2
import numpy as np
import pytest

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CalibrationError, InvalidInput
from depth_anything_ros.core.frames import RangeKind
from depth_anything_ros.core.transform import RigidTransform

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField

from depth_anything_ros.ros import conversions

STAMP_NS = 1_700_000_000_123_456_789
HEADER = conversions.header_message(STAMP_NS, 'cam')
RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
DEPTH = np.random.default_rng(1).uniform(0.5, 60, (6, 8)).astype(np.float32)
DEPTH[2, 3:6] = np.nan
BROWN = (-0.28, 0.07, 0.001, -0.002, 0.01)
CAMERA = CameraModel(640, 480, 500.0, 510.0, 320.0, 240.0, 'cam', 'plumb_bob', BROWN)


@pytest.fixture(params=['view', 'copy'])
def handover(request, monkeypatch):
    """Both ways of putting data into a message: the private view, and the public array."""
    conversions._takes_views.cache_clear()
    if request.param == 'copy':
        monkeypatch.setattr(conversions, '_takes_views', lambda: False)
    return request.param


def test_a_stamp_is_the_same_number_of_nanoseconds_both_ways():
    stamp = conversions.stamp_message(STAMP_NS)
    assert (stamp.sec, stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert messages.stamp_ns(stamp) == STAMP_NS


def test_an_rgb8_message_is_read_without_a_copy_and_others_are_converted():
    message = conversions.image_message(RGB, HEADER)
    assert np.shares_memory(conversions.image_from_message(message), RGB)
    message.encoding = 'bgr8'
    assert np.array_equal(conversions.image_from_message(message), RGB[..., ::-1])


def test_a_compressed_message_is_decoded():
    message = CompressedImage(header=HEADER, format='png', data=cv2.imencode('.png', RGB[..., ::-1])[1].tobytes())
    assert np.array_equal(conversions.image_from_message(message), RGB)


@pytest.fixture
def strange_image():
    """An encoding that only cv_bridge knows; whatever cv_bridge is installed is forgotten before and after."""
    conversions._cv_bridge.cache_clear()
    yield Image(header=HEADER, height=2, width=2, encoding='nv24', step=4, data=bytes(12))
    conversions._cv_bridge.cache_clear()


def bridge_module(round_trip):
    """A cv_bridge as a robot may have it: its 16UC1 round trip gives what `round_trip` makes of the image."""

    class CvBridge:
        def cv2_to_imgmsg(self, image, encoding):
            return image

        def imgmsg_to_cv2(self, message, encoding):
            if encoding == 'passthrough':
                return round_trip(message)
            assert encoding == 'rgb8'
            return np.full((message.height, message.width, 3), 9, np.uint8)

    module = ModuleType('cv_bridge')
    module.CvBridge = CvBridge
    return module


def test_an_unknown_encoding_names_what_is_known(strange_image, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    with pytest.raises(InvalidInput, match=r"expected one of rgb8, .*; got 'nv24', and cv_bridge cannot help"):
        conversions.image_from_message(strange_image)


def test_an_unknown_encoding_goes_through_a_sound_cv_bridge(strange_image, monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', bridge_module(lambda image: image))
    assert (conversions.image_from_message(strange_image) == 9).all()


def _broken(image):
    raise SystemError('built against another numpy')


@pytest.mark.parametrize(
    ('round_trip', 'message'),
    [
        (lambda image: image.astype(np.uint8), 'unsound here .16UC1 comes back as uint8'),
        (lambda image: image.byteswap(), 'unsound here'),
        (_broken, 'broken here .SystemError: built against another numpy'),
    ],
)
def test_a_cv_bridge_that_fails_its_round_trip_is_not_used(strange_image, monkeypatch, round_trip, message):
    monkeypatch.setitem(sys.modules, 'cv_bridge', bridge_module(round_trip))
    with pytest.raises(InvalidInput, match=message):
        conversions.image_from_message(strange_image)


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_depth_keeps_stamp_frame_and_metres(encoding, handover):
    message = conversions.depth_message(DEPTH, HEADER, encoding)
    assert message.header == HEADER and message.header is not HEADER
    assert (message.height, message.width, message.encoding) == (6, 8, encoding)
    assert message.step * message.height == len(message.data)
    prompt = messages.depth_prompt_from_message(message, RangeKind.STEREO)
    assert (prompt.stamp_ns, prompt.kind) == (STAMP_NS, RangeKind.STEREO)
    assert np.allclose(prompt.depth_m, DEPTH, atol=0.0 if encoding == '32FC1' else 0.0005, rtol=0, equal_nan=True)


def test_compressed_depth_becomes_a_prompt():
    millimetres = np.nan_to_num(DEPTH * 1000).astype(np.uint16)
    data = bytes(12) + cv2.imencode('.png', millimetres)[1].tobytes()
    message = CompressedImage(header=HEADER, format='16UC1; compressedDepth png', data=data)
    prompt = messages.depth_prompt_from_message(message)
    assert prompt.kind == RangeKind.TOF and prompt.stamp_ns == STAMP_NS
    assert np.allclose(prompt.depth_m, DEPTH, atol=0.001, rtol=0, equal_nan=True)


@pytest.mark.parametrize(
    'camera',
    [
        CAMERA,
        CameraModel(640, 480, 500.0, 510.0, 320.0, 240.0, 'cam', 'rational_polynomial', (*BROWN, 0.1, 0.02, 0.003)),
        CameraModel(640, 480, 300.0, 310.0, 320.0, 240.0, 'cam', 'equidistant', (0.1, 0.01, 0.0, 0.002)),
        CameraModel.equirectangular(800, 400, 'cam'),
    ],
    ids=lambda camera: camera.distortion_model,
)
def test_a_camera_survives_camera_info(camera):
    message = conversions.camera_info_message(camera, HEADER)
    assert message.header == HEADER and isinstance(message, CameraInfo)
    assert list(message.r) == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert messages.camera_from_message(message) == camera


def test_the_camera_info_of_a_pinhole_has_p_and_no_distortion():
    message = conversions.camera_info_message(CAMERA.rectified(), HEADER)
    assert list(message.d) == [0.0] * 5
    assert list(message.p) == [500, 0, 320, 0, 0, 510, 240, 0, 0, 0, 1, 0]
    camera = messages.camera_from_message(message, rectified=True)
    assert (camera.fx, camera.fy, camera.cx, camera.cy, camera.is_distorted) == (500, 510, 320, 240, False)


def test_equal_camera_infos_give_one_camera_so_that_its_rays_are_computed_once():
    first = messages.camera_from_message(conversions.camera_info_message(CAMERA, HEADER))
    later = conversions.header_message(STAMP_NS + 1, 'cam')
    assert messages.camera_from_message(conversions.camera_info_message(CAMERA, later)) is first
    other = conversions.header_message(STAMP_NS, 'other')
    assert messages.camera_from_message(conversions.camera_info_message(CAMERA, other)).frame_id == 'other'


def test_region_and_binning_of_camera_info_are_applied():
    message = conversions.camera_info_message(CAMERA, HEADER)
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = 100, 60, 200, 120
    message.binning_x = message.binning_y = 2
    camera = messages.camera_from_message(message)
    assert (camera.width, camera.height) == (100, 60)
    assert camera == CAMERA.cropped(100, 60, 200, 120).resized(100, 60)
    message.roi.do_rectify = True
    with pytest.raises(CalibrationError, match='do_rectify'):
        messages.camera_from_message(message, rectified=True)


def test_an_uncalibrated_camera_is_refused_by_frame():
    message = CameraInfo(header=HEADER, width=640, height=480)
    with pytest.raises(CalibrationError, match="'cam': the camera is uncalibrated"):
        messages.camera_from_message(message)


def test_a_cloud_message_becomes_a_point_set_with_times_at_the_stamp():
    layout = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('timestamp', '<f8')])
    seconds = STAMP_NS / 1e9
    rows = [(1, 2, 3, seconds), (np.nan, 0, 0, 0), (4, 5, 6, seconds + 0.05), (0, 0, 0, 0)]
    message = PointCloud2(header=HEADER, height=1, width=4, point_step=20, row_step=80)
    message.data = np.array(rows, layout).tobytes()
    codes = (PointField.FLOAT32,) * 3 + (PointField.FLOAT64,)
    message.fields = [
        PointField(name=name, offset=4 * at, datatype=code, count=1)
        for at, (name, code) in enumerate(zip(layout.names, codes, strict=True))
    ]
    points, fields = messages.points_from_message(message, RangeKind.TOF)
    assert points.xyz_m.tolist() == [[1, 2, 3], [4, 5, 6]] and np.allclose(points.time_offset_ns, [0, 50e6], atol=500)
    assert (points.frame_id, points.stamp_ns, points.kind) == ('cam', STAMP_NS, RangeKind.TOF)
    assert (fields.not_finite, fields.at_origin) == (1, 1)


def xyzrgb():
    cloud = np.random.default_rng(2).uniform(1, 9, (6, 8, 4)).astype(np.float32)
    cloud[1, 2:5] = np.nan
    return cloud


def test_an_organised_cloud_keeps_its_grid_and_its_gaps(handover):
    cloud = xyzrgb()
    message = conversions.cloud_message(cloud, HEADER)
    assert (message.height, message.width, message.point_step, message.row_step) == (6, 8, 16, 128)
    assert [(f.name, f.offset, f.datatype) for f in message.fields] == [
        *(('x', 0, 7), ('y', 4, 7), ('z', 8, 7)),
        ('rgb', 12, 7),
    ]
    assert message.header == HEADER and not message.is_dense
    assert np.array_equal(np.frombuffer(message.data, np.float32).reshape(6, 8, 4), cloud, equal_nan=True)
    points, fields = messages.points_from_message(message)
    assert np.array_equal(points.xyz_m, cloud[~np.isnan(cloud[..., 0])][:, :3]) and fields.not_finite == 3


@pytest.mark.parametrize(
    ('build', 'array'),
    [
        (conversions.image_message, RGB[..., 0]),
        (conversions.image_message, RGB.astype(np.float32)),
        (conversions.cloud_message, np.zeros((6, 8, 3), np.float32)),
        (conversions.depth_message, DEPTH.astype(np.float64)),
    ],
)
def test_arrays_of_another_shape_or_type_are_not_published(build, array):
    with pytest.raises(InvalidInput, match='expected'):
        build(array, HEADER)


def test_a_transform_survives_its_message():
    transform = RigidTransform.from_quaternion('map', 'base_link', (1, -2, 3), (0.5, 0.5, -0.5, 0.5))
    message = conversions.transform_message(transform, STAMP_NS)
    assert (message.header.frame_id, message.child_frame_id) == ('map', 'base_link')
    assert messages.stamp_ns(message.header.stamp) == STAMP_NS
    back = messages.transform_from_message(message)
    assert back.name == transform.name and np.allclose(back.matrix, transform.matrix)


def test_this_rclpy_takes_views_so_that_the_fast_way_is_the_one_in_use():
    conversions._takes_views.cache_clear()
    assert conversions._takes_views()


def test_what_is_published_arrives_bit_for_bit(ros, handover):
    wide_rgb = np.random.default_rng(3).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    depth_m = np.random.default_rng(4).uniform(0.5, 60, (120, 160)).astype(np.float32)
    depth_m[::7] = np.nan
    cloud = np.dstack([depth_m] * 4)
    sent = {
        'image': conversions.image_message(wide_rgb, HEADER),
        'depth': conversions.depth_message(depth_m, HEADER),
        'millimetres': conversions.depth_message(depth_m, HEADER, '16UC1'),
        'camera_info': conversions.camera_info_message(CAMERA, HEADER),
        'points': conversions.cloud_message(cloud, HEADER),
    }
    received, publishers = {}, []
    talker, listener = ros.node('talker'), ros.node('listener')
    for topic, message in sent.items():
        publishers.append((talker.create_publisher(type(message), topic, 1), message))
        listener.create_subscription(type(message), topic, lambda m, topic=topic: received.update({topic: m}), 1)
    assert ros.spin_until(lambda: all(publisher.get_subscription_count() for publisher, _ in publishers))
    for publisher, message in publishers:
        publisher.publish(message)
    assert ros.spin_until(lambda: len(received) == len(sent)), f'only {sorted(received)} arrived'
    assert all(message.header == HEADER for message in received.values())
    assert np.array_equal(conversions.image_from_message(received['image']), wide_rgb)
    for topic, tolerance_m in (('depth', 0.0), ('millimetres', 0.00051)):
        prompt = messages.depth_prompt_from_message(received[topic])
        assert np.allclose(prompt.depth_m, depth_m, atol=tolerance_m, rtol=0, equal_nan=True)
    assert messages.camera_from_message(received['camera_info']) == CAMERA
    points, _ = messages.points_from_message(received['points'])
    assert np.array_equal(points.xyz_m, cloud[~np.isnan(depth_m)][:, :3])
