# SPDX-License-Identifier: Apache-2.0
import dataclasses

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import DepthPrompt, Mode, Observation
from depth_anything_ros.core.settings import replaced
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.engines.classical import ClassicalEngine
from depth_anything_ros.pipeline.estimator import DepthEstimator, EstimatorConfig, OutputConfig, gate
from depth_anything_ros.pipeline.rectification import Rectifier

CAMERA = CameraModel(160, 120, 120, 120, 79.5, 59.5)
SECOND = 10**9
TRUE_M = np.tile(np.linspace(2, 8, 160, dtype=np.float32), (120, 1))


def observation(stamp_ns=SECOND, prompt=True, seen=None):
    """An image whose true depth is TRUE_M, with a 15x20 depth prompt of it."""
    prompts = (DepthPrompt(TRUE_M[4::8, 4::8].copy(), stamp_ns),) if prompt else ()
    image = np.zeros((120, 160, 3), np.uint8)
    return Observation(image, CAMERA, stamp_ns, depth_prompts=prompts, seen=seen)


class Learned:
    """Stands for a network whose answer is known: `bias` times the truth without a prompt, the truth with one.

    blind: it is not given the prompt, and says nothing of sigma; field: what it is off by over the image, a factor.
    """

    name = model = 'learned'
    camera = 'pinhole'

    def __init__(self, metric=True, bias=1.0, blind=False, field=1.0):
        self.metric, self.bias, self.blind, self.field, self.runs, self.cameras = metric, bias, blind, field, 0, []

    def infer(self, image_rgb, prompt, camera):
        self.runs += 1
        self.cameras.append(camera)
        if not self.metric:
            disparity = (1 / TRUE_M - 0.05) / 2
            return Prediction(disparity, np.full_like(disparity, np.nan), metric=False, prompted=False)
        if self.blind:
            depth = (TRUE_M * self.bias * self.field).astype(np.float32)
            return Prediction(depth, np.full_like(depth, np.nan), prompted=False, relative_sigma=0.08)
        depth = TRUE_M * np.float32(self.bias if prompt.sparse.empty else 1)
        return Prediction(depth, depth * np.float32(0.1))

    def describe(self):
        return {'engine': self.name}

    def close(self):
        pass


def test_a_prompted_frame_is_metric_and_says_how_it_came_about():
    frame = DepthEstimator(ClassicalEngine()).estimate(observation())
    assert frame.mode is Mode.PROMPTED
    assert np.nanmedian(np.abs(frame.depth_m / TRUE_M - 1)) < 0.05
    assert np.isfinite(frame.sigma_m).all()
    assert list(frame.timings_ms) == ['project', 'condition', 'infer', 'post']
    assert frame.report['engine'] == 'classical'
    assert frame.prompt.stats.count == 300


def test_sigma_of_depth_from_tof_returns_has_their_common_error_that_of_a_bridged_frame_has_not():
    config = replaced(EstimatorConfig(), {'prompt.tof_systematic_relative': 0.1})
    estimator = DepthEstimator(Learned(), config)
    prompted = estimator.estimate(observation())
    np.testing.assert_allclose(prompted.sigma_m, TRUE_M * np.hypot(0.1, 0.1), rtol=1e-5)
    without = estimator.estimate(observation(SECOND + 1, prompt=False))
    assert without.mode is not Mode.PROMPTED
    np.testing.assert_allclose(without.sigma_m, TRUE_M * 0.1, rtol=1e-5)


def test_depth_out_of_range_too_unsure_or_unseen_is_unknown_in_both_maps():
    seen = np.ones((120, 160), bool)
    seen[:10] = False
    config = replaced(EstimatorConfig(), {'output.max_depth_m': 6.0})
    frame = DepthEstimator(Learned(), config).estimate(observation(seen=seen))
    assert np.isnan(frame.depth_m[:10]).all()
    assert np.nanmax(frame.depth_m) <= 6.0
    assert (np.isnan(frame.depth_m) == np.isnan(frame.sigma_m)).all()
    strict = replaced(EstimatorConfig(), {'output.max_relative_sigma': 0.05})
    assert np.isnan(DepthEstimator(Learned(), strict).estimate(observation()).depth_m).all()


