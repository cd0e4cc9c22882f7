# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.calibration import Calibration, load_camera_info
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.camera_info import camera_from_info
from depth_anything_ros.core.errors import CalibrationError
from depth_anything_ros.core.transform import RigidTransform

K = (500.0, 0, 320.0, 0, 510.0, 240.0, 0, 0, 1)
P = (450.0, 0, 300.0, -45.0, 0, 460.0, 250.0, 0, 0, 0, 1, 0)
BROWN5 = (-0.28, 0.07, 0.001, -0.002, 0.01)
BROWN8 = (*BROWN5, 0.1, 0.02, 0.003)


def info(**changes):
    arguments = dict(width=640, height=480, distortion_model='plumb_bob', d=BROWN5, k=K, p=P, frame_id='cam')
    return camera_from_info(**(arguments | changes))


def intrinsics(camera):
    return camera.fx, camera.fy, camera.cx, camera.cy


def test_the_raw_image_has_k_and_distortion_and_the_rectified_one_p_and_none():
    raw, rectified = info(), info(rectified=True)
    assert intrinsics(raw) == (500, 510, 320, 240) and raw.coefficients == BROWN5
    assert intrinsics(rectified) == (450, 460, 300, 250) and not rectified.is_distorted
    assert raw.frame_id == rectified.frame_id == 'cam'


@pytest.mark.parametrize(
    ('model', 'd', 'expected'),
    [
        ('plumb_bob', BROWN5, 'plumb_bob'),
        ('plumb_bob', (), 'plumb_bob'),
        ('', (), 'plumb_bob'),
        ('', (0.0,) * 5, 'plumb_bob'),
        ('none', (), 'plumb_bob'),
        ('radtan', BROWN5[:4], 'plumb_bob'),
        ('plumb_bob', BROWN8, 'rational_polynomial'),
        ('rational_polynomial', BROWN8, 'rational_polynomial'),
        ('rational_polynomial', BROWN5, 'plumb_bob'),
        ('rational_polynomial', (*BROWN8, 0, 0, 0, 0), 'rational_polynomial'),
        ('rational_polynomial', (*BROWN8, 0, 0, 0, 0, 0, 0), 'rational_polynomial'),
        ('equidistant', (0.1, 0.01, 0.0, 0.0), 'equidistant'),
        ('fisheye', (0.1, 0.01, 0.0, 0.0), 'equidistant'),
    ],
)
def test_loosely_named_distortion_is_taken_for_what_it_is(model, d, expected):
    camera = info(distortion_model=model, d=d)
    assert camera.distortion_model == expected
    assert camera.coefficients == tuple(d)[:8]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(k=(0.0,) * 9), "camera_info of 'cam': the camera is uncalibrated, K"),
        (dict(p=(0.0,) * 12, rectified=True), 'the camera is uncalibrated, P'),
        (dict(p=(), rectified=True), 'expected 12 numbers in P, got 0'),
        (dict(k=K[:8]), 'expected 9 numbers in K, got 8'),
        (dict(width=0), 'got 0x480'),
        (dict(k=(-500.0, *K[1:])), 'positive focal lengths'),
        (dict(d=(np.nan,) * 5), 'finite coefficients'),
        (dict(distortion_model='', d=BROWN5), 'expected a distortion_model for its 5 coefficients'),
        (dict(distortion_model='warp', d=()), "got 'warp'"),
        (dict(d=(0.1, 0.2)), 'plumb_bob expects 0 or 4 or 5'),
        (dict(distortion_model='rational_polynomial', d=(*BROWN8, 0.001, 0, 0, 0)), 'thin-prism or tilt'),
        (dict(roi=(600, 0, 100, 100)), 'roi inside 640x480'),
        (dict(binning=(1000, 1)), 'binning below 640x480'),
    ],
)
def test_camera_infos_that_cannot_be_used_say_why(changes, message):
    with pytest.raises(CalibrationError, match=message):
        info(**changes)


