# SPDX-License-Identifier: Apache-2.0
"""Several cameras in one depth_node, over the real middleware: each with its own topics, all with the same LiDAR."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from depth_node_rig import SECOND, WALL_M, wall_returns
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_srvs.srv import Trigger

from depth_anything_ros.core import messages
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import ConfigError, InvalidInput
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.ros import conversions
from depth_anything_ros.ros.depth_node import DepthNode

CAMERAS = {
    'front': CameraModel(160, 120, 120, 120, 79.5, 59.5, 'front_camera'),
    'left': CameraModel(96, 128, 90, 90, 47.5, 63.5, 'left_camera'),
}
CALIBRATION = """
extrinsics:
  - {parent: lidar, child: front_camera, matrix: [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]}
  - {parent: lidar, child: left_camera, matrix: [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]}
"""
SIDE_WALL_M = 3.0
OUTPUTS = {
    'depth': (Image, 'depth/image_rect'),
    'info': (CameraInfo, 'depth/camera_info'),
    'cloud': (PointCloud2, 'depth/points'),
    'sigma': (Image, 'confidence'),
    'status': (DiagnosticStatus, 'status'),
}


class Recording:
    """An engine that says how far the returns are in the middle, and keeps what it was asked in one go."""

    name = model = 'recording'
    camera = 'pinhole'

    def __init__(self):
        self.batches, self.refuses, self.before = [], None, lambda: None

    def infer_batch(self, requests):
        self.before()
        self.batches.append([request.image_rgb.shape[:2] for request in requests])
        if self.refuses in self.batches[-1]:
            raise InvalidInput('not an image of this size')
        return [self._say(request) for request in requests]

    def infer(self, image_rgb, prompt, camera):
        from depth_anything_ros.engines.base import Request

        return self.infer_batch([Request(image_rgb, prompt, camera)])[0]

    def _say(self, request):
        depth_m = np.full(request.image_rgb.shape[:2], np.nanmedian(request.prompt.sparse.depth_m), np.float32)
        return Prediction(depth_m, 0.1 * depth_m)

    def describe(self):
        return {'engine': self.name}

    def close(self):
        pass


class Car:
    """A wall WALL_M ahead and one SIDE_WALL_M to the left, two cameras, a LiDAR, and everybody who listens."""

    def __init__(self, ros, folder, *arguments, subscribe=('depth', 'info', 'cloud', 'sigma', 'status')):
        self.ros = ros
        path = folder / 'calibration.yaml'
        path.write_text(CALIBRATION)
        own = ('-p', f'input.calibration:={path}', '-p', 'model:=classical', '-p', 'cameras:=[front, left]')
        own += ('-p', 'sync.wait_for_sweep_s:=2.0')  # a busy machine delivers late
        self.node = ros.node('depth_node', kind=DepthNode, arguments=(*own, *arguments))
        self.robot = ros.node('car')
        self.image = {name: self.robot.create_publisher(Image, f'{name}/image', 10) for name in CAMERAS}
        self.info = {name: self.robot.create_publisher(CameraInfo, f'{name}/camera_info', 10) for name in CAMERAS}
        self.points = self.robot.create_publisher(PointCloud2, 'points', 10)
        self.got = {(camera, name): [] for camera in CAMERAS for name in subscribe}
        for (camera, name), taken in self.got.items():
            kind, topic = OUTPUTS[name]
            self.robot.create_subscription(kind, f'/depth_node/{camera}/{topic}', taken.append, 10)

    def start(self, engine=None):
        assert self.node.trigger_configure().name == 'SUCCESS'
        if engine is not None:
            for stream in self.node.streams.values():
                stream._estimator.engine = engine
        assert self.node.trigger_activate().name == 'SUCCESS'
        publishers = (*self.image.values(), *self.info.values(), self.points)
        assert self.ros.spin_until(lambda: all(p.get_subscription_count() for p in publishers))
        assert self.ros.spin_until(
            lambda: not self.got or all(stream.outputs.wanted() for stream in self.node.streams.values())
        )
        return self

    def scan(self, stamp_ns):
        ahead = wall_returns(24, 60)
        side = ahead[:, [1, 0, 2]] * (0.5, SIDE_WALL_M / WALL_M, 1)
        xyz_m = np.concatenate([ahead, side]).astype(np.float32)
        header = conversions.header_message(stamp_ns, 'lidar')
        message = PointCloud2(header=header, height=1, width=len(xyz_m), point_step=12, row_step=12 * len(xyz_m))
        message.fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate('xyz')]
        message.data = xyz_m.tobytes()
        self.points.publish(message)

    def picture(self, name, stamp_ns, info=True, spoil=lambda image: None):
        camera = CAMERAS[name]
        header = conversions.header_message(stamp_ns, camera.frame_id)
        if info:
            self.info[name].publish(conversions.camera_info_message(camera, header))
        image = conversions.image_message(np.full((camera.height, camera.width, 3), 90, np.uint8), header)
        spoil(image)
        self.image[name].publish(image)

    def send(self, stamp_ns, names=tuple(CAMERAS)):
        self.scan(stamp_ns)
        for name in names:
            self.picture(name, stamp_ns)

    def answered(self, camera, stamp_ns, name='depth', timeout_s=10.0):
        def find():
            taken = self.got[camera, name]
            return next((m for m in taken if messages.stamp_ns(m.header.stamp) == stamp_ns), None)

        self.ros.spin_until(lambda: find() is not None, timeout_s)
        return find()

    def counts(self, camera):
        return self.node.healths[camera].counts()

    def settled(self, camera, counts):
        """Whether the camera's counts come to be these: a frame is counted when all of it is out."""
        return self.ros.spin_until(lambda: self.counts(camera) == counts, 2.0)

    def counted(self, camera, key, count=1):
        return self.ros.spin_until(lambda: self.counts(camera).get(key, 0) >= count, 10.0)


