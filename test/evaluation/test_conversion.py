# SPDX-License-Identifier: Apache-2.0
"""Public layouts, made on the fly, into recordings and back; and what is wrong with broken ones."""

import json

import cv2
import numpy as np
import pytest
from small_recording import CAMERA, CAMERA_FROM_LIDAR, START_NS, sweep_columns

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.errors import CalibrationError, InvalidInput, RecordingError
from depth_anything_ros.evaluation.conversion import write_bag
from depth_anything_ros.evaluation.folder import read_folder
from depth_anything_ros.evaluation.kitti import read_kitti
from depth_anything_ros.evaluation.recording import Recording
from depth_anything_ros.evaluation.source import read_depth_png
from depth_anything_ros.evaluation.tum import read_tum
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt


def write_image(path, seed=0, size=(CAMERA.height, CAMERA.width)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8))


def write_velodyne(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = sweep_columns(START_NS)
    np.stack([columns['x'], columns['y'], columns['z'], np.ones_like(columns['x'])], axis=1).tofile(path)


def kitti_numbers():
    projection = np.zeros((3, 4))
    projection[:, :3] = CAMERA.matrix
    projection[0, 3] = CAMERA.fx * 0.1  # the colour camera stands 10 cm left of camera 0
    return projection, np.eye(3), CAMERA_FROM_LIDAR.matrix


@pytest.fixture
def flat_kitti(tmp_path):
    folder = tmp_path / 'flat'
    for index in range(3):
        write_image(folder / 'image_02' / f'{index:010}.png', index)
        write_velodyne(folder / 'velodyne' / f'{index:010}.bin')
    projection, rectification, transform = kitti_numbers()
    numbers = {'P_rect_02': projection, 'R_rect_00': rectification, 'Tr_velo_to_cam0': transform}
    calibration = {name: values.tolist() for name, values in numbers.items()} | {'fps': 10}
    (folder / 'calib.json').write_text(json.dumps(calibration))
    return folder


@pytest.fixture
def official_kitti(tmp_path):
    date = tmp_path / '2011_09_26'
    drive = date / '2011_09_26_drive_0001_sync'
    for index in range(3):
        write_image(drive / 'image_02' / 'data' / f'{index:010}.png', index)
        write_velodyne(drive / 'velodyne_points' / 'data' / f'{index:010}.bin')
    lines = [f'2011-09-26 13:02:25.{index}64389445' for index in range(3)]
    (drive / 'image_02' / 'timestamps.txt').write_text('\n'.join(lines) + '\n')
    (drive / 'velodyne_points' / 'timestamps.txt').write_text(
        '\n'.join(line.replace('64389445', '51199000') for line in lines)
    )
    projection, rectification, transform = kitti_numbers()

    def text(values):
        return ' '.join(f'{v:.9e}' for v in np.ravel(values))

    (date / 'calib_cam_to_cam.txt').write_text(
        f'calib_time: 09-Jan-2012 13:57:47\nP_rect_02: {text(projection)}\nR_rect_00: {text(rectification)}\n'
    )
    (date / 'calib_velo_to_cam.txt').write_text(f'R: {text(transform[:3, :3])}\nT: {text(transform[:3, 3])}\n')
    return date


def convert(source, path, **options):
    assert list(write_bag(source, path, **options)) == list(range(1, len(source.frames) + 1))
    return path


def prompt_of(frame):
    prompt_m = build_prompt(frame.observation, PromptConfig()).depth_m
    return prompt_m[np.isfinite(prompt_m)]


def test_both_kitti_layouts_give_the_same_recording(tmp_path, flat_kitti, official_kitti):
    for name, source in (('flat', read_kitti(flat_kitti)), ('official', read_kitti(official_kitti))):
        assert source.camera.width == CAMERA.width and source.camera.fx == CAMERA.fx
        with Recording(convert(source, tmp_path / f'{name}.mcap')) as recording:
            frames = list(recording.frames())
        assert len(frames) == 3
        sweep = frames[0].observation.sweeps[0]
        assert sweep.points.ring.max() == 15  # told from the order of the file
        assert sweep.camera_from_sensor.translation_m == pytest.approx([0.1, -0.2, 0.0], abs=1e-6)
        assert np.allclose(prompt_of(frames[0]), 6.0, atol=1e-3)


def test_kitti_stamps_are_nanoseconds_since_1970(official_kitti):
    source = read_kitti(official_kitti / '2011_09_26_drive_0001_sync')
    assert source.frames[0].stamp_ns == 1_317_042_145_064_389_445
    assert source.frames[0].points_stamp_ns == 1_317_042_145_051_199_000


def test_images_are_raw_or_jpeg(tmp_path, flat_kitti):
    source = read_kitti(flat_kitti)
    with Recording(convert(source, tmp_path / 'raw.mcap')) as recording:
        raw = next(iter(recording.frames())).observation.image_rgb
        assert recording.topics.image == '/camera/image_raw'
    with Recording(convert(source, tmp_path / 'jpeg.mcap', jpeg_quality=95)) as recording:
        jpeg = next(iter(recording.frames())).observation.image_rgb
        assert recording.topics.image == '/camera/image_raw/compressed'
    assert np.array_equal(raw, cv2.imread(str(source.frames[0].image))[:, :, ::-1])
    assert raw.shape == jpeg.shape and not np.array_equal(raw, jpeg)
    with pytest.raises(InvalidInput, match='1 to 100'):
        list(write_bag(source, tmp_path / 'bad.mcap', jpeg_quality=0))


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda f: (f / 'calib.json').write_text('{}'), 'P_rect_02'),
        (lambda f: (f / 'calib.json').write_text('not json'), 'calib.json'),
        (lambda f: (f / 'calib.json').unlink(), 'calib.json'),
        (lambda f: [p.unlink() for p in (f / 'image_02').iterdir()], 'no PNG images'),
        (lambda f: [p.unlink() for p in (f / 'velodyne').iterdir()], 'no velodyne'),
        (lambda f: (f / 'image_02' / '0000000000.png').write_bytes(b'no image'), '0000000000.png'),
    ],
)
def test_a_broken_kitti_folder_says_what_is_missing(flat_kitti, damage, message):
    damage(flat_kitti)
    with pytest.raises(RecordingError, match=message):
        read_kitti(flat_kitti)


