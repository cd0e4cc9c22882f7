# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros export`: a graph, its parity and a card that names it, or one clear line."""

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')
pytest.importorskip('onnxscript')
pytest.importorskip('onnxruntime')

from random_network import randomised  # noqa: E402

from depth_anything_ros.cli.main import main  # noqa: E402
from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.engines.factory import create_engine  # noqa: E402
from depth_anything_ros.networks import export  # noqa: E402
from depth_anything_ros.networks.card import ModelCard, load_card, save_card, verified_path, weight_file  # noqa: E402
from depth_anything_ros.networks.checkpoint import save_weights  # noqa: E402
from depth_anything_ros.networks.depth_anything import DepthAnythingConfig, DepthAnythingNet  # noqa: E402

CONFIG = {
    'hidden': 24,
    'layers': 4,
    'heads': 2,
    'taps': [0, 1, 2, 3],
    'features': 8,
    'channels': [4, 8, 12, 16],
    'side_px': 70,
    'max_depth_m': 20.0,
}


@pytest.fixture
def card(tmp_path):
    """The path of the card of a tiny Depth Anything V2 metric."""
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in CONFIG.items()}
    save_weights(randomised(DepthAnythingNet(DepthAnythingConfig(**frozen))), tmp_path / 'tiny.safetensors')
    card = ModelCard(
        name='tiny',
        description='random weights',
        licence='Apache-2.0',
        network='depth_anything',
        network_config=CONFIG,
        metric=True,
        prompt='none',
        inputs={'image': '(1, H, W, 3) uint8 RGB', 'camera': '(1, 4) float32'},
        outputs={'depth': '(1, H, W) float32 metres'},
        weights=weight_file(tmp_path / 'tiny.safetensors'),
    )
    save_card(card, tmp_path / 'tiny.yaml')
    return tmp_path / 'tiny.yaml'


def test_the_card_beside_the_graph_names_it_and_says_its_size_or_nothing_is_left(card, capsys, monkeypatch):
    before = sorted(card.parent.iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(export, 'check_parity', lambda *given: [export.Parity(60, 84, 0, 0.01, 0.0)])
        assert main(['export', str(card), '--size', '60x84']) == 1
    assert 'differs from torch' in capsys.readouterr().err
    assert sorted(card.parent.iterdir()) == before
    assert main(['export', str(card), '--size', '60x84']) == 0
    said = capsys.readouterr().out
    assert '84x60' in said and 'within 0.001 of torch, for images of 84x60 px' in said
    made = load_card(str(card.with_name('tiny_60x84.yaml')))
    assert verified_path(made, made.onnx) == card.with_name('tiny_60x84.onnx')
    assert made.inputs == {'image': '(1, 60, 84, 3) uint8 RGB', 'camera': '(1, 4) float32'}
    assert made.outputs == {'depth': '(1, 60, 84) float32 metres'}
    assert load_card(str(card)).onnx is None, 'the card of the weights stays as it is'
    with pytest.raises(CheckpointError, match=r'card of an exported.*tiny_60x84\.yaml.*export tiny --size HxW'):
        create_engine(str(card), 'onnx')


@pytest.mark.parametrize('size', [[], ['--size', '60'], ['--size', '0x84'], ['--size', '60x84x3']])
def test_a_size_is_needed_and_has_a_form(card, capsys, size):
    assert main(['export', str(card), *size]) == 1
    said = capsys.readouterr().err.strip()
    assert '--size: expected HxW' in said and '\n' not in said


def test_a_number_of_images_that_makes_no_sense_is_told_before_anything_is_loaded(card, capsys):
    assert main(['export', str(card), '--size', '60x84', '--batch', 'many']) == 1
    assert "batch: expected 1 to 64 or dynamic; got 'many'" in capsys.readouterr().err


@pytest.mark.parametrize('size', ['13x13', '20x400'])
def test_a_size_that_no_network_can_see_anything_in_is_told_before_exporting(card, capsys, size):
    assert main(['export', str(card), '--size', size]) == 1
    said = capsys.readouterr().err.strip()
    assert 'expected an image of at least 16 px' in said and '\n' not in said
    assert not list(card.parent.glob('*.onnx'))


def test_a_graph_for_any_size_takes_no_size(capsys):
    assert main(['export', 'prompt_depth_small', '--size', '480x640']) == 1
    assert '--size: prompt_depth_small takes images of any size' in capsys.readouterr().err


def test_the_card_of_another_model_is_not_overwritten(card, capsys):
    (card.with_name('other.yaml')).write_text(card.read_text().replace('name: tiny', 'name: other', 1))
    assert main(['export', str(card), '--size', '60x84', '--output', str(card.with_name('other.onnx'))]) == 1
    assert 'card of another model' in capsys.readouterr().err
