# SPDX-License-Identifier: Apache-2.0
"""Model cards."""

import hashlib
from pathlib import Path

import pytest
import yaml

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.card import (
    ModelCard,
    TrainingData,
    WeightFile,
    known_models,
    load_card,
    save_card,
    verified_path,
    weight_file,
)
from depth_anything_ros.networks.weight_store import present_source, record_sha256


@pytest.fixture
def card_path(tmp_path):
    (tmp_path / 'tiny.safetensors').write_bytes(b'weights')
    card = ModelCard(
        name='tiny',
        description='a test',
        licence='Apache-2.0',
        network='sparse_prompt',
        network_config={'channels': [8, 8, 8, 8, 8]},
        metric=True,
        inputs={'image': 'RGB'},
        outputs={'depth': 'm'},
        weights=weight_file(tmp_path / 'tiny.safetensors'),
        training_data=(TrainingData('procedural', 'ours', '3000 scenes'),),
        metrics={'AbsRel': 0.04},
    )
    save_card(card, tmp_path / 'tiny.yaml')
    return tmp_path / 'tiny.yaml'


def change(path, **fields):
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | fields))


def test_a_card_comes_back_as_it_was_written(card_path):
    card = load_card(str(card_path))
    assert card.training_data == (TrainingData('procedural', 'ours', '3000 scenes'),)
    assert card.metrics == {'AbsRel': 0.04}
    assert card.weights.sha256 == hashlib.sha256(b'weights').hexdigest()
    assert verified_path(card, card.weights) == card_path.parent / 'tiny.safetensors'


def test_an_unknown_field_is_an_error_that_names_it(card_path):
    change(card_path, metrik=True)
    with pytest.raises(CheckpointError, match=r"tiny\.yaml: unknown field 'metrik'"):
        load_card(str(card_path))


def test_a_missing_field_is_an_error_that_names_it(card_path):
    fields = yaml.safe_load(card_path.read_text())
    del fields['licence']
    card_path.write_text(yaml.safe_dump(fields))
    with pytest.raises(CheckpointError, match="'licence' is missing"):
        load_card(str(card_path))


