# SPDX-License-Identifier: Apache-2.0
"""From the command line: a run, and the model it becomes."""

import shutil

import numpy as np
import pytest
import yaml

torch = pytest.importorskip('torch')
pytest.importorskip('onnxscript')
pytest.importorskip('onnxruntime')

from depth_anything_ros.cli.main import main  # noqa: E402
from depth_anything_ros.core.camera import CameraModel  # noqa: E402
from depth_anything_ros.core.errors import CheckpointError  # noqa: E402
from depth_anything_ros.core.frames import SparsePrompt  # noqa: E402
from depth_anything_ros.engines.factory import create_engine  # noqa: E402
from depth_anything_ros.networks import export  # noqa: E402
from depth_anything_ros.networks.card import load_card  # noqa: E402
from depth_anything_ros.projection.conditioning import ConditioningConfig, condition  # noqa: E402
from depth_anything_ros.training.publish import publish  # noqa: E402

CONFIG = {
    'network': {'channels': [8, 8, 8, 8, 8], 'blocks': [1, 1, 1, 1], 'propagation_steps': 1},
    'data': {'crops': [[64, 64]]},
    'steps': 2,
    'batch': 2,
    'workers': 0,
    'threads': 1,
}
DRAFT = {
    'name': 'tiny',
    'description': 'a test',
    'licence': 'Apache-2.0',
    'metric': True,
    'inputs': {'image': 'RGB'},
    'outputs': {'depth': 'm'},
}


@pytest.fixture(scope='module')
def published(shards, tmp_path_factory):
    """The folder of a model that the commands made from shards."""
    folder = tmp_path_factory.mktemp('model')
    (folder / 'config.yaml').write_text(yaml.safe_dump(CONFIG))
    run = folder / 'run'
    assert main(['train', str(folder / 'config.yaml'), '--output', str(run), '--shards', str(shards)]) == 0
    publish(run, DRAFT, folder)
    return folder


def test_the_model_holds_what_the_run_learnt_under_every_engine(published):
    card = load_card(str(published / 'tiny.yaml'))
    assert CONFIG['network'].items() <= card.network_config.items()
    camera = CameraModel(64, 48, 60, 60, 31.5, 23.5)
    nothing = condition(SparsePrompt.none(camera), ConditioningConfig())
    image = np.full((48, 64, 3), 90, np.uint8)
    depths = [
        create_engine(str(published / 'tiny.yaml'), e).infer(image, nothing, camera).depth_m for e in ('torch', 'onnx')
    ]
    np.testing.assert_allclose(*depths, rtol=1e-4)


def test_export_prints_its_parity_and_leaves_the_card_alone_when_told_where(published, tmp_path, capsys, monkeypatch):
    graph = published / 'tiny.onnx'  # exported above; exporting once more would only take its time
    monkeypatch.setattr(export, '_write', lambda network, path, size: shutil.copy(graph, path))
    before = (published / 'tiny.yaml').read_text()
    assert main(['export', str(published / 'tiny.yaml'), '--output', str(tmp_path / 'graph.onnx')]) == 0
    printed = capsys.readouterr().out
    assert '640x480' in printed and 'within 0.001 of torch' in printed
    assert (tmp_path / 'graph.onnx').is_file()
    assert (published / 'tiny.yaml').read_text() == before


def test_a_draft_without_a_name_or_with_a_wrong_field_is_refused(published, tmp_path):
    with pytest.raises(CheckpointError, match='needs a name'):
        publish(published / 'run', {}, tmp_path)


def test_errors_are_one_line_without_a_traceback(tmp_path, capsys):
    assert main(['train', str(tmp_path / 'absent.yaml')]) == 1
    assert main(['export', 'nonesuch']) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert 'absent.yaml' in lines[0] and 'nonesuch' in lines[1]
