# SPDX-License-Identifier: Apache-2.0
"""Frames on disk."""

import resource
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.training.shards import (
    Sample,
    ShardSet,
    complete_shards,
    read_rgbd_folder,
    split_tenth,
    write_shard,
)


def plain(width=8, height=6, **more):
    depth_m = np.full((height, width), 2, np.float32)
    return Sample(np.full((height, width, 3), 90, np.uint8), depth_m, np.array([5, 6, 4, 3], np.float32), **more)


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


def test_dropout_comes_back_where_it_is_known_and_is_none_where_not(tmp_path):
    chance = np.zeros((6, 8), np.float32)
    chance[2, 3] = 0.5
    write_shard(tmp_path / 'known', 'a', [plain(dropout=chance)])
    assert ShardSet(tmp_path / 'known')[0].dropout[2, 3] == pytest.approx(0.5, abs=0.003)
    write_shard(tmp_path / 'unknown', 'a', [plain(dropout=chance), plain()])
    assert ShardSet(tmp_path / 'unknown')[0].dropout is None


def test_shards_of_different_sizes_go_together_but_samples_of_one_shard_must_be_alike(tmp_path):
    write_shard(tmp_path, 'a', [plain()])
    write_shard(tmp_path, 'b', [plain(16, 4)] * 2)
    frames = ShardSet(tmp_path)
    assert [frames[i].depth_m.shape for i in range(3)] == [(6, 8), (4, 16), (4, 16)]
    with pytest.raises(InvalidInput, match='sample 1'):
        write_shard(tmp_path, 'c', [plain(), plain(16, 4)])
    with pytest.raises(InvalidInput, match='one sample or more'):
        write_shard(tmp_path, 'c', [])
    with pytest.raises(InvalidInput, match='uint8'):
        write_shard(tmp_path, 'c', [Sample(np.zeros((6, 8, 3)), plain().depth_m, np.zeros(4))])
    assert complete_shards(tmp_path) == ['a', 'b']


@pytest.mark.parametrize('part', ['image', 'depth'])
def test_a_shard_that_lost_a_file_is_named(tmp_path, part):
    write_shard(tmp_path, 'a', [plain()])
    (tmp_path / f'a_{part}.npy').unlink()
    with pytest.raises(RecordingError, match='shard a is incomplete or torn'):
        ShardSet(tmp_path)


@pytest.mark.parametrize(
    ('part', 'array', 'message'),
    [
        ('depth', np.zeros((1, 6, 8), np.float32), r'a_depth.*expected float16.*got float32'),
        ('depth', np.zeros((2, 6, 8), np.float16), 'disagree'),
        ('image', np.zeros((1, 6, 8), np.uint8), r'a_image.*4 dimensions'),
        ('camera', np.zeros((1, 9), np.float32), 'disagree'),
        ('dropout', np.zeros((1, 8, 6), np.uint8), 'disagree'),
    ],
)
def test_a_shard_of_wrong_shape_or_type_is_named(tmp_path, part, array, message):
    write_shard(tmp_path, 'a', [plain()])
    np.save(tmp_path / f'a_{part}.npy', array)
    with pytest.raises(RecordingError, match=message):
        ShardSet(tmp_path)


def test_a_full_disk_leaves_nothing_of_the_shard_and_the_others_as_they_were(tmp_path):
    write_shard(tmp_path, 'a', [plain()])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(RecordingError, match=r'shard b could not be written.*nothing of it was kept'):
            write_shard(tmp_path, 'b', [plain(128, 128)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a_camera.npy', 'a_depth.npy', 'a_image.npy']
    assert len(ShardSet(tmp_path)) == 1


def test_a_set_keeps_neither_frames_in_memory_nor_files_open(tmp_path):
    for i in range(20):
        write_shard(tmp_path, f'{i:02d}', [plain(320, 240)] * 4)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(list(Path('/proc/self/fd').iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 8, hard))
    try:
        sets = [ShardSet(tmp_path) for _ in range(20)]
        assert sum(int(frames[79].image_rgb[0, 0, 0]) for frames in sets) == 20 * 90
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 50_000, '20 x 31 MB stay on disk'


def test_a_file_cut_off_while_in_use_is_named(tmp_path):
    write_shard(tmp_path, 'a', [plain()] * 3)
    frames = ShardSet(tmp_path)
    path = tmp_path / 'a_depth.npy'
    path.write_bytes(path.read_bytes()[:-20])
    assert frames[1].depth_m.shape == (6, 8)
    with pytest.raises(RecordingError, match=r'a_depth\.npy: frame 2 can no longer be read'):
        frames[2]


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
