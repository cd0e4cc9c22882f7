# SPDX-License-Identifier: Apache-2.0
"""Weights are the network's own, or an error."""

import pytest

torch = pytest.importorskip('torch')

from safetensors.torch import load_file, save_file  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.networks.checkpoint import load_weights, save_weights  # noqa: E402


def net():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 1, 1))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / 'weights.safetensors'
    save_weights(net(), path)
    return path


def edited(path, change):
    state = load_file(path)
    change(state)
    save_file(state, path)
    return path


def test_what_was_saved_is_what_is_loaded(tmp_path):
    first, second = net(), net()
    save_weights(first, tmp_path / 'a.safetensors')
    load_weights(second, tmp_path / 'a.safetensors')
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert list(tmp_path.iterdir()) == [tmp_path / 'a.safetensors'], 'nothing unfinished is left'


def test_half_precision_is_widened(saved):
    edited(saved, lambda state: state.update({k: v.half() for k, v in state.items()}))
    loaded = net()
    load_weights(loaded, saved)
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())


def test_missing_and_unexpected_keys_are_named(saved):
    edited(saved, lambda state: state.update({'stranger': state.pop('1.bias')}))
    with pytest.raises(CheckpointError, match=r'1 missing keys \(1\.bias\); 1 unexpected keys \(stranger\)'):
        load_weights(net(), saved)


def test_a_shape_that_differs_is_named(saved):
    edited(saved, lambda state: state.update({'1.bias': torch.zeros(7)}))
    with pytest.raises(CheckpointError, match=r'1\.bias: expected \(1,\), got \(7,\)'):
        load_weights(net(), saved)


def test_values_that_are_not_finite_are_refused(saved):
    edited(saved, lambda state: state['0.bias'].fill_(torch.nan))
    with pytest.raises(CheckpointError, match=r'0\.bias holds values that are not finite'):
        load_weights(net(), saved)


@pytest.mark.parametrize('content', [b'', b'not a checkpoint', None])
def test_a_torn_or_absent_file_is_an_error_that_names_it(tmp_path, saved, content):
    path = tmp_path / 'torn.safetensors'
    path.write_bytes(saved.read_bytes()[:-20] if content is None else content)
    with pytest.raises(CheckpointError, match='torn'):
        load_weights(net(), path)
    with pytest.raises(CheckpointError, match='no such checkpoint'):
        load_weights(net(), tmp_path / 'absent.safetensors')
