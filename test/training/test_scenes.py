# SPDX-License-Identifier: Apache-2.0
"""The simulated drive: beam geometry, motion, the writer, and the recording that is shipped."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.training.scenes import render, trajectory
from depth_anything_ros.training.scenes.lidar import POINT_DTYPE, SpinningLidar, simulate_sweep
from depth_anything_ros.training.scenes.recording import (
    CAMERA_LATENCY_NS,
    IMAGE_TOPIC,
    INFO_TOPIC,
    POINTS_TOPIC,
    TRUTH_TOPIC,
    RenderedFrame,
    write_recording,
)

pytest.importorskip('rosbags', reason="rosbags is not installed (extra 'bags')")
cv2 = pytest.importorskip('cv2', reason='OpenCV is not installed')


# ---- beams


def test_beams_fan_out_in_elevation_and_sweep_from_left_to_right():
    lidar = SpinningLidar()
    beams = lidar.directions()
    assert beams.shape == (501, 16, 3)
    np.testing.assert_allclose(np.linalg.norm(beams, axis=-1), 1, atol=1e-12)
    np.testing.assert_allclose(np.degrees(np.arcsin(beams[0, :, 2])), np.arange(-15, 16, 2), atol=1e-9)
    azimuth = np.degrees(np.arctan2(beams[:, 0, 1], beams[:, 0, 0]))
    np.testing.assert_allclose(np.diff(azimuth), -0.4, atol=1e-9)
    assert azimuth[0] == pytest.approx(100)


def test_column_times_follow_the_rotation_and_the_forward_column_fires_at_half_the_sweep():
    lidar = SpinningLidar()
    assert lidar.column_times_s[0] == 0
    assert lidar.column_times_s[-1] == pytest.approx(0.1 * 200 / 360)
    ahead = np.argmin(np.abs(lidar.azimuths_deg))
    assert lidar.column_times_s[ahead] == pytest.approx(lidar.half_sweep_s)


def test_impossible_beam_geometry_is_refused():
    with pytest.raises(InvalidInput, match='azimuth_step_deg'):
        SpinningLidar(azimuth_step_deg=0.0)


# ---- a sweep of a moving sensor before a wall whose distance is known in closed form

WALL_X_M = 4.0


def wall(origins, directions):
    with np.errstate(divide='ignore'):
        range_m = (WALL_X_M - origins[:, 0]) / directions[:, 0]
    return np.where(range_m > 0, range_m, np.inf), np.full(len(origins), 80.0), np.zeros(len(origins))


def driving_ahead(times_s):
    poses = np.tile(np.eye(4), (len(times_s), 1, 1))
    poses[:, 0, 3] = 10.0 * np.asarray(times_s)
    return poses


def test_each_return_is_measured_from_the_pose_at_its_own_time():
    lidar = replace(SpinningLidar(), sigma_m=0.0, dropout=0.0)
    points = simulate_sweep(lidar, wall, driving_ahead, 0.0, np.random.default_rng(0))
    deskewed = points['x'] + 10.0 * points['time']
    np.testing.assert_allclose(deskewed, WALL_X_M, atol=1e-3)
    assert np.ptp(points['x']) > 0.3  # taken as one instant, the wall is bent


def test_range_noise_has_the_stated_sigma():
    lidar = replace(SpinningLidar(), dropout=0.0, half_view_deg=2.0)
    points = simulate_sweep(lidar, wall, lambda t: np.tile(np.eye(4), (len(t), 1, 1)), 0.0, np.random.default_rng(1))
    range_m = np.sqrt(points['x'] ** 2 + points['y'] ** 2 + points['z'] ** 2)
    truth_m = WALL_X_M * range_m / points['x']
    assert np.std(range_m - truth_m) == pytest.approx(0.01, rel=0.2)


def test_glass_loses_more_returns_than_plaster():
    def glass(origins, directions):
        range_m, intensity, _ = wall(origins, directions)
        return range_m, intensity, np.full(len(origins), 0.7)

    def returned(cast):
        return len(simulate_sweep(lidar, cast, driving_ahead, 0.0, np.random.default_rng(2))) / (201 * 16)

    lidar = replace(SpinningLidar(), half_view_deg=40.0)
    assert returned(wall) == pytest.approx(0.99, abs=0.01)
    assert returned(glass) == pytest.approx(0.99 * 0.3, abs=0.04)


# ---- motion


def test_the_robot_moves_smoothly_and_far_enough_for_parallax():
    step_s = 0.01
    poses = trajectory.odom_from_base(np.arange(-0.5, 8.3, step_s))
    for pose in poses[::50]:
        RigidTransform('odom', 'base_link', pose)  # refuses anything but a rotation and a translation
    speed = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / step_s
    assert 1.5 < speed.sum() * step_s < 2.5
    assert speed.max() < 0.5
    assert np.abs(np.diff(speed)).max() / step_s < 0.5
    yaw = np.unwrap(np.arctan2(poses[:, 1, 0], poses[:, 0, 0]))
    rate = np.diff(yaw) / step_s
    assert np.degrees(np.abs(rate).max()) < 30
    assert np.degrees(np.ptp(yaw)) > 20


def test_the_lidar_sits_above_and_behind_the_camera_which_looks_down_a_little():
    camera, optical, lidar = trajectory.mounts()
    offset_m = lidar.translation_m - camera.translation_m
    assert offset_m[2] == pytest.approx(0.12) and offset_m[0] == pytest.approx(-0.05)
    ahead = (camera @ optical).rotation @ [0, 0, 1]
    assert np.degrees(np.arcsin(ahead[2])) == pytest.approx(-trajectory.TILT_DEG)


# ---- the command


@pytest.mark.skipif(importlib.util.find_spec('bpy') is not None, reason="Blender's module is installed here")
def test_without_blender_the_command_names_the_extra(tmp_path, capsys):
    assert render.main(['--mesh', str(tmp_path / 'room.ply')]) == 1
    assert 'depth_anything_ros[scenes]' in capsys.readouterr().err


def test_a_work_folder_of_other_settings_is_refused(tmp_path):
    (tmp_path / 'settings.json').write_text('{"size": [320, 240], "samples": 4}')
    with pytest.raises(RecordingError, match='choose another --work'):
        render.render_frames(tmp_path, 1, 24, 640, 480)


def test_the_mesh_file_is_a_readable_ply(tmp_path):
    trimesh = pytest.importorskip('trimesh', reason='trimesh is not installed')
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float64)
    render.write_ply(tmp_path / 'm.ply', vertices, np.array([[0, 1, 2], [0, 1, 3]]))
    mesh = trimesh.load(tmp_path / 'm.ply', process=False)
    np.testing.assert_allclose(mesh.vertices, vertices)
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 1, 3]])


# ---- the writer


def small_frame(stamp_ns):
    depth_m = np.full((12, 16), 2.0, np.float32)
    depth_m[0, 0], depth_m[0, 1] = np.inf, 1.2345
    image = np.zeros((12, 16, 3), np.uint8)
    return RenderedFrame(stamp_ns, image, depth_m, 20.0, stamp_ns - 27_000_000, np.zeros(3, POINT_DTYPE))


def still(stamp_ns):
    return stamp_ns, RigidTransform.identity('odom', 'base_link')


def test_the_writer_keeps_truth_in_millimetres_and_the_files_beside_it(tmp_path):
    folder = tmp_path / 'drive'
    folder.mkdir()
    (folder / 'README.md').write_text('kept')
    for _ in range(2):  # writing again replaces
        write_recording(folder, [small_frame(10**18)], [still(10**18)], trajectory.mounts())
    assert sorted(p.name for p in folder.iterdir()) == ['README.md', 'drive.mcap', 'metadata.yaml']
    assert [p.name for p in tmp_path.iterdir()] == ['drive']
    messages = read(folder)[0]
    truth = cv2.imdecode(messages[TRUTH_TOPIC][0].data, cv2.IMREAD_UNCHANGED)
    assert truth.dtype == np.uint16
    assert truth[0, 0] == 0 and truth[0, 1] in (1234, 1235) and truth[5, 5] == 2000


def test_the_writer_refuses_a_folder_with_another_recording(tmp_path):
    (tmp_path / 'stranger.mcap').write_bytes(b'')
    with pytest.raises(RecordingError, match=r'stranger\.mcap'):
        write_recording(tmp_path, [small_frame(10**18)], [still(10**18)], trajectory.mounts())


# ---- the recording in the repository


def read(folder):
    """topic -> messages in the order of the log, topic -> log times in ns, topic -> offered QoS."""
    from rosbags.rosbag2 import Reader
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    messages, logged_ns, qos = {}, {}, {}
    with Reader(folder) as reader:
        for connection in reader.connections:
            qos[connection.topic] = connection.ext.offered_qos_profiles
        for connection, log_ns, raw in reader.messages():
            messages.setdefault(connection.topic, []).append(store.deserialize_cdr(raw, connection.msgtype))
            logged_ns.setdefault(connection.topic, []).append(log_ns)
    return messages, logged_ns, qos


def stamp_ns(header):
    return header.stamp.sec * 10**9 + header.stamp.nanosec


@pytest.fixture(scope='module')
def shipped(repository):
    folder = repository / 'recordings' / 'room'
    if not folder.is_dir():
        pytest.skip('recordings/room is not part of this checkout')
    return read(folder)


def transform_of(message):
    t, q = message.transform.translation, message.transform.rotation
    return RigidTransform.from_quaternion(
        message.header.frame_id, message.child_frame_id, (t.x, t.y, t.z), (q.x, q.y, q.z, q.w)
    )


def test_the_shipped_recording_is_small_and_explained(repository, shipped):
    folder = repository / 'recordings' / 'room'
    assert (folder / 'room.mcap').stat().st_size < 12_000_000
    assert 'depth_anything_ros.training.scenes.render' in (folder / 'README.md').read_text()


def test_every_shipped_image_has_camera_info_and_truth_of_its_own_stamp(shipped):
    messages, logged_ns, _ = shipped
    stamps = {topic: [stamp_ns(m.header) for m in messages[topic]] for topic in (IMAGE_TOPIC, INFO_TOPIC, TRUTH_TOPIC)}
    assert len(stamps[IMAGE_TOPIC]) == 40
    assert set(np.diff(stamps[IMAGE_TOPIC])) == {200_000_000}
    assert stamps[IMAGE_TOPIC] == stamps[INFO_TOPIC] == stamps[TRUTH_TOPIC]
    assert set(np.subtract(logged_ns[IMAGE_TOPIC], stamps[IMAGE_TOPIC])) == {CAMERA_LATENCY_NS}
    for image, info in zip(messages[IMAGE_TOPIC], messages[INFO_TOPIC], strict=True):
        assert image.header.frame_id == info.header.frame_id == 'camera_optical_frame'
        assert (info.width, info.height, info.distortion_model) == (640, 480, 'plumb_bob')
    k = messages[INFO_TOPIC][0].k
    assert k[0] == k[4] == pytest.approx(320 / np.tan(np.radians(35)))
    assert (k[2], k[5]) == (319.5, 239.5)
    picture = cv2.imdecode(messages[IMAGE_TOPIC][0].data, cv2.IMREAD_COLOR)
    assert picture.shape == (480, 640, 3)
    assert 60 < picture.mean() < 190 and picture.std() > 30  # exposed, and not a blank wall


def test_every_shipped_sweep_is_centred_on_its_image_and_known_before_it(shipped):
    messages, logged_ns, _ = shipped
    lidar = SpinningLidar()
    for i, (image, cloud) in enumerate(zip(messages[IMAGE_TOPIC], messages[POINTS_TOPIC], strict=True)):
        points = cloud.data.view(POINT_DTYPE)
        assert [f.name for f in cloud.fields] == list(POINT_DTYPE.names) and len(points) == cloud.width
        assert 7000 < len(points) <= 501 * 16
        assert points['time'].min() >= 0 and points['time'].max() <= 2 * lidar.half_sweep_s + 1e-6
        middle_ns = stamp_ns(cloud.header) + 1e9 * lidar.half_sweep_s
        assert abs(middle_ns - stamp_ns(image.header)) < 1e4
        assert logged_ns[POINTS_TOPIC][i] < logged_ns[IMAGE_TOPIC][i]


def test_shipped_transforms_cover_every_return_and_static_ones_are_latched(shipped):
    from rosbags.interfaces import QosDurability

    messages, _, qos = shipped
    assert qos['/tf_static'][0].durability == QosDurability.TRANSIENT_LOCAL
    (static,) = messages['/tf_static']
    chain = [(t.header.frame_id, t.child_frame_id) for t in static.transforms]
    assert chain == [('base_link', 'camera_link'), ('camera_link', 'camera_optical_frame'), ('base_link', 'lidar')]
    times = np.array([stamp_ns(m.transforms[0].header) for m in messages['/tf']])
    assert np.diff(times).max() <= 20_000_000
    clouds = messages[POINTS_TOPIC]
    assert times[0] < stamp_ns(clouds[0].header)
    assert times[-1] > stamp_ns(clouds[-1].header) + 1e9 * float(clouds[-1].data.view(POINT_DTYPE)['time'].max())


def test_shipped_lidar_agrees_with_shipped_truth_once_deskewed(shipped):
    """Two independent casters: returns come from a bounding volume tree, the truth from the renderer."""
    messages = shipped[0]
    poses = [transform_of(m.transforms[0]) for m in messages['/tf']]
    times = np.array([stamp_ns(m.transforms[0].header) for m in messages['/tf']])
    camera, optical, lidar = (transform_of(t) for t in messages['/tf_static'][0].transforms)

    def odom_from_base(at_ns):
        i = int(np.clip(np.searchsorted(times, at_ns, 'right') - 1, 0, len(times) - 2))
        return poses[i].interpolated(poses[i + 1], (at_ns - times[i]) / (times[i + 1] - times[i]))

    def errors_m(frame, deskew):
        info, cloud = messages[INFO_TOPIC][frame], messages[POINTS_TOPIC][frame]
        truth_m = cv2.imdecode(messages[TRUTH_TOPIC][frame].data, cv2.IMREAD_UNCHANGED) / 1000
        camera_from_odom = (odom_from_base(stamp_ns(info.header)) @ camera @ optical).inverse()
        points = cloud.data.view(POINT_DTYPE)
        seen = []
        for time_s in np.unique(points['time']):
            column = points[points['time'] == time_s]
            at_ns = stamp_ns(cloud.header) + (1e9 * float(time_s) if deskew else 0)
            xyz = np.stack([column['x'], column['y'], column['z']], axis=1).astype(np.float64)
            seen.append((camera_from_odom @ odom_from_base(at_ns) @ lidar).apply(xyz))
        xyz = np.concatenate(seen)
        xyz = xyz[xyz[:, 2] > 0.1]
        u = np.round(info.k[0] * xyz[:, 0] / xyz[:, 2] + info.k[2]).astype(int)
        v = np.round(info.k[4] * xyz[:, 1] / xyz[:, 2] + info.k[5]).astype(int)
        inside = (u >= 0) & (v >= 0) & (u < info.width) & (v < info.height)
        error = xyz[inside, 2] - truth_m[v[inside], u[inside]]
        return error[truth_m[v[inside], u[inside]] > 0]

    deskewed = np.concatenate([errors_m(i, True) for i in (5, 16, 27, 39)])
    raw = np.concatenate([errors_m(i, False) for i in (5, 16, 27, 39)])
    assert len(deskewed) > 4 * 1500
    assert np.median(np.abs(deskewed)) < 0.02
    assert abs(np.median(deskewed)) < 0.005
    assert np.mean(np.abs(deskewed) < 0.03) > np.mean(np.abs(raw) < 0.03) + 0.02
    assert np.mean(deskewed > 0.1) > 0.02  # the LiDAR stands higher and sees behind edges, as on a real robot
