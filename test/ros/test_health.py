# SPDX-License-Identifier: Apache-2.0
"""Health: every image counted, every drop told with its reason, a level that follows what happens."""

import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.frames import DepthFrame, Mode, PromptStats, SparsePrompt

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from depth_anything_ros.ros.health import Health


class Seconds:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def health(ros_node, seconds):
    return Health(ros_node, image_topic='camera/image', hardware_id='camera_optical', seconds=seconds)


def depth_frame(mode=Mode.PROMPTED, **timings_ms):
    camera = CameraModel(width=4, height=3, fx=2.0, fy=2.0, cx=1.5, cy=1.0, frame_id='camera_optical')
    depth = np.ones((3, 4), np.float32)
    stats = PromptStats(count=6, coverage=0.5, age_s=0.02, rejected={'occluded': 2})
    prompt = SparsePrompt(depth, depth, camera, stats=stats)
    report = {'scale_age_s': '0.000', 'engine': 'classical'}
    return DepthFrame(depth, depth, camera, 12345, mode, prompt, timings_ms, report)


def values(status):
    return {pair.key: pair.value for pair in status.values}


def logged(ros, node):
    """Lines this node logs, as they come out on /rosout."""
    from rcl_interfaces.msg import Log

    lines = []
    ros.node('log_reader').create_subscription(Log, '/rosout', lambda m: lines.append((m.level, m.msg)), 100)
    assert ros.spin_until(lambda: node.count_subscribers('/rosout') > 0)
    ros.spin_for(0.1)
    return lines


def test_status_of_a_frame_says_mode_prompt_engine_latency_and_drops(ros, health):
    got = []
    ros.node('reader').create_subscription(DiagnosticStatus, '/under_test/status', got.append, 10)
    assert ros.spin_until(lambda: health._status.get_subscription_count() > 0)
    health.dropped('no transform', 'edge odom -> base')
    health.published(depth_frame(decode=1.5, infer=20.0), latency_ms=33.25, facts={'cloud': 'lazy'})
    assert ros.spin_until(lambda: any(values(status).get('mode') for status in got))
    status = got[-1]
    told = values(status)
    assert status.hardware_id == 'camera_optical' and status.name == 'under_test: depth'
    assert (told['mode'], told['stamp_ns'], told['engine'], told['cloud']) == ('prompted', '12345', 'classical', 'lazy')
    assert (told['prompt_count'], told['prompt_coverage'], told['rejected.occluded']) == ('6', '0.50000', '2')
    assert (told['latency.infer_ms'], told['latency.total_ms'], told['scale_age_s']) == ('20.00', '33.25', '0.000')
    assert (told['published'], told['dropped.no transform']) == ('1', '1')
    assert status.level == DiagnosticStatus.WARN and 'edge odom -> base' in status.message


def test_drops_show_in_the_status_even_when_no_depth_ever_goes_out(ros, health, seconds):
    got = []
    ros.node('reader').create_subscription(DiagnosticStatus, '/under_test/status', got.append, 10)
    assert ros.spin_until(lambda: health._status.get_subscription_count() > 0)
    health.dropped('no camera_info', '/camera/camera_info: nothing came')
    assert ros.spin_until(lambda: got and values(got[-1]).get('dropped.no camera_info') == '1')


def test_diagnostics_go_out_every_second_with_percentiles(ros, health, seconds):
    got = []
    ros.node('reader').create_subscription(DiagnosticArray, '/diagnostics', got.append, 10)
    for i in range(101):
        seconds.now += 0.01
        health.published(depth_frame(infer=float(i)), latency_ms=i + 100.0)
    assert ros.spin_until(lambda: len(got) >= 2, timeout_s=4.0)
    told = values(got[-1].status[0])
    assert told['latency.infer_ms p50 p95 p99'] == '50.00 95.00 99.00'
    assert told['rate_hz'] == '100.00' and told['mode'] == 'prompted'
    assert got[-1].header.stamp.sec > 0