@pytest.mark.parametrize(('roi', 'binning'), [((0, 0, 0, 0), (2, 4)), ((101, 50, 201, 303), (3, 2))])
@pytest.mark.parametrize('rectified', [False, True])
def test_roi_and_binning_look_at_the_same_rays_through_fewer_pixels(roi, binning, rectified):
    full, part = info(rectified=rectified), info(roi=roi, binning=binning, rectified=rectified)
    assert (part.width, part.height) == ((roi[2] or 640) // binning[0], (roi[3] or 480) // binning[1])
    # the centre of a super-pixel is the mean of the pixels that were added up in it
    u, v = 20, 31
    columns = roi[0] + u * binning[0] + np.arange(binning[0])
    rows = roi[1] + v * binning[1] + np.arange(binning[1])
    point = part.unproject(np.array([[u, v]], float), np.array([7.0]))
    pixel, valid = full.project(point)
    assert valid.all() and np.allclose(pixel[0], (columns.mean(), rows.mean()), atol=1e-5)


def test_a_panorama_needs_no_k():
    camera = info(width=1600, height=800, distortion_model='equirectangular', d=(), k=(0.0,) * 9)
    assert camera == CameraModel.equirectangular(1600, 800, 'cam')
    with pytest.raises(CalibrationError, match='full panorama'):
        info(distortion_model='equirectangular', roi=(0, 0, 10, 10))


FILE = """
cameras:
  front:
    width: 1242
    height: 375
    K: [721.5, 0, 609.6, 0, 722.5, 172.9, 0, 0, 1]
    distortion_model: plumb_bob
    coefficients: [-0.28, 0.07, 0.0, 0.0, 0.0]
    frame_id: front_optical
  rear: {width: 640, height: 480, fx: 500, fy: 510.5, cx: 320, cy: 240, distortion_model: equidistant,
         coefficients: [0.1, 0.0, 0.0, 0.0]}
  dome: {width: 800, height: 400, distortion_model: equirectangular}
extrinsics:
  - {parent: base_link, child: velodyne, translation: [0, 0, 1.7], quaternion: [0, 0, 0, 1]}
  - {parent: base_link, child: front_optical, translation: [1.1, 0, 1.6], rpy_deg: [-90, 0, -90]}
  - {parent: velodyne, child: radar, matrix: [[0, -1, 0, 3.6], [1, 0, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1]]}
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name='rig.yaml'):
        path = tmp_path / name
        path.write_text(text, encoding='utf-8')
        return path

    return write


def test_a_rig_is_read_from_yaml(written):
    rig = Calibration.load(written(FILE))
    assert rig.camera('front') == CameraModel(
        1242, 375, 721.5, 722.5, 609.6, 172.9, 'front_optical', 'plumb_bob', (-0.28, 0.07, 0, 0, 0)
    )
    assert rig.camera('rear').distortion_model == 'equidistant' and rig.camera('rear').frame_id == 'rear'
    assert rig.camera('dome').is_equirectangular
    assert rig.frames == ('base_link', 'velodyne', 'front_optical', 'radar')


def test_transforms_chain_through_the_tree_in_both_directions(written):
    rig = Calibration.load(written(FILE))
    # the usual optical frame: z forward, x to the right, so a point ahead of the car lies along z
    ahead = rig.transform('front_optical', 'base_link').apply(np.array([[11.1, 0, 1.6], [1.1, -2, 1.6]]))
    assert np.allclose(ahead, [[0, 0, 10], [2, 0, 0]])
    camera_from_radar = rig.transform('front_optical', 'radar')
    assert (camera_from_radar.target, camera_from_radar.source) == ('front_optical', 'radar')
    # radar origin: 3.6 m ahead of and 0.5 m above the velodyne, which is 1.7 m above base_link
    assert np.allclose(camera_from_radar.apply(np.zeros((1, 3))), [[0, -0.6, 2.5]])
    there_and_back = rig.transform('radar', 'front_optical') @ camera_from_radar
    assert np.allclose(there_and_back.matrix, np.eye(4))
    assert np.array_equal(rig.transform('radar', 'radar').matrix, np.eye(4))


def test_roll_pitch_and_yaw_turn_about_fixed_axes_in_that_order(written):
    entry = '{parent: a, child: b, translation: [0, 0, 0], rpy_deg: [90, 0, 90]}'
    rotation = Calibration.load(written(f'cameras: {{}}\nextrinsics: [{entry}]')).transform('a', 'b').rotation
    # roll lifts y to z, then yaw leaves z alone; x is untouched by roll and yawed to y
    assert np.allclose(rotation @ [0, 1, 0], [0, 0, 1]) and np.allclose(rotation @ [1, 0, 0], [0, 1, 0])


def test_a_rig_survives_saving_and_loading(written, tmp_path):
    rig = Calibration.load(written(FILE))
    rig.save(tmp_path / 'again.yaml')
    again = Calibration.load(tmp_path / 'again.yaml')
    assert again.cameras == rig.cameras and again.frames == rig.frames
    for ours, theirs in zip(rig.transforms, again.transforms, strict=True):
        assert ours.name == theirs.name and np.allclose(ours.matrix, theirs.matrix, atol=1e-12)


CAMERA_INFO = """
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [500.0, 0., 320.0, 0., 510.0, 240.0, 0., 0., 1.]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.28, 0.07, 0.001, -0.002, 0.01]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]
projection_matrix:
  rows: 3
  cols: 4
  data: [450.0, 0., 300.0, -45.0, 0., 460.0, 250.0, 0., 0., 0., 1., 0.]
