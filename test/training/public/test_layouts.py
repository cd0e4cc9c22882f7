# SPDX-License-Identifier: Apache-2.0
"""Public layouts: exact depth, units, intrinsics and holes of files written as documented; what is wrong is named."""

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CalibrationError, InvalidInput, MissingExtra, RecordingError
from depth_anything_ros.training.public.catalogue import LAYOUTS, open_layout
from depth_anything_ros.training.public.hypersim import read_cameras


def names(frames):
    return [(frame.scene, frame.name) for frame in frames.frames]


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# TUM RGB-D


def test_tum_pairs_by_time_and_counts_5000_a_metre(tum):
    frames = open_layout('tum', tum)
    assert names(frames) == [(tum.name, '10.000000'), (tum.name, '10.200000')], '10.1 is 0.09 s from any depth map'
    first, second = frames[0], frames[1]
    assert np.isnan(first.depth_m[3, 4]) and np.isnan(first.depth_m).sum() == 1
    assert first.depth_m[0, 0] == 2.0 and second.depth_m[0, 0] == 1.5
    assert first.depth_m.dtype == np.float32 and first.image_rgb.dtype == np.uint8
    assert first.intrinsics.tolist() == [525, 525, 319.5, 239.5]


def test_a_folder_of_tum_sequences_is_read_whole(tum):
    assert len(open_layout('tum', tum.parent)) == 2


@pytest.mark.parametrize(('text', 'message'), [('', 'found none'), ('10.0\n', 'stamp file'), ('a b\n', 'stamp file')])
def test_a_broken_tum_list_is_named(tum, text, message):
    (tum / 'depth.txt').write_text(text)
    with pytest.raises(RecordingError, match=rf'depth\.txt.*{message}'):
        open_layout('tum', tum)


def test_tum_lists_that_never_meet_are_an_error(tum):
    (tum / 'depth.txt').write_text('99.0 depth/10.010000.png\n')
    with pytest.raises(RecordingError, match=r'within 0\.02 s'):
        open_layout('tum', tum)


# NYU Depth v2


def test_nyu_mat_is_read_turned_and_cut_to_the_window_with_data(nyu_labeled):
    folder, images = nyu_labeled
    frames = open_layout('nyuv2', folder)
    assert names(frames) == [('kitchen_0004', '0000'), ('office_0002', '0001')]
    sample = frames[1]
    assert np.array_equal(sample.image_rgb, images[1][44:471, 40:601])
    assert sample.depth_m[0, 0] == 3.5, 'rawDepths in metres, not the filled depths'
    assert np.isnan(sample.depth_m[100 - 44, 200 - 40 : 202 - 40]).all(), 'nothing, and the reach of the Kinect'
    assert np.isnan(sample.depth_m).sum() == 2
    fx, fy, cx, cy = sample.intrinsics.tolist()
    # MATLAB counts pixels from 1, and the window starts at (40, 44)
    assert (fx, fy, cx, cy) == pytest.approx((518.8579, 519.4696, 325.5824 - 41, 253.7362 - 45), abs=1e-3)
    assert len(open_layout('nyuv2', folder / 'nyu_depth_v2_labeled.mat')) == 2


def test_nyu_pairs_are_millimetres(nyu_pairs):
    frames = open_layout('nyuv2', nyu_pairs)
    assert names(frames) == [('kitchen_0028b', '00045'), ('office_0001', '00045')]
    sample = frames[0]
    assert sample.depth_m.shape == sample.image_rgb.shape[:2] == (427, 561)
    assert sample.depth_m[0, 0] == np.float32(1.234)
    assert np.isnan(sample.depth_m[60 - 44, 70 - 40])


def test_a_truncated_mat_is_named(nyu_labeled):
    folder, _ = nyu_labeled
    cut_in_half(folder / 'nyu_depth_v2_labeled.mat')
    with pytest.raises(RecordingError, match=r'nyu_depth_v2_labeled\.mat: expected HDF5'):
        open_layout('nyuv2', folder)


def test_a_mat_of_other_shapes_is_named(nyu_labeled):
    import h5py

    folder, _ = nyu_labeled
    with h5py.File(folder / 'nyu_depth_v2_labeled.mat', 'a') as file:
        del file['images']
        file['images'] = np.zeros((2, 480, 640, 3), np.uint8)
    with pytest.raises(RecordingError, match=r'images: expected \(2, 3, 640, 480\), got \(2, 480, 640, 3\)'):
        open_layout('nyuv2', folder)


