# SPDX-License-Identifier: Apache-2.0
"""The named cases: what prompts, what scores, and that the two don't overlap."""

import io
import subprocess
import zipfile

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.core.frames import RangeKind
from depth_anything_ros.evaluation.cases import CASES, load_cases, mosd_held_out
from depth_anything_ros.evaluation.middlebury import motorcycle
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt


def prompt_of(sample):
    return build_prompt(sample.observation, PromptConfig())


def first(case):
    return next(iter(case.samples()))


@pytest.fixture
def made_wheel(tmp_path):
    """A cache with a package of the right name and layout, holding a made-up pair."""
    disparity = np.linspace(10, 60, 60 * 80, dtype=np.float32).reshape(60, 80)
    disparity[0] = np.inf
    stored = io.BytesIO()
    np.savez(stored, disparity)
    png = cv2.imencode('.png', np.zeros((60, 80, 3), np.uint8))[1].tobytes()
    with zipfile.ZipFile(tmp_path / 'scikit_image-0.16.2-cp37-cp37m-manylinux1_x86_64.whl', 'w') as wheel:
        wheel.writestr('skimage/data/motorcycle_left.png', png)
        wheel.writestr('skimage/data/motorcycle_disp.npz', stored.getvalue())
    return tmp_path


def test_middlebury_depth_follows_from_disparity(made_wheel):
    _, depth_m, camera = motorcycle(made_wheel)
    assert np.isnan(depth_m[0]).all()
    assert depth_m[-1, -1] == pytest.approx(994.978 * 0.193001 / (60 + 31.086), rel=1e-5)
    assert (camera.width, camera.height) == (80, 60)


def test_middlebury_has_its_seven_rows(made_wheel):
    rows = load_cases('middlebury', made_wheel / 'no_data', made_wheel)
    counts = {row.name.removeprefix('middlebury/'): prompt_of(first(row)).stats.count for row in rows}
    assert list(counts) == [
        '100 points', '500 points', '2000 points', '8 lines', '16 lines', '32 lines', '8x',
    ]  # fmt: skip
    assert counts['100 points'] == 100 and counts['500 points'] == 500
    assert counts['8 lines'] < counts['16 lines'] < counts['32 lines']


def test_a_damaged_download_is_said_so(made_wheel):
    next(made_wheel.glob('*.whl')).write_bytes(b'half of it')
    with pytest.raises(RecordingError, match='remove it'):
        motorcycle(made_wheel)


def test_a_failed_download_gives_the_reason(tmp_path, monkeypatch):
    def no_network(command, **_):
        return subprocess.CompletedProcess(command, 1, '', 'WARNING: x\nERROR: no matching distribution\n')

    monkeypatch.setattr(subprocess, 'run', no_network)
    with pytest.raises(RecordingError, match='could not be downloaded: ERROR: no matching distribution'):
        motorcycle(tmp_path / 'cache')


def test_an_unknown_case_and_missing_data_are_refused(tmp_path):
    with pytest.raises(RecordingError, match='middlebury, kitti'):
        load_cases('nyu', tmp_path, tmp_path)
    with pytest.raises(RecordingError, match='--data'):
        load_cases('kitti', tmp_path, tmp_path)


@pytest.mark.parametrize(('name', 'folder'), [('kitti', 'kitti_raw_seq'), ('nuscenes', 'nuscenes_6cam_lidar')])
def test_held_out_rings_of_real_lidars_never_prompt(shared_data, tmp_path, name, folder):
    (case,) = load_cases(name, shared_data(folder).parent, tmp_path)
    sample = first(case)
    prompt = prompt_of(sample)
    known = np.isfinite(sample.truth_m)
    assert not (known & np.isfinite(prompt.depth_m)).any()
    assert prompt.stats.count > 1000 and known.sum() > prompt.stats.count * 0.7


def test_radar_prompts_and_lidar_scores(shared_data, tmp_path):
    (case,) = load_cases('vod_radar', shared_data('vod_radar').parent, tmp_path)
    sample = first(case)
    assert [sweep.points.kind for sweep in sample.observation.sweeps] == [RangeKind.RADAR]
    assert prompt_of(sample).stats.count < 400 and np.isfinite(sample.truth_m).sum() > 10_000


def test_phone_tof_and_supplied_patterns(shared_data, tmp_path):
    rows = {row.name: first(row) for row in load_cases('tof', shared_data('prior_tof_samples').parent, tmp_path)}
    phone = rows['tof/2 phone']
    assert phone.observation.depth_prompts[0].depth_m.shape == (144, 192)
    # the sensor's depth agrees with the truth where both know it: they are of one scene and in metres
    prompt_m = prompt_of(phone).depth_m
    assert np.nanmedian(np.abs(prompt_m - phone.truth_m) / phone.truth_m) < 0.02
    assert 300 < prompt_of(rows['tof/3 six lines']).stats.count < 500


def test_a_tenth_of_mosd_is_held_out(shared_data, tmp_path):
    names = mosd_held_out(shared_data('pcl_mosd_rgbd'))
    assert len(names) == 8 and len(set(names)) == 8
    (case,) = load_cases('mosd', shared_data('pcl_mosd_rgbd').parent, tmp_path)
    assert prompt_of(first(case)).stats.count == 500


def test_every_case_has_a_loader():
    assert set(CASES) == {'middlebury', 'kitti', 'nuscenes', 'vod_radar', 'tof', 'mosd', 'panorama'}