@pytest.fixture
def car(ros, tmp_path):
    return Car(ros, tmp_path).start()


def values(message):
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def test_each_camera_is_answered_on_its_own_topics_in_its_own_size_and_by_the_shared_lidar(car):
    stamps = [SECOND + i * 100_000_000 for i in range(3)]
    for stamp in stamps:
        car.send(stamp)
        for name in CAMERAS:
            assert car.answered(name, stamp) is not None, (name, car.counts(name))
    for (name, camera), wall_m in zip(CAMERAS.items(), (WALL_M, SIDE_WALL_M), strict=True):
        assert np.abs(values(car.answered(name, stamps[-1])) - wall_m).max() < 0.05
        info = car.answered(name, stamps[-1], 'info')
        assert (info.width, info.height, info.k[0]) == (camera.width, camera.height, camera.fx)
        for output in ('depth', 'info', 'cloud', 'sigma'):
            assert car.answered(name, stamps[-1], output) is not None
            taken = car.got[name, output]
            assert [messages.stamp_ns(m.header.stamp) for m in taken] == stamps
            assert {m.header.frame_id for m in taken} == {camera.frame_id}
            assert {(m.width, m.height) for m in taken} == {(camera.width, camera.height)}
        assert car.settled(name, {'published': 3}), car.counts(name)


def test_a_camera_that_says_nothing_holds_up_nobody_and_is_named(car):
    stamps = [SECOND + i * 50_000_000 for i in range(6)]
    for stamp in stamps:
        car.send(stamp, ['front'])
        assert car.answered('front', stamp, timeout_s=2.0) is not None
    assert car.settled('front', {'published': 6}), car.counts('front')
    assert car.settled('left', {'published': 0}), car.counts('left')
    silent, level = car.node.healths['left'], car.node.healths['front'].level
    silent._heard_at -= 6  # as if it had been silent for so long
    assert silent.level()[0] == DiagnosticStatus.STALE
    assert silent.level()[1].startswith('no image on /left/image for ')
    assert level()[0] == DiagnosticStatus.OK


