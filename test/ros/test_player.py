# SPDX-License-Identifier: Apache-2.0
"""A recording on real topics: order, pace, clock, loops and what can't be played."""

import threading
import time

import pytest
from small_recording import CAMERA_INFO, IMAGE, POINTS, START_NS, write_small_recording

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, PointCloud2
from std_srvs.srv import SetBool

from depth_anything_ros.core.errors import ConfigError, RecordingError
from depth_anything_ros.evaluation import bag_messages
from depth_anything_ros.evaluation.bag_reader import BagReader
from depth_anything_ros.evaluation.bag_writer import BagWriter
from depth_anything_ros.ros.player import PlayConfig, Player


def stamps(messages):
    return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]


@pytest.fixture
def recording(tmp_path):
    with BagReader(write_small_recording(tmp_path / 'run.mcap', frames=5)) as reader:
        yield reader


@pytest.fixture
def play(ros, recording):
    """play(config, until=...): run a player in a thread while the test's nodes spin; gives the player back."""
    stop = threading.Event()
    threads = []

    def start(config=None, until=lambda: False, timeout_s=8.0, **options):
        player = Player(ros.node('player'), recording, config or PlayConfig(wait_for_s=5.0), **options)
        thread = threading.Thread(target=player.play, args=(stop,))
        threads.append(thread)
        thread.start()
        ros.spin_until(lambda: until() or not thread.is_alive(), timeout_s)
        player.thread = thread
        return player

    yield start
    stop.set()
    for thread in threads:
        thread.join(timeout=10)
        assert not thread.is_alive()


def collect(ros, kind, topic, durability=DurabilityPolicy.VOLATILE):
    received = []
    qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
    ros.node(f'listener{len(ros.nodes)}').create_subscription(kind, topic, received.append, qos)
    return received


def test_every_message_arrives_unchanged_and_in_order(ros, play, recording):
    images, clouds = collect(ros, Image, IMAGE), collect(ros, PointCloud2, POINTS)
    play(until=lambda: len(images) == 5 and len(clouds) == 5)
    assert stamps(images) == [START_NS + index * 10**8 for index in range(5)]
    first = recording.decode(next(recording.messages([IMAGE])))
    assert bytes(images[0].data) == first.data.tobytes() and images[0].encoding == 'rgb8'
    assert len(clouds) == 5


def test_the_rate_sets_the_pace(ros, play):
    arrived = []
    qos = QoSProfile(depth=100)
    ros.node('listener').create_subscription(Image, IMAGE, lambda _: arrived.append(time.monotonic()), qos)
    play(PlayConfig(rate=0.5, wait_for_s=5.0), until=lambda: len(arrived) == 5)
    assert len(arrived) == 5
    assert arrived[-1] - arrived[0] == pytest.approx(0.8, abs=0.15)  # 0.4 s at half speed


def test_the_clock_runs_through_the_recording_and_never_back(ros, play):
    clocks, images = collect(ros, Clock, '/clock'), collect(ros, Image, IMAGE)
    play(until=lambda: len(images) == 5)
    times = [m.clock.sec * 10**9 + m.clock.nanosec for m in clocks]
    assert times == sorted(times) and len(times) > 20
    assert times[0] >= START_NS - 10**8 and times[-1] <= START_NS + 6 * 10**8


def test_static_transforms_reach_a_late_subscriber_whatever_the_offset(ros, play):
    tf2 = pytest.importorskip('tf2_msgs.msg', reason='tf2_msgs is not installed')
    images = collect(ros, Image, IMAGE)
    play(PlayConfig(start_offset_s=0.3, wait_for_s=5.0), until=lambda: len(images) >= 2)
    late = collect(ros, tf2.TFMessage, '/tf_static', DurabilityPolicy.TRANSIENT_LOCAL)
    assert ros.spin_until(lambda: late, 5.0)
    assert late[0].transforms[0].child_frame_id == 'lidar'
    assert min(stamps(images)) >= START_NS + 2 * 10**8


def test_a_loop_starts_again_and_time_jumps_back(ros, play):
    images = collect(ros, Image, IMAGE)
    player = play(PlayConfig(loop=True, rate=2.0, wait_for_s=5.0), until=lambda: len(images) >= 12)
    assert len(images) >= 12 and player.loops >= 2
    assert stamps(images)[5] == stamps(images)[0]


def test_topics_are_chosen_and_remapped(ros, play):
    images, clouds, infos = collect(ros, Image, '/renamed'), collect(ros, PointCloud2, POINTS), []
    player = play(until=lambda: len(images) == 5, topics=[IMAGE], remaps={IMAGE: '/renamed'})
    assert len(images) == 5 and not clouds and not infos
    assert player.sent == 5


def test_the_service_resumes_a_paused_start(ros, play):
    images = collect(ros, Image, IMAGE)
    client = ros.node('client').create_client(SetBool, '/player/pause')
    started = time.monotonic()
    play(
        PlayConfig(paused=True, wait_for_s=1.0),
        until=lambda: client.service_is_ready() and time.monotonic() - started > 1.5,
    )
    assert not images
    answer = client.call_async(SetBool.Request(data=False))
    assert ros.spin_until(lambda: len(images) == 5, 8.0)
    assert answer.result().success


def test_a_type_that_is_not_installed_is_skipped_by_name(ros, tmp_path):
    path = tmp_path / 'odd.mcap'
    with BagWriter(path) as writer:
        writer.define('foreign_msgs/msg/Thing', 'uint8 value\n')
        writer.write('/thing', writer.typestore.types['foreign_msgs/msg/Thing'](value=1), START_NS)
        info = write_info(writer)
    with BagReader(path) as reader:
        player = Player(ros.node('player'), reader)
        assert set(player.skipped) == {'/thing'} and 'foreign_msgs' in player.skipped['/thing']
        player.play(threading.Event())
    assert player.sent == 1 and info


def write_info(writer):
    from small_recording import CAMERA

    writer.write(CAMERA_INFO, bag_messages.camera_info(writer.typestore, CAMERA, START_NS), START_NS)
    return True


def test_an_unknown_topic_and_an_offset_beyond_the_end_are_refused(ros, recording):
    with pytest.raises(RecordingError, match='no topic /nothing'):
        Player(ros.node('a'), recording, topics=['/nothing'])
    with pytest.raises(RecordingError, match='no topic /nothing'):
        Player(ros.node('b'), recording, remaps={'/nothing': '/x'})
    with pytest.raises(RecordingError, match='beyond the end'):
        Player(ros.node('c'), recording, PlayConfig(start_offset_s=100.0))


@pytest.mark.parametrize('bad', [{'rate': 0.0}, {'rate': -1.0}, {'start_offset_s': -1.0}])
def test_a_senseless_pace_is_refused(bad):
    with pytest.raises(ConfigError):
        PlayConfig(**bad)


def test_awaited_topics_hold_the_start_until_all_subscribers_are_there(ros, play):
    config = PlayConfig(wait_for_s=30.0, wait_topics=[IMAGE, f'{POINTS}:2'])
    clouds = collect(ros, PointCloud2, POINTS)
    images = collect(ros, Image, IMAGE)
    started = time.monotonic()
    player = play(config, until=lambda: time.monotonic() - started > 1.5)
    assert not images and player.thread.is_alive()
    more = collect(ros, PointCloud2, POINTS)
    assert ros.spin_until(lambda: len(images) == len(more) == len(clouds) == 5, 30.0)
    with pytest.raises(ConfigError, match='wait_topics'):
        PlayConfig(wait_topics=['/points:many'])
