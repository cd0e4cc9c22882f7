# SPDX-License-Identifier: Apache-2.0
"""mapping_node over the real middleware."""

import os
import subprocess

import numpy as np
import pytest
from needs_open3d import open3d_or_skip

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
pytest.importorskip('tf2_msgs', reason='tf2_msgs is not installed (make tf2_msgs)')
from geometry_msgs.msg import PoseStamped
from mapping_rig import SECOND, WALL_M, MappingRig, cloud_xyz, corners
from nav_msgs.msg import Odometry

from depth_anything_ros.mapping.files import read_mesh

open3d_or_skip()

TENTH = SECOND // 10


@pytest.fixture
def rig(ros, tmp_path):
    return MappingRig(ros, tmp_path).start()


def test_depth_and_poses_become_a_mesh_and_a_coloured_cloud(rig):
    rig.map_frames(3, rgb=(200, 10, 10))
    assert rig.ros.spin_until(lambda: rig.got['mesh'] and rig.got['cloud'])
    assert rig.ros.spin_until(lambda: len(rig.got['mesh'][-1].points) > 3000)
    marker, cloud = rig.got['mesh'][-1], rig.got['cloud'][-1]
    assert (marker.type, marker.action, marker.header.frame_id) == (marker.TRIANGLE_LIST, marker.ADD, 'odom')
    assert len(marker.points) % 3 == 0 and len(marker.colors) == len(marker.points)
    assert np.abs(corners(marker)[:, 2] - WALL_M).max() < 0.005
    reds = np.array([(c.r, c.g, c.a) for c in marker.colors])
    assert reds[:, 0].min() > 5 * reds[:, 1].max() and (reds[:, 2] == 1).all()
    assert np.abs(cloud_xyz(cloud)[:, 2] - WALL_M).max() < 0.005
    packed = np.frombuffer(cloud.data, np.uint32).reshape(-1, 4)[:, 3]
    assert set(packed.tolist()) == {0x00C80A0A}
    assert rig.counts() == {'integrated': 3, 'warned.no confidence': 3}


def test_one_who_comes_late_sees_the_map_of_a_robot_that_stands_still(ros, tmp_path):
    rig = MappingRig(ros, tmp_path, looks=False).start()
    rig.map_frames(2)
    from sensor_msgs.msg import PointCloud2

    from depth_anything_ros.ros.map_outputs import LATCHED

    seen = []
    rig.robot.create_subscription(PointCloud2, '/mapping_node/cloud', seen.append, LATCHED)
    assert ros.spin_until(lambda: seen and seen[-1].width > 500)


def test_a_frame_without_a_pose_is_dropped_and_the_missing_edge_named(rig):
    rig.send(SECOND)
    assert rig.counted('dropped.no pose')
    assert rig.counts()['integrated'] == 0
    text = rig.node.health.level()[1]
    assert "'odom'" in text, text
    rig.map_frames(1, start_ns=2 * SECOND)


def test_a_pose_that_jumps_is_left_out_and_told(rig):
    rig.map_frames(2)
    rig.at(2 * SECOND, x_m=50.0)
    rig.send(2 * SECOND)
    assert rig.counted('dropped.pose jumped')
    assert 'jumped by 49.99 m' in rig.node.health.level()[1]
    rig.at(2 * SECOND + TENTH, x_m=0.05)
    rig.send(2 * SECOND + TENTH)
    assert rig.counted('integrated', 3)
    assert rig.node._map.mesh().vertices_m[:, 0].max() < 5.0, 'nothing was put where the robot never was'


@pytest.mark.parametrize('quaternion', [(0.0, 0.0, 0.0, 0.0), (float('nan'), 0.0, 0.0, 1.0), (3.0, 0.0, 0.0, 1.0)])
def test_a_bad_quaternion_is_refused_and_told(rig, quaternion):
    rig.at(SECOND, quaternion=quaternion)
    rig.send(SECOND)
    assert rig.counted('warned.transform ignored')
    assert rig.counted('dropped.no pose')
    rig.map_frames(1, start_ns=2 * SECOND)


def test_depth_and_camera_info_of_different_stamps_make_no_frame(rig):
    rig.at(SECOND)
    rig.send(SECOND, info_stamp_ns=SECOND + 1)
    assert rig.counted('dropped.camera_info does not match')
    assert rig.counts()['integrated'] == 0


