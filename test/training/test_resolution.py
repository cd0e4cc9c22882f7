# SPDX-License-Identifier: Apache-2.0
"""The study of the resolution gives every engine the same prompts and scores it at the frame's own size."""

import numpy as np
import pytest

pytest.importorskip('torch')

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.engines.base import Engine, Prediction
from depth_anything_ros.engines.classical import nearest_fill
from depth_anything_ros.training.resolution import CLASSICAL, KINDS, markdown, study


class _Nearest(Engine):
    """The nearest return, `off` times too far away."""

    def __init__(self, off: float):
        self.off, self.seen = off, []

    def infer(self, image_rgb, prompt, camera):
        self.seen.append(prompt)
        depth_m = self.off * nearest_fill(prompt.sparse)
        return Prediction(depth_m, np.full_like(depth_m, np.nan))


def test_errors_are_those_of_the_engine_beside_classical_completion(shards):
    engines = {'right': _Nearest(1), 'far': _Nearest(1.5)}
    table = study(shards, engines, 4)
    assert list(table) == list(KINDS)
    for kind, row in table.items():
        assert row['far'] > row['right'] >= row[CLASSICAL] > 0, kind
    assert table['dense']['far'] == pytest.approx(0.5, abs=0.1)
    assert all(a is b for a, b in zip(engines['right'].seen, engines['far'].seen, strict=True)), 'the same prompts'
    lines = markdown(table).splitlines()
    assert len(lines) == len(KINDS) + 3 and '| 1.000 |' in lines[-1]


def test_more_frames_than_there_are_is_an_error(shards):
    with pytest.raises(InvalidInput, match='expected at least 9 frames, got 8'):
        study(shards, {}, 9)