def test_without_h5py_the_extra_is_named(nyu_labeled, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'h5py', None)
    with pytest.raises(MissingExtra, match=r'depth_anything_ros\[train\]'):
        open_layout('nyuv2', nyu_labeled[0])


def test_an_unpaired_nyu_depth_map_is_named(nyu_pairs):
    (nyu_pairs / 'office_0001/rgb_00045.jpg').unlink()
    with pytest.raises(RecordingError, match=r'sync_depth_00045\.png: expected rgb_00045\.jpg'):
        open_layout('nyuv2', nyu_pairs)


# KITTI depth completion


def test_kitti_finds_images_beside_the_truth_and_in_kitti_raw(kitti):
    frames = open_layout('kitti_completion', kitti)
    drives = ('2011_09_26_drive_0001_sync', '2011_09_28_drive_0002_sync')
    assert names(frames) == [(d, f'{c}/0000000005') for d in drives for c in ('image_02', 'image_03')], 'and not val/'
    for i, sample in enumerate(frames[index] for index in range(4)):
        assert np.isfinite(sample.depth_m).sum() == 30 and sample.depth_m[20, 30] == 12.5
        camera = 2 + i % 2
        assert sample.intrinsics.tolist() == [700.5 + camera, 700.25 + camera, 60.5, 19.5]
    assert not np.array_equal(frames[0].image_rgb, frames[1].image_rgb)
    assert len(open_layout('kitti_completion', kitti / 'train')) == 4


def test_kitti_selection_has_a_camera_a_frame(kitti_selection):
    frames = open_layout('kitti_completion', kitti_selection)
    assert names(frames) == [('2011_09_26_drive_0002', '2011_09_26_drive_0002_sync_image_0000000008_image_02')]
    assert (frames[0].depth_m == 2.5).all()
    assert frames[0].intrinsics.tolist() == [721.5, 720.5, 60.5, 17.25]


def test_kitti_without_images_or_calibration_says_what_it_looked_for(kitti):
    image = kitti / 'train/2011_09_26_drive_0001_sync/image_02/data/0000000005.png'
    image.rename(image.with_name('0000000006.png'))
    with pytest.raises(RecordingError, match=r'0000000005\.png: expected its image, .*image_02/data/0000000005\.png'):
        open_layout('kitti_completion', kitti)
    image.with_name('0000000006.png').rename(image)
    calibration = kitti / '2011_09_28/calib_cam_to_cam.txt'
    text = calibration.read_text()
    calibration.write_text(text.replace('P_rect_03', 'P_rect_04'))
    with pytest.raises(CalibrationError, match=r'2011_09_28/calib_cam_to_cam\.txt: expected a line P_rect_03'):
        open_layout('kitti_completion', kitti)[3]
    calibration.unlink()
    with pytest.raises(CalibrationError, match=r'2011_09_28_drive_0002_sync: expected calib_cam_to_cam\.txt'):
        open_layout('kitti_completion', kitti)


def test_a_kitti_drive_of_the_raw_recording_gives_its_own_camera(shared_data, tmp_path):
    """Real image and calibration, with truth of one ring of its own sweep."""
    import json

    raw = shared_data('kitti_raw_seq')
    drive = tmp_path / 'train/2011_09_26_drive_0009_sync'
    (drive / 'image_02/data').mkdir(parents=True)
    (drive / 'proj_depth/groundtruth/image_02').mkdir(parents=True)
    image = sorted((raw / 'image_02').glob('*.png'))[0]
    (drive / 'image_02/data/0000000005.png').write_bytes(image.read_bytes())
    counts = np.zeros(cv2.imread(str(image)).shape[:2], np.uint16)
    counts[200, ::3] = 4321
    cv2.imwrite(str(drive / 'proj_depth/groundtruth/image_02/0000000005.png'), counts)
    projection = np.ravel(json.loads((raw / 'calib.json').read_text())['P_rect_02'])
    (drive / 'calib_cam_to_cam.txt').write_text('P_rect_02: ' + ' '.join(map(str, projection)) + '\n')
    sample = open_layout('kitti_completion', tmp_path)[0]
    assert sample.image_rgb.shape == (375, 1242, 3)
    assert np.nanmax(sample.depth_m) == np.float32(4321 / 256)
    assert sample.intrinsics == pytest.approx([721.54, 721.54, 609.56, 172.85], abs=0.01)


