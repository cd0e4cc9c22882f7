# SPDX-License-Identifier: Apache-2.0
"""Maps of the small recording, whose wall stands at a known place."""

import json

import cv2
import numpy as np
import pytest
from needs_open3d import open3d_or_skip
from small_recording import WALL_M, write_small_recording

pytest.importorskip('rosbags', reason='rosbags is not installed (extra: bags)')
pytest.importorskip('scipy', reason='scipy is not installed (extra: mapping)')

from depth_anything_ros.cli.main import main
from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.engines.classical import ClassicalEngine
from depth_anything_ros.evaluation.reconstruction import NEAREST, OURS, SWEEPS, TRUTH, WITH_RETURNS, Reconstructor
from depth_anything_ros.evaluation.reconstruction_report import write_report
from depth_anything_ros.evaluation.recording import Recording
from depth_anything_ros.mapping.files import read_mesh, write_mesh
from depth_anything_ros.mapping.mesh import Mesh
from depth_anything_ros.mapping.settings import MapConfig, TsdfConfig
from depth_anything_ros.pipeline.estimator import DepthEstimator

open3d_or_skip()

CONFIG = MapConfig(TsdfConfig(voxel_size_m=0.08, max_depth_m=7.0, device='cpu'))


@pytest.fixture(scope='module')
def recording_path(tmp_path_factory):
    return write_small_recording(tmp_path_factory.mktemp('bag') / 'wall.mcap', ring=True)


def reconstructed(path, **options):
    with Recording(path) as recording:
        reconstructor = Reconstructor(recording, DepthEstimator(ClassicalEngine()), CONFIG, spacing_m=0.04, **options)
        assert list(reconstructor.run()) == list(range(1, reconstructor.count + 1))
        return reconstructor.finish()


def test_every_way_is_scored_on_the_wall_with_the_same_voxels(recording_path):
    done = reconstructed(recording_path)
    scores = {result.method: result.score for result in done.results}
    assert scores[TRUTH].f_score > 0.97
    assert scores[TRUTH].acc_m < 0.02
    assert scores[NEAREST].f_score > 0.9
    assert scores[OURS].precision > 0.95 and scores[OURS].recall > 0.5, 'what is unsure is left out'
    assert scores[WITH_RETURNS].recall > scores[OURS].recall - 0.01, 'returns hide nothing (up to rounding)'
    assert scores[SWEEPS].precision > 0.95 and scores[SWEEPS].recall < 0.9, 'sparse: right, and thin'
    mesh = done.result(TRUTH).mesh
    assert np.median(mesh.vertices_m[:, 2]) == pytest.approx(WALL_M, abs=0.005)
    assert done.share_of_the_way(TRUTH) == pytest.approx(1.0)
    assert done.share_of_the_way(NEAREST) == pytest.approx(0.0)


def test_an_exact_mesh_serves_as_truth_where_the_camera_saw_it(recording_path, tmp_path):
    x = np.float32(20.0)
    corners = np.array([[-x, -x, WALL_M], [x, -x, WALL_M], [x, x, WALL_M], [-x, x, WALL_M]], np.float32)
    normals = np.tile(np.float32([[0, 0, -1]]), (4, 1))
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    write_mesh(tmp_path / 'wall.ply', Mesh(corners, triangles, normals, np.full((4, 3), 9, np.uint8)))
    done = reconstructed(recording_path, methods=(TRUTH,), truth_mesh=tmp_path / 'wall.ply')
    assert done.results[0].score.f_score > 0.97
    assert np.abs(done.reference_m[:, 0]).max() < 4.5, 'of 20 m, what a view of 62 degrees shows'


def test_without_truth_there_is_a_mesh_and_no_score(tmp_path):
    path = write_small_recording(tmp_path / 'blind.mcap', truth=False)
    done = reconstructed(path)
    assert {result.method for result in done.results} == {OURS, WITH_RETURNS, NEAREST, 'linear', SWEEPS}
    assert all(result.score is None for result in done.results)
    assert len(done.result(OURS).mesh.triangles) > 100
    assert np.isnan(done.share_of_the_way())


