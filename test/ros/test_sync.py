# SPDX-License-Identifier: Apache-2.0
"""FrameSync: exact pairs, the sweeps near them, newest first, and a reason for every image that is dropped."""

import threading

import pytest

from depth_anything_ros.core.errors import ConfigError
from depth_anything_ros.ros.sync import FrameSync, SyncConfig

MS = 10**6
SECOND = 10**9


class Recorder:
    """A FrameSync whose drops and jumps are written down."""

    def __init__(self, sources=(), needs_info=True, **config):
        self.drops, self.jumps, self.warnings = [], [], []
        self.sync = FrameSync(
            SyncConfig(**config),
            sources,
            needs_info=needs_info,
            image_topic='/cam/image',
            info_topic='/cam/camera_info',
            on_drop=lambda reason, detail: self.drops.append((reason, detail)),
            on_jump=self.jumps.append,
            on_warn=lambda cause, detail: self.warnings.append(f'{cause}: {detail}'),
        )

    def pair(self, stamp_ns, now_ns=None):
        self.sync.push_image(stamp_ns, f'image {stamp_ns}', stamp_ns if now_ns is None else now_ns)
        self.sync.push_info(stamp_ns, f'info {stamp_ns}')

    @property
    def reasons(self):
        return [reason for reason, _ in self.drops]


def test_an_image_is_given_out_with_the_camera_info_of_its_stamp():
    case = Recorder()
    for stamp in (1, 2, 3):
        case.sync.push_info(stamp * MS, f'info {stamp}')
    case.sync.push_image(2 * MS, 'image 2', 2 * MS)
    bundle = case.sync.take(2 * MS)
    assert (bundle.stamp_ns, bundle.image, bundle.camera_info) == (2 * MS, 'image 2', 'info 2')
    assert case.sync.take(2 * MS) is None


def test_a_camera_info_that_comes_after_its_image_completes_it():
    case = Recorder()
    case.sync.push_image(MS, 'image', MS)
    assert case.sync.take(MS) is None
    case.sync.push_info(MS, 'info')
    assert case.sync.take(MS).camera_info == 'info'
    assert not case.drops


def test_the_newest_frame_wins_and_the_older_ones_are_counted():
    case = Recorder()
    for stamp in (1, 2, 3):
        case.pair(stamp * MS)
    assert case.sync.take(3 * MS).stamp_ns == 3 * MS
    assert case.reasons == ['superseded'] * 2
    assert case.sync.dropped['superseded'] == 2


def test_a_complete_frame_is_not_held_up_by_a_newer_one_that_still_waits():
    case = Recorder()
    case.pair(MS)
    case.sync.push_image(2 * MS, 'image', 2 * MS)  # its camera_info is on the way
    assert case.sync.take(2 * MS).stamp_ns == MS
    case.sync.push_info(2 * MS, 'info')
    assert case.sync.take(2 * MS).stamp_ns == 2 * MS
    assert not case.drops


def test_without_any_camera_info_the_drop_names_its_topic():
    case = Recorder(camera_info_wait_s=0.2)
    case.sync.push_image(0, 'image', 0)
    assert case.sync.take(199 * MS) is None and not case.drops
    assert case.sync.take(200 * MS) is None
    assert case.reasons == ['no camera_info'] and '/cam/camera_info' in case.drops[0][1]


def test_camera_infos_whose_stamps_never_match_are_another_reason():
    case = Recorder(camera_info_wait_s=0.2)
    case.sync.push_image(SECOND, 'image', 0)
    case.sync.push_info(SECOND + MS, 'info')
    case.sync.take(200 * MS)
    assert case.reasons == ['camera_info does not match']
    assert '1.001000000 s' in case.drops[0][1] and 'latest' in case.drops[0][1]


def test_policy_latest_takes_a_camera_info_that_was_published_once():
    case = Recorder(camera_info='latest')
    case.sync.push_info(0, 'once')
    for stamp in (5, 6):
        case.sync.push_image(stamp * SECOND, 'image', stamp * SECOND)
        assert case.sync.take(stamp * SECOND).camera_info == 'once'


