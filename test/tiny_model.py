# SPDX-License-Identifier: Apache-2.0
"""Tiny models with random weights, complete with cards: engines run them, nobody looks at their depth.

`build_tiny_model`: the package's own network with its graph. `build_tiny_system`: any published system, by the name of
its card, which says everything about the tiny one too except its size.
"""

import dataclasses
from pathlib import Path

CONFIG = {'channels': [8, 8, 8, 8, 8], 'blocks': [1, 1, 1, 1], 'propagation_steps': 1}
VIT = {'hidden': 32, 'layers': 4, 'heads': 2, 'taps': [0, 1, 2, 3]}
HEAD = {'features': 16, 'channels': [8, 8, 16, 16]}
SIZES = {  # by network: settings that replace those of a published card
    'sparse_prompt': CONFIG,
    'depth_anything': VIT | HEAD | {'side_px': 56},
    'prompt_depth_anything': VIT | HEAD | {'longest_px': 112},
    'depth_pro': {'hidden': 16, 'layers': 3, 'heads': 2, 'taps': [0, 1], 'widths': [8, 8, 16], 'features': 8}
    | {'tile_px': 64},
    'dap': VIT | HEAD | {'height': 32, 'width': 64},
    'metric_anything': {'hidden': 16, 'layers': 5, 'heads': 2, 'mlp': 32, 'taps': [0, 1, 2, 3]}
    | {'widths': [8, 8, 8, 16], 'features': 8, 'tile_px': 128},
    'depth_anything_3': VIT | HEAD | {'side_px': 56},
}
SYSTEMS = (  # one published card of every network, and of each of its kinds
    'prompt_depth_small',
    'depth_anything_v1_small',
    'depth_anything_v2_small',
    'depth_anything_v2_metric_hypersim_small',
    'prompt_depth_anything_small',
    'depth_pro',
    'dap',
    'metric_anything_depthmap',
    'depth_anything_3_metric_large',
)


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


def build_tiny_system(published: str, folder: Path, **settings) -> Path:
    """The path of a card `tiny_<published>` in `folder`: the published system at a tiny size with random weights.

    settings replace fields of the card's network_config.
    """
    from depth_anything_ros.networks.card import load_card, save_card, weight_file
    from depth_anything_ros.networks.checkpoint import save_weights

    card = load_card(published)
    config = {key: value for key, value in card.network_config.items() if key != 'encoder'}
    if card.network == 'sparse_prompt':
        config = {}  # tiny_network's own
    config |= SIZES[card.network] | settings
    name = f'tiny_{published}'
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(tiny_system(card.network, config), folder / f'{name}.safetensors')
    tiny = dataclasses.replace(
        card,
        name=name,
        network_config=config,
        weights=weight_file(folder / f'{name}.safetensors'),
        alternatives=(),
        onnx=None,
    )
    save_card(tiny, folder / f'{name}.yaml')
    return folder / f'{name}.yaml'


def tiny_system(network: str, config: dict):
    """The network of these settings with random weights, the same at every call, so that something comes out."""
    import torch
    from random_network import randomised

    from depth_anything_ros.networks.registry import build_network, network_config

    if network == 'sparse_prompt':
        return tiny_network()
    net = randomised(build_network(network, network_config(network, config)))
    with torch.no_grad():
        if network == 'depth_anything':
            net.network.head.conv3.bias.fill_(4.0)  # the ReLU of a relative network would cut most of a random map
        if network == 'dap':  # a mask that keeps a part
            _, mask = net.maps(torch.rand(1, 3, config['height'], config['width']))
            net.mask_head.scratch.output_conv2[-1].bias -= mask.logit().quantile(0.8)
    return net