def test_a_drop_is_logged_at_once_then_summed_up(ros, ros_node, health, seconds):
    lines = logged(ros, ros_node)
    for _ in range(10):
        health.dropped('no camera_info', '/camera/camera_info: nothing came')
    health.dropped('bad image', '/camera/image: step 10 is less than 12')
    seconds.now += 6
    health.dropped('no camera_info', '/camera/camera_info: nothing came')
    assert ros.spin_until(lambda: len(lines) >= 3)
    assert [text for _, text in lines] == [
        'dropped: no camera_info: /camera/camera_info: nothing came',
        'dropped: bad image: /camera/image: step 10 is less than 12',
        'dropped: no camera_info x10: /camera/camera_info: nothing came',
    ]
    assert {level for level, _ in lines} == {30}  # warnings


def test_a_network_slower_than_the_camera_is_no_warning(ros, ros_node, health):
    lines = logged(ros, ros_node)
    health.published(depth_frame(), latency_ms=1.0)
    for _ in range(5):
        health.dropped('superseded', 'a newer one')
    ros.spin_for(0.2)
    assert not lines and health.level()[0] == DiagnosticStatus.OK
    assert health.counts()['dropped.superseded'] == 5


def test_the_level_follows_what_happens(health, seconds):
    assert health.level()[0] == DiagnosticStatus.OK
    seconds.now += 6
    assert health.level() == (DiagnosticStatus.STALE, 'no image on /camera/image for 6 s (0 publishers)')
    health.dropped('no camera_info', 'camera_info')
    level, text = health.level()
    assert level == DiagnosticStatus.ERROR and 'no camera_info' in text
    health.published(depth_frame(), latency_ms=1.0)
    assert health.level()[0] == DiagnosticStatus.WARN
    for _ in range(11):
        seconds.now += 1
        health.published(depth_frame(), latency_ms=1.0)
    assert health.level() == (DiagnosticStatus.OK, '1.0 Hz')
    health.warned('incompatible QoS', '/points')
    assert health.level() == (DiagnosticStatus.WARN, 'warned: incompatible QoS (/points)')


def test_images_that_nobody_wants_are_no_trouble(health, seconds):
    for _ in range(20):
        seconds.now += 0.5
        health.idle()
    assert health.level() == (DiagnosticStatus.OK, 'images come, nobody subscribes to the depth')
    health.dropped('no camera_info', 'camera_info')
    assert health.level()[0] == DiagnosticStatus.WARN
    assert health.counts() == {'published': 0, 'dropped.no camera_info': 1}


def test_a_topic_of_another_type_shows_when_no_image_comes(ros, another_process, health, seconds):
    from std_msgs.msg import String

    another_process.node('driver').create_publisher(String, '/camera/image', 1)
    seconds.now += 6
    assert ros.spin_until(lambda: health.level()[1].endswith('(1 publishers of std_msgs/msg/String)'))


def test_depth_without_a_prompt_is_a_warning_only_where_one_is_expected(ros, ros_node, health):
    health.published(depth_frame(Mode.MONO), latency_ms=1.0)
    level, text = health.level()
    assert level == DiagnosticStatus.WARN and 'mono' in text
    alone = Health(ros.node('camera_only'), expects_prompt=False)
    alone.published(depth_frame(Mode.MONO), latency_ms=1.0)
    assert alone.level()[0] == DiagnosticStatus.OK


def test_an_inactive_node_may_be_silent(health, seconds):
    health.active = False
    seconds.now += 60
    assert health.level() == (DiagnosticStatus.OK, 'inactive')
    health.active = True
    seconds.now += 4
    assert health.level()[0] == DiagnosticStatus.OK  # what went before is not held against it
    seconds.now += 2
    assert health.level()[0] == DiagnosticStatus.STALE


def test_an_image_topic_that_is_silent_is_named_in_the_log(ros, ros_node, health, seconds):
    lines = logged(ros, ros_node)
    seconds.now += 6
    assert ros.spin_until(lambda: lines, timeout_s=4.0)
    assert lines[0][1].startswith('no image on /camera/image')


def test_rate_counts_recent_frames_only(health, seconds):
    assert health.rate_hz() == 0.0
    for _ in range(5):
        health.published(depth_frame(), latency_ms=1.0)
        seconds.now += 0.5
    assert health.rate_hz() == pytest.approx(2.0)
    seconds.now += 60
    assert health.rate_hz() == 0.0
