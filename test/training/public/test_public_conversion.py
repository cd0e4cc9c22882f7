# SPDX-License-Identifier: Apache-2.0
"""convert-training: what is held out, resumption, sizes, provenance, and that unknown depth is never taught as sky."""

import cv2
import numpy as np
import pytest

from depth_anything_ros.cli.main import main
from depth_anything_ros.core.errors import InvalidInput, RecordingError
from depth_anything_ros.training.provenance import Provenance, read_provenance, write_provenance
from depth_anything_ros.training.public.catalogue import open_layout
from depth_anything_ros.training.public.conversion import Conversion, convert, missing, planned, shrunk
from depth_anything_ros.training.public.frames import PublicDataset, PublicFrame, Terms
from depth_anything_ros.training.shards import Sample, ShardSet, write_shard

FREE = Terms('test', 'CC0-1.0', 'here', may_ship=True)


def flat(depth_m, height=30, width=40):
    image = np.full((height, width, 3), 90, np.uint8)
    return Sample(image, np.full((height, width), depth_m, np.float32), np.array([40, 40, 19.5, 14.5], np.float32))


def videos(scenes, frames):
    """Frame j of scene i is 10 i + j + 1 metres away."""
    return PublicDataset(
        FREE,
        tuple(
            PublicFrame(f'scene{i:02d}', f'{j:03d}', lambda depth_m=10 * i + j + 1: flat(depth_m))
            for i in range(scenes)
            for j in range(frames)
        ),
    )


def depths(folder):
    frames = ShardSet(folder)
    return sorted(float(frames[i].depth_m[0, 0]) for i in range(len(frames)))


def test_whole_scenes_are_held_out_by_the_package_s_rule(tmp_path):
    assert sum(convert(videos(12, 3), Conversion('tum', tmp_path, per_shard=2))) == 36
    assert depths(tmp_path / 'held_out') == [1, 2, 3, 101, 102, 103]
    assert len(ShardSet(tmp_path)) == 30


def test_of_few_scenes_every_tenth_shard_is_held_out_and_of_few_shards_none(tmp_path):
    list(convert(videos(1, 44), Conversion('tum', tmp_path / 'long', per_shard=4)))
    assert depths(tmp_path / 'long/held_out') == [1, 2, 3, 4, 41, 42, 43, 44]
    list(convert(videos(2, 4), Conversion('tum', tmp_path / 'short', per_shard=4)))
    assert len(ShardSet(tmp_path / 'short')) == 8 and not (tmp_path / 'short/held_out').exists()


def test_every_nth_frame_counts_anew_in_each_scene(tmp_path):
    list(convert(videos(2, 7), Conversion('tum', tmp_path, every=3)))
    assert depths(tmp_path) == [1, 4, 7, 11, 14, 17]


def test_a_conversion_goes_on_with_what_is_missing_and_leaves_the_rest_alone(tmp_path):
    dataset, conversion = videos(3, 4), Conversion('tum', tmp_path, per_shard=2)
    running = convert(dataset, conversion)
    assert next(running) == 2
    running.close()  # killed after the first shard
    first = tmp_path / 'tum_00000_image.npy'
    before_ns = first.stat().st_mtime_ns
    assert len(missing(planned(dataset, conversion))) == 5
    assert list(convert(dataset, conversion)) == [2] * 5
    assert first.stat().st_mtime_ns == before_ns
    assert list(convert(dataset, conversion)) == []
    assert depths(tmp_path) == [1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24]


def test_another_conversion_into_the_same_folder_is_refused(tmp_path):
    list(convert(videos(1, 2), Conversion('tum', tmp_path)))
    with pytest.raises(RecordingError, match='made otherwise'):
        list(convert(videos(1, 3), Conversion('tum', tmp_path)))
    with pytest.raises(RecordingError, match='made otherwise'):
        list(convert(videos(1, 2), Conversion('tum', tmp_path, side=20)))


@pytest.mark.parametrize('wrong', [{'side': -1}, {'every': 0}, {'per_shard': 0}])
def test_settings_that_cannot_be_are_refused(tmp_path, wrong):
    with pytest.raises(InvalidInput, match='expected a side from 0'):
        Conversion('tum', tmp_path, **wrong)


def test_shrinking_keeps_depths_as_they_are_and_the_camera_right():
    sample = flat(2.0, 480, 640)
    sample.depth_m[:, 320:] = 7.0
    sample.depth_m[::2] = np.nan  # sparse truth stays as dense
    small = shrunk(sample, 240)
    assert small.depth_m.shape == (240, 320) and small.image_rgb.shape == (240, 320, 3)
    assert set(np.unique(small.depth_m[np.isfinite(small.depth_m)])) <= {2.0, 7.0}
    assert small.intrinsics.tolist() == [20, 20, 9.5, 7.0]
    assert shrunk(sample, 0) is sample and shrunk(sample, 480) is sample
    wide = shrunk(flat(1.0, 375, 1242), 240)
    assert wide.depth_m.shape == (240, 795)


