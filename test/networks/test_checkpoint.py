# SPDX-License-Identifier: Apache-2.0
"""Weights are the network's own, or an error."""

import io
import os
import struct
from collections import OrderedDict

import pytest

torch = pytest.importorskip('torch')

from safetensors.torch import load_file, save_file  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.networks.card_schema import WeightFile  # noqa: E402
from depth_anything_ros.networks.checkpoint import fill, grow_from, load_weights, save_weights  # noqa: E402
from depth_anything_ros.networks.checkpoint_file import read_state  # noqa: E402


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


def test_a_larger_network_takes_what_it_shares_and_keeps_the_rest(saved):
    larger = torch.nn.Sequential(*net(), torch.nn.Conv2d(1, 2, 1))
    before = larger[2].weight.clone()
    grow_from(larger, saved)
    assert torch.equal(larger[0].weight, load_file(saved)['0.weight'])
    assert torch.equal(larger[2].weight, before)
    with pytest.raises(CheckpointError, match='2 unexpected keys'):
        grow_from(torch.nn.Sequential(net()[0]), saved)


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


# What authors publish


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('wrapper', [None, 'state_dict', 'model'])
def test_torch_files_are_read_in_every_wrapping(tmp_path, zipped, wrapper):
    first, second = net(), net()
    state = OrderedDict(first.state_dict())
    given = {wrapper: state, 'epoch': 3, 'optimizer': {'lr': 0.1}} if wrapper else state
    torch.save(given, tmp_path / 'a.ckpt', _use_new_zipfile_serialization=zipped)
    load_weights(second, tmp_path / 'a.ckpt')
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_torch_file_is_known_under_the_suffix_of_another_format(tmp_path):
    first, second = net(), net()
    torch.save(first.state_dict(), tmp_path / 'a.safetensors')
    load_weights(second, tmp_path / 'a.safetensors')
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_safetensors_file_is_known_under_any_suffix_whatever_its_headers_length(tmp_path):
    from safetensors.torch import save

    contents = (save({'a' * length: torch.ones(3)}) for length in range(1, 400))
    content = next(content for content in contents if content[0] == 0x80)  # a pickle's first byte
    path = tmp_path / 'weights.pth'
    path.write_bytes(content)
    assert [tensor.tolist() for tensor in read_state(path).values()] == [[1, 1, 1]]


@pytest.mark.parametrize(
    ('before', 'source'),
    [
        ('module.', {'prefix': 'module.'}),
        ('', {'prefix': 'module.'}),
        ('pipeline.', {'strip_characters': 9}),
        ('module.anything.', {'prefix': 'module.', 'strip_characters': 9}),
    ],
)
def test_what_stands_before_the_names_is_taken_off_as_the_card_says(tmp_path, before, source):
    state = net().state_dict()
    torch.save({before + name: tensor for name, tensor in state.items()}, tmp_path / 'a.pth')
    assert read_state(tmp_path / 'a.pth', WeightFile('a.pth', None, **source)).keys() == state.keys()


def test_a_prefix_that_only_some_names_have_stays_and_is_named(tmp_path):
    state = net().state_dict()
    state['module.0.weight'] = state.pop('0.weight')
    torch.save(state, tmp_path / 'a.pth')
    read = read_state(tmp_path / 'a.pth', WeightFile('a.pth', None, prefix='module.'))
    with pytest.raises(CheckpointError, match=r'missing keys \(0\.weight\).*unexpected keys \(module\.0\.weight\)'):
        fill(net(), read, tmp_path / 'a.pth')


def test_names_that_become_the_same_are_refused(tmp_path, saved):
    with pytest.raises(CheckpointError, match='not the file that its card means'):
        read_state(saved, WeightFile(saved.name, None, strip_characters=9))


def test_a_network_without_memory_takes_the_tensors_over(tmp_path):
    first = net()
    torch.save({name: tensor.half() for name, tensor in first.state_dict().items()}, tmp_path / 'a.pt')
    with torch.device('meta'):
        second = net()
    fill(second, read_state(tmp_path / 'a.pt'), tmp_path / 'a.pt')
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert b.dtype == torch.float32 and b.requires_grad
        assert torch.equal(a.half().float(), b)


class Constants(torch.nn.Linear):
    """Has a constant that no checkpoint holds."""

    def __init__(self):
        super().__init__(2, 2)
        self.register_buffer('forgotten', torch.ones(3), persistent=False)


def test_a_constant_without_a_value_is_an_error_and_not_garbage(tmp_path):
    torch.save(Constants().state_dict(), tmp_path / 'a.pt')
    with torch.device('meta'):
        empty = Constants()
    with pytest.raises(CheckpointError, match=r'1 empty keys \(forgotten\)'):
        fill(empty, read_state(tmp_path / 'a.pt'), tmp_path / 'a.pt')


# What is no checkpoint


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_pickle_that_wants_to_run_something_is_refused_and_does_not(tmp_path, zipped):
    torch.save({'a': Evil(tmp_path / 'ran')}, tmp_path / 'evil.pth', _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r'refused: it is a pickle that wants \w+\.mkdir, and only tensors'):
        read_state(tmp_path / 'evil.pth')
    assert not (tmp_path / 'ran').exists()


def test_a_whole_pickled_network_is_refused_with_its_class(tmp_path):
    torch.save(net(), tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=r'wants torch\.nn\.modules\.container\.Sequential'):
        read_state(tmp_path / 'net.pth')


def saved_bytes(zipped=True) -> bytes:
    stream = io.BytesIO()
    torch.save(net().state_dict(), stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (b'', 'an empty file'),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 99\n', 'a Git LFS pointer'),
        (b'\n<!DOCTYPE html><html><title>Sign in</title>', 'a web page'),
        (b'<HTML>', 'a web page'),
        (b'{"error": "Repository not found"}', 'text, not weights: it starts with \'{"error"'),
        (b'Entry not found', "text, not weights: it starts with 'Entry not found'"),
        (struct.pack('<Q', 1 << 60) + b'{}', 'neither a readable safetensors file nor'),
        (bytes(range(256)) * 4, 'neither a readable safetensors file nor'),
    ],
)
def test_what_a_failed_download_leaves_is_told_for_what_it_is(tmp_path, content, said):
    path = tmp_path / 'model.safetensors'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as error:
        read_state(path)
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('share', [0.3, 0.7, 0.99])
def test_a_truncated_torch_file_is_told_as_such(tmp_path, zipped, share):
    whole = saved_bytes(zipped)
    (tmp_path / 'a.pth').write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r'a\.pth: truncated'):
        read_state(tmp_path / 'a.pth')


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ([torch.zeros(2)], 'expected a mapping from names to tensors, got list'),
        ({}, 'expected a mapping from names to tensors, got dict'),
        ({'weights': torch.zeros(2), 'epoch': 3}, "but 'epoch' is a int"),
        ({7: torch.zeros(2)}, 'but 7 is a Tensor'),
    ],
)
def test_a_torch_file_without_a_state_dict_is_an_error(tmp_path, given, said):
    torch.save(given, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=said):
        read_state(tmp_path / 'a.pth')
