# SPDX-License-Identifier: Apache-2.0
"""A tiny model with random weights, complete with card and graph: engines run it, nobody looks at its depth."""

import pytest


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory):
    """The path of the card of a model `tiny`."""
    torch = pytest.importorskip('torch')
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    from depth_anything_ros.networks.card import ModelCard, save_card, weight_file
    from depth_anything_ros.networks.checkpoint import save_weights
    from depth_anything_ros.networks.export import export_onnx, halved
    from depth_anything_ros.networks.sparse_prompt import SparsePromptConfig, SparsePromptNet

    folder = tmp_path_factory.mktemp('tiny')
    config = {'channels': [8, 8, 8, 8, 8], 'blocks': [1, 1, 1, 1], 'propagation_steps': 1}
    torch.manual_seed(0)
    network = SparsePromptNet(SparsePromptConfig(**config)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    halved(network)
    export_onnx(network, folder / 'tiny.onnx')
    save_weights(network, folder / 'tiny.safetensors')
    card = ModelCard(
        name='tiny',
        description='random weights',
        licence='Apache-2.0',
        network='sparse_prompt',
        network_config=config,
        metric=True,
        inputs={},
        outputs={},
        weights=weight_file(folder / 'tiny.safetensors'),
        onnx=weight_file(folder / 'tiny.onnx'),
    )
    save_card(card, folder / 'tiny.yaml')
    return folder / 'tiny.yaml'
