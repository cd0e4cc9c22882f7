# SPDX-License-Identifier: Apache-2.0
"""Panoramas in evaluation: simulated LiDARs, the named case, and a recording made of files."""

import box_room
import cv2
import numpy as np
import pytest

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.engines.classical import ClassicalEngine
from depth_anything_ros.evaluation.cases import load_cases
from depth_anything_ros.evaluation.evaluate import Scorer, evaluate
from depth_anything_ros.evaluation.panorama_cases import REACH_PX, SIXTEEN_DEG, read_scene, spinning_lidar
from depth_anything_ros.evaluation.report import write_report
from depth_anything_ros.pipeline.estimator import DepthEstimator
from depth_anything_ros.projection.prompt import PromptConfig, build_prompt

PANORAMA = CameraModel.equirectangular(512, 256, 'dome')
LIDAR_FROM_DOME = RigidTransform('lidar', 'dome', [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def test_a_simulated_lidar_turns_all_around_on_its_lines():
    sweep = spinning_lidar(box_room.panorama_m(PANORAMA), PANORAMA, SIXTEEN_DEG, 1)
    xyz_m, ring = sweep.points.xyz_m, sweep.points.ring
    assert len(xyz_m) == 16 * 512
    elevation_deg = np.degrees(np.arctan2(-xyz_m[:, 1], np.hypot(xyz_m[:, 0], xyz_m[:, 2])))
    half_a_pixel = 180 / 256 / 2
    assert np.abs(elevation_deg - np.array(SIXTEEN_DEG)[ring]).max() <= half_a_pixel + 1e-3
    azimuth = np.sort(np.arctan2(xyz_m[ring == 7, 0], xyz_m[ring == 7, 2]))
    assert np.diff(azimuth).max() < 2.1 * np.pi / 512, 'no gap, not at the seam either'
    assert (
        np.abs(
            np.linalg.norm(xyz_m, axis=1) / box_room.range_m(xyz_m / np.linalg.norm(xyz_m, axis=1)[:, None]) - 1
        ).max()
        < 1e-3
    )


def test_where_depth_has_gaps_a_line_takes_a_known_pixel_close_to_it():
    truth_m = box_room.panorama_m(PANORAMA)
    full = spinning_lidar(truth_m, PANORAMA, (0.0,), 1)
    sparse_m = np.full_like(truth_m, np.nan)
    sparse_m[:, 100] = truth_m[:, 100]
    sparse_m[128 + REACH_PX + 2, 200] = 1.0  # too far off
    sweep = spinning_lidar(sparse_m, PANORAMA, (0.0,), 1)
    assert len(full.points) == 512 and len(sweep.points) == 1
    sparse_m[:, 100] = np.nan
    sparse_m[128 + 2, 100] = truth_m[130, 100]
    (xyz_m,) = spinning_lidar(sparse_m, PANORAMA, (0.0,), 1).points.xyz_m
    pixels, _ = PANORAMA.project(xyz_m[None])
    assert np.rint(pixels[0]).tolist() == [100, 130], 'the return lies where it was measured'


def test_the_named_case_prompts_real_and_rendered_panoramas(shared_data, tmp_path):
    rows = {row.name: row for row in load_cases('panorama', shared_data('realsee3d_pano').parent, tmp_path)}
    assert len(rows) == 8
    counts = {}
    for name, row in rows.items():
        sample = next(iter(row.samples()))
        assert sample.observation.camera.is_equirectangular
        counts[name] = build_prompt(sample.observation, PromptConfig()).stats.count
        assert 'assumed' in row.notes[0]
    for scene in ('real', 'rendered'):
        assert counts[f'panorama/{scene} 500 points'] == 500
        assert 10_000 < counts[f'panorama/{scene} 16 lines'] < counts[f'panorama/{scene} 32 lines']
        assert counts[f'panorama/{scene} no returns'] == 0


def test_the_real_panoramas_floor_is_flat_so_its_depth_is_range(shared_data):
    _, truth_m, camera = read_scene(shared_data('realsee3d_pano'), 'real')
    below = camera.rays()[580:690] * truth_m[580:690, :, None]
    height_m = below[..., 1][np.isfinite(below[..., 1])]
    assert np.percentile(np.abs(height_m - np.median(height_m)), 60) < 0.05


def test_a_folder_of_panoramas_becomes_a_recording_that_can_be_scored(tmp_path):
    pytest.importorskip('rosbags', reason='recordings need rosbags')
    from depth_anything_ros.evaluation.conversion import write_bag
    from depth_anything_ros.evaluation.folder import read_folder
    from depth_anything_ros.evaluation.recording_case import ScoringConfig, open_recording, recording_case

    truth_m = box_room.panorama_m(PANORAMA, crate=False)
    for name in ('images', 'depth', 'points'):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / 'images/0.png'), box_room.picture(PANORAMA))
    cv2.imwrite(str(tmp_path / 'depth/0.png'), np.rint(truth_m * 1000).astype(np.uint16))
    np.save(tmp_path / 'points/0.npy', LIDAR_FROM_DOME.apply(box_room.lidar_m(np.arange(-80, 81, 4), crate=False)))
    Calibration({'dome': PANORAMA}, (LIDAR_FROM_DOME,)).save(tmp_path / 'rig.yaml')
    assert list(write_bag(read_folder(tmp_path, tmp_path / 'rig.yaml'), tmp_path / 'dome.mcap')) == [1]
    with open_recording(tmp_path / 'dome.mcap') as recording:
        case = recording_case(recording, ScoringConfig())
        (sample,) = case.samples()
        assert sample.observation.camera == PANORAMA
        assert np.allclose(sample.truth_m, truth_m, atol=1e-3)
        scorer = Scorer(case.name)
        list(evaluate([sample], DepthEstimator(ClassicalEngine()), scorer))
    result = scorer.result()
    assert result.ours.score.abs_rel < 0.05
    assert write_report(tmp_path / 'report', [result], 'a dome').is_file(), 'pictures of a panorama'