# ARKitScenes


def test_arkit_takes_the_intrinsics_nearest_in_time_at_the_size_of_the_image(arkit):
    frames = open_layout('arkitscenes', arkit)
    assert names(frames) == [('41069021', '41069021_305.244'), ('41069021', '41069021_307.343')], 'and not Validation/'
    sample = frames[0]
    assert sample.depth_m[0, 10] == np.float32(2.345) and np.isnan(sample.depth_m[:, :10]).all()
    expected = CameraModel(16, 12, 20, 20, 7.5, 5.5).resized(192, 144)
    assert sample.intrinsics.tolist() == [240, 240, expected.cx, expected.cy] == [240, 240, 95.5, 71.5]
    assert frames[1].intrinsics[0] == 360
    for folder in (arkit / 'Training', arkit / 'Training/41069021'):
        assert len(open_layout('arkitscenes', folder)) == 2


@pytest.mark.parametrize(
    ('sky', 'shape'), [('Up', (144, 192)), ('Left', (192, 144)), ('Down', (144, 192)), ('Right', (192, 144))]
)
def test_arkit_pictures_are_turned_until_the_sky_is_up_with_their_camera(arkit, sky, shape):
    video = arkit / 'Training/41069021'
    lying = open_layout('arkitscenes', arkit)[0]
    row, column = {'Up': (0, 96), 'Left': (72, 0), 'Down': (143, 96), 'Right': (72, 191)}[sky]  # where the sky is
    counts = np.full((144, 192), 2000)
    counts[row, column] = 5000
    cv2.imwrite(str(video / 'highres_depth/41069021_305.244.png'), counts.astype(np.uint16))
    (video / 'lowres_wide_intrinsics/41069021_305.25.pincam').write_text('16 12 20 21 6.5 5.0\n')
    (arkit / 'metadata.csv').write_text(f'video_id,visit_id,fold,sky_direction\n41069021,1.0,Training,{sky}\n')
    sample = open_layout('arkitscenes', arkit)[0]
    assert sample.depth_m.shape == shape == sample.image_rgb.shape[:2]
    v, u = (int(index[0]) for index in np.nonzero(sample.depth_m == 5))
    assert v == 0, 'the sky is up'
    camera = CameraModel(16, 12, 20, 21, 6.5, 5.0).resized(192, 144)
    fx, fy, cx, cy = sample.intrinsics
    seen = ((u - cx) / fx, (v - cy) / fy)
    ray = ((column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy)
    turned = {'Up': ray, 'Left': (-ray[1], ray[0]), 'Down': (-ray[0], -ray[1]), 'Right': (ray[1], -ray[0])}[sky]
    assert seen == pytest.approx(turned, abs=1e-5)
    assert np.array_equal(np.rot90(lying.image_rgb, {'Up': 0, 'Right': 1, 'Down': 2, 'Left': 3}[sky]), sample.image_rgb)
    (arkit / 'metadata.csv').write_text('video_id,fold\n41069021,Training\n')
    with pytest.raises(RecordingError, match=r"metadata\.csv: expected columns .*, there is no 'sky_direction'"):
        open_layout('arkitscenes', arkit)


def test_arkit_without_intrinsics_says_where_they_are(arkit):
    pincams = sorted((arkit / 'Training/41069021/lowres_wide_intrinsics').iterdir())
    pincams[0].write_text('16 12 20\n')
    pincams[1].unlink()
    with pytest.raises(CalibrationError, match=r'305\.20\.pincam: expected width height fx fy cx cy, got 3 numbers'):
        open_layout('arkitscenes', arkit)[0]
    pincams[0].unlink()
    with pytest.raises(CalibrationError, match=r'305\.244\.png: expected a \.pincam within 0\.1 s'):
        open_layout('arkitscenes', arkit)
    pincams[2].unlink()
    with pytest.raises(CalibrationError, match='lowres_wide_intrinsics from the raw download'):
        open_layout('arkitscenes', arkit)


# ScanNet++


def test_scannetpp_is_rectified_with_its_depth(scannetpp):
    frames = open_layout('scannetpp', scannetpp)
    assert names(frames) == [('036bce3393', 'frame_000010')]
    sample = frames[0]
    assert sample.intrinsics.tolist() == [100, 101, 63.5, 47.5], "COLMAP's pixel centres are at halves"
    known = np.isfinite(sample.depth_m)
    assert set(np.unique(sample.depth_m[known])) == {2.0, 6.0}, 'nothing between two depths'
    assert not known[40:56, :60].any() and known[40:56, 68:120].all()
    # a ray of the rectified camera lands where OpenCV's model puts it
    camera = CameraModel(128, 96, 100, 101, 63.5, 47.5, coefficients=(0.1, -0.02, 0.001, -0.002))
    point = camera.rectified().rays()[30, 100][None]
    (column, row), _ = (values[0] for values in camera.project(point))
    seen = cv2.imread(str(scannetpp / 'data/036bce3393/iphone/rgb/frame_000010.jpg'))[round(row), round(column), ::-1]
    assert np.abs(sample.image_rgb[30, 100].astype(int) - seen).max() < 6


def test_scannetpp_reads_the_dslr_as_a_kind_of_its_own(scannetpp):
    scene = scannetpp / 'data/036bce3393'
    (scene / 'iphone').rename(scene / 'dslr')
    (scene / 'dslr/rgb').rename(scene / 'dslr/resized_images')
    image = scene / 'dslr/resized_images/frame_000010.jpg'
    image.rename(image.with_suffix('.JPG'))
    (scene / 'dslr/colmap/cameras.txt').write_text('1 OPENCV_FISHEYE 128 96 60 60 64 48 0.05 0.01 0 0\n')
    sample = open_layout('scannetpp_dslr', scene)[0]
    assert sample.intrinsics.tolist() == [60, 60, 63.5, 47.5]
    with pytest.raises(RecordingError, match='iphone/render_depth'):
        open_layout('scannetpp', scene)


@pytest.mark.parametrize(
    'line', ['', '1 SIMPLE_RADIAL 128 96 100 64 48 0.1', '1 OPENCV 128 96 100 101 64 48 0.1', '1 PINHOLE a b 1 1 1 1']
)
def test_a_colmap_camera_of_another_kind_is_named(scannetpp, line):
    (scannetpp / 'data/036bce3393/iphone/colmap/cameras.txt').write_text(line + '\n')
    with pytest.raises(CalibrationError, match=r'cameras\.txt: expected one line'):
        open_layout('scannetpp', scannetpp)


# Hypersim


def test_hypersim_distance_becomes_depth_with_the_camera_of_each_scene(hypersim):
    frames = open_layout('hypersim', hypersim)
    assert names(frames) == [('ai_001_001', 'cam_00/frame.0000'), ('ai_002_001', 'cam_00/frame.0000')], 'not the tilted'
    for sample in (frames[0], frames[1]):
        assert np.isnan(sample.depth_m[0, 0]) and np.isnan(sample.depth_m).sum() == 1
        np.testing.assert_allclose(sample.depth_m.ravel()[1:], 3.0, rtol=1e-3)  # float16 of the data set
    focal_px = 64 / 0.5773502886169104
    assert frames[0].intrinsics == pytest.approx([focal_px, focal_px, 63.5, 47.5], rel=1e-5)
    assert frames[1].intrinsics[2] != frames[0].intrinsics[2]


def test_hypersim_full_size_camera_is_the_documented_one(hypersim):
    row = 'ai_001_001,768.0,1024.0,0.5773502886169104,0,0,0,0.4330127164626828,0,0,0,-1'
    table = hypersim / 'metadata_camera_parameters.csv'
    table.write_text(table.read_text().splitlines()[0] + f'\n{row}\n')
    camera = read_cameras(table)['ai_001_001']
    assert (camera.fx, camera.fy) == pytest.approx((886.81, 886.81), abs=0.01)
    assert (camera.cx, camera.cy) == pytest.approx((511.5, 383.5))


def test_hypersim_radiance_is_tone_mapped_as_its_toolkit_does(hypersim):
    image = open_layout('hypersim', hypersim)[0].image_rgb
    assert image[50, 50].tolist() == [round(255 * 0.8)] * 3, 'the 90th percentile of brightness lands at 0.8'
    assert image[0, 50].tolist() == [0, 0, 0]


def test_hypersim_without_radiance_takes_the_tone_mapped_preview(hypersim):
    images = hypersim / 'ai_001_001/images'
    (images / 'scene_cam_00_final_hdf5/frame.0000.color.hdf5').unlink()
    with pytest.raises(RecordingError, match=r'expected its image, .*color\.hdf5 or .*tonemap\.jpg'):
        open_layout('hypersim', hypersim)
    (images / 'scene_cam_00_final_preview').mkdir()
    grey = np.full((96, 128, 3), 77, np.uint8)
    cv2.imwrite(str(images / 'scene_cam_00_final_preview/frame.0000.tonemap.jpg'), grey)
    assert open_layout('hypersim', hypersim)[0].image_rgb[5, 5].tolist() == [77] * 3


def test_hypersim_without_cameras_says_where_they_are(hypersim):
    table = hypersim / 'metadata_camera_parameters.csv'
    lines = table.read_text().splitlines()
    table.write_text('\n'.join(lines[:2]) + '\n')
    with pytest.raises(CalibrationError, match='expected a row for ai_002_001'):
        open_layout('hypersim', hypersim)
    table.unlink()
    with pytest.raises(CalibrationError, match='contrib/mikeroberts3000'):
        open_layout('hypersim', hypersim)


def test_a_truncated_hypersim_file_is_named(hypersim):
    path = hypersim / 'ai_001_001/images/scene_cam_00_geometry_hdf5/frame.0000.depth_meters.hdf5'
    cut_in_half(path)
    with pytest.raises(RecordingError, match=r'frame\.0000\.depth_meters\.hdf5: expected HDF5'):
        open_layout('hypersim', hypersim)[0]


# All of them


@pytest.mark.parametrize('kind', LAYOUTS)
def test_a_folder_of_another_kind_or_none_is_one_clear_error(kind, tmp_path):
    with pytest.raises(RecordingError, match=r'nowhere: expected .* nothing there'):
        open_layout(kind, tmp_path / 'nowhere')
    with pytest.raises(RecordingError, match=f'{tmp_path.name}: expected'):
        open_layout(kind, tmp_path)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match=r"expected one of nyuv2, .*tum, got 'nyu'"):
        open_layout('nyu', 'anywhere')


