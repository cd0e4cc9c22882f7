# SPDX-License-Identifier: Apache-2.0
"""Scores of a whole case, and the report that shows them."""

import json
import math
import re

import numpy as np
import pytest
from small_recording import write_small_recording

from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.engines.classical import ClassicalEngine
from depth_anything_ros.evaluation.evaluate import (
    Scorer,
    evaluate,
    geometric_mean_ratio,
    latency_table,
    with_total,
)
from depth_anything_ros.evaluation.markdown import accuracy_page
from depth_anything_ros.evaluation.pictures import cloud_view, depth_picture, error_picture
from depth_anything_ros.evaluation.ply import write_ply
from depth_anything_ros.evaluation.recording import Recording
from depth_anything_ros.evaluation.recording_case import ScoringConfig, recording_case
from depth_anything_ros.evaluation.report import write_report
from depth_anything_ros.evaluation.sample import Sample
from depth_anything_ros.pipeline.estimator import DepthEstimator

pytest.importorskip('scipy', reason='scipy is not installed')


@pytest.fixture(scope='module')
def result(tmp_path_factory):
    path = write_small_recording(tmp_path_factory.mktemp('bag') / 'wall <&>.mcap', frames=3)
    with Recording(path) as recording:
        case = recording_case(recording, ScoringConfig())
        scorer = Scorer(case.name, case.description, keep_example=1)
        assert list(evaluate(case.samples(), DepthEstimator(ClassicalEngine()), scorer)) == [1, 2, 3]
    return scorer.result()


def test_a_flat_wall_is_completed_exactly_by_every_method(result):
    assert [method.method for method in result.methods] == ['ours', 'nearest', 'linear', 'dilation']
    for method in result.methods:
        assert method.score.abs_rel < 1e-3 and method.score.coverage == 1.0, method.method
    assert result.frames == 3 and result.prompt_returns > 500
    assert result.example.sample.name == 'frame 1'


def test_stages_are_timed_and_summed(result):
    rows = {row.stage: row for row in result.latency}
    assert {'project', 'condition', 'infer', 'post', 'total'} <= set(rows)
    assert rows['total'].median_ms >= max(row.median_ms for stage, row in rows.items() if stage != 'total')


def test_latency_leaves_unknown_values_out():
    (row,) = latency_table({'infer': [1.0, math.nan, 3.0]})
    assert row.median_ms == 2.0
    assert with_total({'a': [1.0, 2.0], 'b': [3.0]}) == {'a': [1.0, 2.0], 'b': [3.0]}  # a stage that not all frames had


def test_the_ratio_against_the_best_classical_completion(result):
    best = min(method.score.abs_rel for method in result.methods[1:])
    assert result.against_best_classical == pytest.approx(result.ours.score.abs_rel / best)
    assert geometric_mean_ratio([result, result]) == pytest.approx(result.against_best_classical)


def test_the_report_is_complete_in_itself(tmp_path, result):
    page = write_report(tmp_path / 'out', [result], 'A <title>', 'ros2 launch x')
    text = page.read_text(encoding='utf-8')
    assert text.count('data:image/jpeg;base64,') == 9
    assert not re.search(r'(src|href)="(?!data:|#)', text)  # nothing is fetched from anywhere
    assert '<script' not in text
    assert 'A &lt;title&gt;' in text and 'wall &lt;&amp;&gt;' in text  # names are escaped
    for word in ('AbsRel', 'nearest', 'linear', 'dilation', 'infer', 'ros2 launch x'):
        assert word in text
    assert len(list((tmp_path / 'out').glob('*.jpg'))) == 9


def test_the_json_holds_the_same_numbers_and_is_strict(tmp_path, result):
    write_report(tmp_path, [result], 'title')

    def no_constant(name):
        raise AssertionError(f'{name} is not JSON')

    stored = json.loads((tmp_path / 'report.json').read_text(), parse_constant=no_constant)
    (case,) = stored['cases']
    assert case['methods']['ours']['score']['abs_rel'] == result.ours.score.abs_rel
    assert case['latency_ms']['infer']['median'] > 0
    assert sum(b['pixels'] for b in case['methods']['ours']['by_range']) == case['methods']['ours']['score']['pixels']


