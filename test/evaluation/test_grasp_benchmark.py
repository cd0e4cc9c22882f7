# SPDX-License-Identifier: Apache-2.0
"""The grasp benchmark: physics that tells a good grasp from a bad one, a ranger that glass fools, a report."""

import json
import sys

import numpy as np
import pytest

from depth_anything_ros.core.errors import ConfigError, EngineError, MissingExtra
from depth_anything_ros.evaluation.grasping import simulator
from depth_anything_ros.evaluation.grasping.cells import (
    COLLISION,
    DIFFUSE,
    LIFTED,
    NETWORK_SOURCES,
    NOTHING_BETWEEN,
    OURS,
    RETURNS,
    SPECULAR,
    TRANSPARENT,
    TRUTH,
    Cell,
)

BOX = 0  # the trial whose object is a box
SEED = 0


@pytest.fixture(scope='module')
def simulation():
    try:
        return simulator.mujoco()
    except (MissingExtra, EngineError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def renderer(simulation):
    try:
        simulator.gl_context(64, 64).free()
    except EngineError as error:
        pytest.skip(str(error))
    pytest.importorskip('matplotlib', reason='matplotlib is not installed (extra: report)')
    pytest.importorskip('scipy', reason='scipy is not installed (extra: grasping)')


def world_of(material: str, trial: int = BOX):
    from depth_anything_ros.evaluation.grasping.scene import make_scene
    from depth_anything_ros.evaluation.grasping.world import World
    from depth_anything_ros.grasping.gripper import Gripper

    return World(make_scene(Cell(material, 'near'), trial, SEED, Gripper()))


def grasp_from_above(world, aside_m: float = 0.0, deeper_m: float = 0.0):
    """Across the box's narrow side, the fingertips a little below its middle."""
    from depth_anything_ros.grasping.antipodal import Grasp

    narrow = world.data.xmat[world.target].reshape(3, 3)[:, 0]
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 2] = narrow, (0, 0, -1)
    pose[:3, 1] = np.cross(pose[:3, 2], pose[:3, 0])
    pose[:3, 3] = world.object_m + aside_m * pose[:3, 1] - (0, 0, 0.005 + deeper_m)
    return Grasp(pose, 0.08, 1.0, np.zeros((2, 3)))


@pytest.mark.parametrize(
    'aside_m, deeper_m, expected',
    [(0.0, 0.0, LIFTED), (0.2, 0.0, NOTHING_BETWEEN), (0.0, 0.08, COLLISION)],
    ids=['on the box', 'beside it', 'into the table'],
)
def test_a_grasp_of_a_box_from_above_succeeds_where_it_should(simulation, aside_m, deeper_m, expected):
    from depth_anything_ros.evaluation.grasping.execution import execute
    from depth_anything_ros.grasping.gripper import Gripper

    world = world_of(DIFFUSE)
    outcome = execute(world, grasp_from_above(world, aside_m, deeper_m), Gripper())
    assert outcome.result == expected
    assert (outcome.raised_m > 0.09) == (expected == LIFTED)


def test_a_grasp_leaves_no_trace_in_the_next_one(simulation):
    from depth_anything_ros.evaluation.grasping.execution import execute
    from depth_anything_ros.grasping.gripper import Gripper

    world = world_of(DIFFUSE)
    first = execute(world, grasp_from_above(world), Gripper())
    world.reset()
    execute(world, grasp_from_above(world, aside_m=0.2), Gripper())
    world.reset()
    assert execute(world, grasp_from_above(world), Gripper()) == first


def test_a_held_object_that_is_too_slippery_is_lost(simulation):
    from depth_anything_ros.evaluation.grasping.execution import execute
    from depth_anything_ros.grasping.gripper import Gripper

    world = world_of(DIFFUSE)
    world.model.geom_friction[world.model.geom_bodyid == world.target] = (0.01, 0.0, 0.0)
    assert execute(world, grasp_from_above(world), Gripper()).result != LIFTED


