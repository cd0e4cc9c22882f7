# SPDX-License-Identifier: Apache-2.0
"""The best engine that works takes over from one that fails, at start and later."""

import numpy as np
import pytest

from depth_anything_ros.core.errors import CheckpointError, EngineError, InvalidInput, MissingExtra
from depth_anything_ros.engines.base import Engine, Prediction, Request
from depth_anything_ros.engines.fallback import Candidate, FallbackEngine

REQUEST = Request(np.zeros((2, 2, 3), np.uint8), None, None)


class Scripted(Engine):
    """Gives depth 1 until it is told to raise."""

    model, camera = 'small', 'pinhole'

    def __init__(self, name, reason='', error=None):
        self.name, self.reason, self.error, self.closed = name, reason, error, False

    def infer(self, image_rgb, prompt, camera):
        if self.error:
            raise self.error
        return Prediction(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32))

    def describe(self):
        return {'engine': self.name, 'reason': self.reason}

    def close(self):
        self.closed = True


def fails(name, error):
    def make(reason):
        raise error

    return Candidate(name, 'best', make)


def works(name, made, error=None):
    def make(reason):
        made.append(Scripted(name, reason, error))
        return made[-1]

    return Candidate(name, f'{name} is here', make)


def test_only_what_is_needed_is_made():
    made = []
    engine = FallbackEngine([works('first', made), works('second', made)])
    assert [one.name for one in made] == ['first']
    assert engine.describe() == {'engine': 'first', 'reason': 'first is here'}


def test_one_that_fails_later_is_closed_and_the_same_frames_go_to_the_next(caplog):
    made = []
    engine = FallbackEngine([works('gpu', made), works('cpu', made)])
    engine.infer_batch([REQUEST])
    made[0].error = EngineError('out of memory')
    predictions = engine.infer_batch([REQUEST, REQUEST])
    assert len(predictions) == 2 and made[0].closed and engine.name == 'cpu'
    assert engine.describe()['fell_back'] == 'gpu: out of memory'
    assert [r.getMessage() for r in caplog.records] == ['gpu does not work here, cpu is tried next: out of memory']
    made[1].error = EngineError('too late')
    with pytest.raises(EngineError, match='too late'):
        engine.infer(*REQUEST)
    made[1].error = None
    assert len(engine.infer_batch([REQUEST])) == 1, 'the last one is kept: a failed frame is a dropped frame'


def test_a_bad_frame_and_bad_weights_are_nobodys_failure_but_their_own():
    made = []
    engine = FallbackEngine([works('gpu', made, InvalidInput('too small')), works('cpu', made)])
    with pytest.raises(InvalidInput):
        engine.infer(*REQUEST)
    assert engine.name == 'gpu'
    with pytest.raises(CheckpointError):
        FallbackEngine([fails('gpu', CheckpointError('corrupt')), works('cpu', made)])


def test_where_all_fail_each_is_named():
    one, two = fails('tensorrt', EngineError('no GPU')), fails('torch', MissingExtra('torch', 'torch', 'torch'))
    with pytest.raises(EngineError, match=r'no engine works here: tensorrt: no GPU; torch: torch needs the package'):
        FallbackEngine([one, two])
    with pytest.raises(EngineError, match=r'^no GPU$'):
        FallbackEngine([one])
