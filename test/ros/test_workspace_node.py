# SPDX-License-Identifier: Apache-2.0
"""workspace_node over the real middleware."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
pytest.importorskip('scipy', reason='scipy is not installed')
from rclpy.parameter import Parameter
from workspace_rig import SECOND, SOLIDS, WorkspaceRig, organised

NAN = np.full((120, 160, 4), np.nan, np.float32)


@pytest.fixture
def rig(ros):
    return WorkspaceRig(ros).start()


def matrix(pose):
    from depth_anything_ros.core.transform import RigidTransform

    p, q = pose.position, pose.orientation
    return RigidTransform.from_quaternion('a', 'b', (p.x, p.y, p.z), (q.x, q.y, q.z, q.w)).matrix


def test_a_cloud_becomes_objects_their_clouds_the_support_and_grasps(rig):
    rig.send(7 * SECOND)
    assert rig.heard(), rig.counts()
    messages = {name: got[-1] for name, got in rig.got.items()}
    headers = [messages[name].header for name in ('object_clouds', 'support_plane', 'grasps')]
    headers += [marker.header for name in ('objects', 'grasp_markers') for marker in messages[name].markers]
    assert {(h.frame_id, h.stamp.sec, h.stamp.nanosec) for h in headers} == {('camera', 7, 0)}
    boxes = [m for m in messages['objects'].markers if m.ns == 'objects']
    labels = [m for m in messages['objects'].markers if m.ns == 'labels']
    assert [m.id for m in boxes] == [m.id for m in labels] == [0, 1]
    assert all(m.text.startswith(f'{m.id}: ') and m.text.endswith(' cm') for m in labels)
    assert sorted(m.scale.z for m in boxes) == pytest.approx([0.1, 0.12], abs=0.01)
    cloud = np.frombuffer(messages['object_clouds'].data, np.float32).reshape(-1, 4)
    assert [f.name for f in messages['object_clouds'].fields] == ['x', 'y', 'z', 'label']
    label = cloud.view(np.uint32)[:, 3]
    assert set(label.tolist()) == {0, 1}
    world = cloud[:, :3] @ rig.view.pose[:3, :3].T + rig.view.pose[:3, 3]
    for number in (0, 1):
        distances = [np.abs(solid(world[label == number])).mean() for solid in SOLIDS]
        assert min(distances) < 0.002 < max(distances), 'one label, one object'
    assert messages['support_plane'].type == messages['support_plane'].TRIANGLE_LIST
    corners = np.array([(p.x, p.y, p.z) for p in messages['support_plane'].points])
    assert np.abs(corners @ rig.view.pose[2, :3] + rig.view.pose[2, 3]).max() < 0.005
    grasps = [rig.view.pose @ matrix(pose) for pose in messages['grasps'].poses]
    assert len(grasps) >= 10
    nearest = [min(abs(solid(pose[:3, 3])) for solid in SOLIDS) for pose in grasps]
    assert max(nearest) < 0.04 and all(pose[2, 3] > 0 for pose in grasps)
    lines = [m for m in messages['grasp_markers'].markers if m.ns == 'grasps']
    assert [len(m.points) for m in lines] == [5 * 8, 5 * 8] and len(lines[0].colors) == 5 * 8
    assert rig.counts() == {'segmented': 1}


def test_every_cloud_deletes_what_was_drawn_before(rig):
    bare = type(rig.view)([], shape=(120, 160), focal=150.0)
    rig.send(SECOND)
    assert rig.heard()
    rig.send(2 * SECOND, organised(bare.camera_xyz_m))
    assert rig.counted('segmented', 2)
    assert rig.ros.spin_until(lambda: len(rig.got['objects']) == len(rig.got['grasps']) == 2)
    markers = rig.got['objects'][-1].markers
    assert [m.action for m in markers] == [markers[0].DELETEALL]
    assert len(rig.got['grasps'][-1].poses) == 0 and rig.got['object_clouds'][-1].width == 0


def test_a_missing_scipy_is_told_once_when_the_node_is_configured(ros, monkeypatch, capfd):
    import sys

    monkeypatch.setitem(sys.modules, 'scipy.sparse', None)
    rig = WorkspaceRig(ros, hears=())
    assert rig.node.trigger_configure().name == 'FAILURE'
    assert "pip install 'depth_anything_ros[grasping]'" in capfd.readouterr().err


def test_grasps_can_be_switched_off_while_running(ros):
    rig = WorkspaceRig(ros, hears=('objects', 'grasps')).start()
    assert rig.node.set_parameters([Parameter('plan.enabled', value=False)])[0].successful
    rig.send()
    assert rig.heard()
    assert len(rig.got['objects'][-1].markers) == 5 and len(rig.got['grasps'][-1].poses) == 0


def test_nobody_listens_and_nothing_is_worked_out(ros):
    rig = WorkspaceRig(ros, hears=()).start()
    rig.send()
    ros.spin_for(0.5)
    assert rig.counts() == {'segmented': 0}
    assert 'nobody subscribes' in rig.node.health.level()[1]


def test_the_workspace_box_cuts_in_any_frame_and_up_is_heard(ros):
    pytest.importorskip('tf2_msgs', reason='tf2_msgs is not installed (make tf2_msgs)')
    box = ('workspace.frame:=base_link', 'workspace.centre_m:=[0.0, 0.2, 0.1]', 'workspace.size_m:=[0.8, 0.4, 0.4]')
    arguments = [word for value in (*box, 'up_frame:=base_link') for word in ('-p', value)]
    rig = WorkspaceRig(ros, *arguments, hears=('objects',)).start()
    rig.send()
    assert rig.counted('dropped.no transform')
    assert "'base_link'" in rig.node.health.level()[1]
    rig.stands()
    ros.spin_for(0.3)
    rig.send(2 * SECOND)
    assert rig.heard()
    boxes = [m for m in rig.got['objects'][-1].markers if m.ns == 'objects']
    assert len(boxes) == 1 and boxes[0].scale.z == pytest.approx(0.1, abs=0.01), 'the can is outside'
    assert rig.node.set_parameters(
        [Parameter('workspace.centre_m', value=[5.0, 0.0, 0.0])]
    )[0].successful  # fmt: skip
    rig.send(3 * SECOND)
    assert rig.counted('dropped.InvalidInput')
    assert 'lies in the workspace' in rig.node.health.level()[1]


def spoilt(rig, how):
    message = rig.message()
    if how == 'unorganised':
        message.width, message.height = message.width * message.height, 1
        message.row_step = 16 * message.width
    elif how == 'without x':
        message.fields = message.fields[1:]
    elif how == 'cut short':
        message.data = message.data[: len(message.data) // 2]
    elif how == 'all NaN':
        message = rig.message(cloud=NAN)
    elif how == 'empty':
        message = rig.message(cloud=NAN[:0])
    return message


@pytest.mark.parametrize(
    ('how', 'told'),
    [
        ('unorganised', 'expected an organised cloud'),
        ('without x', 'expected the fields x, y, z'),
        ('cut short', 'expected 307200 bytes, got 153600'),
        ('all NaN', 'none of 160x120 points is finite'),
        ('empty', 'none of 160x0 points is finite'),
    ],
)
def test_a_bad_cloud_is_dropped_in_one_line_and_the_next_good_one_is_not(ros, how, told):
    rig = WorkspaceRig(ros, hears=('objects',)).start()
    rig.points.publish(spoilt(rig, how))
    assert rig.counted('dropped.InvalidInput'), rig.counts()
    text = rig.node.health.level()[1]
    assert told in text and '/points' in text and '\n' not in text, text
    rig.send(2 * SECOND)
    assert rig.counted('segmented')


def test_a_cloud_without_a_support_is_told_and_says_that_there_are_no_objects(ros):
    rig = WorkspaceRig(ros, hears=('objects', 'support_plane', 'grasps')).start()
    noise = np.random.default_rng(0).uniform(0.5, 1.5, (120, 160, 3))
    rig.send(cloud=organised(noise))
    assert rig.heard()
    assert rig.counts() == {'segmented': 1, 'warned.no support plane': 1}
    assert rig.got['support_plane'][-1].action == rig.got['support_plane'][-1].DELETE
    assert len(rig.got['grasps'][-1].poses) == 0


def test_time_that_goes_back_is_told(rig):
    rig.send(10 * SECOND)
    assert rig.counted('segmented')
    rig.send(2 * SECOND)
    assert rig.counted('segmented', 2) and rig.counts()['warned.time jump'] == 1


def test_deactivate_rests_and_activate_goes_on(rig):
    assert rig.node.trigger_deactivate().name == 'SUCCESS'
    rig.send()
    rig.ros.spin_for(0.3)
    assert rig.counts() == {'segmented': 0}
    assert rig.node.trigger_activate().name == 'SUCCESS'
    assert rig.ros.spin_until(rig.points.get_subscription_count)
    rig.send(2 * SECOND)
    assert rig.counted('segmented')
    assert rig.node.trigger_deactivate().name == rig.node.trigger_cleanup().name == 'SUCCESS'


def test_a_real_table_comes_through_the_node(ros, shared_data):
    import cv2

    from depth_anything_ros.core.camera import CameraModel

    folder = shared_data('pcl_mosd_rgbd')
    depth_m = cv2.imread(str(folder / 'learn44_depth_mm.png'), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
    depth_m[depth_m == 0] = np.nan
    rays = CameraModel(640, 480, 525.0, 525.0, 319.5, 239.5).rays()
    rig = WorkspaceRig(ros).start()
    rig.send(cloud=organised(rays * depth_m[..., None]))
    assert rig.heard(60.0), rig.counts()
    assert len([m for m in rig.got['objects'][-1].markers if m.ns == 'objects']) == 3
    assert len(rig.got['grasps'][-1].poses) >= 10
    assert rig.counts() == {'segmented': 1}


def test_depth_node_and_workspace_node_find_what_a_camera_and_a_lidar_saw(ros):
    from sensor_msgs.msg import CameraInfo, Image, PointCloud2

    from depth_anything_ros.core.camera import CameraModel
    from depth_anything_ros.ros import conversions
    from depth_anything_ros.ros.depth_node import DepthNode

    view = type(WorkspaceRig.view)(SOLIDS, table_m=3.0)  # no edge: a fill goes on beyond it
    camera = CameraModel(320, 240, 300.0, 300.0, 159.5, 119.5, 'camera')
    arguments = ('model:=classical', 'input.lidar_topics:=[/lidar]', 'input.camera_model:=camera_info')
    depth_node = ros.node(
        'depth_node', kind=DepthNode,
        arguments=(*(word for value in arguments for word in ('-p', value)), '-r', '~/depth/points:=/points'),
    )  # fmt: skip
    assert depth_node.trigger_configure().name == depth_node.trigger_activate().name == 'SUCCESS'
    rig = WorkspaceRig(ros, hears=('objects', 'grasps')).start()
    kinds = {'image': Image, 'camera_info': CameraInfo, '/lidar': PointCloud2}
    publishers = {topic: rig.robot.create_publisher(kind, topic, 10) for topic, kind in kinds.items()}
    assert ros.spin_until(lambda: all(p.get_subscription_count() for p in publishers.values()))
    assert ros.spin_until(lambda: depth_node.count_subscribers('/points'))
    header = conversions.header_message(3 * SECOND, 'camera')
    returns = organised(view.camera_xyz_m[::2, ::2])
    publishers['/lidar'].publish(conversions.cloud_message(returns, header))
    publishers['camera_info'].publish(conversions.camera_info_message(camera, header))
    publishers['image'].publish(conversions.image_message(np.full((240, 320, 3), 90, np.uint8), header))
    assert rig.heard(60.0), (rig.counts(), depth_node.healths[''].counts())
    boxes = [m for m in rig.got['objects'][-1].markers if m.ns == 'objects']
    assert sorted(m.scale.z for m in boxes) == pytest.approx([0.1, 0.12], abs=0.015)
    assert boxes[0].header.stamp.sec == 3 and len(rig.got['grasps'][-1].poses) >= 5