def test_policy_latest_means_the_last_one_that_came_even_with_an_old_stamp():
    case = Recorder(camera_info='latest')
    for stamp, name in ((1, 'first'), (2, 'second'), (1, 'third')):
        case.sync.push_info(stamp, name)
    case.pair(5)
    case.sync.push_info(1, 'after')
    case.sync.push_image(6, 'image', 6)
    assert [case.sync.take(6).camera_info] == ['after']


def test_panoramas_go_without_camera_info():
    case = Recorder(needs_info=False)
    case.sync.push_image(MS, 'image', MS)
    assert case.sync.take(MS).camera_info is None


def test_an_image_that_got_too_old_is_dropped_with_its_age():
    case = Recorder()
    case.pair(SECOND)
    assert case.sync.take(3 * SECOND, max_age_s=1.5) is None
    assert case.reasons == ['too old'] and '2.000 s' in case.drops[0][1]
    case.pair(2 * SECOND)
    assert case.sync.take(9 * SECOND, max_age_s=0.0) is not None  # 0: never


def test_a_stamp_that_goes_back_a_little_is_dropped_and_a_repeated_one_too():
    case = Recorder()
    case.pair(SECOND)
    case.pair(SECOND - 10 * MS)
    case.pair(SECOND)
    assert case.reasons == ['stamp went backwards', 'stamp repeated'] and not case.jumps
    assert case.sync.take(SECOND).stamp_ns == SECOND