def test_a_truncated_picture_is_named_and_not_filled_with_grey(tum):
    depth = tum / 'depth/10.010000.png'
    whole = depth.read_bytes()
    depth.write_bytes(whole[:-20])
    with pytest.raises(RecordingError, match=r'depth/10\.010000\.png: expected a PNG or JPEG.*cut off'):
        open_layout('tum', tum)[0]
    depth.write_bytes(whole)
    cut_in_half(tum / 'rgb/10.000000.png')
    with pytest.raises(RecordingError, match=r'rgb/10\.000000\.png'):
        open_layout('tum', tum)[0]


@pytest.mark.parametrize(
    ('pixels', 'message'),
    [
        (np.zeros((480, 640), np.uint8), 'expected a 16-bit PNG with one channel, got uint8'),
        (np.zeros((480, 640, 3), np.uint16), 'expected a 16-bit PNG with one channel, got uint16'),
        (np.zeros((240, 320), np.uint16), 'expected depth of the size of its image, 640x480, got 320x240'),
    ],
)
def test_a_depth_map_of_another_type_or_size_is_named(tum, pixels, message):
    cv2.imwrite(str(tum / 'depth/10.010000.png'), pixels)
    with pytest.raises(RecordingError, match=rf'10\.010000\.png: {message}'):
        open_layout('tum', tum)[0]


def test_an_image_that_its_camera_was_not_calibrated_for_is_named(tum):
    for path in (tum / 'rgb/10.000000.png', tum / 'depth/10.010000.png'):
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:240, :320])
    with pytest.raises(RecordingError, match='calibrated for 640x480, its image is 320x240'):
        open_layout('tum', tum)[0]


def test_opening_decodes_nothing(kitti, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('decoded when opened'))
    assert len(open_layout('kitti_completion', kitti)) == 4


def test_every_data_set_names_its_terms_and_only_free_ones_come_without_a_warning(tum, kitti):
    assert open_layout('tum', tum).terms.warning() is None
    terms = open_layout('kitti_completion', kitti).terms
    assert 'CC BY-NC-SA 3.0' in terms.warning() and 'must not be shipped' in terms.warning()
