# SPDX-License-Identifier: Apache-2.0
"""The environment of ROS processes: profile, malloc, children; and that large messages really arrive with it."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from depth_anything_ros.core.resources import resource
from depth_anything_ros.ros import environment

VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_BUILTIN_TRANSPORTS')


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No choice of middleware, as in a shell where nobody thought of it."""
    for name in (*VARIABLES, 'ROS_DISTRO', 'RMW_IMPLEMENTATION'):
        monkeypatch.setenv(name, '')  # so that what the code sets is undone
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_a_process_without_a_profile_gets_ours_and_is_warned():
    warning = environment.prepare_middleware()
    assert os.environ['FASTDDS_DEFAULT_PROFILES_FILE'] == str(resource('config', 'fastdds.xml'))
    assert 'FASTDDS_DEFAULT_PROFILES_FILE=' in warning and '\n' not in warning


def test_a_profile_of_the_user_stays(monkeypatch):
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', '/own.xml')
    assert 'profile' not in environment.prepare_middleware()
    assert os.environ['FASTDDS_DEFAULT_PROFILES_FILE'] == '/own.xml'
    assert environment.middleware_environment()['FASTDDS_DEFAULT_PROFILES_FILE'] == '/own.xml'


def test_another_middleware_is_left_alone(monkeypatch):
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_cyclonedds_cpp')
    assert environment.prepare_middleware() == ''
    assert 'FASTDDS_DEFAULT_PROFILES_FILE' not in environment.middleware_environment()


def test_jazzy_and_humble_get_the_variable_they_read(monkeypatch):
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', '/not-read-by-jazzy.xml')
    assert environment.middleware_environment()['FASTRTPS_DEFAULT_PROFILES_FILE'].endswith('fastdds.xml')


def test_too_little_shared_memory_is_named(monkeypatch):
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', '/own.xml')
    monkeypatch.setattr(environment, 'shared_memory_free_bytes', lambda: 64 << 20)
    assert '64 MB of shared memory' in environment.prepare_middleware()


def test_a_domain_of_its_own_stays_on_this_machine(monkeypatch):
    env = environment.middleware_environment(domain_id=71)
    assert (env['ROS_DOMAIN_ID'], env['ROS_AUTOMATIC_DISCOVERY_RANGE']) == ('71', 'LOCALHOST')
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    assert environment.middleware_environment(domain_id=71)['ROS_LOCALHOST_ONLY'] == '1'


def test_another_environments_python_starts_without_our_libraries(monkeypatch):
    monkeypatch.setenv('_ROS_WHEELS_BOOTSTRAP_COMPLETE', '1')
    monkeypatch.setenv('LD_LIBRARY_PATH', os.pathsep.join([f'{sys.prefix}/lib', '/opt/vendor/lib']))
    env = environment.foreign_environment()
    assert '_ROS_WHEELS_BOOTSTRAP_COMPLETE' not in env
    assert env['LD_LIBRARY_PATH'] == '/opt/vendor/lib'


def test_malloc_keeps_large_buffers_where_there_is_glibc():
    script = (
        'from depth_anything_ros.ros.environment import keep_large_buffers\n'
        'import resource, sys\n'
        'changed = keep_large_buffers()\n'
        'for _ in range(3): "x" * (40 << 20)\n'
        'before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n'
        'for _ in range(20): "x" * (40 << 20)\n'
        'print(changed, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n'
    )
    changed, faults = subprocess.check_output([sys.executable, '-c', script], text=True).split()
    if changed == 'False':
        pytest.skip('not glibc')
    assert int(faults) < 100  # unchanged, each of the 20 buffers faults its pages in again: 10240, or 20 huge ones


def test_the_profile_holds_an_image_and_keeps_udp_for_other_machines():
    root = xml.etree.ElementTree.parse(resource('config', 'fastdds.xml')).getroot()
    space = '{http://www.eprosima.com}'
    kinds = {t.findtext(f'{space}type'): t for t in root.iter(f'{space}transport_descriptor')}
    assert set(kinds) == {'SHM', 'UDPv4'}
    assert int(kinds['SHM'].findtext(f'{space}segment_size')) < environment.SEGMENT_BYTES


PUBLISH_OR_COUNT = """
import array, json, sys, time
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, PointCloud2
role, count = sys.argv[1], 20
rclpy.init()
node = rclpy.create_node(role)
image = Image(height=480, width=640, encoding='rgb8', step=1920, data=array.array('B', bytes(640 * 480 * 3)))
cloud = PointCloud2(height=480, width=640, point_step=16, row_step=10240, data=array.array('B', bytes(640 * 480 * 16)))
messages = {'image': image, 'cloud': cloud}
end = time.monotonic() + 30
if role == 'publish':
    publishers = {name: node.create_publisher(type(m), name, qos_profile_sensor_data) for name, m in messages.items()}
    ready = node.create_publisher(Image, 'unused', 1)
    while time.monotonic() < end and node.count_publishers('ready') == 0:
        time.sleep(0.05)
    for _ in range(count):
        for name, publisher in publishers.items():
            publisher.publish(messages[name])
        time.sleep(0.1)
    time.sleep(1.0)
else:
    got = dict.fromkeys(messages, 0)
    def counter(name):
        def on_message(message):
            got[name] += len(message.data) == len(messages[name].data)
        return on_message
    for name, m in messages.items():
        node.create_subscription(type(m), name, counter(name), qos_profile_sensor_data)
    while time.monotonic() < end and not all(node.count_publishers(name) for name in messages):
        rclpy.spin_once(node, timeout_sec=0.05)
    end_of_settling = time.monotonic() + 0.5
    while time.monotonic() < end_of_settling:
        rclpy.spin_once(node, timeout_sec=0.05)
    ready = node.create_publisher(Image, 'ready', 1)
    while time.monotonic() < end and min(got.values()) < count:
        rclpy.spin_once(node, timeout_sec=0.05)
        if node.count_publishers('image') == 0:
            break
    print(json.dumps(got))
rclpy.shutdown()
"""


def test_images_and_clouds_sent_best_effort_arrive_in_another_process():
    pytest.importorskip('rclpy', reason='needs ROS 2')
    free = environment.shared_memory_free_bytes()
    if free is not None and free < 2 * environment.SEGMENT_BYTES:
        pytest.skip('/dev/shm is too small here')
    env = environment.middleware_environment(domain_id=int(os.environ['ROS_DOMAIN_ID']))
    with subprocess.Popen([sys.executable, '-c', PUBLISH_OR_COUNT, 'publish'], env=env) as publisher:
        try:
            out = subprocess.check_output(
                [sys.executable, '-c', PUBLISH_OR_COUNT, 'count'], env=env, text=True, timeout=60
            )
        finally:
            publisher.kill()
    # 20 of each were sent; on a busy machine the newest of a full queue of 5 displace older ones
    assert min(json.loads(out).values()) >= 15, out