def test_a_network_that_nobody_knows_is_refused(card_path):
    change(card_path, network='transmogrifier')
    with pytest.raises(CheckpointError, match='expected one of sparse_prompt'):
        load_card(str(card_path))


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'parameters_m': 'many'}, "parameters_m: expected a number, got 'many'"),
        ({'parameters_m': -3}, 'parameters_m: expected a number above 0 or null, got -3.0'),
        ({'non_commercial': 'no'}, "non_commercial: expected true or false, got 'no'"),
        ({'licence': None}, 'licence: expected a text, got None'),
        ({'output_space': 'inches'}, "output_space: expected one of metric depth, disparity, .*; got 'inches'"),
        ({'prompt': 'maybe'}, 'prompt: expected one of sparse, dense, none'),
        ({'camera': 'fisheye'}, 'camera: expected one of pinhole, equirectangular'),
        ({'output_space': 'disparity'}, 'metric: True contradicts output_space: disparity'),
        ({'relative_sigma': 0.1}, 'relative_sigma_source: expected both or neither'),
        ({'name': '../tiny'}, "name: expected letters, .* got '../tiny'"),
        ({'inputs': {'image': 3}}, 'inputs.image: expected a text, got 3'),
        ({'alternatives': {}}, 'alternatives: expected a list'),
        ({'training_data': [{'name': 'x', 'licence': 'y'}]}, r"field 'training_data\[0\].amount' is missing"),
        ({'weights': {'file': 'a'}}, "field 'weights.sha256' is missing"),
        ({'weights': {'file': 'a', 'sha256': 'abc'}}, 'weights.sha256: expected 64 hexadecimal digits or null'),
        ({'weights': {'file': '../a', 'sha256': None}}, "weights.file: expected a relative path, got '../a'"),
        ({'weights': {'file': 'a', 'sha256': None, 'hub': 'a'}}, 'weights.hub: expected owner/name or null'),
        ({'weights': {'file': 'a', 'sha256': None, 'format': 'gguf'}}, 'weights.format: expected one of safetensors'),
        ({'weights': {'file': 'a', 'sha256': None, 'url': 'x'}}, "unknown field 'weights.url'"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_file_and_field(card_path, fields, said):
    change(card_path, **fields)
    with pytest.raises(CheckpointError, match=rf'tiny\.yaml: {said}' if not said.startswith('relative') else said):
        load_card(str(card_path))


@pytest.mark.parametrize('text', ['a: [', '- a list', '', '\x00'])
def test_what_is_no_card_is_refused(card_path, text):
    card_path.write_text(text)
    with pytest.raises(CheckpointError, match=r'tiny\.yaml'):
        load_card(str(card_path))


def test_a_file_that_the_card_does_not_mean_is_refused(card_path):
    (card_path.parent / 'tiny.safetensors').write_bytes(b'weightz')
    card = load_card(str(card_path))
    with pytest.raises(CheckpointError, match='corrupt or not the file of this card'):
        verified_path(card, card.weights)
    (card_path.parent / 'tiny.safetensors').unlink()
    with pytest.raises(CheckpointError, match='no such file'):
        verified_path(card, card.weights)


def test_an_unknown_model_is_an_error():
    with pytest.raises(CheckpointError, match="no model 'nonesuch'"):
        load_card('nonesuch')
    with pytest.raises(CheckpointError, match='no such model card'):
        load_card('nonesuch.yaml')


def test_every_card_of_the_package_can_be_read_and_is_called_like_its_file():
    for name in known_models():
        card = load_card(name)
        assert card.name == name
        assert card.folder.is_dir()
        assert card.description and card.licence and card.code_licence and card.inputs and card.outputs


def test_published_weights_state_their_source_and_licence():
    cards = [load_card(name) for name in known_models()]
    published = [card for card in cards if card.weights.hub]
    assert len(published) >= 19
    for card in published:
        assert card.repository.startswith('https://') and card.paper.startswith('arXiv')
        assert card.parameters_m and card.preprocessing and card.limits
        if card.non_commercial:
            assert any(word in card.licence for word in ('NC', 'research only'))


@pytest.fixture
def hub_card(card_path, monkeypatch):
    """A card whose weights come from the hub in two forms, and an empty cache."""
    monkeypatch.setenv('DEPTH_ANYTHING_ROS_CACHE', str(card_path.parent / 'cache'))
    sources = [
        {'file': f'checkpoints/{name}', 'sha256': None, 'hub': 'someone/tiny', 'format': form}
        for name, form in (('tiny.pth', 'official'), ('tiny_hf.safetensors', 'huggingface'))
    ]
    change(card_path, weights=sources[0], alternatives=sources[1:], non_commercial=True)
    return load_card(str(card_path))


def test_weights_from_the_hub_lie_in_the_cache_and_their_absence_says_how_to_get_them(hub_card):
    assert hub_card.path_of(hub_card.weights) == Path(hub_card.folder, 'cache', 'models', 'tiny', 'tiny.pth')
    with pytest.raises(CheckpointError, match='models get tiny --accept-licence'):
        verified_path(hub_card, hub_card.weights)


def test_whichever_form_is_here_is_used(hub_card):
    assert present_source(hub_card) == hub_card.weights
    path = hub_card.path_of(hub_card.alternatives[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(b'weights')
    assert present_source(hub_card) == hub_card.alternatives[0]


def test_a_file_that_changed_since_it_came_is_refused(hub_card):
    path = hub_card.path_of(hub_card.weights)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'weights')
    record_sha256(path, hashlib.sha256(b'weights').hexdigest())
    assert verified_path(hub_card, hub_card.weights) == path
    path.write_bytes(b'weightz')
    with pytest.raises(CheckpointError, match='corrupt or not the file of the record'):
        verified_path(hub_card, hub_card.weights)


def test_the_cache_is_where_the_environment_says(hub_card, monkeypatch):
    monkeypatch.delenv('DEPTH_ANYTHING_ROS_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', '/somewhere')
    assert hub_card.store == Path('/somewhere/depth_anything_ros/models/tiny')


def test_own_cards_stay_short(card_path):
    text = card_path.read_text()
    assert 'hub' not in text and 'preprocessing' not in text, 'what is as the schema has it anyway is left out'
    assert load_card(str(card_path)).weights == WeightFile('tiny.safetensors', hashlib.sha256(b'weights').hexdigest())
