# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from fake_tensorrt import INPUT, OUTPUT, FakeCuda, fake_tensorrt

from depth_anything_ros.core.errors import EngineError, InvalidInput
from depth_anything_ros.engines.plan_runner import PlanRunner

TENSORS = {
    'image': (INPUT, (1, 4, 6, 3), np.dtype(np.uint8)),
    'camera': (INPUT, (1, 4), np.dtype(np.float32)),
    'depth': (OUTPUT, (1, 4, 6), np.dtype(np.float32)),
}


def compute(given):
    return {'depth': given['image'].sum(-1) * given['camera'][0, 0]}


def frame(value):
    return {'image': np.full((1, 4, 6, 3), value, np.uint8), 'camera': np.full((1, 4), 2, np.float32)}


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / 'model.plan'
    path.write_bytes(b'plan')
    return path


@pytest.fixture
def cuda():
    return FakeCuda()


@pytest.fixture
def runner(plan, cuda):
    return PlanRunner(plan, fake_tensorrt(cuda, TENSORS, compute), cuda)


def test_gives_what_the_engine_computes(runner):
    runner.submit(frame(5))
    assert np.all(runner.collect()['depth'] == 30)


def test_two_frames_under_way_do_not_mix(runner):
    runner.submit(frame(1))
    runner.submit(frame(2))
    assert np.all(runner.collect()['depth'] == 6)
    runner.submit(frame(3))
    assert np.all(runner.collect()['depth'] == 12)
    assert np.all(runner.collect()['depth'] == 18)


def test_the_next_frame_is_copied_in_before_the_last_is_collected(runner, cuda):
    runner.submit(frame(1))
    runner.submit(frame(2))
    assert cuda.calls.count('copy_in') == 4 and cuda.calls.count('execute') == 2
    assert cuda.done == {}  # nothing was waited for


def test_allocates_nothing_after_construction(runner, cuda):
    left = cuda.left_bytes
    for value in range(5):
        runner.submit(frame(value))
        runner.collect()
    assert cuda.left_bytes == left


def test_a_third_frame_and_an_empty_collect_are_refused(runner):
    with pytest.raises(EngineError, match='submit one first'):
        runner.collect()
    runner.submit(frame(1))
    runner.submit(frame(2))
    with pytest.raises(EngineError, match='collect one first'):
        runner.submit(frame(3))


def test_another_size_names_the_command_that_helps(runner):
    wrong = frame(1) | {'image': np.zeros((1, 8, 6, 3), np.uint8)}
    with pytest.raises(InvalidInput, match=r'built for image \(1, 4, 6, 3\) uint8.*build-engine --size'):
        runner.submit(wrong)
    runner.submit(frame(1))  # and the runner is still good
    assert np.all(runner.collect()['depth'] == 6)


def test_an_engine_that_tensorrt_refuses_says_why(plan, cuda):
    refusing = fake_tensorrt(cuda, TENSORS, compute, accepts=lambda serialised: False)
    with pytest.raises(EngineError, match='refuses this engine: magic tag does not match'):
        PlanRunner(plan, refusing, cuda)


def test_out_of_memory_gives_back_what_was_taken(plan):
    cuda = FakeCuda(memory_bytes=250)
    with pytest.raises(EngineError, match='cudaErrorMemoryAllocation'):
        PlanRunner(plan, fake_tensorrt(cuda, TENSORS, compute), cuda)
    assert cuda.left_bytes == 250


def test_close_gives_the_memory_back(runner, cuda):
    runner.close()
    assert not cuda.blocks
    runner.close()


def test_a_missing_file_is_one_clear_line(tmp_path, cuda):
    with pytest.raises(EngineError, match=r'none\.plan: cannot be read'):
        PlanRunner(tmp_path / 'none.plan', fake_tensorrt(cuda, TENSORS, compute), cuda)
