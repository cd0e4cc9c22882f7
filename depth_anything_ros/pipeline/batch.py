# SPDX-License-Identifier: Apache-2.0
"""Frames of several cameras through one engine together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.pipeline.estimator import DepthEstimator, Prepared


class Job(NamedTuple):
    """A frame and the estimator of its camera."""

    estimator: DepthEstimator
    prepared: Prepared


class Answer(NamedTuple):
    """What the engine said of one frame, or why it said nothing, and how long that took (a batch: all of it)."""

    prediction: Prediction | Exception
    infer_ms: float

    def get(self) -> Prediction:
        """The prediction; raises the failure in its place."""
        if isinstance(self.prediction, Exception):
            raise self.prediction
        return self.prediction


def infer_together(jobs: Sequence[Job], on_split: Callable[[str], None] = lambda why: None) -> list[Answer]:
    """One answer for each job, in order. All estimators have the same engine.

    Frames that the engine takes whole go to it in one call. If that fails, each is tried alone: one bad frame must not
    cost the others theirs. on_split(why): the call failed though every frame alone does not (too little memory).
    Frames in tiles or views are many calls anyway and go one by one.
    """
    requests = {at: job.estimator.request(job.prepared) for at, job in enumerate(jobs)}
    whole = {at: request for at, request in requests.items() if request is not None}
    answers: dict[int, Answer] = {}
    failure = None
    if len(whole) > 1:
        started = time.perf_counter()
        try:
            predictions = jobs[0].estimator.engine.infer_batch(list(whole.values()))
            infer_ms = (time.perf_counter() - started) * 1e3
            answers = {at: Answer(predicted, infer_ms) for at, predicted in zip(whole, predictions, strict=True)}
        except Exception as error:
            failure = error
    for at, job in enumerate(jobs):
        if at not in answers:
            answers[at] = _alone(job)
    if failure is not None and not any(isinstance(answer.prediction, Exception) for answer in answers.values()):
        on_split(repr(failure))
    return [answers[at] for at in range(len(jobs))]


def _alone(job: Job) -> Answer:
    started = time.perf_counter()
    try:
        prediction = job.estimator.infer(job.prepared.observation, job.prepared.prompt)
    except Exception as error:  # it belongs to this frame only
        prediction = error
    return Answer(prediction, (time.perf_counter() - started) * 1e3)
