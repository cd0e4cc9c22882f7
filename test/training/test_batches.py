# SPDX-License-Identifier: Apache-2.0
"""From frames to batches: crops keep what belongs together, prompts pass the gate of the run time."""

import numpy as np
import pytest

pytest.importorskip('torch')

from depth_anything_ros.training.augment import cropped, mirrored, panoramic
from depth_anything_ros.training.batches import camera_of, conditioned, frame_of
from depth_anything_ros.training.sensors import SimulatedPrompt
from depth_anything_ros.training.shards import Sample
from depth_anything_ros.training.validation import best_classical


def sample_of(height=96, width=128):
    """Depth, colour and drop-out all say which pixel they are."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows, columns, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    depth_m = (1 + 0.01 * columns).astype(np.float32)
    dropout = (columns / width).astype(np.float32)
    return Sample(image, depth_m, np.array([100, 100, 63.5, 47.5], np.float32), dropout)


@pytest.mark.parametrize('seed', range(5))
def test_a_crop_takes_depth_dropout_and_camera_along(seed):
    sample = cropped(np.random.default_rng(seed), sample_of(), 32, 64, 1.4)
    assert sample.image_rgb.shape == (32, 64, 3)
    column = (sample.depth_m - 1) * 100
    np.testing.assert_allclose(sample.dropout, column / 128, atol=1e-3)
    np.testing.assert_allclose(sample.image_rgb[..., 1], column, atol=1.5)
    fx, _, cx, _ = sample.intrinsics
    tangent = (np.arange(64) - cx) / fx
    np.testing.assert_allclose(tangent, (column[0] - 63.5) / 100, atol=0.013)  # the nearest pixel


def test_a_mirror_image_mirrors_everything():
    sample = sample_of()
    once = mirrored(sample)
    np.testing.assert_array_equal(once.dropout, sample.dropout[:, ::-1])
    np.testing.assert_array_equal(mirrored(once).depth_m, sample.depth_m)


def test_a_part_of_a_panorama_shows_the_same_surfaces():
    sample = sample_of()
    wall = Sample(sample.image_rgb, np.full((96, 128), 2, np.float32), sample.intrinsics, sample.dropout)

    def directions(u, v, scale, cx, cy):
        longitude, latitude = (u - cx) / scale, (v - cy) / scale
        flat = np.cos(latitude)
        return np.stack([flat * np.sin(longitude), np.sin(latitude), flat * np.cos(longitude)], axis=-1)

    parts = [panoramic(np.random.default_rng(seed), wall, 32, 48) for seed in range(30)]
    assert sum(part is not None for part in parts) > 10
    longitudes = []
    for part in filter(None, parts):
        assert part.image_rgb.shape == (32, 48, 3) and part.dropout.shape == (32, 48)
        scale, _, cx, cy = part.intrinsics.astype(np.float64)
        v, u = np.mgrid[0:32, 0:48]
        points = directions(u, v, scale, cx, cy) * part.depth_m[..., None]
        axis = directions(23.5, 15.5, scale, cx, cy)
        np.testing.assert_allclose(points @ axis, 2, rtol=1e-4)
        longitudes.append((23.5 - cx) / scale)
    assert min(longitudes) < -1 and max(longitudes) > 1


def test_a_frame_that_shows_too_little_makes_no_part_of_a_panorama():
    wide = Sample(np.zeros((8, 128, 3), np.uint8), np.ones((8, 128), np.float32), np.array([40, 40, 63.5, 3.5]))
    assert all(panoramic(np.random.default_rng(seed), wide, 8, 128) is None for seed in range(5))


def test_a_simulated_stray_meets_the_gate_of_the_run_time():
    sample = sample_of()
    depth_m = np.full_like(sample.depth_m, np.nan)
    depth_m[::4, ::4] = sample.depth_m[::4, ::4]
    depth_m[48, 64] = 60.0
    sigma_m = np.where(np.isnan(depth_m), np.nan, np.float32(0.02)).astype(np.float32)
    left = conditioned(SimulatedPrompt(depth_m, sigma_m, 'points'), sample)
    assert np.isnan(left.depth_m[48, 64]) and np.isnan(left.sigma_m[48, 64])
    assert np.isfinite(left.depth_m).sum() == np.isfinite(depth_m).sum() - 1
    assert left.kind == 'points'


def test_sensors_see_the_dropout_of_a_frame():
    sample = sample_of()
    assert frame_of(sample).dropout is sample.dropout
    camera = camera_of(sample)
    assert (camera.width, camera.height, camera.cx) == (128, 96, 63.5)


def test_the_best_classical_completion_of_a_ramp_is_the_linear_one():
    pytest.importorskip('scipy')
    sample = sample_of()
    depth_m = np.full_like(sample.depth_m, np.nan)
    depth_m[::8, ::8] = sample.depth_m[::8, ::8]
    depth_m[-1, ::8] = sample.depth_m[-1, ::8]
    depth_m[::8, -1] = depth_m[-1, -1] = sample.depth_m[0, -1]
    prompt = SimulatedPrompt(depth_m, 0.01 * depth_m, 'grid')
    nothing = SimulatedPrompt(np.full_like(depth_m, np.nan), np.full_like(depth_m, np.nan), 'nothing')
    assert best_classical([(None, prompt, sample, None)]) < 1e-4
    assert np.isnan(best_classical([(None, nothing, sample, None)]))