def test_the_report_has_scores_pictures_and_meshes(recording_path, tmp_path):
    done = reconstructed(recording_path, methods=(OURS, NEAREST, TRUTH, SWEEPS))
    page = write_report(tmp_path / 'out', done, 'again')
    text = page.read_text()
    assert all(result.method in text for result in done.results)
    assert 'again' in text
    figures = json.loads((page.parent / 'map.json').read_text())
    assert figures['methods'][OURS]['score']['f_score'] == pytest.approx(done.result(OURS).score.f_score)
    assert len(read_mesh(page.parent / 'map_ours.ply').triangles) == len(done.result(OURS).mesh.triangles)
    strip = cv2.imread(str(page.parent / 'map_strip.png'))
    assert strip.shape[1] == 4 * 480
    exact = cv2.imread(str(page.parent / 'map_true_depth__error.png'))
    wall = exact[exact.max(axis=-1) > 60]
    assert (wall[:, 1] > 2 * wall[:, 2]).mean() > 0.9, 'a wall at its place is green, not red'


def test_an_unknown_method_and_a_recording_without_poses_are_refused(recording_path):
    with pytest.raises(InvalidInput, match='guess'):
        reconstructed(recording_path, methods=('guess',))
    with Recording(recording_path) as recording:
        recording.fixed_frame = ''
        with pytest.raises(RecordingError, match='no frame stands still'):
            Reconstructor(recording, DepthEstimator(ClassicalEngine()), CONFIG)


def test_the_command_writes_a_mesh_and_refuses_a_setting_it_does_not_know(recording_path, tmp_path, capsys):
    out = tmp_path / 'wall.obj'
    command = ['map', str(recording_path), '--engine', 'classical', '--output', str(out), '--methods', 'ours']
    assert main([*command, '--set', 'tsdf.voxel_size_m=0.08', 'tsdf.max_depth_m=7']) == 0
    assert len(read_mesh(out).triangles) > 100
    assert 'ours' in capsys.readouterr().out
    assert main([*command, '--set', 'tsdf.voxels=3']) == 1
    assert 'tsdf.voxel_size_m' in capsys.readouterr().err


def test_a_folder_with_depth_of_its_own_takes_no_setting_of_the_estimator(tmp_path, capsys):
    (tmp_path / 'frame-000000.pose.txt').touch()
    assert main(['map', str(tmp_path), '--set', 'estimator.output.max_depth_m=9']) == 1
    assert 'leave out estimator.output.max_depth_m=9' in capsys.readouterr().err


def test_real_depth_agrees_with_itself_from_frame_to_frame(shared_data):
    """Kinect depth of 7-Scenes: even frames against odd ones."""
    from depth_anything_ros.evaluation.self_consistency import read_frames, self_consistency

    frames = read_frames(shared_data('sevenscenes_redkitchen'))
    result = self_consistency(frames[:8], MapConfig(TsdfConfig(voxel_size_m=0.03, device='cpu')), 0.05)
    assert result.score.f_score > 0.97
    assert result.held_out_median_m < 0.015
    assert result.covered > 0.8


def test_a_folder_without_poses_is_refused(tmp_path):
    from depth_anything_ros.evaluation.self_consistency import read_frames

    with pytest.raises(RecordingError, match='7-Scenes'):
        read_frames(tmp_path)


def test_memory_of_a_long_drive_is_bounded():
    from depth_anything_ros.evaluation.map_benchmark import drive

    done = drive(10, 0.08, 16)
    assert max(done.memory_mb) <= 16
    assert done.triangles > 1000
    assert set(done.stages_ms) == {'gate and weigh', 'integrate', 'mesh of what changed'}