def test_diagnostics_and_status_tell_the_cameras_apart(car):
    told = {}
    car.robot.create_subscription(
        DiagnosticArray, '/diagnostics', lambda array: told.update({s.name: s for s in array.status}), 10
    )
    car.send(SECOND)
    names = ['depth_node: front depth', 'depth_node: left depth']
    assert car.ros.spin_until(lambda: sorted(told) == names)
    car.picture('left', 2 * SECOND, info=False)
    assert car.counted('left', 'dropped.camera_info does not match')
    assert car.settled('front', {'published': 1}), car.counts('front')

    def keys(name):
        return {v.key: v.value for v in told[name].values}

    assert car.ros.spin_until(lambda: 'dropped.camera_info does not match' in keys(names[1]))
    assert 'dropped.camera_info does not match' not in keys(names[0])
    status = {v.key: v.value for v in car.got['left', 'status'][-1].values}
    assert status['mode'] == 'prompted' and status['published'] == '1'


def test_frames_that_are_ready_together_are_one_batch(ros, tmp_path):
    engine = Recording()
    car = Car(ros, tmp_path).start(engine)
    gathered = []

    def gather():
        """While the first frame is worked on, one of each camera comes."""
        if not gathered:
            gathered.append(True)
            car.scan(2 * SECOND)
            for name in CAMERAS:
                car.picture(name, 2 * SECOND)
            syncs = [stream.sync for stream in car.node.streams.values()]
            while not all(s._waiting and s._waiting[-1].paired and s._sources['points'].sweeps for s in syncs):
                pass

    engine.before = gather
    car.send(SECOND, ['front'])
    for name in CAMERAS:
        assert car.answered(name, 2 * SECOND) is not None
    assert engine.batches == [[(120, 160)], [(120, 160), (128, 96)]]
    assert np.allclose(values(car.answered('left', 2 * SECOND)), SIDE_WALL_M, atol=0.05), 'each gets its own answer'


@pytest.mark.parametrize('fault', ['engine', 'decoding'])
def test_a_frame_that_fails_costs_its_own_camera_only(ros, tmp_path, fault):
    engine = Recording()
    car = Car(ros, tmp_path).start(engine)
    hold(car)
    if fault == 'engine':
        engine.refuses = (128, 96)
    car.scan(SECOND)
    car.picture('front', SECOND)
    car.picture(
        'left', SECOND, spoil=lambda m: setattr(m, 'encoding', 'holographic' if fault == 'decoding' else m.encoding)
    )
    release(car)
    assert car.answered('front', SECOND) is not None
    assert car.counted('left', 'dropped.InvalidInput')
    assert car.settled('front', {'published': 1}), car.counts('front')
    assert engine.batches[0] == ([(120, 160), (128, 96)] if fault == 'engine' else [(120, 160)])


def hold(car):
    """No frame is taken until `release`."""
    worker = car.node._worker
    worker._work, car.work = lambda: None, worker._work


def release(car):
    def ready(stream):
        return stream.sync._waiting and stream.sync._waiting[-1].paired and stream.sync._sources['points'].sweeps

    assert car.ros.spin_until(lambda: all(ready(stream) for stream in car.node.streams.values()))
    car.node._worker._work = car.work


def test_a_batch_that_fails_as_a_whole_is_run_frame_by_frame_and_told(ros, tmp_path):
    engine = Recording()
    infer_batch = engine.infer_batch

    def too_large(requests):
        if len(requests) > 1:
            raise RuntimeError('out of memory')
        return infer_batch(requests)

    engine.infer_batch = too_large
    car = Car(ros, tmp_path).start(engine)
    hold(car)
    car.send(SECOND)
    release(car)
    for name in CAMERAS:
        assert car.answered(name, SECOND) is not None
        assert car.settled(name, {'published': 1, 'warned.batch failed': 1}), car.counts(name)
    assert 'out of memory' in car.node.healths['front'].level()[1]