def test_a_truncated_cloud_stops_the_conversion_and_leaves_no_file(tmp_path, flat_kitti):
    cloud = flat_kitti / 'velodyne' / '0000000001.bin'
    cloud.write_bytes(cloud.read_bytes()[:-7])
    with pytest.raises(RecordingError, match=r'0000000001\.bin.*truncated'):
        list(write_bag(read_kitti(flat_kitti), tmp_path / 'out.mcap'))
    assert not (tmp_path / 'out.mcap').exists()


@pytest.fixture
def tum(tmp_path):
    folder = tmp_path / 'rgbd_dataset'
    rgb, depth, poses = ['# color images'], ['# depth maps'], ['# timestamp tx ty tz qx qy qz qw']
    (folder / 'depth').mkdir(parents=True)
    for index in range(3):
        stamp = f'1305031102.{100000 + 33000 * index:06}'
        write_image(folder / 'rgb' / f'{stamp}.png', index)
        rgb.append(f'{stamp} rgb/{stamp}.png')
        late = f'1305031102.{105000 + 33000 * index:06}'
        cv2.imwrite(str(folder / 'depth' / f'{late}.png'), np.full((CAMERA.height, CAMERA.width), 10000, np.uint16))
        depth.append(f'{late} depth/{late}.png')
    for step in range(12):
        poses.append(f'1305031102.{90000 + 10000 * step:06} {0.01 * step} 0 0 0 0 0 1')
    for name, lines in (('rgb', rgb), ('depth', depth), ('groundtruth', poses)):
        (folder / f'{name}.txt').write_text('\n'.join(lines) + '\n')
    return folder


def test_a_tum_sequence_brings_depth_and_poses(tmp_path, tum):
    source = read_tum(tum, CAMERA)
    with Recording(convert(source, tmp_path / 'tum.mcap')) as recording:
        assert recording.topics.truth == '/camera/depth/image_raw'
        frames = list(recording.frames())
    assert len(frames) == 3 and np.allclose(frames[0].truth_m, 2.0)  # 5000 counts are a metre
    assert frames[1].observation.map_from_camera.translation_m[0] == pytest.approx(0.043, abs=1e-4)


def test_the_default_camera_of_tum_has_the_images_size(tum):
    camera = read_tum(tum).camera
    assert (camera.width, camera.height) == (CAMERA.width, CAMERA.height)
    assert camera.fx == pytest.approx(525 * CAMERA.width / 640)


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('rgb.txt', '', 'lists no images'),
        ('rgb.txt', 'yesterday rgb/a.png', 'rgb.txt:1'),
        ('groundtruth.txt', '1305031102.1 1 2 3', 'tx ty tz'),
    ],
)
def test_a_broken_tum_list_names_file_and_line(tum, name, text, message):
    (tum / name).write_text(text)
    with pytest.raises(RecordingError, match=message):
        read_tum(tum)


