# SPDX-License-Identifier: Apache-2.0
"""A card becomes its network with its weights, in every form they are published in; or one clear error."""

import dataclasses
import re

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from golden_weights import golden_folder, make_state  # noqa: E402
from random_network import randomised  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.networks.card import load_card, save_card  # noqa: E402
from depth_anything_ros.networks.card_schema import ModelCard, WeightFile  # noqa: E402
from depth_anything_ros.networks.checkpoint import save_weights  # noqa: E402
from depth_anything_ros.networks.loading import empty_network, load_network, network_from  # noqa: E402
from depth_anything_ros.networks.registry import build_network, network_config  # noqa: E402

TINY = {'hidden': 32, 'layers': 4, 'heads': 2, 'features': 8, 'channels': [8, 8, 8, 8], 'taps': [0, 1, 2, 3]}


@pytest.fixture
def tiny_card(tmp_path):
    """The card of a tiny Depth Anything V2, its weights beside it."""
    config = network_config('depth_anything', TINY)
    network = randomised(build_network('depth_anything', config))
    save_weights(network, tmp_path / 'tiny.safetensors')
    card = ModelCard(
        name='tiny_depth_anything',
        description='random weights',
        licence='Apache-2.0',
        network='depth_anything',
        network_config=TINY,
        metric=False,
        output_space='disparity',
        inputs={},
        outputs={},
        weights=WeightFile('tiny.safetensors', None),
    )
    save_card(card, tmp_path / 'tiny_depth_anything.yaml')
    return load_card(str(tmp_path / 'tiny_depth_anything.yaml'))


@pytest.fixture(scope='module')
def official_file(tmp_path_factory):
    """Depth Anything V2 Small as its authors publish it, with weights made by the golden formula, in half precision."""
    path = tmp_path_factory.mktemp('official') / 'weights.pth'
    state = make_state(golden_folder('depth_anything_v2_vits') / 'keys.json')
    torch.save({name: tensor.half() for name, tensor in state.items()}, path)
    return path


def test_a_card_becomes_its_network_ready_to_run(tiny_card):
    network = load_network(tiny_card)
    assert not network.training
    assert all(parameter.dtype == torch.float32 and not parameter.is_meta for parameter in network.parameters())
    same = load_network(tiny_card).state_dict()
    assert all(torch.equal(tensor, same[name]) for name, tensor in network.state_dict().items()), 'never random'


def test_an_empty_network_takes_no_memory_and_leaves_nothing_behind():
    network = empty_network(load_card('depth_anything_v2_large'))
    assert sum(parameter.numel() for parameter in network.parameters()) > 300e6
    assert all(parameter.is_meta for parameter in network.parameters())
    assert not torch.nn.Linear(2, 2).weight.is_meta, 'networks built later have their weights'


def test_settings_that_do_not_fit_are_an_error_that_names_the_card(tiny_card):
    with pytest.raises(CheckpointError, match="tiny_depth_anything: network_config: unknown 'depth'"):
        load_network(dataclasses.replace(tiny_card, network_config={'depth': 3}))


def test_the_file_of_another_card_is_an_error_that_names_that_card(official_file):
    card = load_card('depth_anything_v2_base')
    with pytest.raises(CheckpointError, match=r'it is a file for the card .*depth_anything_v2_small') as error:
        network_from(card, card.weights, official_file)
    assert 'expected' in str(error.value) or 'missing' in str(error.value)
    assert 'prompt_depth_anything' not in str(error.value), 'which has the same backbone'


def test_a_file_that_no_card_is_for_gets_no_hint(tiny_card):
    card = load_card('depth_anything_v2_small')
    with pytest.raises(CheckpointError, match='made for another network') as error:
        network_from(card, WeightFile('a', None), tiny_card.path_of(tiny_card.weights))
    assert 'it is a file for' not in str(error.value)


@pytest.mark.parametrize(
    ('gone', 'count'),
    [
        ('pretrained.blocks.7.attn.qkv.weight', 3),  # query, key and value are apart in our network
        ('pretrained.blocks.0.ls1.gamma', 1),
        ('depth_head.scratch.refinenet2.resConfUnit1.conv2.bias', 1),
    ],
)
def test_keys_are_named_as_the_authors_call_them(official_file, tmp_path, gone, count):
    state = torch.load(official_file, weights_only=True)
    del state[gone]
    state['pretrained.blocks.0.attn.gate'] = torch.zeros(3)
    torch.save(state, tmp_path / 'other.pth')
    card = load_card('depth_anything_v2_small')
    with pytest.raises(CheckpointError) as error:
        network_from(card, card.weights, tmp_path / 'other.pth')
    said = f'{count} missing keys ({gone}); 1 unexpected keys (pretrained.blocks.0.attn.gate)'
    assert str(error.value) == f'{tmp_path / "other.pth"}: made for another network: {said}'


@pytest.mark.parametrize(
    ('name', 'shape'), [('pretrained.blocks.3.mlp.fc1.bias', '(1536,)'), ('pretrained.cls_token', '(1, 1, 384)')]
)
def test_a_shape_that_differs_is_named_as_the_authors_call_it(official_file, tmp_path, name, shape):
    state = torch.load(official_file, weights_only=True)
    state[name] = torch.zeros(7)
    torch.save(state, tmp_path / 'other.pth')
    card = load_card('depth_anything_v2_small')
    with pytest.raises(CheckpointError, match=re.escape(f'{name}: expected {shape}, got (7,)')):
        network_from(card, card.weights, tmp_path / 'other.pth')


def test_weights_that_are_not_finite_are_refused_without_blaming_the_card(official_file, tmp_path):
    state = torch.load(official_file, weights_only=True)
    state['pretrained.norm.bias'][3] = torch.nan
    torch.save(state, tmp_path / 'nan.pth')
    card = load_card('depth_anything_v2_small')
    with pytest.raises(CheckpointError, match=r'layernorm\.bias holds values that are not finite$'):
        network_from(card, card.weights, tmp_path / 'nan.pth')


def test_keys_are_named_even_where_the_authors_constants_are_needed_to_understand_the_file(tmp_path):
    state = make_state(golden_folder('prompt_da_vits') / 'keys.json')
    del state['pretrained.blocks.5.attn.proj.bias']
    torch.save({'state_dict': {f'pipeline.{name}': tensor for name, tensor in state.items()}}, tmp_path / 'model.ckpt')
    card = load_card('prompt_depth_anything_small')
    with pytest.raises(CheckpointError, match=r'1 missing keys \(pretrained\.blocks\.5\.attn\.proj\.bias\); 0 unexp'):
        network_from(card, card.weights, tmp_path / 'model.ckpt')
