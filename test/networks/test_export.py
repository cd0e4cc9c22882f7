# SPDX-License-Identifier: Apache-2.0
"""Export to ONNX: what torch gives, or nothing."""

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from tiny_model import tiny_network  # noqa: E402

from depth_anything_ros.core.errors import ConfigError, EngineError  # noqa: E402
from depth_anything_ros.networks import export  # noqa: E402


@pytest.fixture
def graph(tiny_model):
    return tiny_model.with_suffix('.onnx')


def test_one_graph_serves_every_size_and_number_of_images_and_gives_what_torch_gives(graph):
    parities = export.check_parity(tiny_network(), graph, export.ExportSettings())
    assert [(p.height, p.width, p.returns, p.batch) for p in parities] == [
        *((*size, 1) for size in export.CHECKED),
        (*export.CHECKED[-1], 3),
    ]
    assert all(parity.passed for parity in parities)


def test_a_fixed_number_of_images_is_what_is_compared():
    assert export.ExportSettings((64, 96), batch=4).cases() == [(64, 96, 61, 4), (64, 96, 0, 4)]
    assert export.ExportSettings((64, 96)).batch == 1 and export.ExportSettings().batch == export.DYNAMIC


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'precision': 'int8'}, "expected fp32 or fp16; got 'int8'"),
        ({'batch': 0}, 'expected 1 to 64 or dynamic; got 0'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        export.ExportSettings(**settings)


def test_another_network_is_found_out(graph):
    other = tiny_network()
    with torch.no_grad():
        other.refinement.heads.weight.mul_(-1)
    assert not any(parity.passed for parity in export.check_parity(other, graph, export.ExportSettings()))


def test_the_file_holds_half_precision_weights(graph):
    import onnx

    weights = sum(parameter.numel() for parameter in tiny_network().parameters())
    kinds = {i.data_type for i in onnx.load(graph).graph.initializer if len(i.dims) == 4}
    assert onnx.TensorProto.FLOAT16 in kinds
    assert graph.stat().st_size < 2 * weights + 400_000, 'the graph itself takes less than 400 kB'


def test_the_file_does_not_tell_where_it_was_made(graph):
    content = graph.read_bytes()
    assert str(Path(export.__file__).parent).encode() not in content
    assert b'site-packages' not in content


def test_outside_the_tolerance_nothing_is_left_behind(graph, tmp_path, monkeypatch):
    monkeypatch.setattr(export, '_write', lambda network, path, settings: shutil.copy(graph, path))
    export.export_onnx(tiny_network(), tmp_path / 'good.onnx')
    monkeypatch.setattr(export, 'TOLERANCE', 0.0)
    with pytest.raises(EngineError, match='differs from torch'):
        export.export_onnx(tiny_network(), tmp_path / 'bad.onnx')
    assert [path.name for path in tmp_path.iterdir()] == ['good.onnx']