def test_several_cases_get_a_summary(tmp_path, result):
    text = write_report(tmp_path, [result, result], 'two').read_text()
    assert 'AbsRel of every case' in text and 'Geometric mean' in text


def test_a_report_that_cannot_be_written_says_where(tmp_path, result):
    (tmp_path / 'out').write_text('a file in the way')
    with pytest.raises(RecordingError, match='out'):
        write_report(tmp_path / 'out', [result], 'title')


def test_nothing_scored_is_an_error_not_a_table_of_nan():
    with pytest.raises(RecordingError, match='no frame could be scored'):
        Scorer('empty').result()


def test_truth_of_another_size_is_refused(result):
    with pytest.raises(InvalidInput, match='expected truth of'):
        Sample('x', result.example.sample.observation, np.ones((3, 3), np.float32))


def test_errors_are_green_red_and_magenta():
    image = np.full((4, 3, 3), 200, np.uint8)
    truth = np.full((4, 3), 2.0, np.float32)
    depth = np.array([[2.0, 3.0, np.nan]] * 4, np.float32)
    picture = error_picture(depth, truth, image)
    good, bad, missing = picture[0]
    assert good[1] > 100 and good[0] == 0
    assert bad[0] > 200 and bad[1] == 0
    assert tuple(missing) == (255, 0, 255)
    truth[:] = np.nan
    assert np.ptp(error_picture(depth, truth, image)) == 0  # without truth only the dimmed image


def test_near_is_red_and_far_is_blue():
    picture = depth_picture(np.array([[1.0, 1.0, 10.0, 10.0, np.nan]], np.float32))
    assert picture[0, 0, 0] > picture[0, 0, 2] and picture[0, 2, 2] > picture[0, 2, 0]
    assert tuple(picture[0, 4]) == (0, 0, 0)


def test_the_cloud_is_seen_from_elsewhere(result):
    observation, frame = result.example.sample.observation, result.example.frame
    red = np.zeros_like(observation.image_rgb) + np.array([255, 0, 0], np.uint8)
    picture = cloud_view(frame.depth_m, observation.camera, red, 160, 90)
    is_red = (picture == [255, 0, 0]).all(axis=-1)
    assert picture.shape == (90, 160, 3) and 0.1 < is_red.mean() < 0.95
    nothing = cloud_view(np.full_like(frame.depth_m, np.nan), observation.camera, red, 160, 90)
    assert not (nothing == [255, 0, 0]).all(axis=-1).any()


def test_a_ply_holds_every_known_pixel(tmp_path, result):
    frame, observation = result.example.frame, result.example.sample.observation
    depth_m = frame.depth_m.copy()
    depth_m[:10] = np.nan
    count = write_ply(tmp_path / 'cloud.ply', depth_m, frame.camera, observation.image_rgb)
    header, _, body = (tmp_path / 'cloud.ply').read_bytes().partition(b'end_header\n')
    assert count == np.isfinite(depth_m).sum() and f'element vertex {count}'.encode() in header
    points = np.frombuffer(body, [('xyz', '<f4', 3), ('rgb', 'u1', 3)])
    assert len(points) == count
    assert np.allclose(points['xyz'][:, 2], depth_m[np.isfinite(depth_m)])
    assert np.array_equal(points['rgb'], observation.image_rgb[np.isfinite(depth_m)])


def test_the_markdown_page_tells_the_command_and_every_method(result):
    page = accuracy_page([result, result], 'depth_anything_ros evaluate x')
    assert '`depth_anything_ros evaluate x`' in page
    for method in result.methods:
        assert page.count(f'| {method.method} |') == 3, 'the summary heads a column, each case has a row'
        assert f'{method.score.abs_rel:.4f}' in page
    assert 'nan' not in page