def test_a_network_answers_both_cameras_of_one_batch_as_it_answers_each_alone(ros, tmp_path):
    for package in ('torch', 'transformers', 'safetensors'):
        pytest.importorskip(package)
    from tiny_model import build_tiny_system

    card = build_tiny_system('prompt_depth_small', tmp_path)
    car = Car(ros, tmp_path, '-p', f'model:={card}', '-p', 'engine:=torch').start()
    engine, sizes = car.node.streams['front']._estimator.engine, []
    infer_batch = engine.infer_batch
    engine.infer_batch = lambda requests: sizes.append(len(requests)) or infer_batch(requests)
    hold(car)
    car.send(SECOND)
    release(car)
    together = {name: values(car.answered(name, SECOND)) for name in CAMERAS}
    assert sizes == [2]
    for number, name in enumerate(CAMERAS, 2):
        car.send(number * SECOND, [name])
        alone = values(car.answered(name, number * SECOND))
        assert alone.shape == (CAMERAS[name].height, CAMERAS[name].width)
        np.testing.assert_allclose(together[name], alone, rtol=1e-4)
    assert sizes == [2, 1, 1]


def test_scale_memories_are_apart_and_time_turned_back_on_one_camera_leaves_the_other_alone(car):
    car.send(100 * SECOND)
    for name in CAMERAS:
        assert car.answered(name, 100 * SECOND) is not None
    car.picture('left', 10 * SECOND)
    assert car.counted('left', 'warned.time jump')
    assert 'warned.time jump' not in car.counts('front')
    front = car.node.streams['front']._estimator._memory
    assert front is not car.node.streams['left']._estimator._memory
    car.send(101 * SECOND, ['front'])
    assert car.answered('front', 101 * SECOND) is not None


def test_a_cloud_on_request_comes_from_the_camera_that_is_asked(ros, tmp_path):
    car = Car(ros, tmp_path, subscribe=()).start()
    clouds = []
    car.robot.create_subscription(PointCloud2, '/depth_node/left/cloud', clouds.append, 1)
    client = car.robot.create_client(Trigger, '/depth_node/left/get_cloud')
    assert ros.spin_until(client.service_is_ready)
    future = client.call_async(Trigger.Request())
    assert ros.spin_until(lambda: car.node.streams['left'].cloud._requests)
    car.send(car.node.get_clock().now().nanoseconds)
    assert ros.spin_until(future.done) and future.result().success, future.result()
    assert future.result().message.endswith('12288 points of 96x128 in left_camera')
    assert ros.spin_until(lambda: clouds)
    assert car.settled('front', {'published': 0}), 'nobody asked for it'


def test_bad_clouds_are_counted_for_every_camera_and_logged_once(car, capfd):
    car.points.publish(PointCloud2(header=conversions.header_message(SECOND, 'lidar'), height=1, width=9, point_step=4))
    for name in CAMERAS:
        assert car.counted(name, 'warned.bad point cloud')
    assert capfd.readouterr().err.count('bad point cloud') == 1


def test_a_remapping_of_one_camera_is_that_cameras(ros, tmp_path):
    car = Car(ros, tmp_path, '-r', 'front/image:=/nose/image_raw', subscribe=())
    assert car.node.healths['front']._image_topic == '/nose/image_raw'
    assert car.node.healths['left']._image_topic == '/left/image'


@pytest.mark.parametrize(
    ('names', 'says'),
    [('[front, front]', 'each name once'), ("['front left']", "got 'front left'"), ("['1']", "got '1'")],
)
def test_names_that_are_no_names_of_topics_are_refused(ros, names, says):
    with pytest.raises(ConfigError, match=says):
        ros.node('depth_node', kind=DepthNode, arguments=('-p', f'cameras:={names}'))