def test_a_frame_of_nan_is_dropped_with_its_reason(rig):
    rig.at(SECOND)
    rig.send(SECOND, depth_m=np.nan)
    assert rig.counted('dropped.InvalidInput')
    assert 'no usable pixel' in rig.node.health.level()[1]
    rig.map_frames(1, start_ns=2 * SECOND)


def test_a_map_that_would_exceed_its_memory_says_so_and_stays_within(ros, tmp_path):
    arguments = (
        '-p',
        'tsdf.voxel_size_m:=0.005',
        '-p',
        'tsdf.truncation_voxels:=8.0',
        '-p',
        'bounds.max_memory_mb:=16',
    )
    rig = MappingRig(ros, tmp_path, *arguments, looks=False).start()
    rig.map_frames(2)
    assert rig.counted('warned.map is full')
    assert 'bounds.max_memory_mb' in rig.node.health.level()[1]
    assert rig.node._map.status()['memory_mb'] <= 16


def test_an_unsure_wall_stays_out_by_confidence(rig):
    rig.map_frames(1, sigma_m=0.01)
    rig.at(2 * SECOND)
    rig.send(2 * SECOND, depth_m=1.0, sigma_m=0.9)
    assert rig.counted('dropped.InvalidInput')
    assert '19200 unsure' in rig.node.health.level()[1]


def test_a_frame_whose_confidence_got_lost_is_dropped_not_taken_for_sure(rig):
    rig.map_frames(1, sigma_m=0.01)
    rig.at(2 * SECOND)
    rig.send(2 * SECOND)
    assert rig.counted('dropped.no confidence')
    assert rig.counts()['integrated'] == 1


def test_the_first_frame_waits_for_a_confidence_that_is_offered(rig):
    from sensor_msgs.msg import Image

    rig.extra(Image, 'confidence')
    assert rig.ros.spin_until(lambda: rig.node.count_publishers('/confidence'))
    rig.at(SECOND)
    rig.send(SECOND)
    assert rig.counted('dropped.no confidence')


def test_colour_of_another_frame_or_stamp_costs_colour_only(rig):
    rig.map_frames(1, rgb=(9, 9, 9))
    rig.at(2 * SECOND)
    rig.send(2 * SECOND)
    assert rig.counted('integrated', 2)
    assert rig.counts()['warned.no color/image'] >= 1


def test_save_writes_the_mesh_in_each_format(rig):
    from rclpy.parameter import Parameter

    rig.map_frames(2)
    for suffix in ('ply', 'obj', 'glb'):
        path = rig.folder / f'room.{suffix}'
        assert rig.node.set_parameters([Parameter('files.mesh', value=str(path))])[0].successful
        success, message = rig.call('save')
        assert success and str(path) in message
        assert len(read_mesh(path).triangles) > 1000


def test_messages_go_on_arriving_while_a_service_works(rig, monkeypatch):
    """The answer of a slow service does not hold the executor."""
    import threading

    from std_srvs.srv import Trigger

    from depth_anything_ros.ros import mapping_node

    rig.map_frames(5)
    free = threading.Event()
    monkeypatch.setattr(mapping_node, 'write_mesh', lambda *_: free.wait(20.0))
    assert rig.ros.spin_until(rig.clients['save'].service_is_ready)
    future = rig.clients['save'].call_async(Trigger.Request())
    rig.ros.spin_for(0.3)
    rig.map_frames(3, start_ns=2 * SECOND)
    assert not future.done()
    free.set()
    assert rig.ros.spin_until(future.done) and future.result().success


def test_saving_to_a_bad_place_fails_with_the_reason_and_the_old_file_stays(rig):
    from rclpy.parameter import Parameter

    success, message = rig.call('save')
    assert not success and 'no surface yet' in message
    rig.map_frames(2)
    assert rig.call('save')[0]
    before = (rig.folder / 'map.ply').read_bytes()
    blocked = rig.folder / 'map.ply' / 'inside.ply'
    rig.node.set_parameters([Parameter('files.mesh', value=str(blocked))])
    success, message = rig.call('save')
    assert not success and 'cannot be written' in message
    assert (rig.folder / 'map.ply').read_bytes() == before
    rig.map_frames(1, start_ns=3 * SECOND)


