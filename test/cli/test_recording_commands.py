# SPDX-License-Identifier: Apache-2.0
"""convert, evaluate, play, record and demo as a user runs them: processes, files, the real middleware."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from small_recording import CAMERA, CAMERA_FROM_LIDAR, IMAGE, POINTS, START_NS, sweep_columns, write_small_recording

from depth_anything_ros.core.calibration import Calibration
from depth_anything_ros.evaluation.bag_reader import BagReader

PROGRAM = [sys.executable, '-m', 'depth_anything_ros.cli.main']


def run(*arguments, timeout=120):
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.fixture
def ros_environment():
    pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is not installed')
    from depth_anything_ros.ros.environment import middleware_environment

    return middleware_environment(domain_id=1 + os.getpid() % 99)


@pytest.fixture
def start(ros_environment, tmp_path):
    """start('play', ...): a process of the program in a ROS domain of its own, killed at the end."""
    processes = []

    def begin(*arguments):
        path = tmp_path / f'{arguments[0]}.log'
        with path.open('w') as log:
            process = subprocess.Popen(
                [*PROGRAM, *map(str, arguments)], env=ros_environment, stdout=log, stderr=subprocess.STDOUT
            )
        process.output = path.read_text
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_folder_is_converted_and_evaluated(tmp_path):
    pytest.importorskip('scipy', reason='scipy is not installed')
    columns = sweep_columns(START_NS)
    for name in ('images', 'points', 'depth'):
        (tmp_path / 'run' / name).mkdir(parents=True)
    for index in range(2):
        image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
        cv2.imwrite(str(tmp_path / 'run' / 'images' / f'{index}.png'), image)
        np.save(tmp_path / 'run' / 'points' / f'{index}.npy', np.stack([columns[a] for a in 'xyz'], axis=1))
        depth = np.full((CAMERA.height, CAMERA.width), 6000, np.uint16)
        cv2.imwrite(str(tmp_path / 'run' / 'depth' / f'{index}.png'), depth)
    Calibration({'camera': CAMERA}, (CAMERA_FROM_LIDAR,)).save(tmp_path / 'rig.yaml')
    bag = tmp_path / 'run.mcap'
    done = run('convert', 'folder', tmp_path / 'run', '--calibration', tmp_path / 'rig.yaml', '--output', bag)
    assert done.returncode == 0 and f'{bag}: 2 images' in done.stdout, done.stderr
    done = run('evaluate', bag, '--engine', 'classical', '--report', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    assert 'nearest' in done.stdout and 'infer' in done.stdout
    stored = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert stored['cases'][0]['methods']['ours']['score']['abs_rel'] < 1e-3
    assert (tmp_path / 'out' / 'report.html').stat().st_size > 10_000


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['evaluate', 'nothing.mcap'], 'no such recording'),
        (['evaluate', 'truncated.mcap'], 'truncated'),
        (['evaluate', 'good.mcap', '--truth', '/nothing'], 'no topic /nothing'),
        (['evaluate', 'good.mcap', '--keep-ring-every', '1'], 'keep_ring_every'),
        (['evaluate', 'kitti', '--data', '.'], '--data'),
        (['convert', 'kitti', 'nowhere', '--output', 'x.mcap'], 'nowhere'),
        (['convert', 'folder', '.', '--output', 'x.mcap'], '--calibration'),
        (['convert', 'tum', '.', '--output', 'x.mcap'], 'rgb.txt'),
        (['play', 'truncated.mcap'], 'truncated'),
        (['play', 'good.mcap', '--remap', 'wrong'], 'OLD:=NEW'),
        (['play', 'good.mcap', '--rate', '0'], 'rate'),
        (['play', 'good.mcap', '--topics', '/nothing'], 'no topic /nothing'),
        (['record', '/x', '--output', 'good.mcap', '--duration', '0.1'], 'exists already'),
        (['record', '/nobody', '--output', 'x.mcap', '--duration', '0.3', '--quiet'], 'no message came on /nobody'),
        (['demo', '--bag', 'truncated.mcap'], 'truncated'),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(tmp_path, ros_environment, arguments, said):
    write_small_recording(tmp_path / 'good.mcap', frames=1)
    (tmp_path / 'truncated.mcap').write_bytes((tmp_path / 'good.mcap').read_bytes()[:3000])
    done = subprocess.run(
        [*PROGRAM, *arguments], cwd=tmp_path, env=with_package(ros_environment), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('depth_anything_ros: error: ') and said in last
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'x.mcap').exists()


def with_package(environment):
    """The package must be found from another working directory too."""
    from pathlib import Path

    import depth_anything_ros

    root = str(Path(depth_anything_ros.__file__).parents[1])
    return {**environment, 'PYTHONPATH': os.pathsep.join(filter(None, [root, environment.get('PYTHONPATH', '')]))}


def test_what_is_played_can_be_recorded(tmp_path, start):
    bag = write_small_recording(tmp_path / 'in.mcap', frames=5)
    recorder = start('record', IMAGE, POINTS, '/tf_static', '--output', tmp_path / 'out.mcap', '--quiet')
    player = start('play', bag, '--wait-for', '20')
    assert player.wait(40) == 0, player.output()
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait(20) == 0, recorder.output()
    with BagReader(bag) as sent, BagReader(tmp_path / 'out.mcap') as received:
        assert [bytes(m.raw) for m in received.messages([IMAGE])] == [bytes(m.raw) for m in sent.messages([IMAGE])]
        assert received.topics[POINTS].count == 5


@pytest.mark.parametrize('signals', [1, 3])
def test_play_ends_cleanly_however_often_it_is_interrupted(tmp_path, start, signals):
    bag = write_small_recording(tmp_path / 'in.mcap', frames=50)
    player = start('play', bag, '--loop')
    wait_for(lambda: 'playing' in player.output())
    time.sleep(0.5)
    for _ in range(signals):
        player.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert player.wait(15) == 0, player.output()
    assert 'interrupted' in player.output() and 'Traceback' not in player.output()


def wait_for(happened, timeout_s=20.0):
    end = time.monotonic() + timeout_s
    while not happened() and time.monotonic() < end:
        time.sleep(0.1)
    assert happened()


@pytest.mark.parametrize('truth', [True, False])
def test_the_demo_answers_every_image_and_reports(tmp_path, ros_environment, truth):
    pytest.importorskip('scipy', reason='scipy is not installed')
    bag = write_small_recording(tmp_path / 'wall.mcap', frames=4, truth=truth)
    done = run('demo', '--bag', bag, '--engine', 'classical', '--output', tmp_path / 'out', timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r'4 of 4 images were answered', done.stdout.replace('\n', ' '))
    assert 'ros2 launch depth_anything_ros replay.launch.py' in done.stdout
    (case,) = json.loads((tmp_path / 'out' / 'report.json').read_text())['cases']
    assert case['methods']['ours']['score']['abs_rel'] < 5e-3
    assert case['methods']['ours']['score']['coverage'] == 1.0
    assert case['frames'] == 4 and case['latency_ms']['infer']['median'] > 0
    assert any(stage.startswith('end to end') and row['median'] > 0 for stage, row in case['latency_ms'].items())
    assert (tmp_path / 'out' / 'report.html').exists() and (tmp_path / 'out' / 'cloud.ply').exists()
    # a quarter of the rings prompts where nothing else could score
    assert (case['returns_per_prompt'] < 500) == (not truth)


def test_the_demo_says_why_a_node_did_not_start(tmp_path, ros_environment, monkeypatch):
    from depth_anything_ros.core.errors import EngineError
    from depth_anything_ros.evaluation.recording import Recording
    from depth_anything_ros.ros.replay import ReplayConfig, replay

    for name, value in ros_environment.items():
        monkeypatch.setenv(name, value)
    bag = write_small_recording(tmp_path / 'wall.mcap', frames=2)
    with Recording(bag) as recording, pytest.raises(EngineError, match='no-such-model'):
        replay(recording, ReplayConfig(bag, model='no-such-model'), tmp_path / 'replay', {START_NS})