"""


def test_a_camera_info_file_of_ros_is_read(written):
    path = written(CAMERA_INFO)
    assert load_camera_info(path) == info(frame_id='narrow_stereo')
    assert load_camera_info(path, rectified=True) == info(frame_id='narrow_stereo', rectified=True)
    assert Calibration.load(path).camera() == info(frame_id='narrow_stereo')


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('width: 1242', 'width: 0', r'front_optical.*got 0x375'),
        ('width: 1242', 'width: wide', r"cameras\.front\.width: expected a whole number of pixels, got 'wide'"),
        ('    width: 1242\n', '', r'cameras\.front\.width: expected a whole number of pixels, got None'),
        ('    K: [721.5, ', '    K: [', r'cameras\.front\.K: expected 9 finite numbers'),
        ('    K: [721.5, 0', '    K: [.nan, 0', r'cameras\.front\.K: expected 9 finite numbers'),
        (
            '    K: [721.5',
            '    focal: 3\n    K: [721.5',
            r"cameras\.front: unknown key 'focal'; expected width",
        ),
        ('    K: [721.5', '    fx: 3\n    K: [721.5', r'cameras\.front\.fx: expected either K or fx, fy, cx, cy'),
        ('cy: 240, ', '', r'cameras\.rear\.cy: expected a finite number, got None'),
        ('equirectangular}', 'equirectangular, fx: 3}', r'cameras\.dome\.fx: a panorama follows from its size'),
        ('distortion_model: plumb_bob', 'distortion_model: warp', "got 'warp'"),
        ('cameras:', 'kameras:', "unknown key 'kameras'; expected cameras, extrinsics"),
        ('translation: [0, 0, 1.7]', 'translation: [0, 1.7]', r'extrinsics\[0\]\.translation: expected 3 finite'),
        ('quaternion: [0, 0, 0, 1]', 'quaternion: [0, 0, 0, 9]', 'unit quaternion'),
        ('quaternion: [0, 0, 0, 1]', 'quaternion: abc', r'extrinsics\[0\]\.quaternion: expected 4 finite'),
        (', quaternion: [0, 0, 0, 1]', '', r'expected one of quaternion, rpy_deg, matrix; got \[\]'),
        ('matrix:', 'translation: [0, 0, 0], matrix:', r'extrinsics\[2\]\.translation: the matrix holds it already'),
        ('[0, 0, 1, 0.5]', '[0, 0, 2, 0.5]', 'not a rotation'),
        ('child: radar', 'child: ""', r"extrinsics\[2\]\.child: expected a frame name, got ''"),
        ('child: radar', 'child: base_link', 'expected a tree'),
        ('child: radar', 'child: velodyne', 'expected a tree'),
        ('cameras:', 'cameras: [', 'expected YAML'),
    ],
)
def test_mistakes_in_a_file_are_named_with_file_key_and_value(written, old, new, message):
    assert old in FILE
    with pytest.raises(CalibrationError, match=message) as caught:
        Calibration.load(written(FILE.replace(old, new, 1)))
    assert 'rig.yaml: ' in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(('text', 'message'), [('', 'got NoneType'), ('- 1', 'got list'), ('cameras: 3', 'got 3')])
def test_a_file_that_is_no_calibration_is_refused(written, text, message):
    with pytest.raises(CalibrationError, match=message):
        Calibration.load(written(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CalibrationError, match=r'nowhere\.yaml: expected a calibration file: No such file'):
        Calibration.load(tmp_path / 'nowhere.yaml')


def test_unknown_cameras_and_unconnected_frames_are_named():
    camera = info()
    rig = Calibration(
        {'left': camera, 'right': camera}, (RigidTransform.identity('a', 'b'), RigidTransform.identity('c', 'd'))
    )
    with pytest.raises(CalibrationError, match=r"camera '': expected one of left, right"):
        rig.camera()
    with pytest.raises(CalibrationError, match="frame 'e': expected one of a, b, c, d"):
        rig.transform('a', 'e')
    with pytest.raises(CalibrationError, match="no transform connects 'a' with 'd'"):
        rig.transform('a', 'd')


def test_extrinsics_alone_are_a_calibration(tmp_path):
    path = tmp_path / 'extrinsics.yaml'
    path.write_text('extrinsics:\n  - {parent: a, child: b, translation: [1, 2, 3], quaternion: [0, 0, 0, 1]}\n')
    calibration = Calibration.load(path)
    assert calibration.cameras == {}
    assert calibration.transform('a', 'b').translation_m.tolist() == [1, 2, 3]
