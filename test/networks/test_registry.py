# SPDX-License-Identifier: Apache-2.0
"""Every card's network has exactly the keys and shapes of the official checkpoint; built without memory."""

import json
import math

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')

from golden_weights import IMAGENET_MEAN, IMAGENET_STD, golden_folder  # noqa: E402

from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.networks.card import known_models, load_card  # noqa: E402
from depth_anything_ros.networks.checkpoint import mismatch  # noqa: E402
from depth_anything_ros.networks.loading import empty_network  # noqa: E402
from depth_anything_ros.networks.registry import NETWORKS, network_config, own_names  # noqa: E402

V2, METRIC = 'depth_anything_v2', 'depth_anything_v2_metric'
GOLDEN = [  # card, folder and file of the official keys
    *(
        (f'depth_anything_v1_{size}', 'depth_anything_v1_vits', f'keys{enc}')
        for size, enc in (('small', ''), ('base', '_vitb'), ('large', '_vitl'))
    ),
    *(
        (f'{V2}_{size}', f'{V2}_vits', f'keys{enc}')
        for size, enc in (('small', ''), ('base', '_vitb'), ('large', '_vitl'))
    ),
    *(
        (f'{METRIC}_{data}_{size}', f'{METRIC}_vits', f'keys{enc}')
        for data in ('hypersim', 'vkitti')
        for size, enc in (('small', ''), ('base', '_vitb'), ('large', '_vitl'))
    ),
    ('prompt_depth_anything_small', 'prompt_da_vits', 'keys'),
    ('prompt_depth_anything_small_transparent', 'prompt_da_vits', 'keys'),
    ('prompt_depth_anything_large', 'prompt_da_vits', 'keys_vitl'),
    ('depth_pro', 'depth_pro', 'keys'),
    ('dap', 'dap_vitl', 'keys'),
    ('metric_anything_depthmap', 'metric_anything_student_depthmap', 'keys'),
    ('depth_anything_3_metric_large', 'depth_anything_3_metric_large', 'keys'),
]
COUNTED_M = {  # millions of parameters, as the authors count
    'depth_anything_v2_small': 24.79,
    'depth_anything_v2_base': 97.47,
    'depth_anything_v2_large': 335.32,
    'prompt_depth_anything_small': 25.08,
    'prompt_depth_anything_large': 340.05,
    'depth_pro': 952.0,
    'dap': 365.05,
    'metric_anything_depthmap': 876.664,
}


def official(folder: str, file: str) -> dict[str, torch.Tensor]:
    """The keys and shapes of an official checkpoint with one zero behind each tensor; constants are real."""
    keys = json.loads((golden_folder(folder) / f'{file}.json').read_text())['keys']
    zero = torch.zeros(())
    return {
        key: constant(key, entry) if entry['kind'] == 'constant' else zero.expand(entry['shape'])
        for key, entry in keys.items()
    }


def constant(key: str, entry: dict) -> torch.Tensor:
    if key in ('_mean', '_std'):  # the lists of the larger encoders have no values
        return torch.tensor({'_mean': IMAGENET_MEAN, '_std': IMAGENET_STD}[key]).reshape(entry['shape'])
    if 'values' in entry:
        return torch.tensor(entry['values']).reshape(entry['shape'])
    mask = torch.ones(entry['shape'])
    assert 'zeros in the middle third' in entry['rule']
    mask[len(mask) // 3 : 2 * len(mask) // 3] = 0
    return mask


def test_every_published_card_has_its_official_keys_checked():
    published = {name for name in known_models() if load_card(name).weights.hub}
    assert published == {card for card, *_ in GOLDEN}
    assert {load_card(name).network for name in published} == NETWORKS.keys() - {'sparse_prompt'}


@pytest.mark.parametrize(('name', 'folder', 'file'), GOLDEN, ids=[card for card, *_ in GOLDEN])
def test_official_keys_and_shapes_are_the_networks_own(name, folder, file):
    card = load_card(name)
    config = network_config(card.network, card.network_config)
    rename = own_names(card.network, 'official')
    network = empty_network(card)
    assert mismatch(network, rename(official(folder, file), config)) == ''
    state = official(folder, file)
    gone = next(key for key in reversed(state) if key.endswith('.bias'))
    state['stranger'] = state.pop(gone)
    said = mismatch(network, rename(state, config))
    assert '1 missing keys' in said and '1 unexpected keys (stranger)' in said
    count_m = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert count_m == pytest.approx(card.parameters_m, rel=5e-4)


@pytest.mark.parametrize('name', COUNTED_M)
def test_cards_say_how_many_parameters_the_authors_count(name):
    assert load_card(name).parameters_m == COUNTED_M[name]


@pytest.mark.parametrize(('name', 'folder', 'file'), GOLDEN, ids=[card for card, *_ in GOLDEN])
def test_cards_count_the_parameters_of_the_official_file(name, folder, file):
    keys = json.loads((golden_folder(folder) / f'{file}.json').read_text())['keys']
    own = [entry for entry in keys.values() if entry['kind'] != 'constant' and 'alias_of' not in entry]
    assert sum(math.prod(entry['shape']) for entry in own) / 1e6 == pytest.approx(
        load_card(name).parameters_m, rel=5e-4
    )


@pytest.mark.parametrize('name', [card for card, *_ in GOLDEN])
def test_every_source_of_a_card_has_a_form_that_its_network_reads(name):
    card = load_card(name)
    for source in card.sources:
        assert callable(own_names(card.network, source.format))


def test_a_form_that_a_network_does_not_have_is_an_error():
    with pytest.raises(CheckpointError, match="dap has no checkpoints of format 'huggingface'"):
        own_names('dap', 'huggingface')


@pytest.mark.parametrize(
    ('network', 'values', 'said'),
    [
        ('depth_anything', {'encode': 'vits'}, "network_config: unknown 'encode'; expected"),
        ('depth_anything', {'encoder': 'vitz'}, 'encoder: expected one of'),
        ('dap', {'normalisation': 3}, 'normalisation: expected'),
        ('transmogrifier', {}, 'expected one of sparse_prompt'),
    ],
)
def test_settings_that_a_network_does_not_know_are_errors_that_name_them(network, values, said):
    with pytest.raises(CheckpointError, match=said):
        network_config(network, values)
