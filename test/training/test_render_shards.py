# SPDX-License-Identifier: Apache-2.0
"""Rendering series of shards: resumption, repeatability, the held-out tenth, provenance, killed workers."""

import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from depth_anything_ros.cli.main import main
from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.training import render_shards
from depth_anything_ros.training.provenance import Asset, Provenance, assets_of, read_provenance, write_provenance
from depth_anything_ros.training.render_shards import HELD_OUT, Series, missing_shards, render, render_shard
from depth_anything_ros.training.shards import ShardSet, complete_shards


@pytest.fixture
def series(tmp_path):
    return Series(tmp_path / 'out', 'procedural', seed=3, per_shard=1)


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*.npy')}


def test_a_series_goes_on_with_the_missing_shard_and_gives_the_same_frames(series):
    assert list(render(series, frames=3, workers=2)) == [1, 1, 1]
    whole = content(series.folder)
    untouched = series.folder / 'procedural_3_0002_image.npy'
    before_ns = untouched.stat().st_mtime_ns
    (series.folder / 'procedural_3_0001_camera.npy').unlink()  # written last: as if killed before
    assert missing_shards(series, 3) == [1]
    assert list(render(series, frames=3)) == [1]
    assert content(series.folder) == whole
    assert untouched.stat().st_mtime_ns == before_ns
    assert list(render(series, frames=3)) == []


def test_processes_are_renewed_and_every_shard_comes(series, monkeypatch):
    monkeypatch.setattr(render_shards, 'TASKS_PER_PROCESS', 1)
    assert list(render(series, frames=3, workers=1)) == [1, 1, 1]


def test_every_tenth_shard_is_held_out_and_never_among_the_others(series):
    folders = [series.shard(index)[0].name for index in range(22)]
    assert [index for index, name in enumerate(folders) if name == HELD_OUT] == [0, 10, 20]
    for index in (0, 1):
        render_shard(series, index)
    training, held_out = ShardSet(series.folder), ShardSet(series.folder / HELD_OUT)
    assert len(training) == len(held_out) == 1
    assert not np.array_equal(training[0].image_rgb, held_out[0].image_rgb)


def test_frames_are_rounded_up_to_whole_shards(tmp_path):
    assert missing_shards(Series(tmp_path, 'procedural', per_shard=32), 65) == [1, 2, 0], 'what trains comes first'


def test_a_killed_command_leaves_whole_shards_and_goes_on(tmp_path):
    words = ['render-scenes', str(tmp_path), '--kind', 'procedural', '--per-shard', '2', '--frames']
    command = [sys.executable, '-m', 'depth_anything_ros.cli.main', *words, '400']
    running = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not complete_shards(tmp_path) and time.monotonic() < deadline:
            assert running.poll() is None, 'the command ended by itself'
            time.sleep(0.05)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    kept = complete_shards(tmp_path)
    frames = ShardSet(tmp_path)
    assert len(frames) == 2 * len(kept) >= 2
    assert frames[len(frames) - 1].image_rgb.std() > 0
    wanted = 2 * (len(kept) + 2)  # the held-out one, and one more
    assert main([*words, str(wanted)]) == 0
    assert set(kept) < set(complete_shards(tmp_path))


def die(series, index, threads):
    os._exit(9)


def test_a_killed_worker_is_one_clear_error(series, monkeypatch):
    monkeypatch.setattr(render_shards, 'render_shard', die)
    with pytest.raises(RecordingError, match='a worker was killed'):
        list(render(series, frames=2))


def test_a_series_of_other_settings_is_not_mixed_in(series, tmp_path):
    render_shards.write_provenance(series.folder, series.name, render_shards.describe(series))
    other = Series(series.folder, 'procedural', seed=3, per_shard=2)
    with pytest.raises(RecordingError, match=r"made otherwise.*'per_shard': 1.*'per_shard': 2"):
        list(render(other, frames=2))


def test_provenance_comes_back_and_names_the_assets(tmp_path):
    asset = Asset('wood', 'CC0-1.0', 'somewhere')
    wrote = Provenance(
        'depth_anything_ros render-scenes', 'depth_anything_ros 1', 'room', 4, {'per_shard': 2}, (asset,)
    )
    write_provenance(tmp_path, 'room_4', wrote)
    assert read_provenance(tmp_path / 'room_4.provenance.yaml') == wrote
    (tmp_path / 'bad.yaml').write_text('[1, 2')
    with pytest.raises(RecordingError, match='expected the provenance'):
        read_provenance(tmp_path / 'bad.yaml')


def test_a_folder_of_textures_says_what_it_is_or_is_marked_as_silent(tmp_path):
    assert assets_of(tmp_path)[0].licence == 'not stated'
    (tmp_path / 'assets.yaml').write_text('- {name: wood, licence: CC0-1.0, source: somewhere}\n')
    assert assets_of(tmp_path) == [Asset('wood', 'CC0-1.0', 'somewhere')]
    (tmp_path / 'assets.yaml').write_text('- {name: wood}\n')
    with pytest.raises(RecordingError, match='name, licence and source'):
        assets_of(tmp_path)


def test_textures_are_read_and_a_broken_one_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((80, 90, 3), (0, 0, 200), np.uint8))
    series = Series(tmp_path, 'procedural', textures=tmp_path)
    assert series.pictures()[0][0, 0].tolist() == [200, 0, 0]
    (tmp_path / 'b.png').write_bytes(b'no image')
    with pytest.raises(RecordingError, match=r'b\.png'):
        series.pictures()


@pytest.mark.parametrize(
    ('change', 'message'),
    [({'kind': 'sea'}, 'kind: expected one of'), ({'per_shard': 0}, '1 or more'), ({'seed': -1}, 'a seed from 0')],
)
def test_an_impossible_series_is_refused(tmp_path, change, message):
    with pytest.raises(InvalidInput, match=message):
        Series(**{'folder': tmp_path, 'kind': 'procedural'} | change)
    with pytest.raises(InvalidInput, match='is not a folder'):
        Series(tmp_path, 'procedural', skies=tmp_path / 'nowhere')


def test_without_blender_the_command_names_the_extra(tmp_path, capsys, monkeypatch):
    from importlib import metadata

    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, 'version', absent)
    assert main(['render-scenes', str(tmp_path), '--kind', 'room']) == 1
    assert 'depth_anything_ros[scenes]' in capsys.readouterr().err


def test_no_workers_is_one_clear_error(tmp_path, capsys):
    assert main(['render-scenes', str(tmp_path), '--kind', 'procedural', '--workers', '0']) == 1
    assert '1 or more frames, workers and threads' in capsys.readouterr().err
