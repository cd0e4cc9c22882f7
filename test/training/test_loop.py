# SPDX-License-Identifier: Apache-2.0
"""The training loop learns, resumes bit for bit and refuses what doesn't fit."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from safetensors.torch import load_file  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError, ConfigError  # noqa: E402
from depth_anything_ros.networks.checkpoint import load_weights  # noqa: E402
from depth_anything_ros.networks.sparse_prompt import SparsePromptNet  # noqa: E402
from depth_anything_ros.training import loop  # noqa: E402
from depth_anything_ros.training.batches import TrainingBatches  # noqa: E402
from depth_anything_ros.training.config import TrainingConfig, build, read_config, save_config  # noqa: E402
from depth_anything_ros.training.sensors import SensorShares  # noqa: E402
from depth_anything_ros.training.shards import Sample, write_shard  # noqa: E402

NETWORK = {'channels': [8, 8, 8, 8, 8], 'blocks': [1, 1, 1, 1], 'propagation_steps': 1}


def config_of(shards, output, **more):
    given = {
        'output': str(output),
        'data': {'shards': [str(shards)], 'validation_shards': [str(shards)], 'crops': [[64, 96], [64, 64]]},
        'network': NETWORK,
        'steps': 4,
        'batch': 2,
        'workers': 0,
        'threads': 1,
        'warmup_steps': 2,
        'evaluate_steps': 4,
        'checkpoint_minutes': 0.0,
    }
    return build(TrainingConfig, given | more)


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(loop, 'LOG_STEPS', 1)
    monkeypatch.setattr('depth_anything_ros.training.validation.SIZE', (64, 96))
    monkeypatch.setattr('depth_anything_ros.training.validation.PER_KIND', 1)


def test_a_killed_run_goes_on_bit_for_bit(shards, tmp_path, fast):
    whole = loop.train(config_of(shards, tmp_path / 'whole'))

    class Killed(Exception):
        pass

    def kill_after_two(step, figures):
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        loop.train(config_of(shards, tmp_path / 'parts'), kill_after_two)
    parts = loop.train(config_of(shards, tmp_path / 'parts'))
    first, second = load_file(whole), load_file(parts)
    assert all(torch.equal(first[name], second[name]) for name in first)
    steps = [json.loads(line)['step'] for line in (tmp_path / 'parts' / 'metrics.jsonl').read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 4], 'what was redone is recorded once'


def test_a_run_leaves_weights_curves_metrics_and_its_configuration(shards, tmp_path, fast):
    config = config_of(shards, tmp_path)
    loop.train(config)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {'last.pt', 'ema.safetensors', 'curves.png', 'metrics.jsonl', 'config.yaml'}
    assert read_config(tmp_path / 'config.yaml') == config
    last = json.loads((tmp_path / 'metrics.jsonl').read_text().splitlines()[-1])
    assert last[f'{shards.name}/points/classical'] > 0
    assert 0 <= last[f'{shards.name}/points/within'] <= 1


def test_training_lowers_the_loss_on_frames_it_has_not_seen(shards, tmp_path, fast):
    config = config_of(shards, tmp_path, steps=40, learning_rate=3e-3, evaluate_steps=1000, checkpoint_minutes=60.0)
    unprompted = SensorShares(**{name: float(name == 'nothing') for name in vars(SensorShares())})
    data = dataclasses.replace(config.data, validation_shards=(), shares=unprompted)
    config = dataclasses.replace(config, ema=0.5, data=data)
    trained = SparsePromptNet(config.network)
    load_weights(trained, loop.train(config))
    torch.manual_seed(config.seed)
    untrained = SparsePromptNet(config.network)
    batch = TrainingBatches(data, 16, 1, seed=9)[0]
    before, after = (
        float(loop.loss_parts(network, batch, config.losses, False)['absolute']) for network in (untrained, trained)
    )
    assert after < 0.7 * before


def test_a_run_starts_from_given_weights_once(shards, tmp_path, fast):
    first = loop.train(config_of(shards, tmp_path / 'first'))
    given = {'start_from': str(first), 'steps': 1, 'learning_rate': 0.0, 'network': {**NETWORK, 'blocks': [1, 1, 1, 2]}}
    second = loop.train(config_of(shards, tmp_path / 'second', **given))
    before, after = load_file(first), load_file(second)
    assert all(torch.equal(before[name], after[name]) for name in before)
    first.unlink()
    loop.train(config_of(shards, tmp_path / 'second', **given | {'steps': 2}))  # it has weights of its own by now


def test_a_run_of_another_network_is_not_gone_on_with(shards, tmp_path, fast):
    loop.train(config_of(shards, tmp_path, steps=1))
    with pytest.raises(CheckpointError, match='another network'):
        loop.train(config_of(shards, tmp_path, network={**NETWORK, 'channels': [8, 8, 8, 8, 16]}))


def test_a_batch_depends_on_seed_step_and_process_alone(shards, tmp_path):
    data = config_of(shards, tmp_path).data
    first, again = TrainingBatches(data, 2, 10, seed=1)[7], TrainingBatches(data, 2, 99, seed=1)[7]
    assert torch.equal(first.prompt_m, again.prompt_m) and torch.equal(first.image, again.image)
    for other in (TrainingBatches(data, 2, 10, seed=2)[7], TrainingBatches(data, 2, 10, seed=1, rank=1)[7]):
        assert first.image.shape != other.image.shape or not torch.equal(first.image, other.image)


def test_folders_are_drawn_from_as_often_as_their_shares_say(shards, tmp_path):
    other = tmp_path / 'dark'
    dark = [Sample(np.zeros((64, 96, 3), np.uint8), np.full((64, 96), 5, np.float32), np.full(4, 50, np.float32))]
    write_shard(other, 'only', dark)
    data = config_of(shards, tmp_path, data={'shards': [f'{shards}=3', str(other)], 'crops': [[64, 64]]}).data
    targets = TrainingBatches(data, 200, 1, seed=0)[0].target_m
    from_other = (targets == 5).flatten(1).float().mean(1) > 0.9
    assert 0.15 < from_other.float().mean() < 0.35


def test_untrained_the_ratio_to_the_fill_is_near_one(shards, tmp_path):
    config = config_of(shards, tmp_path)
    batch = TrainingBatches(config.data, 8, 1, seed=3)[0]
    torch.manual_seed(0)
    parts = loop.loss_parts(SparsePromptNet(config.network), batch, config.losses, False)
    assert 0.3 < parts['ratio'] < 3


def test_the_rate_rises_stays_and_falls(shards, tmp_path):
    config = config_of(shards, tmp_path, steps=100, warmup_steps=10, decay_share=0.4, learning_rate=1.0)
    rates = [loop.learning_rate(config, step) for step in (1, 10, 60, 80, 100)]
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])


def test_a_wrong_configuration_is_an_error_that_names_the_setting(shards, tmp_path):
    with pytest.raises(ConfigError, match=r'unknown setting data\.shard:'):
        build(TrainingConfig, {'output': 'x', 'data': {'shard': 'y'}})
    with pytest.raises(ConfigError, match='steps: expected int'):
        config_of(shards, tmp_path, steps='many')
    with pytest.raises(ConfigError, match=r'crops: expected .* multiples of 32'):
        config_of(shards, tmp_path, data={'shards': ['x'], 'crops': [[100, 96]]})
    with pytest.raises(ConfigError, match='batch'):
        config_of(shards, tmp_path, batch=0)
    with pytest.raises(ConfigError, match='output: expected a folder'):
        build(TrainingConfig, {'data': {'shards': ['y']}})
    for share in ('x=0', 'x=many', '=1'):
        with pytest.raises(ConfigError, match='a share above 0'):
            config_of(shards, tmp_path, data={'shards': [share]})
    path = tmp_path / 'config.yaml'
    path.write_text('steps: [')
    with pytest.raises(ConfigError, match='not YAML'):
        read_config(path)
    with pytest.raises(ConfigError, match='no such training configuration'):
        read_config(tmp_path / 'absent.yaml')


def test_what_the_command_line_gives_wins(shards, tmp_path):
    config = config_of(shards, tmp_path)
    save_config(config, tmp_path / 'config.yaml')
    changed = read_config(tmp_path / 'config.yaml', {'steps': 77, 'data': {'rgbd_share': 0.5}})
    assert changed == dataclasses.replace(config, steps=77, data=dataclasses.replace(config.data, rgbd_share=0.5))
