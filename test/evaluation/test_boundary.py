# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.evaluation.boundary import boundary_score

SQUARE_M = np.full((60, 80), 6, np.float32)
SQUARE_M[20:40, 30:50] = 2


def test_the_truth_itself_scores_one_in_everything():
    score = boundary_score(SQUARE_M, SQUARE_M)
    assert (score.f1, score.precision, score.recall) == pytest.approx((1, 1, 1))


def test_the_scale_of_depth_does_not_matter():
    assert boundary_score(7.5 * SQUARE_M, SQUARE_M).f1 == pytest.approx(1)


def test_a_blurred_boundary_is_found_wide_and_no_longer_where_it_is():
    scores = [boundary_score(cv2.GaussianBlur(SQUARE_M, (0, 0), sigma), SQUARE_M).f1 for sigma in (0.5, 1.0, 3.0)]
    assert 1 > scores[0] > scores[1] > scores[2]


def test_a_boundary_that_is_missed_costs_recall_and_one_too_many_costs_precision():
    two = SQUARE_M.copy()
    two[20:40, 60:70] = 2
    missed, added = boundary_score(SQUARE_M, two), boundary_score(two, SQUARE_M)
    assert missed.precision == pytest.approx(1)
    assert missed.recall == pytest.approx(20 / 35, abs=0.1)
    assert added.recall == pytest.approx(1)
    assert added.precision == missed.recall


def test_a_step_of_the_wrong_direction_is_no_hit():
    assert boundary_score(1 / SQUARE_M, SQUARE_M).recall == 0


def test_a_step_of_a_tenth_counts_at_the_lower_thresholds_only():
    weights = np.linspace(1.05, 1.25, 10)
    small = np.where(SQUARE_M == 2, np.float32(2), np.float32(2.2))
    expected = weights[weights < 1.1].sum() / weights.sum()
    assert boundary_score(small, SQUARE_M).recall == pytest.approx(expected)


def test_unknown_truth_is_not_scored_and_unknown_prediction_is_a_miss():
    hole = SQUARE_M.copy()
    hole[:, 28:33] = np.nan
    assert boundary_score(SQUARE_M, hole).f1 == pytest.approx(1)
    assert boundary_score(hole, SQUARE_M).recall == pytest.approx(
        (0 + 1 + 0.85 + 0.85) / 4
    )  # one side, and a bit of two


def test_a_truth_without_boundaries_has_no_score_and_other_shapes_are_refused():
    flat = np.ones((10, 10), np.float32)
    assert np.isnan(boundary_score(flat, flat).f1)
    with pytest.raises(InvalidInput, match='one shape'):
        boundary_score(flat, SQUARE_M)
