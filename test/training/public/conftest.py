# SPDX-License-Identifier: Apache-2.0
"""Tiny data sets in the public layouts, written as their documentation says."""

import cv2
import numpy as np
import pytest


def picture(height, width, seed=0):
    """A smooth random colour image (H, W, 3) uint8 RGB: survives JPEG."""
    coarse = np.random.default_rng(seed).integers(40, 215, (4, 5, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def write_rgb(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])


def write_counts(path, counts):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), counts.astype(np.uint16))


def write_hdf5(path, **arrays):
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, 'w') as file:
        for name, array in arrays.items():
            file[name] = array


@pytest.fixture
def tum(tmp_path):
    """One sequence of three images; the second has no depth map near it."""
    folder = tmp_path / 'rgbd_dataset_freiburg1_test'
    for stamp in ('10.000000', '10.100000', '10.200000'):
        write_rgb(folder / f'rgb/{stamp}.png', picture(480, 640))
    counts = np.full((480, 640), 7500)
    counts[3, 4] = 0
    for stamp in ('10.210000', '10.010000'):
        write_counts(folder / f'depth/{stamp}.png', counts)
        counts = counts + 2500 * (counts > 0)
    head = '# timestamp filename\n'
    (folder / 'rgb.txt').write_text(
        head + ''.join(f'{s} rgb/{s}.png\n' for s in ('10.000000', '10.100000', '10.200000'))
    )
    (folder / 'depth.txt').write_text(head + ''.join(f'{s} depth/{s}.png\n' for s in ('10.010000', '10.210000')))
    return folder


@pytest.fixture
def kitti(tmp_path):
    """Two drives: one with its images beside the truth, one in KITTI raw's place; and a val/ that is not read."""
    folder = tmp_path / 'kitti'
    counts = np.zeros((40, 120))
    counts[20, 30:60] = 256 * 12.5
    calibration = 'calib_time: 09-Jan-2012 13:57:47\nS_rect_02: 120 40\n' + ''.join(
        f'P_rect_0{i}: 70{i}.5 0 60.5 44.8 0 70{i}.25 19.5 0.2 0 0 1 0.003\n' for i in (2, 3)
    )
    for drive, raw in (
        ('2011_09_26_drive_0001_sync', 'train/2011_09_26_drive_0001_sync'),
        ('2011_09_28_drive_0002_sync', '2011_09_28/2011_09_28_drive_0002_sync'),
    ):
        for camera in ('image_02', 'image_03'):
            write_counts(folder / f'train/{drive}/proj_depth/groundtruth/{camera}/0000000005.png', counts)
            write_counts(folder / f'train/{drive}/proj_depth/velodyne_raw/{camera}/0000000005.png', 0 * counts)
            for number in ('0000000000', '0000000005'):
                write_rgb(folder / f'{raw}/{camera}/data/{number}.png', picture(40, 120, int(camera[-1])))
    (folder / 'train/2011_09_26_drive_0001_sync/calib_cam_to_cam.txt').write_text(calibration)
    (folder / '2011_09_28/calib_cam_to_cam.txt').write_text(calibration)
    write_counts(folder / 'val/2011_09_26_drive_0009_sync/proj_depth/groundtruth/image_02/0000000005.png', counts)
    return folder


@pytest.fixture
def kitti_selection(tmp_path):
    folder = tmp_path / 'val_selection_cropped'
    counts = np.full((35, 121), 640)
    name = '2011_09_26_drive_0002_sync_{}_0000000008_image_02'
    write_counts(folder / f'groundtruth_depth/{name.format("groundtruth_depth")}.png', counts)
    write_rgb(folder / f'image/{name.format("image")}.png', picture(35, 121))
    (folder / 'intrinsics').mkdir()
    (folder / f'intrinsics/{name.format("image")}.txt').write_text('721.5 0 60.5 0 720.5 17.25 0 0 1\n')
    return folder


@pytest.fixture
def arkit(tmp_path):
    """One video of the upsampling download with the raw download's intrinsics, twelve times as coarse."""
    folder = tmp_path / 'upsampling'
    video = folder / 'Training/41069021'
    counts = np.full((144, 192), 2345)
    counts[:, :10] = 0
    for stamp in ('305.244', '307.343'):
        write_rgb(video / f'wide/41069021_{stamp}.png', picture(144, 192))
        write_counts(video / f'highres_depth/41069021_{stamp}.png', counts)
    (video / 'lowres_wide_intrinsics').mkdir()
    for stamp, focal in (('305.20', 10), ('305.25', 20), ('307.35', 30)):
        (video / f'lowres_wide_intrinsics/41069021_{stamp}.pincam').write_text(f'16 12 {focal} {focal} 7.5 5.5\n')
    write_counts(folder / 'Validation/42444946/highres_depth/42444946_1.000.png', counts)
    return folder


