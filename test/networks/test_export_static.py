# SPDX-License-Identifier: Apache-2.0
"""Graphs of the published systems: of one size, with the contract's inputs, and what torch gives."""

import shutil

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')
pytest.importorskip('onnxscript')
onnxruntime = pytest.importorskip('onnxruntime')

from random_network import randomised, raw_inputs  # noqa: E402

from depth_anything_ros.core.errors import EngineError  # noqa: E402
from depth_anything_ros.networks import export  # noqa: E402
from depth_anything_ros.networks.depth_anything import DepthAnythingConfig, DepthAnythingNet  # noqa: E402
from depth_anything_ros.networks.depth_pro import DepthProConfig, DepthProNet  # noqa: E402
from depth_anything_ros.networks.prompt_depth_anything import (  # noqa: E402
    PromptDepthAnythingConfig,
    PromptDepthAnythingNet,
)

SIZE = (90, 124)
SETTINGS = export.ExportSettings(SIZE)
DPT = {'hidden': 24, 'layers': 4, 'heads': 2, 'taps': (0, 1, 2, 3), 'features': 8, 'channels': (4, 8, 12, 16)}


def depth_anything(**settings):
    network = randomised(DepthAnythingNet(DepthAnythingConfig(**DPT, side_px=70, **settings)))
    with torch.no_grad():
        network.network.head.conv3.bias.fill_(0.5)  # away from the final ReLU's zero
    return network


def prompt_depth_anything():
    return randomised(PromptDepthAnythingNet(PromptDepthAnythingConfig(**DPT, longest_px=112, prompt_cells=(32, 64))))


def depth_pro():
    config = DepthProConfig(hidden=16, layers=2, heads=2, taps=(0, 1), widths=(8, 8, 8), features=8, tile_px=64)
    network = randomised(DepthProNet(config))
    with torch.no_grad():
        network.network.head.layers[-2].bias.fill_(1.0)
        network.network.fov_model.head.layers[-1].bias.fill_(60.0)
    return network


SYSTEMS = {
    'V2': depth_anything,
    'V1, metric': lambda: depth_anything(version=1, max_depth_m=20.0),
    'PromptDA': prompt_depth_anything,
    'Depth Pro': depth_pro,
}


@pytest.mark.parametrize('system', SYSTEMS)
def test_the_graph_gives_what_torch_gives_with_and_without_prompt_and_camera(system, tmp_path):
    network = SYSTEMS[system]()
    parities = export.export_onnx(network, tmp_path / 'graph.onnx', SIZE)
    assert [(p.height, p.width, p.returns) for p in parities] == [(*SIZE, 111), (*SIZE, 0)]
    assert max(parity.depth for parity in parities) < 2e-4
    session = onnxruntime.InferenceSession(tmp_path / 'graph.onnx', providers=['CPUExecutionProvider'])
    assert [value.name for value in session.get_inputs()] == list(export.INPUTS)
    assert [value.shape for value in session.get_inputs()] == [[1, *SIZE, 3], [1, *SIZE], [1, *SIZE], [1, 4]]
    arrays = raw_inputs(*SIZE, returns=300, focal_px=90.0)  # not the arrays that it was traced and checked with
    with torch.no_grad():
        expected = network(*arrays)[0].numpy()
    found = session.run(['depth'], dict(zip(export.INPUTS, (a.numpy() for a in arrays), strict=True)))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert expected.std() > 1e-3 * expected.mean()
    assert [path.name for path in tmp_path.iterdir()] == ['graph.onnx']


def test_any_number_of_images_in_half_precision_is_told_in_the_graph_and_held_to_its_mean_difference(tmp_path):
    import onnx

    path = tmp_path / 'graph.onnx'
    parities = export.export_onnx(depth_anything(), path, SIZE, precision='fp16', batch=export.DYNAMIC)
    assert [parity.batch for parity in parities] == [1, 1, 3]
    assert all(0 < parity.depth < parity.allowed == export.HALF_TOLERANCE for parity in parities)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    assert session.get_inputs()[0].shape == ['batch', *SIZE, 3]
    assert session.get_modelmeta().custom_metadata_map == {'precision': 'fp16'}
    convolutions = [node for node in onnx.load(path).graph.node if node.op_type == 'Conv' and 'weight' in node.input[1]]
    assert convolutions and all(node.output[0].endswith('_half') for node in convolutions)


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    path = tmp_path_factory.mktemp('graph') / 'graph.onnx'
    export._write(depth_anything(), path, SETTINGS)
    return path


def test_weights_that_half_precision_would_change_stay_as_they_are(graph):
    import onnx

    weights = [i for i in onnx.load(graph).graph.initializer if i.name.startswith('network.') and len(i.dims) == 4]
    assert len(weights) > 20 and {weight.data_type for weight in weights} == {onnx.TensorProto.FLOAT}


def test_a_graph_too_large_for_one_file_has_its_weights_in_another(tmp_path, monkeypatch):
    monkeypatch.setattr(export, 'ONE_FILE', 1000)
    export.export_onnx(depth_anything(), tmp_path / 'graph.onnx', SIZE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['graph.onnx', 'graph.onnx.data']
    assert export.check_parity(depth_anything(), tmp_path / 'graph.onnx', SETTINGS)[0].passed


def test_another_network_is_found_out(graph):
    other = depth_anything()
    with torch.no_grad():
        other.network.backbone.embeddings.position_embeddings.mul_(1.2)
    assert not any(parity.passed for parity in export.check_parity(other, graph, SETTINGS))


def test_outside_the_tolerance_nothing_is_left_behind(graph, tmp_path, monkeypatch):
    monkeypatch.setattr(export, '_write', lambda network, path, settings: shutil.copy(graph, path))
    monkeypatch.setattr(export, 'TOLERANCE', 0.0)
    with pytest.raises(EngineError, match='differs from torch'):
        export.export_onnx(depth_anything(), tmp_path / 'bad.onnx', SIZE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('ours', 'theirs', 'difference'),
    [
        ([2.0, 4.0], [2.0, 4.004], 1e-3 / 1.04),
        ([5000.0, 2.0, 2.0], [5010.0, 2.0, 2.0], 2e-3 / 51),  # far away, only inverse depth is exact
        ([0.0, 5.0, 5.0], [1e-5, 5.0, 5.0], 2e-4),  # disparity at the sky
        ([0.0, 0.0], [0.0, 0.0], 0.0),  # sigma that is not known
        ([0.0, 0.0], [0.5, 0.0], 0.5),
    ],
)
def test_differences_are_relative(ours, theirs, difference):
    found = export._difference(np.float32(ours), np.float32(theirs))
    assert found == pytest.approx(difference, rel=0.01)


def test_nan_and_another_shape_are_never_within_the_tolerance():
    one = np.ones((2, 2), np.float32)
    assert not export.Parity(2, 2, 0, export._difference(one, one * np.nan), 0.0).passed
    assert not export.Parity(2, 2, 0, export._difference(one, one[:1]), 0.0).passed


def test_a_pixel_at_the_outline_of_no_depth_may_differ_and_an_area_may_not():
    ours = np.full((1, 100, 200), 2.0, np.float32)
    theirs = ours.copy()
    theirs[0, 0, 0] = 0
    assert export._difference(ours, theirs) == 0
    theirs[0, :2] = 0
    assert export._difference(ours, theirs) > 100 * export.TOLERANCE
    assert export._difference(ours, np.full_like(ours, np.nan)) == np.inf
