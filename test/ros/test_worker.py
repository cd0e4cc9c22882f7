# SPDX-License-Identifier: Apache-2.0
import threading
import time

from depth_anything_ros.ros.worker import Worker


def test_many_wakes_during_long_work_are_one_more_round_and_nobody_waits():
    started, release, rounds = threading.Event(), threading.Event(), []

    def work():
        rounds.append(time.monotonic())
        started.set()
        release.wait(10)

    worker = Worker(work, again_s=60)
    worker.wake()
    assert started.wait(10)
    for _ in range(100):
        worker.wake()  # returns at once
    release.set()
    deadline = time.monotonic() + 10
    while len(rounds) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.close()
    assert len(rounds) == 2


def test_without_wakes_it_looks_again_and_after_close_it_does_not():
    rounds = threading.Semaphore(0)
    worker = Worker(rounds.release, again_s=0.01)
    assert all(rounds.acquire(timeout=10) for _ in range(3))
    worker.close()
    while rounds.acquire(blocking=False):
        pass
    assert not rounds.acquire(timeout=0.1)
