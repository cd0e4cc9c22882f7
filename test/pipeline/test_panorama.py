# SPDX-License-Identifier: Apache-2.0
"""A network for pinhole images on a panorama: views that each know the room, or know it up to numbers of their own."""

import box_room
import numpy as np
import pytest

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import Mode, Observation, PointSet, SparsePrompt, Sweep
from depth_anything_ros.core.settings import replaced
from depth_anything_ros.core.transform import RigidTransform
from depth_anything_ros.engines.base import Prediction
from depth_anything_ros.engines.classical import ClassicalEngine
from depth_anything_ros.pipeline.estimator import DepthEstimator, EstimatorConfig
from depth_anything_ros.pipeline.panorama import PanoramaConfig, PanoramaViews, engine_for
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition
from depth_anything_ros.projection.views import FACE_AXES

PANORAMA = CameraModel.equirectangular(512, 256, 'dome')
PINHOLE = CameraModel(64, 48, 50, 50, 31.5, 23.5)
TRUTH_M = box_room.panorama_m(PANORAMA)
SECOND = 10**9
SIXTEEN = tuple(range(-15, 16, 2))  # elevations of a LiDAR's lines


def observation(elevations_deg=SIXTEEN, stamp_ns=SECOND):
    sweeps = ()
    if len(elevations_deg):
        points = PointSet(box_room.lidar_m(elevations_deg), 'lidar', stamp_ns)
        sweeps = (Sweep(points, RigidTransform.identity('dome', 'lidar')),)
    return Observation(box_room.picture(PANORAMA), PANORAMA, stamp_ns, sweeps)


class Seer:
    """Stands for a network whose answer is known: the room as each view sees it, off by numbers of each view's own.

    It finds out which view it is given from the picture alone, whose colours are directions.
    """

    name = model = 'seer'
    camera = 'pinhole'

    def __init__(self, metric=True, prompted=False, factors=(1.0,) * 6, shifts=(0.0,) * 6):
        self.metric, self.prompted, self.factors, self.shifts = metric, prompted, factors, shifts
        self.cameras, self.prompts = [], []

    def infer(self, image_rgb, prompt, camera):
        index = len(self.cameras) % 6
        self.cameras.append(camera)
        self.prompts.append(prompt.sparse)
        rays = (image_rgb.astype(float) - 127.5) / 120
        z_m = box_room.range_m(rays / np.linalg.norm(rays, axis=-1, keepdims=True)) / np.linalg.norm(
            camera.rays(), axis=-1
        )
        unsure = np.full_like(z_m, np.nan)
        if not self.metric:
            return Prediction((1 / z_m - self.shifts[index]) / self.factors[index], unsure, False, False, 0.1)
        z_m = (z_m * self.factors[index]).astype(np.float32)
        return Prediction(z_m, unsure if not self.prompted else 0.03 * z_m, True, self.prompted, 0.1)

    def describe(self):
        return {'engine': self.name}

    def close(self):
        pass


def error(depth_m):
    return np.abs(depth_m / TRUTH_M - 1)


def test_views_that_agree_give_the_room_everywhere():
    frame = DepthEstimator(Seer()).estimate(observation())
    assert np.isfinite(frame.depth_m).all(), 'poles and seam included'
    assert np.median(error(frame.depth_m)) < 0.01
    assert (error(frame.depth_m) > 0.1).mean() < 0.02, 'only at the edges of the crate'
    assert frame.mode is Mode.PROMPTED
    assert frame.report['panorama'].startswith('six views')


def test_every_view_is_a_pinhole_camera_with_the_returns_that_lie_in_it():
    seer = Seer()
    DepthEstimator(seer).estimate(observation())
    assert len(seer.cameras) == 6
    assert {(c.width, c.height, c.distortion_model) for c in seer.cameras} == {(192, 192, 'plumb_bob')}
    counts = {c.frame_id: p.stats.count for c, p in zip(seer.cameras, seer.prompts, strict=True)}
    assert counts['dome_up'] == counts['dome_down'] == 0, 'a LiDAR of +-15 degrees does not see the ceiling'
    assert all(counts[f'dome_{face}'] > 500 for face in ('front', 'right', 'back', 'left'))
    for camera, prompt in zip(seer.cameras[:4], seer.prompts[:4], strict=True):
        at = np.isfinite(prompt.depth_m)
        axes = np.array(FACE_AXES[camera.frame_id.removeprefix('dome_')], float)
        z_m = box_room.range_m(camera.rays()[at] @ axes)  # the rays have z = 1
        assert np.median(np.abs(prompt.depth_m[at] / z_m - 1)) < 0.01, 'z of the view, not range'