@pytest.fixture
def scannetpp(tmp_path):
    """One scene, seen by the phone's lens with radial distortion: unknown, 2 m, 6 m from left to right."""
    folder = tmp_path / 'scannetpp'
    scene = folder / 'data/036bce3393/iphone'
    counts = np.full((96, 128), 2000)
    counts[:, :64], counts[:, 96:] = 0, 6000
    write_rgb(scene / 'rgb/frame_000010.jpg', picture(96, 128))
    write_counts(scene / 'render_depth/frame_000010.png', counts)
    (scene / 'colmap').mkdir()
    (scene / 'colmap/cameras.txt').write_text(
        '# Camera list with one line of data per camera:\n#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n'
        '1 OPENCV 128 96 100 101 64 48 0.1 -0.02 0.001 -0.002\n'
    )
    return folder


@pytest.fixture
def hypersim(tmp_path):
    """Three scenes of a plane 3 m away: the plain camera, one with a shifted image plane, one tilted (left out)."""
    folder = tmp_path / 'hypersim'
    width, height = 128, 96
    tan_x, tan_y = 0.5773502886169104, 0.4330127164626828
    u, v = (2 * np.arange(width) + 1) / width - 1, 1 - (2 * np.arange(height) + 1) / height
    rows = ['scene_name,settings_output_img_height,settings_output_img_width,' + ','.join(
        f'M_cam_from_uv_{i}{j}' for i in range(3) for j in range(3)
    )]  # fmt: skip
    for scene, matrix in (
        ('ai_001_001', [[tan_x, 0, 0], [0, tan_y, 0], [0, 0, -1]]),
        ('ai_002_001', [[2 * tan_x, 0, 0.2], [0, 2 * tan_y, -0.1], [0, 0, -2]]),
        ('ai_003_001', [[tan_x, 0, 0], [0, tan_y, 0], [0, 0.1, -1]]),
    ):
        rows.append(f'{scene},{height}.0,{width}.0,' + ','.join(str(value) for row in matrix for value in row))
        uv = np.stack([*np.meshgrid(u, v), np.ones((height, width))], axis=2)
        rays = uv @ np.array(matrix).T
        distance_m = 3 * np.linalg.norm(rays, axis=2) / -rays[..., 2]
        distance_m[0, 0] = np.nan
        images = folder / scene / 'images'
        write_hdf5(images / 'scene_cam_00_geometry_hdf5/frame.0000.depth_meters.hdf5', dataset=np.float16(distance_m))
        radiance = np.full((height, width, 3), 5.0, np.float16)
        radiance[:10] = 0
        write_hdf5(images / 'scene_cam_00_final_hdf5/frame.0000.color.hdf5', dataset=radiance)
    (folder / 'metadata_camera_parameters.csv').write_text('\n'.join(rows) + '\n')
    return folder


@pytest.fixture
def nyu_labeled(tmp_path):
    """Two frames as MATLAB 7.3 stores them: axes reversed, names of scenes behind references."""
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    folder = tmp_path / 'nyu'
    folder.mkdir()
    images = np.stack([picture(480, 640, seed) for seed in (1, 2)])
    depths_m = np.full((2, 480, 640), 1.25, np.float32)
    depths_m[1] = 3.5
    depths_m[:, 100, 200], depths_m[:, 100, 201] = 0, 10
    with h5py.File(folder / 'nyu_depth_v2_labeled.mat', 'w') as file:
        file['images'] = images.transpose(0, 3, 2, 1)
        file['rawDepths'] = depths_m.transpose(0, 2, 1)
        file['depths'] = np.full((2, 640, 480), 9, np.float32)
        references = []
        for i, scene in enumerate(('kitchen_0004', 'office_0002')):
            file[f'#refs#/{i}'] = np.array([[ord(letter)] for letter in scene], np.uint16)
            references.append(file[f'#refs#/{i}'].ref)
        file.create_dataset('scenes', data=np.array([references], dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
    return folder, images


@pytest.fixture
def nyu_pairs(tmp_path):
    folder = tmp_path / 'sync'
    counts = np.full((480, 640), 1234)
    counts[60, 70] = 0
    for scene in ('kitchen_0028b', 'office_0001'):
        write_rgb(folder / scene / 'rgb_00045.jpg', picture(480, 640))
        write_counts(folder / scene / 'sync_depth_00045.png', counts)
    return folder
