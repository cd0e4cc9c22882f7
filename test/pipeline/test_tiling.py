# SPDX-License-Identifier: Apache-2.0
"""Large images in tiles: no seams, one scale, bounded memory; refused where it makes no sense."""

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import PromptStats, SparsePrompt
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.pipeline.tiling import TilingConfig, infer_in_tiles, tiles
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition

WIDTH, HEIGHT, TILE = 640, 400, 256
CAMERA = CameraModel(WIDTH, HEIGHT, 500, 500, WIDTH / 2, HEIGHT / 2)
CONFIG = TilingConfig(TILE)


def truth_of(camera):
    """A slanted wall, whatever part or size of the image is asked for."""
    return (3 + 2 * camera.rays()[..., 0] + camera.rays()[..., 1]).astype(np.float32)


def prompt_of(camera=CAMERA, count=2000, columns=None):
    sparse = np.full((camera.height, camera.width), np.nan, np.float32)
    at = np.random.default_rng(0).choice(sparse.size, count, replace=False)
    at = at[at % camera.width < (columns or camera.width)]
    sparse.ravel()[at] = truth_of(camera).ravel()[at]
    return condition(
        SparsePrompt(sparse, sparse * np.float32(0.01), camera, stats=PromptStats(len(at))), ConditioningConfig()
    )


class Wall:
    """Sees the wall from its camera alone, `off` by a factor of its own in every tile."""

    name = model = 'wall'
    camera = 'pinhole'

    def __init__(self, off=0.0, prompted=True):
        self.off, self.prompted, self.given = off, prompted, []

    def infer(self, image_rgb, prompt, camera):
        assert image_rgb.shape[:2] == (camera.height, camera.width) == prompt.sparse.depth_m.shape
        assert camera == prompt.sparse.camera
        self.given.append((camera, prompt.sparse))
        depth_m = truth_of(camera) * np.float32(np.exp(self.off * np.sin(7 * len(self.given))))
        return Prediction(depth_m, 0.02 * depth_m, prompted=self.prompted)


def run(engine, prompt=None, camera=CAMERA, config=CONFIG):
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    return infer_in_tiles(engine, image, prompt or prompt_of(camera), camera, config)


@pytest.mark.parametrize('side', [(256, 257), (400, 640), (2160, 3840)])
def test_tiles_cover_the_image_overlap_and_weigh_one_everywhere(side):
    total = np.zeros(side)
    count = np.zeros(side, int)
    for tile in tiles(*side, 256):
        weight = tile.weights_y[:, None] * tile.weights_x
        assert weight.shape == (256, 256)
        total[tile.pixels] += weight
        count[tile.pixels] += 1
    assert np.allclose(total, 1, atol=1e-5)
    assert count.min() >= 1 and count.max() <= 9


def test_every_tile_has_its_own_principal_point_and_returns():
    engine = Wall()
    prediction = run(engine, prompt_of(count=8000))
    assert np.allclose(prediction.depth_m, truth_of(CAMERA), rtol=1e-5)
    assert np.allclose(prediction.sigma_m, 0.02 * prediction.depth_m, rtol=1e-4)
    overview, *parts = engine.given
    assert max(overview[0].width, overview[0].height) == TILE
    assert len(parts) == len(tiles(HEIGHT, WIDTH, TILE)) and {p[0].width for p in parts} == {TILE}
    for camera, sparse in parts:
        known = ~np.isnan(sparse.depth_m)
        assert known.sum() > 200
        assert np.allclose(sparse.depth_m[known], truth_of(camera)[known], rtol=1e-5)


def test_tiles_that_disagree_are_blended_without_a_seam():
    plain, blended = truth_of(CAMERA), run(Wall(off=0.05)).depth_m
    error = np.log(blended / plain)
    assert np.ptp(error) > 0.05, 'the tiles do disagree'
    steps = max(np.abs(np.diff(error, axis=axis)).max() for axis in (0, 1))
    # the steepest blend: the whole disagreement over the narrowest overlap, 1.5 times as steep in its middle
    assert steps < 1.5 * 0.1 / (TILE * 0.25) * 1.5


def test_a_tile_without_returns_is_lent_those_of_the_overview():
    engine = Wall()
    run(engine, prompt_of(columns=200))
    for camera, sparse in engine.given[1:]:
        known = ~np.isnan(sparse.depth_m)
        assert known.sum() >= 100
        assert np.abs(sparse.depth_m[known] / truth_of(camera)[known] - 1).max() < 0.02


def test_an_image_no_larger_than_a_tile_and_no_tiles_at_all_run_once():
    for config in (TilingConfig(0), TilingConfig(640)):
        engine = Wall()
        run(engine, config=config)
        assert [camera for camera, _ in engine.given] == [CAMERA]


def test_unknown_stays_unknown():
    class Sky(Wall):
        def infer(self, image_rgb, prompt, camera):
            prediction = super().infer(image_rgb, prompt, camera)
            sky = camera.rays()[..., 1] < -0.2
            return Prediction(*(np.where(sky, np.nan, a) for a in (prediction.depth_m, prediction.sigma_m)))

    depth_m = run(Sky()).depth_m
    assert (np.isnan(depth_m) == (CAMERA.rays()[..., 1] < -0.2)).all()


def test_networks_without_a_prompt_and_panoramas_are_refused():
    with pytest.raises(InvalidInput, match='not given the returns'):
        run(Wall(prompted=False))
    panorama = CameraModel.equirectangular(640, 320)
    with pytest.raises(InvalidInput, match='panorama'):
        run(Wall(), SparsePrompt_none(panorama), panorama)


def SparsePrompt_none(camera):
    return condition(SparsePrompt.none(camera), ConditioningConfig())


@pytest.mark.parametrize('dense', [True, False])
def test_prompt_depth_anything_at_4k_has_no_seams_and_bounded_memory(tmp_path, dense):
    """A tiny random configuration: its tiles disagree more than those of any trained network."""
    for package in ('torch', 'transformers', 'safetensors'):
        pytest.importorskip(package)
    from tiny_model import build_tiny_system

    from depth_anything_ros.engines.factory import create_engine

    engine = create_engine(str(build_tiny_system('prompt_depth_anything_small', tmp_path)), 'torch')
    camera = CameraModel(3840, 2160, 3000, 3000, 1919.5, 1079.5)
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (27, 48, 3), dtype=np.uint8), (3840, 2160))
    largest = []
    infer = engine.infer

    def watched(image_rgb, prompt, camera):
        largest.append(max(image_rgb.shape))
        return infer(image_rgb, prompt, camera)

    engine.infer = watched
    prompt = prompt_of(camera, 40000, None if dense else 1000)
    depth_m = infer_in_tiles(engine, image, prompt, camera, TilingConfig(1008)).depth_m
    assert depth_m.shape == (2160, 3840) and np.isfinite(depth_m).all()
    assert len(largest) == 1 + 3 * 5 and max(largest) == 1008, 'nothing larger than a tile is ever run'
    log = np.log(depth_m)
    for axis, side in ((0, 2160), (1, 3840)):
        steps = np.abs(np.diff(log, axis=axis)).mean(axis=1 - axis)
        starts = {getattr(tile, ('top', 'left')[axis]) for tile in tiles(2160, 3840, 1008)}
        borders = sorted({at for s in starts for at in (s - 1, s + 1007) if 0 <= at < side - 1})
        assert borders and steps[borders].max() < 1.5 * np.percentile(steps, 95)