def test_views_of_unlike_scale_are_brought_to_one():
    factors = (1.0, 0.8, 1.3, 1.1, 0.6, 1.5)
    depth_m = DepthEstimator(Seer(factors=factors)).estimate(observation()).depth_m
    assert np.median(error(depth_m)) < 0.02
    rows = slice(20, 236)
    across_seam = np.abs(np.log(depth_m[rows, 0] / depth_m[rows, -1]))
    assert np.median(across_seam) < 0.01
    assert np.median(error(depth_m)[:30]) < 0.03 and np.median(error(depth_m)[-30:]) < 0.03, 'ceiling and floor too'


def test_a_view_with_returns_leads_the_views_without():
    # a prompted network is right where it had returns; up and down follow it and not the other way round
    factors = (1.0, 1.0, 1.0, 1.0, 0.5, 2.0)
    depth_m = DepthEstimator(Seer(prompted=True, factors=factors)).estimate(observation()).depth_m
    assert np.median(error(depth_m)[100:156]) < 0.01
    assert np.median(error(depth_m)[:30]) < 0.03 and np.median(error(depth_m)[-30:]) < 0.03


def test_relative_views_share_one_scale_though_some_have_no_returns():
    seer = Seer(metric=False, factors=(2.0, 0.5, 1.0, 3.0, 0.7, 1.4), shifts=(0.0, 0.05, -0.05, 0.02, 0.1, -0.1))
    depth_m = DepthEstimator(seer).estimate(observation()).depth_m
    assert np.median(error(depth_m)) < 0.02
    assert np.median(error(depth_m)[:30]) < 0.05 and np.median(error(depth_m)[-30:]) < 0.05


def test_a_relative_network_without_returns_is_refused():
    with pytest.raises(InvalidInput, match='expected at least 8 on the panorama, got 0'):
        DepthEstimator(Seer(metric=False)).estimate(observation(elevations_deg=()))


def test_a_metric_network_needs_no_returns():
    frame = DepthEstimator(Seer()).estimate(observation(elevations_deg=()))
    assert frame.mode is Mode.MONO
    assert np.median(error(frame.depth_m)) < 0.01


class Slanting(Seer):
    """Off by another amount on the left of the first view than on the right: no factor makes it agree."""

    def infer(self, image_rgb, prompt, camera):
        said = super().infer(image_rgb, prompt, camera)
        if len(self.cameras) == 1:
            said.depth_m[:] *= np.linspace(0.8, 1.25, said.depth_m.shape[1], dtype=np.float32)
        return Prediction(said.depth_m, said.depth_m * np.float32(0.03))


def test_sigma_is_the_networks_and_grows_where_views_disagree():
    nothing = condition(SparsePrompt.none(PANORAMA), ConditioningConfig())
    said = PanoramaViews(Slanting(), PanoramaConfig()).infer(box_room.picture(PANORAMA), nothing, PANORAMA)
    share = said.sigma_m / said.depth_m
    behind, between = np.s_[120:136, :20], np.s_[120:136, 313:327]  # 45 degrees right of the front
    assert np.median(share[behind]) == pytest.approx(0.03, rel=0.05)
    assert np.median(share[between]) > 0.06


def test_only_an_engine_for_pinhole_images_is_run_on_views_and_only_of_panoramas():
    seer, classical, config = Seer(), ClassicalEngine(), PanoramaConfig()
    assert engine_for(seer, PINHOLE, config) is seer
    assert engine_for(classical, PANORAMA, config) is classical
    assert isinstance(engine_for(seer, PANORAMA, config), PanoramaViews)
    assert engine_for(seer, PANORAMA, PanoramaConfig(method='direct')) is seer
    direct = replaced(EstimatorConfig(), {'panorama.method': 'direct'})
    assert DepthEstimator(seer, direct).config.panorama.method == 'direct'


class Blind(Seer):
    """Knows nothing of what lies more than 60 degrees up."""

    def infer(self, image_rgb, prompt, camera):
        said = super().infer(image_rgb, prompt, camera)
        said.depth_m[(image_rgb[..., 1].astype(float) - 127.5) / 120 < -np.sin(np.radians(60))] = np.nan
        return said


def test_what_no_view_knows_is_unknown():
    frame = DepthEstimator(Blind()).estimate(observation())
    assert np.isnan(frame.depth_m[:20]).all(), 'the sky'
    assert np.isfinite(frame.depth_m[60:]).all()