def test_a_relative_network_gets_its_scale_from_the_returns_and_keeps_it_for_a_while():
    estimator = DepthEstimator(Learned(metric=False))
    first = estimator.estimate(observation())
    assert first.mode is Mode.PROMPTED, 'its scale is that of the returns of this very frame'
    assert first.report['alignment'] == 'scale and shift in disparity'
    assert np.allclose(first.depth_m, TRUE_M, rtol=0.01)
    later = estimator.estimate(observation(2 * SECOND, prompt=False))
    assert np.allclose(later.depth_m, TRUE_M, rtol=0.01)
    assert later.mode is Mode.SCALED
    assert later.report['scale_age_s'] == '1.00'
    assert np.nanmean(later.sigma_m) > np.nanmean(first.sigma_m), 'an old scale is less sure'
    with pytest.raises(InvalidInput, match=r'last good scale is 9\.0 s old'):
        estimator.estimate(observation(10 * SECOND, prompt=False))


def test_a_relative_network_without_any_scale_is_refused():
    with pytest.raises(InvalidInput, match=r'at least 8 .* got 0 on the image; there was none before'):
        DepthEstimator(Learned(metric=False)).estimate(observation(prompt=False))


def test_a_lost_prompt_is_bridged_by_the_last_good_scale_worked_out_once():
    engine = Learned(bias=0.8)
    estimator = DepthEstimator(engine)
    estimator.estimate(observation())
    assert engine.runs == 1
    for number in (1, 2):
        frame = estimator.estimate(observation(SECOND + number * 100_000_000, prompt=False))
        assert frame.mode is Mode.SCALED
        assert np.allclose(frame.depth_m, TRUE_M, rtol=0.01)
    assert engine.runs == 4, 'two frames, and one look at the last prompted image'
    late = estimator.estimate(observation(9 * SECOND, prompt=False))
    assert late.mode is Mode.MONO
    assert np.allclose(late.depth_m, 0.8 * TRUE_M, rtol=0.01)


def test_a_metric_network_that_is_not_given_the_returns_is_scaled_to_them_and_remembers_by_how_much():
    estimator = DepthEstimator(Learned(blind=True, bias=0.7))
    alone = estimator.estimate(observation(prompt=False))
    assert alone.mode is Mode.MONO
    assert np.allclose(alone.depth_m, 0.7 * TRUE_M)
    assert np.allclose(alone.sigma_m, 0.08 * alone.depth_m), 'its typical error, of its card'
    first = estimator.estimate(observation())
    assert first.mode is Mode.PROMPTED
    assert first.report['alignment'] == 'scale'
    assert np.allclose(first.depth_m, TRUE_M, rtol=0.01)
    later = estimator.estimate(observation(2 * SECOND, prompt=False))
    assert later.mode is Mode.SCALED
    assert np.allclose(later.depth_m, TRUE_M, rtol=0.01)
    assert np.nanmean(later.sigma_m / later.depth_m) > 0.04, 'a second old'
    assert estimator.estimate(observation(9 * SECOND, prompt=False)).mode is Mode.MONO


def test_what_alignment_leaves_over_the_image_is_refined_unless_told_not_to():
    tilt = np.linspace(0.9, 1.1, 120, dtype=np.float32)[:, None] * np.ones((1, 160), np.float32)
    frames = [
        DepthEstimator(
            Learned(blind=True, field=tilt), replaced(EstimatorConfig(), {'refinement.enabled': enabled})
        ).estimate(observation())
        for enabled in (True, False)
    ]
    refined, aligned = (np.abs(frame.depth_m / TRUE_M - 1).mean() for frame in frames)
    assert refined < 0.3 * aligned
    assert '->' in frames[0].report['refined'] and 'refined' not in frames[1].report
    assert frames[0].sigma_m.mean() < frames[1].sigma_m.mean()