def returns_of(world, blind=False):
    """(sweep's depth minus the true one, on the object) of one sweep."""
    from depth_anything_ros.evaluation.grasping.ranger import sweep_of
    from depth_anything_ros.evaluation.grasping.scene import CAMERA
    from depth_anything_ros.evaluation.grasping.world import view_rays

    sweep = sweep_of(world, np.random.default_rng(SEED), blind)
    pose = world.scene.world_from_camera
    hits = world.cast(pose.translation_m, view_rays(CAMERA, pose))
    depth_m = hits.range_m.reshape(CAMERA.height, CAMERA.width)
    points_m = sweep.camera_from_sensor.apply(sweep.points.xyz_m)
    pixels, seen = CAMERA.project(points_m)
    column, row = np.rint(pixels[seen]).astype(int).T
    on_object = hits.on_target.reshape(depth_m.shape)[row, column]
    return points_m[seen, 2] - depth_m[row, column], on_object


def test_returns_of_a_diffuse_scene_lie_on_its_surfaces(simulation):
    off_m, on_object = returns_of(world_of(DIFFUSE, trial=1))
    assert np.count_nonzero(on_object) > 50
    assert np.median(np.abs(off_m)) < 0.006
    assert np.mean(np.abs(off_m[on_object]) < 0.02) > 0.8, 'but for what it sees over the edge'


def test_a_transparent_object_loses_its_returns_or_shows_what_is_behind(simulation):
    _, on_diffuse = returns_of(world_of(DIFFUSE, trial=1))
    glass_m, on_glass = returns_of(world_of(TRANSPARENT, trial=1))
    whole = np.count_nonzero(on_diffuse)
    assert np.count_nonzero(on_glass) < 0.75 * whole, 'some pulses are lost'
    assert np.count_nonzero(np.abs(glass_m[on_glass]) < 0.02) < 0.25 * whole, 'few come from the glass itself'
    assert np.count_nonzero(glass_m[on_glass] > 0.02) > 0.2 * whole, 'many come from behind it'


def test_a_mirror_shows_returns_behind_itself(simulation):
    metal_m, on_metal = returns_of(world_of(SPECULAR, trial=1))
    assert np.count_nonzero(metal_m[on_metal] > 0.1) > 5
    assert (metal_m[on_metal] > -0.1).all(), 'nothing comes from before the mirror (but over an edge of it)'


def test_a_blind_ranger_gets_nothing_from_beyond_glass(simulation):
    def beyond(material, blind):
        off_m, on_object = returns_of(world_of(material, trial=1), blind)
        return np.count_nonzero(off_m[on_object] > 0.02)

    over_the_edge = beyond(DIFFUSE, blind=False)
    assert beyond(TRANSPARENT, blind=True) <= over_the_edge + 3
    assert beyond(TRANSPARENT, blind=False) > over_the_edge + 10


def test_cells_differ_in_material_and_distance_alone(simulation):
    diffuse, glass = world_of(DIFFUSE), world_of(TRANSPARENT)
    assert np.allclose(diffuse.data.qpos, glass.data.qpos, atol=1e-4), 'friction is another'
    assert diffuse.scene.assets == glass.scene.assets
    assert np.array_equal(diffuse.scene.world_from_camera.matrix, glass.scene.world_from_camera.matrix)
    assert diffuse.scene.xml != glass.scene.xml


def test_glass_is_seen_through_and_metal_mirrors(renderer):
    from depth_anything_ros.evaluation.grasping.appearance import photograph
    from depth_anything_ros.evaluation.grasping.scene import CAMERA
    from depth_anything_ros.evaluation.grasping.world import Canvas, view_rays

    change = {}
    for material in (TRANSPARENT, SPECULAR):
        world = world_of(material, trial=1)
        pose = world.scene.world_from_camera
        hits = world.cast(pose.translation_m, view_rays(CAMERA, pose))
        with Canvas(world) as canvas:
            picture, empty = photograph(world, canvas, hits), canvas.picture(target=False)
        on_object = hits.on_target.reshape(CAMERA.height, CAMERA.width)
        change[material] = np.abs(picture[on_object].astype(float) - empty[on_object]).mean()
    assert 3 < change[TRANSPARENT] < change[SPECULAR]


