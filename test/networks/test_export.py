# SPDX-License-Identifier: Apache-2.0
"""Export to ONNX: what torch gives, or nothing."""

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip('torch')

from tiny_model import tiny_network  # noqa: E402

from depth_anything_ros.core.errors import EngineError  # noqa: E402
from depth_anything_ros.networks import export  # noqa: E402


@pytest.fixture
def graph(tiny_model):
    return tiny_model.with_suffix('.onnx')


def test_one_graph_serves_every_size_and_gives_what_torch_gives(graph):
    parities = export.check_parity(tiny_network(), graph)
    assert [(p.height, p.width, p.returns) for p in parities] == list(export.CHECKED)
    assert all(parity.passed for parity in parities)


def test_another_network_is_found_out(graph):
    other = tiny_network()
    with torch.no_grad():
        other.refinement.heads.weight.mul_(-1)
    assert not any(parity.passed for parity in export.check_parity(other, graph))


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
    monkeypatch.setattr(export, '_write', lambda network, path, size: shutil.copy(graph, path))
    export.export_onnx(tiny_network(), tmp_path / 'good.onnx')
    monkeypatch.setattr(export, 'TOLERANCE', 0.0)
    with pytest.raises(EngineError, match='differs from torch'):
        export.export_onnx(tiny_network(), tmp_path / 'bad.onnx')
    assert [path.name for path in tmp_path.iterdir()] == ['good.onnx']