def test_a_camera_that_is_a_guess_is_not_told_to_the_network():
    engine = Learned()
    estimator = DepthEstimator(engine)
    estimator.estimate(observation())
    estimator.estimate(dataclasses.replace(observation(), camera_known=False))
    assert engine.cameras == [CAMERA, None]


def test_boundaries_are_sharpened_on_request_only():
    step = np.where(np.arange(160) < 80, np.float32(2), np.float32(5)) * np.ones((120, 1), np.float32)
    soft = 1 / cv2.GaussianBlur(1 / step, (0, 0), 2)

    class Soft(Learned):
        def infer(self, image_rgb, prompt, camera):
            return Prediction(soft, 0.1 * soft)

    frames = [
        DepthEstimator(Soft(), replaced(EstimatorConfig(), {'sharp.enabled': enabled})).estimate(observation())
        for enabled in (False, True)
    ]
    between = [np.mean((frame.depth_m > 2.1) & (frame.depth_m < 4.7)) for frame in frames]
    assert between[0] > 0.02 and between[1] < 0.2 * between[0]
    np.testing.assert_array_equal(frames[0].depth_m, soft)


def test_after_a_reset_the_old_scale_is_gone():
    estimator = DepthEstimator(Learned(bias=0.8))
    estimator.estimate(observation())
    estimator.reset()
    assert estimator.estimate(observation(prompt=False)).mode is Mode.MONO


def test_without_returns_the_classical_engine_refuses():
    with pytest.raises(InvalidInput, match='needs returns'):
        DepthEstimator(ClassicalEngine()).estimate(observation(prompt=False))


def test_rectifying_straightens_a_line_and_marks_what_the_lens_does_not_see():
    lens = dataclasses.replace(CAMERA, coefficients=(0.4, 0.0, 0.0, 0.0, 0.0))
    rectifier = Rectifier(lens)
    # a straight edge in the world at x/z = 0.3 is bent in the raw image
    rays = lens.rays()
    raw = np.where(rays[..., :1] > 0.3, np.uint8(255), np.uint8(0)).repeat(3, axis=2)
    column = (rectifier.apply(raw)[..., 0] > 127).argmax(axis=1)
    raw_column = (raw[..., 0] > 127).argmax(axis=1)
    assert np.ptp(column[20:100]) <= 1 < np.ptp(raw_column[20:100])
    assert not rectifier.seen.all()
    with pytest.raises(InvalidInput, match='does not fit'):
        rectifier.apply(raw[:50])


@pytest.mark.parametrize('max_relative_sigma', [0.0, 0.1])
@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('odd_m', [5.0, 0.01, 200.0, np.nan, np.inf, 0.0, -3.0])
def test_the_gate_keeps_what_is_in_range_sure_and_seen(odd_m, masked, max_relative_sigma):
    depth_m = np.linspace(1, 9, 48, dtype=np.float32).reshape(6, 8)
    sigma_m = depth_m * np.float32(0.05)
    sigma_m[2, 2] = depth_m[2, 2]
    depth_m[4, 4] = odd_m
    seen = np.arange(48).reshape(6, 8) % 5 > 0 if masked else None
    before = depth_m.copy(), sigma_m.copy()
    gated_m, gated_sigma_m = gate(depth_m, sigma_m, seen, OutputConfig(max_relative_sigma=max_relative_sigma))
    known = (depth_m >= 0.05) & (depth_m <= 100)
    if masked:
        known &= seen
    if max_relative_sigma:
        known &= sigma_m <= max_relative_sigma * depth_m
    assert np.array_equal(gated_m, np.where(known, depth_m, np.nan), equal_nan=True)
    assert np.array_equal(gated_sigma_m, np.where(known, sigma_m, np.nan), equal_nan=True)
    assert gated_m.dtype == gated_sigma_m.dtype == np.float32
    assert np.array_equal(depth_m, before[0], equal_nan=True) and np.array_equal(sigma_m, before[1], equal_nan=True)