def test_two_trials_make_a_report_and_are_not_run_again(renderer, tmp_path, capsys):
    from depth_anything_ros.cli.main import main

    page = tmp_path / 'page.md'
    page.write_text('# Grasps\n\nWritten by hand.\n')
    command = ['grasp-benchmark', '--trials', '2', '--cells', 'diffuse near', '--engine', 'classical']
    command += ['--output', str(tmp_path / 'out'), '--markdown', str(page)]
    assert main(command) == 0
    told = json.loads((tmp_path / 'out' / 'grasp.json').read_text())
    assert [trial['trial'] for trial in told['trials'] if trial['source'] == TRUTH] == [0, 1]
    assert len(told['trials']) == 10
    row = told['rows']['diffuse near']['sources']
    assert row[TRUTH]['successes'] == 2
    assert row['ours, no prompt']['successes'] == 0, 'completion of returns knows nothing without returns'
    for name in ('success.png', 'film_diffuse.jpg', 'grasp.md'):
        assert (tmp_path / 'out' / name).stat().st_size > 500
    once = page.read_text()
    assert 'Written by hand.' in once and '| diffuse near |' in once and (tmp_path / 'page' / 'success.png').is_file()

    lines = (tmp_path / 'out' / 'trials.jsonl').read_text()
    assert main(command) == 0
    assert (tmp_path / 'out' / 'trials.jsonl').read_text() == lines
    assert page.read_text() == once, 'tables are replaced, not added'


def test_another_model_reruns_only_its_own_grasps(tmp_path):
    from depth_anything_ros.evaluation.grasping.store import Store, fingerprints
    from depth_anything_ros.evaluation.grasping.trial import Result

    sources = (TRUTH, OURS, RETURNS)
    cell = Cell(DIFFUSE, 'near')
    results = [Result(cell.material, cell.distance, 0, s, LIFTED, 'box', 9, 9, 9, 0.9, 0.0, 0.1, 0.0) for s in sources]
    first = fingerprints(sources, 'seed 0', 'prompt_depth_small', 'onnx')
    Store(tmp_path, first).add(results)
    with (tmp_path / 'trials.jsonl').open('a') as stream:
        stream.write('{"cut off')
    assert Store(tmp_path, first).missing(cell, 0) == ()
    other = Store(tmp_path, fingerprints(sources, 'seed 0', 'depth_anything_v2_small', 'onnx'))
    assert other.missing(cell, 0) == tuple(s for s in sources if s in NETWORK_SOURCES)
    assert Store(tmp_path, fingerprints(sources, 'seed 1', 'prompt_depth_small', 'onnx')).missing(cell, 0) == sources


def test_the_interval_is_wilsons():
    from depth_anything_ros.evaluation.grasping.score import Rate

    assert Rate(15, 20).interval == pytest.approx((0.5313, 0.8881), abs=1e-4)
    assert Rate(0, 20).interval == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert Rate(20, 20).interval[1] == 1.0


@pytest.mark.parametrize('option', [['--sources', 'sonar'], ['--cells', 'wooden near'], ['--trials', '0']])
def test_what_there_is_none_of_is_refused_in_one_line(option):
    import argparse

    from depth_anything_ros.cli.grasp_benchmark import add_arguments, benchmark_config

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(ConfigError, match='expected'):
        benchmark_config(parser.parse_args(option))


def test_without_mujoco_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mujoco', None)
    simulator.mujoco.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r'depth_anything_ros\[sim\]'):
            simulator.mujoco()
    finally:
        simulator.mujoco.cache_clear()