def test_a_full_disk_fails_the_service_and_keeps_the_old_file(rig):
    from rclpy.parameter import Parameter

    place = rig.folder / 'small'
    place.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'none', place], capture_output=True).returncode:
        pytest.skip('this user may not mount a small file system')
    try:
        rig.map_frames(2)
        path = place / 'map.ply'
        rig.node.set_parameters([Parameter('files.mesh', value=str(path))])
        assert rig.call('save')[0]
        before = path.read_bytes()
        (place / 'ballast').write_bytes(os.urandom(256 * 1024 - len(before) - 8192))
        success, message = rig.call('save')
        assert not success and 'No space left on device; the file from before is untouched' in message
        assert path.read_bytes() == before
    finally:
        subprocess.run(['umount', place], check=True)


def test_a_map_survives_a_restart(ros, rig):
    rig.map_frames(2)
    success, message = rig.call('save_map')
    assert success and 'room.map' in message
    triangles = len(rig.node._map.mesh().triangles)
    rig.node.trigger_deactivate()
    rig.node.trigger_cleanup()
    again = MappingRig(ros, rig.folder, '-p', 'files.load_at_start:=true').start()
    assert ros.spin_until(lambda: again.got['mesh'] and len(again.got['mesh'][-1].points) >= 3 * triangles * 0.9)
    assert again.call('reset')[0]
    assert ros.spin_until(lambda: again.got['mesh'][-1].action == again.got['mesh'][-1].DELETE)
    assert again.call('load_map')[0]
    assert len(again.node._map.mesh().triangles) == triangles


def test_a_map_is_saved_at_the_end_where_asked_for(ros, tmp_path):
    rig = MappingRig(ros, tmp_path, '-p', 'files.save_at_end:=true').start()
    rig.map_frames(1)
    rig.node.trigger_deactivate()
    rig.node.trigger_cleanup()
    assert (tmp_path / 'room.map').stat().st_size > 1000


def test_a_damaged_map_stops_the_start_with_the_reason_and_is_not_overwritten(ros, tmp_path):
    (tmp_path / 'room.map').write_text('damaged')
    rig = MappingRig(ros, tmp_path, '-p', 'files.load_at_start:=true', '-p', 'files.save_at_end:=true')
    assert rig.node.trigger_configure().name == 'FAILURE'
    rig.node.trigger_shutdown()
    assert (tmp_path / 'room.map').read_text() == 'damaged'


def test_pause_lets_frames_pass_and_keeps_the_map(rig):
    rig.map_frames(2)
    assert rig.call('pause', data=True) == (True, 'paused')
    rig.at(2 * SECOND, x_m=0.05)
    rig.send(2 * SECOND)
    rig.ros.spin_for(0.5)
    assert rig.counts()['integrated'] == 2
    assert rig.node.health.level()[1].startswith('paused')
    assert rig.call('pause', data=False)[0]
    rig.map_frames(1, start_ns=3 * SECOND)


def test_reset_empties_the_map_and_what_is_shown(rig):
    rig.map_frames(2)
    assert rig.ros.spin_until(lambda: rig.got['mesh'])
    assert rig.call('reset') == (True, 'the map is empty')
    assert rig.node._map.status()['blocks'] == 0
    assert rig.ros.spin_until(lambda: rig.got['mesh'][-1].action == rig.got['mesh'][-1].DELETE)
    assert rig.ros.spin_until(lambda: rig.got['cloud'][-1].width == 0)


def test_odometry_places_the_camera_through_its_mount(ros, tmp_path):
    rig = MappingRig(ros, tmp_path, '-p', 'pose.source:=odometry').start()
    assert ros.spin_until(lambda: rig.odometry.get_subscription_count())
    from geometry_msgs.msg import TransformStamped

    mount = TransformStamped(header=rig.header(0, 'base_link'), child_frame_id='camera')
    mount.transform.translation.z, mount.transform.rotation.w = 0.5, 1.0
    rig.tf_static.publish(rig._message(transforms=[mount]))
    message = Odometry(header=rig.header(SECOND, 'odom'), child_frame_id='base_link')
    message.pose.pose.position.x, message.pose.pose.orientation.w = 3.0, 1.0
    rig.odometry.publish(message)
    rig.send(SECOND)
    assert rig.counted('integrated'), rig.counts()
    vertices_m = rig.node._map.mesh().vertices_m
    assert vertices_m[:, 2].mean() == pytest.approx(WALL_M + 0.5, abs=0.01)
    assert vertices_m[:, 0].mean() == pytest.approx(3.0, abs=0.05)


