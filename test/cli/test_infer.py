# SPDX-License-Identifier: Apache-2.0
"""`infer`: files in, files out."""

import re

import cv2
import numpy as np
import pytest

from depth_anything_ros.cli.main import main
from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.camera import CameraModel

WIDTH, HEIGHT = 80, 60
CAMERA = f'{WIDTH},{WIDTH},39.5,29.5'


@pytest.fixture
def files(tmp_path):
    """An image, and prompts of a wall at 2 m on the left and 4 m on the right in every format."""
    cv2.imwrite(str(tmp_path / 'image.png'), np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
    wall_m = np.where(np.arange(WIDTH) < WIDTH // 2, 2.0, 4.0)[None].repeat(HEIGHT, 0).astype(np.float32)
    sparse_m = np.where(np.random.default_rng(1).random(wall_m.shape) < 0.1, wall_m, np.nan).astype(np.float32)
    np.save(tmp_path / 'nan.npy', sparse_m)
    np.save(tmp_path / 'zero.npy', np.nan_to_num(sparse_m))
    np.savez(tmp_path / 'one.npz', anything=sparse_m)
    np.savez(tmp_path / 'two.npz', depth=sparse_m, confidence=np.ones(3))
    cv2.imwrite(str(tmp_path / 'mm.png'), np.nan_to_num(sparse_m * 1000).astype(np.uint16))
    cv2.imwrite(str(tmp_path / 'low.png'), (wall_m[::4, ::4] * 1000).astype(np.uint16))
    return tmp_path


def infer(folder, *arguments, camera=CAMERA, output='out.npy'):
    camera = ['--camera', camera] if camera else []
    outputs = [str(folder / name) for name in output.split()]
    image = str(folder / 'image.png')
    return main(['infer', image, *map(str, arguments), *camera, '--engine', 'classical', '--output', *outputs])


@pytest.mark.parametrize('prompt', ['nan.npy', 'zero.npy', 'one.npz', 'two.npz', 'mm.png', 'low.png'])
def test_every_prompt_format_gives_the_wall(files, prompt):
    assert infer(files, '--prompt', files / prompt) == 0
    depth_m = np.load(files / 'out.npy')
    assert depth_m.shape == (HEIGHT, WIDTH) and depth_m.dtype == np.float32
    assert np.allclose(depth_m[:, 5:30], 2.0, atol=0.01) and np.allclose(depth_m[:, 50:75], 4.0, atol=0.01)


def test_the_scale_turns_counts_into_metres(files):
    counts = cv2.imread(str(files / 'mm.png'), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(files / 'fifths.png'), counts * 5)
    assert infer(files, '--prompt', files / 'fifths.png', '--prompt-scale', '0.0002') == 0
    assert np.load(files / 'out.npy')[30, 10] == pytest.approx(2.0, abs=0.01)


def test_every_output_holds_the_same_depth(files, capsys):
    assert infer(files, '--prompt', files / 'nan.npy', output='d.npy d.png d.ply d.jpg') == 0
    assert capsys.readouterr().out.split() == [str(files / f'd.{e}') for e in ('npy', 'png', 'ply', 'jpg')]
    depth_m = np.load(files / 'd.npy')
    millimetres = cv2.imread(str(files / 'd.png'), cv2.IMREAD_UNCHANGED)
    assert millimetres.dtype == np.uint16 and np.abs(millimetres / 1000 - depth_m).max() < 6e-4
    vertices = int(re.search(rb'element vertex (\d+)', (files / 'd.ply').read_bytes()).group(1))
    assert 0.9 * WIDTH * HEIGHT < vertices <= WIDTH * HEIGHT  # without those that hang in the air at the step
    assert cv2.imread(str(files / 'd.jpg')).shape == (HEIGHT, WIDTH, 3)


def test_without_a_camera_the_guess_is_told(files, capsys):
    assert infer(files, '--prompt', files / 'nan.npy', camera=None) == 0
    assert '60 degrees is assumed' in capsys.readouterr().err


def test_a_calibration_file_is_scaled_to_the_image(files):
    camera = CameraModel(2 * WIDTH, 2 * HEIGHT, 160, 160, 79.5, 59.5)
    Calibration({'front': camera}).save(files / 'rig.yaml')
    assert infer(files, '--prompt', files / 'nan.npy', camera=str(files / 'rig.yaml'), output='d.ply') == 0


def test_a_distorting_lens_is_rectified_and_said_so(files, capsys):
    camera = CameraModel(WIDTH, HEIGHT, 80, 80, 39.5, 29.5, coefficients=(-0.2, 0, 0, 0, 0))
    Calibration({'front': camera}).save(files / 'rig.yaml')
    assert infer(files, '--prompt', files / 'nan.npy', camera=str(files / 'rig.yaml')) == 0
    assert 'rectified' in capsys.readouterr().err
    assert np.load(files / 'out.npy')[30, 10] == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--prompt', 'missing.npy'], 'missing.npy'),
        (['--prompt', 'image.png'], '16-bit'),
        (['--prompt', 'prompt.tiff'], '.npy, .npz or .png'),
        (['--prompt', 'large.npy'], 'at most 60x80'),
        (['--prompt', 'words.npy'], 'numbers'),
        (['--prompt', 'truncated.npy'], 'truncated.npy'),
        (['--prompt', 'several.npz'], 'one named depth'),
        (['--prompt', 'nan.npy', '--prompt-scale', '0'], '--prompt-scale'),
        (['--camera', '1,2,3'], 'fx,fy,cx,cy'),
        (['--camera', '0,0,0,0'], 'focal length'),
        (['--camera', 'a,b,c,d'], 'fx,fy,cx,cy'),
        (['--output', 'depth.exr'], '.npy, .png, .ply, .jpg'),
        (['--output', 'no/such/folder/depth.npy'], 'no folder'),
        (['--engine', 'abacus', '--prompt', 'nan.npy'], 'abacus'),
        ([], 'needs returns'),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(files, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(files)
    np.save('large.npy', np.ones((HEIGHT + 1, WIDTH), np.float32))
    np.save('words.npy', np.array([['a', 'b']]))
    np.savez('several.npz', a=np.ones(3), b=np.ones(3))
    (files / 'truncated.npy').write_bytes((files / 'nan.npy').read_bytes()[:300])
    given = ['--camera', CAMERA, '--engine', 'classical', '--output', 'out.npy', *arguments]
    assert main(['infer', 'image.png', *given]) == 1
    err = capsys.readouterr().err
    assert said in err.splitlines()[-1] and 'Traceback' not in err
    assert not (files / 'out.npy').exists()


def test_an_image_that_is_none_is_named(files, capsys):
    (files / 'image.png').write_bytes(b'not a picture')
    assert infer(files, '--prompt', files / 'nan.npy') == 1
    assert 'image.png: expected an image' in capsys.readouterr().err


def test_a_panorama_needs_one_word_for_its_camera(tmp_path):
    image, prompt = tmp_path / 'dome.png', tmp_path / 'range.npy'
    cv2.imwrite(str(image), np.full((64, 128, 3), 90, np.uint8))
    np.save(prompt, np.full((64, 128), 3.0, np.float32))
    arguments = ['infer', str(image), '--prompt', str(prompt), '--camera', 'equirectangular', '--engine', 'classical']
    assert main([*arguments, '--output', str(tmp_path / 'depth.npy')]) == 0
    assert np.allclose(np.load(tmp_path / 'depth.npy'), 3.0, atol=0.05)


def test_settings_are_those_of_the_node(files):
    prompt = ('--prompt', files / 'nan.npy')
    assert infer(files, *prompt, '--set', 'estimator.prompt.max_depth_m=3e0', 'estimator.output.max_depth_m=3.5') == 0
    assert np.nanmax(np.load(files / 'out.npy')) < 3, 'the wall at 4 m was no return'


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ('estimator.prompt.max_dept_m=3', 'a name like estimator.prompt.max_depth_m'),
        ('prompt.max_depth_m=3', '--set prompt.max_depth_m=3: expected NAME=VALUE'),
        ('estimator.prompt.max_depth_m', 'expected a float'),
        ('estimator.sharp.enabled=maybe', 'expected a bool'),
        ('estimator.sharp.enabled=[', 'expected a bool'),
        ('estimator.tiling.tile_px=3.5', 'expected a int'),
        ('estimator.prompt.max_depth_m=-1', 'max_depth_m: expected 0.1 to inf'),
    ],
)
def test_a_setting_that_is_none_is_one_clear_line(files, capsys, given, said):
    assert infer(files, '--prompt', files / 'nan.npy', '--set', given) != 0
    error = capsys.readouterr().err.strip()
    assert re.search(said, error) and '\n' not in error