def test_sparse_truth_grows_denser_when_shrunk_and_stays_where_it_was():
    rng = np.random.default_rng(0)
    slope_m = np.broadcast_to(5 + np.arange(640, dtype=np.float32) / 100, (480, 640))
    sample = flat(5.0, 480, 640)
    sample.depth_m[:] = np.where(rng.random((480, 640)) < 0.2, slope_m, np.nan)
    depth_m = shrunk(sample, 240).depth_m
    known = np.isfinite(depth_m)
    assert known.mean() == pytest.approx(1 - 0.8**4, abs=0.02), 'one of four pixels is enough'
    middle_m = 5 + (2 * np.arange(320) + 0.5) / 100
    assert np.abs(depth_m - middle_m)[known].max() < 0.0051, 'half a pixel of the original at most'


def test_where_two_surfaces_meet_in_one_pixel_the_nearer_is_kept():
    sample = flat(9.0, 480, 640)
    sample.depth_m[:] = np.nan
    sample.depth_m[100:102, 200:202] = [[8.0, 3.0], [8.0, np.nan]]
    small = shrunk(sample, 240).depth_m
    assert small[50, 100] == 3.0 and np.isfinite(small).sum() == 1


def test_the_command_converts_with_several_processes_and_says_under_what_terms(kitti, tmp_path, capfd):
    out = tmp_path / 'out'
    words = ['convert-training', 'kitti_completion', str(kitti), str(out), '--side', '30', '--per-shard', '1']
    assert main([*words, '--workers', '2']) == 0
    printed = capfd.readouterr()
    assert 'must not be shipped' in printed.err and 'CC BY-NC-SA 3.0' in printed.out
    frames = ShardSet(out)
    assert len(frames) == 4 and frames[0].depth_m.shape == (30, 90)
    np.testing.assert_allclose(np.nanmax(frames[0].depth_m), 12.5)
    provenance = read_provenance(out / 'kitti_completion.provenance.yaml')
    assert provenance.licence == 'CC BY-NC-SA 3.0' and provenance.recorded
    assert provenance.assets[0].name == 'KITTI depth completion'
    assert main(words) == 0, 'nothing left to do'


def test_a_damaged_file_ends_the_command_with_one_line_and_keeps_what_was_done(kitti, tmp_path, capfd):
    (kitti / '2011_09_28/2011_09_28_drive_0002_sync/image_02/data/0000000005.png').write_bytes(b'\x89PNG')
    out = tmp_path / 'out'
    words = ['convert-training', 'kitti_completion', str(kitti), str(out), '--per-shard', '1']
    assert main(words) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith('depth_anything_ros: error: ') and '0000000005.png: expected a PNG or JPEG' in error
    assert len(ShardSet(out)) == 2
    assert main(['convert-training', 'kitti', str(kitti), str(out)]) == 2
    assert main([*words, '--workers', '0']) == 1


def test_the_table_tops_pass_through_a_public_layout_unchanged(shared_data, tmp_path):
    """Real Kinect frames as a TUM sequence: the millimetres come back as shards hold them."""
    folder = shared_data('pcl_mosd_rgbd')
    counts = cv2.imread(str(folder / 'learn0_depth_mm.png'), cv2.IMREAD_UNCHANGED)
    for name, picture in (('rgb', cv2.imread(str(folder / 'learn0_color.jpg'))), ('depth', counts * 5)):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / '1.0.png'), picture)
        (tmp_path / f'{name}.txt').write_text(f'1.0 {name}/1.0.png\n')
    dataset = open_layout('tum', tmp_path)
    exact_m = np.where(counts > 0, counts / 1000, np.nan)
    np.testing.assert_allclose(dataset[0].depth_m, exact_m, rtol=1e-6)
    list(convert(dataset, Conversion('tum', tmp_path / 'shards', side=0)))
    np.testing.assert_allclose(ShardSet(tmp_path / 'shards')[0].depth_m, exact_m, rtol=6e-4)


# Unknown depth of a sensor is not sky


def test_a_folder_knows_whether_its_frames_were_recorded_and_holds_one_kind(tmp_path):
    list(convert(videos(1, 2), Conversion('tum', tmp_path)))
    assert ShardSet(tmp_path).recorded
    write_shard(tmp_path / 'bare', 'a', [flat(1.0)])
    assert not ShardSet(tmp_path / 'bare').recorded
    write_provenance(tmp_path, 'room_0', Provenance('a renderer', '1', 'room', 0))
    with pytest.raises(RecordingError, match='expected rendered or recorded shards, got both'):
        ShardSet(tmp_path)


def test_unknown_depth_of_recorded_frames_is_not_learnt_as_sky(tmp_path):
    pytest.importorskip('torch')
    from depth_anything_ros.training.batches import TrainingBatches
    from depth_anything_ros.training.config import DataConfig, build

    sample = flat(3.0, 96, 128)
    sample.depth_m[:40] = np.nan
    dataset = PublicDataset(FREE, (PublicFrame('scene', '0', lambda: sample),))
    list(convert(dataset, Conversion('tum', tmp_path / 'recorded')))
    write_shard(tmp_path / 'rendered', 'a', [sample])
    share = {}
    for name in ('recorded', 'rendered'):
        folder = str(tmp_path / name)
        given = {'shards': folder if isinstance(DataConfig.shards, str) else [folder], 'crops': [[64, 64]]}
        share[name] = float(TrainingBatches(build(DataConfig, given), 4, 1, 0)[0].beyond.float().mean())
    assert share['rendered'] > 0.1
    assert share['recorded'] == 0
