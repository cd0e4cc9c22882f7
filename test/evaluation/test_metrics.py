# SPDX-License-Identifier: Apache-2.0
"""The metrics against numbers worked out by hand."""

import math

import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.evaluation.metrics import (
    as_dict,
    mean_by_range,
    mean_score,
    score,
    score_by_range,
)


def row(*values):
    return np.array([values], np.float32)


def test_every_metric_matches_a_worked_example():
    result = score(row(2.2, 3.0, 8.0), row(2.0, 4.0, 8.0), row(0.1, 1.0, 0.5))
    assert result.abs_rel == pytest.approx((0.1 + 0.25 + 0) / 3, rel=1e-5)
    assert result.mae_m == pytest.approx((0.2 + 1.0 + 0) / 3, rel=1e-5)
    assert result.rmse_m == pytest.approx(math.sqrt((0.04 + 1.0) / 3), rel=1e-5)
    assert result.irmse_per_m == pytest.approx(math.sqrt(((1 / 2.2 - 1 / 2) ** 2 + (1 / 3 - 1 / 4) ** 2) / 3), rel=1e-5)
    assert result.delta1 == pytest.approx(2 / 3)  # 4 / 3 = 1.33
    assert result.delta05 == pytest.approx(2 / 3)  # 1.1 < 1.118
    assert result.within_sigma == pytest.approx(2 / 3)
    assert result.coverage == 1.0 and result.pixels == 3


def test_a_pixel_without_prediction_lowers_coverage_and_nothing_else():
    whole = score(row(2.0, 4.4), row(2.0, 4.0))
    holed = score(row(2.0, 4.4, np.nan, 0.0), row(2.0, 4.0, 5.0, 5.0))
    assert holed.coverage == 0.5
    assert holed.abs_rel == whole.abs_rel
    assert holed.pixels == 4


def test_no_prediction_at_all_is_nan_with_coverage_zero():
    result = score(row(np.nan, np.nan), row(1.0, 2.0))
    assert math.isnan(result.abs_rel) and math.isnan(result.delta1) and result.coverage == 0.0
    assert as_dict(result)['abs_rel'] is None and as_dict(result)['coverage'] == 0.0


def test_pixels_without_truth_do_not_count():
    assert score(row(1.0, 9.0, 9.0), row(1.0, np.nan, 0.0)).pixels == 1


def test_without_sigma_its_share_is_unknown():
    assert math.isnan(score(row(1.0), row(1.0)).within_sigma)


def test_shapes_that_differ_are_refused():
    with pytest.raises(InvalidInput, match=r'\(1, 2\)'):
        score(row(1.0, 2.0), row(1.0))


def test_an_honest_gaussian_sigma_holds_68_percent():
    generator = np.random.default_rng(0)
    truth = generator.uniform(2, 20, (200, 200)).astype(np.float32)
    sigma = 0.05 * truth
    noisy = truth + generator.normal(0, 1, truth.shape).astype(np.float32) * sigma
    assert score(noisy, truth, sigma).within_sigma == pytest.approx(0.683, abs=0.01)


def test_range_bins_hold_their_own_pixels_only():
    bins = {(r.low_m, r.high_m): r.score for r in score_by_range(row(1.5, 3.3, 100.0), row(1.5, 3.0, 200.0))}
    assert bins[(1.0, 2.0)].abs_rel == 0.0 and bins[(1.0, 2.0)].pixels == 1
    assert bins[(2.0, 5.0)].abs_rel == pytest.approx(0.1, rel=1e-5)
    assert bins[(80.0, math.inf)].abs_rel == pytest.approx(0.5)
    assert bins[(5.0, 10.0)].pixels == 0


def test_the_mean_over_frames_weighs_frames_and_the_mean_by_range_weighs_pixels():
    one = (row(1.1), row(1.0))
    three = (row(1.4, 1.4, 1.4), row(1.0, 1.0, 1.0))
    mean = mean_score([score(*one), score(*three)])
    assert mean.abs_rel == pytest.approx(0.25, rel=1e-4) and mean.pixels == 4
    (pooled,) = mean_by_range([score_by_range(*one), score_by_range(*three)])
    assert pooled.score.abs_rel == pytest.approx((0.1 + 3 * 0.4) / 4, rel=1e-4)
    joined = score(np.hstack([one[0], three[0]]), np.hstack([one[1], three[1]]))
    assert pooled.score.rmse_m == pytest.approx(joined.rmse_m, rel=1e-6)
    assert pooled.score.irmse_per_m == pytest.approx(joined.irmse_per_m, rel=1e-6)


def test_a_frame_without_prediction_lowers_only_the_mean_coverage():
    mean = mean_score([score(row(1.1), row(1.0)), score(row(np.nan), row(1.0))])
    assert mean.abs_rel == pytest.approx(0.1, rel=1e-4) and mean.coverage == 0.5
