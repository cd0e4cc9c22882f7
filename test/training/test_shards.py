# SPDX-License-Identifier: Apache-2.0
"""Frames on disk."""

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.errors import RecordingError
from depth_anything_ros.training.shards import Sample, ShardSet, read_rgbd_folder, split_tenth, write_shard


def test_samples_come_back_as_written(tmp_path):
    depth_m = np.linspace(0.5, 90, 48, dtype=np.float32).reshape(6, 8)
    depth_m[0, 0] = np.nan
    image = np.arange(144, dtype=np.uint8).reshape(6, 8, 3)
    write_shard(tmp_path, 'one', [Sample(image, depth_m, np.array([5, 6, 4, 3], np.float32))] * 2)
    sample = ShardSet(tmp_path)[1]
    assert np.array_equal(sample.image_rgb, image)
    assert np.isnan(sample.depth_m[0, 0])
    np.testing.assert_allclose(sample.depth_m.ravel()[1:], depth_m.ravel()[1:], rtol=6e-4)
    assert sample.intrinsics.tolist() == [5, 6, 4, 3]


def test_all_shards_are_one_sequence(shards):
    frames = ShardSet(shards)
    assert len(frames) == 8
    assert not np.array_equal(frames[3].image_rgb, frames[4].image_rgb)
    with pytest.raises(IndexError):
        frames[8]


def test_a_torn_shard_or_none_is_an_error(tmp_path, shards):
    with pytest.raises(RecordingError, match='expected shards'):
        ShardSet(tmp_path)
    for path in shards.glob('a_*'):
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(content[: len(content) // 2] if 'depth' in path.name else content)
    with pytest.raises(RecordingError, match='shard a is incomplete or torn'):
        ShardSet(tmp_path)


def test_what_is_held_out_is_what_evaluation_scores():
    frames = [Sample(np.zeros((1, 1, 3), np.uint8), np.full((1, 1), i, np.float32), np.zeros(4)) for i in range(25)]
    training, held_out = split_tenth(frames)
    assert [int(s.depth_m[0, 0]) for s in held_out] == [0, 10, 20]
    assert len(training) == 22


def test_an_rgbd_folder_reads_in_the_order_of_names_with_holes_unknown(tmp_path):
    for i, name in enumerate(['b', 'a']):
        cv2.imwrite(str(tmp_path / f'{name}_color.jpg'), np.full((4, 6, 3), 40 * (i + 1), np.uint8))
        depth_mm = np.full((4, 6), 1500 + i, np.uint16)
        depth_mm[0, 0] = 0
        cv2.imwrite(str(tmp_path / f'{name}_depth_mm.png'), depth_mm)
    first, second = read_rgbd_folder(tmp_path, (5.0, 5.0, 3.0, 2.0))
    assert np.isnan(first.depth_m[0, 0])
    assert first.depth_m[2, 2] == pytest.approx(1.501)
    assert second.depth_m[2, 2] == pytest.approx(1.5)
    (tmp_path / 'a_depth_mm.png').unlink()
    with pytest.raises(RecordingError, match='a_color'):
        read_rgbd_folder(tmp_path, (5.0, 5.0, 3.0, 2.0))