@pytest.mark.parametrize('first', ['image', 'info', 'sweep'])
def test_a_looped_bag_starts_anew_whichever_topic_comes_first(first):
    case = Recorder(['lidar'])
    for tenth in range(90, 100):
        case.sync.push_sweep('lidar', tenth * SECOND // 10, 'old', tenth * SECOND // 10)
        case.pair(tenth * SECOND // 10)
    assert case.sync.take(99 * SECOND // 10) is not None
    case.pair(10 * SECOND)
    pushes = {
        'image': lambda: case.sync.push_image(SECOND, 'image', 10 * SECOND),
        'info': lambda: case.sync.push_info(SECOND, 'info'),
        'sweep': lambda: case.sync.push_sweep('lidar', SECOND, 'new', 10 * SECOND),
    }
    for push in (pushes.pop(first), *pushes.values()):
        push()
    assert len(case.jumps) == 1 and 'went back by' in case.jumps[0]
    assert case.reasons.count('time jump') == 1  # the image of the last lap that still waited
    bundle = case.sync.take(10 * SECOND)
    assert bundle.stamp_ns == SECOND
    assert [sweep.message for sweep in bundle.sweeps['lidar']] == ['new']


def test_each_source_gives_its_nearest_sweep_inside_the_window():
    case = Recorder(['lidar', 'radar'], sweep_window_s=0.1)
    for tenth in range(5):
        case.sync.push_sweep('lidar', tenth * 100 * MS, f'lidar {tenth}', 0)
    case.sync.push_sweep('radar', 350 * MS, 'radar', 0)
    case.pair(220 * MS)
    bundle = case.sync.take(220 * MS)
    assert bundle.sweeps == {'lidar': ((200 * MS, 'lidar 2'),), 'radar': ()}


def test_several_sweeps_are_put_together_oldest_first():
    case = Recorder(['lidar'], sweep_window_s=1.0, sweeps=3)
    for tenth in (0, 1, 3, 2, 4):  # one came late
        case.sync.push_sweep('lidar', tenth * 100 * MS, tenth, 0)
    case.pair(310 * MS)
    assert [sweep.message for sweep in case.sync.take(310 * MS).sweeps['lidar']] == [2, 3, 4]


def test_an_image_waits_for_the_sweep_that_comes_just_after_it():
    case = Recorder(['lidar'], wait_for_sweep_s=0.05)
    case.sync.push_sweep('lidar', 0, 'old', 0)
    case.sync.push_sweep('lidar', 100 * MS, 'previous', 100 * MS)
    case.pair(200 * MS)
    assert case.sync.take(220 * MS) is None  # the sweep of 200 ms must be on the way
    case.sync.push_sweep('lidar', 200 * MS, 'its own', 225 * MS)
    assert case.sync.take(226 * MS).sweeps['lidar'][0].message == 'its own'


def test_when_no_later_sweep_could_be_nearer_it_does_not_wait():
    case = Recorder(['lidar'])
    case.sync.push_sweep('lidar', 0, 'old', 0)
    case.sync.push_sweep('lidar', 100 * MS, 'nearest', 100 * MS)
    case.pair(140 * MS)
    assert case.sync.take(140 * MS).sweeps['lidar'][0].message == 'nearest'


def test_the_wait_for_a_sweep_is_bounded():
    case = Recorder(['lidar'], wait_for_sweep_s=0.05)
    case.pair(200 * MS)
    assert case.sync.take(249 * MS) is None
    assert case.sync.take(250 * MS).sweeps == {'lidar': ()}


def test_a_source_that_fell_silent_is_not_waited_for():
    case = Recorder(['lidar'])
    case.sync.push_sweep('lidar', 0, 'last', 0)
    case.pair(1100 * MS)
    assert case.sync.take(1100 * MS) is not None


def test_a_source_is_waited_for_after_a_pause_of_the_camera_too():
    case = Recorder(['lidar'])
    case.sync.push_sweep('lidar', 0, 'last', 0)
    case.pair(0)
    case.sync.take(0)
    case.pair(3 * SECOND)
    assert case.sync.take(3 * SECOND) is None, 'both were silent: its sweep may be on its way'
    case.sync.push_sweep('lidar', 3 * SECOND, 'next', 3 * SECOND)
    assert case.sync.take(3 * SECOND).sweeps['lidar']


def test_sweeps_of_another_clock_are_told_with_their_distance():
    case = Recorder(['lidar', 'radar'], sweep_window_s=0.1)
    case.sync.push_sweep('lidar', 37 * SECOND, 'sweep', SECOND)
    case.pair(SECOND)
    assert case.sync.take(SECOND + 50 * MS).sweeps == {'lidar': (), 'radar': ()}
    assert case.warnings == [
        'no sweep near the image: lidar: the nearest sweep is 36.000 s after the image, sync.sweep_window_s is 0.1',
        'no sweep near the image: radar: nothing came',
    ]


def test_a_frame_whose_transforms_are_late_waits_and_is_not_starved_by_newer_ones():
    case, known_until = Recorder(), 0
    given = []
    for frame in range(1, 20):  # 30 Hz images, transforms 50 ms late
        now = frame * 33 * MS
        case.pair(now)
        known_until = now - 50 * MS
        bundle = case.sync.take(now, ready=lambda b, k=known_until: b.stamp_ns <= k, ready_wait_s=0.2)
        given.append(bundle and bundle.stamp_ns)
    assert given[:2] == [None, None]
    assert given[2:] == [frame * 33 * MS for frame in range(1, 18)]
    assert not case.drops


def test_after_its_wait_a_frame_is_given_out_unready_so_that_the_node_can_say_why():
    case = Recorder()
    case.pair(0)
    assert case.sync.take(99 * MS, ready=lambda b: False, ready_wait_s=0.1) is None
    assert case.sync.take(100 * MS, ready=lambda b: False, ready_wait_s=0.1) is not None


def test_a_node_that_never_takes_keeps_few_messages():
    case = Recorder(['lidar'])
    for frame in range(1000):
        case.pair(frame * 33 * MS)
        case.sync.push_sweep('lidar', frame * 33 * MS, 'sweep', frame * 33 * MS)
    assert len(case.sync._waiting) <= 8 and len(case.sync._infos) <= 64
    assert len(case.sync._sources['lidar'].sweeps) < 40
    assert case.sync.dropped['superseded'] == 992


def test_every_image_is_either_given_out_or_dropped_once_from_many_threads():
    case = Recorder(['lidar'], wait_for_sweep_s=0.0)
    count, given, done = 2000, [], threading.Event()

    def produce():
        for frame in range(count):
            case.pair(frame * MS)
            case.sync.push_sweep('lidar', frame * MS, frame, frame * MS)
        done.set()

    def consume():
        while not done.is_set() or case.sync._waiting:
            bundle = case.sync.take(count * MS)
            if bundle:
                given.append(bundle.stamp_ns)

    threads = [threading.Thread(target=target) for target in (produce, consume)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == sorted(set(given))
    assert len(given) + len(case.drops) == count


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match='sweeps'):
        SyncConfig(sweeps=0)
