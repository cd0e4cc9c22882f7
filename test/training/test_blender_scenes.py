# SPDX-License-Identifier: Apache-2.0
"""Photoreal scenes; they need Blender's module and a few seconds each."""

import random

import numpy as np
import pytest

bpy = pytest.importorskip('bpy', reason="Blender's module is not installed (extra 'scenes', Python 3.11)")
pytest.importorskip('OpenEXR', reason="OpenEXR is not installed (extra 'scenes')")

from depth_anything_ros.training import render_blender  # noqa: E402
from depth_anything_ros.training.procedural import pose  # noqa: E402
from depth_anything_ros.training.scenes import light, palette, street_furniture  # noqa: E402
from depth_anything_ros.training.scenes.shapes import Workshop  # noqa: E402
from depth_anything_ros.training.scenes.view_camera import ViewCamera, probe_m  # noqa: E402
from depth_anything_ros.training.textures import TextureBank  # noqa: E402


@pytest.fixture
def workshop():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bank = TextureBank(np.random.default_rng(0), count=4)
    dice = random.Random(0)
    made = Workshop(palette.random_materials(dice, [bank.picture(i) for i in range(4)]))
    light.light_street(dice, light.studio_skies())
    return made


def test_depth_is_along_the_axis_dropout_is_the_materials_and_sky_is_unknown(workshop, tmp_path):
    workshop.box((0, 3, 0), (2, 1, 20), 'pane', 0)
    camera = ViewCamera(40, 30, 1, 1, tmp_path)
    intrinsics = camera.look_from(pose(np.zeros(3), np.pi / 2, 0.0, 0.0), 90.0)
    assert intrinsics.tolist() == pytest.approx([20, 20, 19.5, 14.5])
    depth_m, dropout = camera.render_depth()
    u = (np.arange(40) - 19.5) / 20 * 2.5
    seen = np.abs(u) < 1
    np.testing.assert_allclose(depth_m[:, seen], 2.5, rtol=1e-5)
    assert np.isnan(depth_m[:, ~seen]).all()
    np.testing.assert_allclose(dropout[:, seen], 0.6, atol=1e-6)
    assert (dropout[:, ~seen] == 0).all()
    picture = camera.render_picture(0)
    assert picture.shape == (30, 40, 3) and np.isfinite(picture).all() and picture.max() > 0


def test_a_probe_tells_how_near_things_are(workshop):
    workshop.box((0, 3, 0), (8, 1, 8), 'concrete', 0)
    around_m, ahead_m = probe_m(np.zeros(3), pose(np.zeros(3), np.pi / 2, 0.0, 0.0)[0])
    assert around_m == pytest.approx(2.5)
    assert ahead_m.min() == pytest.approx(2.5) and len(ahead_m) == 35


def test_many_boxes_are_one_object(workshop):
    before = len(bpy.data.objects)
    street_furniture.boxes(workshop, [(0, 0, 0, 1, 1, 1), (3, 0, 0, 1, 1, 1)], 'trim')
    assert len(bpy.data.objects) == before + 1


@pytest.mark.parametrize('kind', ['room', 'clutter', 'outdoor'])
def test_a_scene_gives_varied_views_with_plausible_depth_and_repeats_by_seed(kind, monkeypatch):
    monkeypatch.setattr(render_blender, 'SIZES', {kind: ((64, 48),)})
    monkeypatch.setattr(render_blender, 'SAMPLES', 1)
    first, again = (render_blender.render_frames(kind, 0, 3, 2, None, None, 2) for _ in range(2))
    for sample, same in zip(first, again, strict=True):
        known = np.isfinite(sample.depth_m)
        assert known.mean() > 0.4 and sample.depth_m[known].min() > 0.05
        assert sample.depth_m[known].max() < render_blender.FARTHEST_M
        assert sample.image_rgb.std() > 5
        assert sample.dropout.min() >= 0 and sample.dropout.max() <= 1
        assert np.array_equal(sample.depth_m, same.depth_m, equal_nan=True)
    assert not np.array_equal(first[0].depth_m, first[1].depth_m, equal_nan=True)
