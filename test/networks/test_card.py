# SPDX-License-Identifier: Apache-2.0
"""Model cards."""

import hashlib

import pytest
import yaml

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.card import ModelCard, TrainingData, load_card, save_card, verified_path, weight_file


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
