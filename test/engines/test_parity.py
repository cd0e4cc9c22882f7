# SPDX-License-Identifier: Apache-2.0
"""What an engine is compared on and how far off it may be."""

import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.engines.base import Request
from depth_anything_ros.engines.parity import Reference, drift, load_reference, passes, save_reference
from depth_anything_ros.engines.parity_frames import as_panorama, default_frames, read_frames, write_frames
from depth_anything_ros.engines.plan_manifest import PlanParity


def reference(*depths, sigma=None):
    """Frames of 2x3 pixels with these depths."""
    full = [np.full((1, 2, 3), depth, np.float32) for depth in depths]
    sigmas = [depth * 0 if sigma is None else depth * np.float32(sigma) for depth in full]
    size = (1, 2, 3)
    inputs = {'image': np.zeros((*size, 3), np.uint8), 'camera': np.ones((1, 4), np.float32)}
    inputs |= {name: np.zeros(size, np.float32) for name in ('depth_m', 'sigma_m')}
    outputs = tuple({'depth': depth, 'sigma': sigma} for depth, sigma in zip(full, sigmas, strict=True))
    return Reference('graph', 'torch 2', (inputs,) * len(outputs), outputs)


def answers(expected, change):
    """A run that gives the reference's own outputs, frame by frame, changed."""
    left = iter(expected.outputs)
    return lambda arrays: {name: change(values.copy()) for name, values in next(left).items()}


def test_the_worst_frame_counts():
    given = reference(1.0, 10.0, sigma=0.1)
    changes = iter([1.0, 1.0, 1.02, 1.03])  # depth and sigma of the first frame, then of the second
    parity = drift(given, answers(given, lambda values: values * np.float32(next(changes))))
    assert parity.abs_rel_drift == pytest.approx(0.02, rel=1e-4)
    assert parity.sigma_drift == pytest.approx(0.03, rel=1e-4)
    assert (parity.frames, parity.reference) == (2, 'torch 2') and not passes(parity)


def test_a_pixel_that_only_one_of_them_knows_is_wrong_by_all_of_its_depth():
    given = reference(5.0)

    def one_lost(values):
        values.ravel()[0] = np.nan
        return values

    parity = drift(given, answers(given, one_lost))
    assert parity.abs_rel_drift == pytest.approx(1 / 6)
    assert drift(given, answers(given, np.copy)) == PlanParity(0.0, 0.0, 1, 'torch 2')


def test_disparity_of_a_sky_may_round_to_none_and_the_other_way_round():
    given = reference(5.0)
    given.outputs[0]['depth'].ravel()[:2] = (1e-6, 0.0)

    def other_way(values):
        values.ravel()[:2] = (0.0, 1e-6)
        return values

    assert drift(given, answers(given, other_way)).abs_rel_drift < 1e-4


def test_comes_back_from_its_file_and_not_for_another_graph_or_size(tmp_path):
    given = reference(1.0, 2.0, sigma=0.1)
    path = tmp_path / 'a.frames.npz'
    save_reference(given, path)
    found = load_reference(path, 'graph', (2, 3))
    assert found.by == given.by and len(found.outputs) == 2
    for a, b in zip(given.outputs + given.inputs, found.outputs + found.inputs, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    assert load_reference(path, 'another', (2, 3)) is None
    assert load_reference(path, 'graph', (4, 6)) is None
    path.write_bytes(path.read_bytes()[:-50])
    assert load_reference(path, 'graph', (2, 3)) is None
    assert load_reference(tmp_path / 'none', 'graph', (2, 3)) is None


def test_the_packages_frames_have_returns_but_for_the_last():
    frames = default_frames()
    counts = [frame.prompt.sparse.stats.count for frame in frames]
    assert len(frames) == 4 and all(count > 2000 for count in counts[:-1]) and counts[-1] == 0
    assert all(frame.image_rgb.shape == (480, 640, 3) and frame.camera.fx > 400 for frame in frames)


def test_frames_come_back_as_they_were_written(tmp_path):
    frames = default_frames()[-2:]
    write_frames(tmp_path, frames)
    again = read_frames(tmp_path)
    for before, after in zip(frames, again, strict=True):
        np.testing.assert_array_equal(before.prompt.sparse.depth_m, after.prompt.sparse.depth_m)
        np.testing.assert_array_equal(before.prompt.sparse.sigma_m, after.prompt.sparse.sigma_m)
        assert before.camera == after.camera
        assert np.abs(before.image_rgb.astype(int) - after.image_rgb).mean() < 3  # JPEG


def test_an_image_alone_is_a_frame_without_returns_and_a_panorama_where_one_is_needed(tmp_path):
    write_frames(tmp_path, default_frames()[:1])
    next(tmp_path.glob('*.npz')).unlink()
    (frame,) = read_frames(tmp_path)
    assert frame.prompt.sparse.empty and frame.camera.fx == pytest.approx(554.3, abs=0.1)
    panorama = as_panorama(frame)
    assert isinstance(panorama, Request) and panorama.camera.is_equirectangular
    assert panorama.image_rgb.shape == (480, 960, 3)


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        ({'depth_m': np.ones((4, 4))}, r'depth_m: expected the size of its image \(480, 640\), got \(4, 4\)'),
        ({'camera': np.ones(3)}, 'camera: expected fx, fy, cx, cy, got shape'),
        (None, 'expected arrays, cannot be read'),
    ],
)
def test_a_prompt_that_is_none_is_one_clear_line(tmp_path, arrays, message):
    write_frames(tmp_path, default_frames()[:1])
    path = tmp_path / '000.npz'
    path.write_bytes(b'PK\x03\x04 broken') if arrays is None else np.savez(path, **arrays)
    with pytest.raises(InvalidInput, match=message):
        read_frames(tmp_path)


def test_a_folder_without_images_and_a_damaged_image_are_one_clear_line(tmp_path):
    with pytest.raises(InvalidInput, match='expected images'):
        read_frames(tmp_path)
    (tmp_path / 'a.jpg').write_bytes(b'no image')
    with pytest.raises(InvalidInput, match=r'a\.jpg: expected an image'):
        read_frames(tmp_path)
