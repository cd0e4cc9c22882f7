# SPDX-License-Identifier: Apache-2.0
"""A tiny model with random weights, complete with card and graph: engines run it, nobody looks at its depth."""

from pathlib import Path

CONFIG = {'channels': [8, 8, 8, 8, 8], 'blocks': [1, 1, 1, 1], 'propagation_steps': 1}


def tiny_network():
    """In evaluation mode, with every weight random: the same at every call."""
    import torch

    from depth_anything_ros.networks.export import halved
    from depth_anything_ros.networks.sparse_prompt import SparsePromptConfig, SparsePromptNet

    torch.manual_seed(0)
    network = SparsePromptNet(SparsePromptConfig(**CONFIG)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return halved(network)


def build_tiny_model(folder: Path) -> Path:
    """The card of a model `tiny` in `folder`; exported once, as exporting takes its time."""
    if (folder / 'tiny.yaml').exists():
        return folder / 'tiny.yaml'
    from depth_anything_ros.networks.card import ModelCard, save_card, weight_file
    from depth_anything_ros.networks.checkpoint import save_weights
    from depth_anything_ros.networks.export import export_onnx

    folder.mkdir(parents=True, exist_ok=True)
    network = tiny_network()
    export_onnx(network, folder / 'tiny.onnx')
    save_weights(network, folder / 'tiny.safetensors')
    card = ModelCard(
        name='tiny',
        description='random weights',
        licence='Apache-2.0',
        network='sparse_prompt',
        network_config=CONFIG,
        metric=True,
        inputs={},
        outputs={},
        weights=weight_file(folder / 'tiny.safetensors'),
        onnx=weight_file(folder / 'tiny.onnx'),
    )
    save_card(card, folder / 'tiny.yaml')
    return folder / 'tiny.yaml'
