# SPDX-License-Identifier: Apache-2.0
"""Export to ONNX: what torch gives, or nothing."""

from pathlib import Path

import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('onnxscript')
pytest.importorskip('onnxruntime')

from depth_anything_ros.core.errors import EngineError  # noqa: E402
from depth_anything_ros.networks import export  # noqa: E402
from depth_anything_ros.networks.sparse_prompt import SparsePromptConfig, SparsePromptNet  # noqa: E402

TINY = SparsePromptConfig(channels=(8, 8, 16, 16, 16), blocks=(1, 1, 1, 1), propagation_steps=1)


@pytest.fixture(scope='module')
def tiny():
    torch.manual_seed(0)
    network = SparsePromptNet(TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return export.halved(network)


@pytest.fixture(scope='module')
def exported(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'tiny.onnx'
    return path, export.export_onnx(tiny, path)


def test_one_graph_serves_every_size_and_gives_what_torch_gives(exported):
    _, parities = exported
    assert {(p.height, p.width) for p in parities} == {(height, width) for height, width, _ in export.CHECKED}
    assert all(parity.passed for parity in parities)


def test_the_file_holds_half_precision_weights(tiny, exported):
    path, _ = exported
    import onnx

    weights = sum(parameter.numel() for parameter in tiny.parameters())
    kinds = {i.data_type for i in onnx.load(path).graph.initializer if i.dims and len(i.dims) == 4}
    assert onnx.TensorProto.FLOAT16 in kinds
    assert path.stat().st_size < 2 * weights + 300_000, 'the graph itself takes less than 300 kB'


def test_the_file_does_not_tell_where_it_was_made(exported):
    content = exported[0].read_bytes()
    assert str(Path(export.__file__).parent).encode() not in content
    assert b'site-packages' not in content


def test_another_network_is_found_out(exported):
    path, _ = exported
    torch.manual_seed(5)
    other = SparsePromptNet(TINY).eval()
    assert not any(parity.passed for parity in export.check_parity(other, path) if parity.returns > 1)


def test_outside_the_tolerance_nothing_is_left_behind(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(export, 'TOLERANCE', 0.0)
    with pytest.raises(EngineError, match='differs from torch'):
        export.export_onnx(tiny, tmp_path / 'tiny.onnx')
    assert list(tmp_path.iterdir()) == []
