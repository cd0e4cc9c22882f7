# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import DepthPrompt, Observation
from depth_anything_ros.core.settings import replaced
from depth_anything_ros.engines.base import Prediction, Request
from depth_anything_ros.pipeline.batch import Job, infer_together
from depth_anything_ros.pipeline.estimator import DepthEstimator, EstimatorConfig

SIZES = ((120, 160), (64, 96), (128, 96))


class Stacking:
    """Answers with the mean of the prompt, in one call for all; `fits` of them at most, and none of size `refuses`."""

    name = model = 'stacking'
    camera = 'pinhole'

    def __init__(self, fits=99, refuses=None):
        self.fits, self.refuses, self.calls = fits, refuses, []

    def infer_batch(self, requests):
        self.calls.append([request.image_rgb.shape[:2] for request in requests])
        if len(requests) > self.fits:
            raise MemoryError('too many')
        if self.refuses in self.calls[-1]:
            raise InvalidInput('not this size')
        return [self._answer(*request) for request in requests]

    def infer(self, image_rgb, prompt, camera):
        return self.infer_batch([Request(image_rgb, prompt, camera)])[0]

    def _answer(self, image_rgb, prompt, camera):
        depth_m = np.full(image_rgb.shape[:2], np.nanmean(prompt.sparse.depth_m), np.float32)
        return Prediction(depth_m, 0.1 * depth_m)

    def describe(self):
        return {'engine': self.name}

    def close(self):
        pass


def observation(height, width, depth_m, panorama=False):
    camera = CameraModel(width, height, 100, 100, width / 2, height / 2)
    if panorama:
        camera = CameraModel.equirectangular(width, height)
    prompt = DepthPrompt(np.full((height // 8, width // 8), depth_m, np.float32), 0)
    return Observation(np.zeros((height, width, 3), np.uint8), camera, 0, depth_prompts=(prompt,))


def jobs(engine, config=None, sizes=SIZES, panorama=False):
    made = []
    for number, size in enumerate(sizes):
        estimator = DepthEstimator(engine, config)
        made.append(Job(estimator, estimator.prepare(observation(*size, 2.0 + number, panorama))))
    return made


def test_frames_go_to_the_engine_in_one_call_and_each_gets_what_it_gets_alone():
    engine = Stacking()
    given = jobs(engine)
    answers = infer_together(given)
    assert engine.calls == [list(SIZES)]
    for number, (job, answer) in enumerate(zip(given, answers, strict=True)):
        frame = job.estimator.finish(job.prepared, answer.get(), answer.infer_ms)
        alone = job.estimator.estimate(job.prepared.observation)
        np.testing.assert_array_equal(frame.depth_m, alone.depth_m)
        assert np.allclose(frame.depth_m, 2.0 + number)
        assert list(frame.timings_ms) == list(alone.timings_ms) == ['project', 'condition', 'infer', 'post']


def test_a_frame_alone_is_one_call():
    engine = Stacking()
    infer_together(jobs(engine, sizes=SIZES[:1]))
    assert engine.calls == [[SIZES[0]]]


def test_a_frame_that_the_engine_refuses_costs_nobody_else_an_answer():
    engine, told = Stacking(refuses=SIZES[1]), []
    answers = infer_together(jobs(engine), told.append)
    with pytest.raises(InvalidInput, match='not this size'):
        answers[1].get()
    assert np.allclose(answers[0].get().depth_m, 2) and np.allclose(answers[2].get().depth_m, 4)
    assert told == [], 'the frame itself is the reason, not the batch'


def test_a_batch_that_is_too_much_is_run_one_by_one_and_told():
    engine, told = Stacking(fits=2), []
    answers = infer_together(jobs(engine), told.append)
    assert [answer.get().depth_m.shape for answer in answers] == list(SIZES)
    assert told == ["MemoryError('too many')"]


def test_images_that_take_tiles_or_views_do_not_hold_the_others_in_one_call():
    engine = Stacking()
    tiled = replaced(EstimatorConfig(), {'tiling.tile_px': 100})
    sizes = ((120, 160), (64, 96), (48, 96))
    answers = infer_together(jobs(engine, tiled, sizes))
    assert engine.calls[0] == [(64, 96), (48, 96)], 'those not larger than a tile'
    assert [answer.get().depth_m.shape for answer in answers] == list(sizes)
    engine = Stacking()
    panoramas = jobs(engine, sizes=((64, 128),), panorama=True)
    assert panoramas[0].estimator.request(panoramas[0].prepared) is None, 'a pinhole network sees it in views'
    assert infer_together(panoramas)[0].get().depth_m.shape == (64, 128)
    assert len(engine.calls) == 6