def test_a_pose_topic_tells_the_cameras_own_pose_and_bad_ones_are_refused(ros, tmp_path):
    rig = MappingRig(ros, tmp_path, '-p', 'pose.source:=pose', tf=False).start()
    assert ros.spin_until(lambda: rig.pose.get_subscription_count())
    rig.send(SECOND)
    assert rig.counted('dropped.no pose')
    assert 'no usable message yet' in rig.node.health.level()[1]
    crooked = PoseStamped(header=rig.header(2 * SECOND, 'odom'))
    crooked.pose.orientation.w = 0.0
    rig.pose.publish(crooked)
    elsewhere = PoseStamped(header=rig.header(2 * SECOND, 'map'))
    elsewhere.pose.orientation.w = 1.0
    rig.pose.publish(elsewhere)
    assert rig.counted('warned.bad pose', 2)
    good = PoseStamped(header=rig.header(3 * SECOND, 'odom'))
    good.pose.position.z, good.pose.orientation.w = 1.0, 1.0
    rig.pose.publish(good)
    rig.send(3 * SECOND)
    assert rig.counted('integrated'), rig.counts()
    assert rig.node._map.mesh().vertices_m[:, 2].mean() == pytest.approx(WALL_M + 1.0, abs=0.01)


def test_a_large_mesh_is_published_coarser_and_saved_whole(ros, tmp_path):
    rig = MappingRig(ros, tmp_path, '-p', 'publish.max_triangles:=500').start()
    rig.map_frames(2)
    assert ros.spin_until(lambda: rig.got['mesh'] and 0 < len(rig.got['mesh'][-1].points) <= 1500)
    assert rig.call('save')[0]
    assert len(read_mesh(tmp_path / 'map.ply').triangles) > 2000


def test_a_time_that_goes_back_is_told_and_mapping_goes_on(rig):
    rig.map_frames(2, start_ns=10 * SECOND)
    rig.at(SECOND)
    rig.send(SECOND)  # what came with the first frame after the jump is forgotten with the rest
    assert rig.counted('warned.time jump')
    rig.map_frames(2, start_ns=2 * SECOND)
    assert rig.counts()['warned.time jump'] == 1


def test_returns_hold_their_pixels(ros, tmp_path):
    """The depth is 20 cm off; where the LiDAR measured, the map has what it measured."""
    from sensor_msgs.msg import PointCloud2, PointField

    rig = MappingRig(ros, tmp_path, '-p', 'returns.lidar_topics:=[points]', '-p', 'returns.radius_m:=0.1').start()
    lidar = rig.robot.create_publisher(PointCloud2, 'points', 10)
    assert ros.spin_until(lambda: lidar.get_subscription_count())
    x = np.linspace(-1.2, 1.2, 120, dtype=np.float32)
    xyz_m = np.stack([x, np.zeros_like(x), np.full_like(x, WALL_M)], -1)
    cloud = PointCloud2(header=rig.header(SECOND), height=1, width=len(x), point_step=12, row_step=12 * len(x))
    cloud.fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate('xyz')]
    cloud.data = xyz_m.tobytes()
    lidar.publish(cloud)
    rig.at(SECOND)
    rig.send(SECOND, depth_m=WALL_M + 0.2, sigma_m=0.05)
    assert rig.counted('integrated'), rig.counts()
    vertices_m = rig.node._map.mesh().vertices_m
    band = np.abs(vertices_m[:, 1]) < 0.05
    assert np.median(vertices_m[band, 2]) == pytest.approx(WALL_M, abs=0.01)
    assert np.median(vertices_m[np.abs(vertices_m[:, 1]) > 0.3, 2]) == pytest.approx(WALL_M + 0.2, abs=0.01)