@pytest.fixture
def plain(tmp_path):
    folder = tmp_path / 'plain'
    columns = sweep_columns(START_NS)
    xyz = np.stack([columns['x'], columns['y'], columns['z']], axis=1)
    (folder / 'points').mkdir(parents=True)
    (folder / 'depth').mkdir()
    for index in range(2):
        write_image(folder / 'images' / f'{index:03}.jpg', index)
        np.save(folder / 'points' / f'{index:03}.npy', xyz)
        cv2.imwrite(str(folder / 'depth' / f'{index:03}.png'), np.full((CAMERA.height, CAMERA.width), 6000, np.uint16))
    Calibration({'camera': CAMERA}, (CAMERA_FROM_LIDAR,)).save(tmp_path / 'rig.yaml')
    return folder


def test_a_plain_folder_becomes_a_recording(tmp_path, plain):
    source = read_folder(plain, tmp_path / 'rig.yaml', rate_hz=20)
    assert source.frames[1].stamp_ns - source.frames[0].stamp_ns == 50_000_000
    with Recording(convert(source, tmp_path / 'plain.mcap')) as recording:
        (first, _) = recording.frames()
    assert np.allclose(prompt_of(first), 6.0, atol=1e-3) and np.allclose(first.truth_m, 6.0)


@pytest.mark.parametrize('ending', ['.bin', '.ply', 'structured .npy'])
def test_clouds_of_every_format_are_read(tmp_path, plain, ending):
    columns = sweep_columns(START_NS)
    for path in (plain / 'points').iterdir():
        path.unlink()
    for index in range(2):
        path = plain / 'points' / f'{index:03}{ending[-4:]}'
        if ending == '.bin':
            write_velodyne(path)
        elif ending == '.ply':
            trimesh = pytest.importorskip('trimesh', reason='trimesh is not installed')
            trimesh.PointCloud(np.stack([columns['x'], columns['y'], columns['z']], axis=1)).export(path)
        else:
            table = np.empty(len(columns['x']), [(name, values.dtype) for name, values in columns.items()])
            for name, values in columns.items():
                table[name] = values
            np.save(path, table)
    with Recording(convert(read_folder(plain, tmp_path / 'rig.yaml'), tmp_path / 'plain.mcap')) as recording:
        assert np.allclose(prompt_of(next(iter(recording.frames()))), 6.0, atol=1e-3)


def test_file_names_can_be_stamps(tmp_path, plain):
    for index, name in enumerate(('1700000000.25', '1700000000.5')):
        (plain / 'images' / f'{index:03}.jpg').rename(plain / 'images' / f'{name}.jpg')
    frames = read_folder(plain, tmp_path / 'rig.yaml').frames
    assert [frame.stamp_ns for frame in frames] == [1_700_000_000_250_000_000, 1_700_000_000_500_000_000]


def test_a_plain_folder_without_images_or_extrinsics_is_refused(tmp_path, plain):
    with pytest.raises(RecordingError, match='images'):
        read_folder(tmp_path / 'nowhere', tmp_path / 'rig.yaml')
    Calibration({'camera': CAMERA}).save(tmp_path / 'no_extrinsics.yaml')
    with pytest.raises(RecordingError, match='one extrinsic'):
        read_folder(plain, tmp_path / 'no_extrinsics.yaml')
    with pytest.raises(CalibrationError, match=r'missing\.yaml'):
        read_folder(plain, tmp_path / 'missing.yaml')


def test_a_size_that_disagrees_with_the_calibration_is_refused(tmp_path, plain):
    write_image(plain / 'images' / '001.jpg', size=(10, 10))
    with pytest.raises(RecordingError, match=r'001\.jpg: expected 96x64.*10x10'):
        list(write_bag(read_folder(plain, tmp_path / 'rig.yaml'), tmp_path / 'out.mcap'))


def test_depth_files_must_have_16_bits(tmp_path):
    cv2.imwrite(str(tmp_path / 'depth.png'), np.zeros((4, 4), np.uint8))
    with pytest.raises(RecordingError, match='16-bit'):
        read_depth_png(tmp_path / 'depth.png', 0.001)
    cv2.imwrite(str(tmp_path / 'none.png'), np.array([[0, 65535, 1500]], np.uint16))
    depth_m = read_depth_png(tmp_path / 'none.png', 0.001)
    assert np.isnan(depth_m[0, :2]).all() and depth_m[0, 2] == pytest.approx(1.5)


def test_the_real_kitti_sequence_converts(tmp_path, shared_data):
    source = read_kitti(shared_data('kitti_raw_seq'))
    assert len(source.frames) == 20
    path = tmp_path / 'kitti.mcap'
    list(write_bag(type(source)(**{**vars(source), 'frames': source.frames[:2]}), path))
    with Recording(path) as recording:
        frames = list(recording.frames())
    assert len(frames) == 2
    assert frames[0].observation.sweeps[0].points.ring.max() == 63
    assert 12_000 < len(prompt_of(frames[0])) < 20_000  # the README counts 16-17k in the image
