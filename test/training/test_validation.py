# SPDX-License-Identifier: Apache-2.0
"""Evaluation during training: which figures belong to which frames."""

import pytest

pytest.importorskip('torch', reason='torch is not installed (extra: train)')

from depth_anything_ros.training.config import DataConfig
from depth_anything_ros.training.render_shards import HELD_OUT, Series, render_shard
from depth_anything_ros.training.validation import Validation, source_name


def test_held_out_folders_of_two_series_stay_apart(tmp_path):
    for name, seed in (('rooms', 1), ('streets', 2)):
        render_shard(Series(tmp_path / name, 'procedural', seed=seed, per_shard=1), 0)
    folders = tuple(str(tmp_path / name / HELD_OUT) for name in ('rooms', 'streets'))
    validation = Validation(DataConfig(validation_shards=folders))
    assert {name.split('/')[0] for name in validation.batches} == {'rooms', 'streets'}


def test_a_folder_of_another_name_keeps_it(tmp_path):
    assert source_name(tmp_path / 'kitchen') == 'kitchen'
