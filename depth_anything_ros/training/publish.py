# SPDX-License-Identifier: Apache-2.0
"""A training run becomes a model: half-precision weights, ONNX graph and card.

`python -m depth_anything_ros.training.publish RUN DRAFT`: DRAFT is a card without network,
network_config, weights, onnx and parameters_m, which come from the run.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import yaml

from depth_anything_ros.core.errors import CheckpointError
from depth_anything_ros.networks.card import SPARSE_PROMPT, ModelCard, build_card, save_card, weight_file
from depth_anything_ros.networks.checkpoint import load_weights, save_weights
from depth_anything_ros.networks.export import export_onnx, halved
from depth_anything_ros.networks.sparse_prompt import SparsePromptNet
from depth_anything_ros.training.config import read_config
from depth_anything_ros.training.loop import AVERAGED, CONFIG


def publish(run: Path, draft: dict, folder: Path) -> ModelCard:
    """Averaged weights of `run` -> NAME.safetensors, NAME.onnx and NAME.yaml in `folder`.

    Raises CheckpointError on a run or draft that is incomplete, EngineError when the graph differs from torch.
    """
    name = draft.get('name')
    if not name:
        raise CheckpointError('the draft of a card needs a name')
    config = read_config(run / CONFIG).network
    network = SparsePromptNet(config).eval()
    load_weights(network, run / AVERAGED)
    halved(network)
    weights, graph = folder / f'{name}.safetensors', folder / f'{name}.onnx'
    export_onnx(network, graph)
    save_weights(network.half(), weights)
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(config).items()}
    card = build_card(
        {
            **draft,
            'network': SPARSE_PROMPT,
            'network_config': settings,
            'weights': dataclasses.asdict(weight_file(weights)),
            'onnx': dataclasses.asdict(weight_file(graph)),
            'parameters_m': round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 2),
        }
    )
    save_card(card, folder / f'{name}.yaml')
    return dataclasses.replace(card, folder=folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('run', type=Path, help='folder of the training run')
    parser.add_argument('draft', type=Path, help='YAML: the fields of the card that the run does not know')
    parser.add_argument('--folder', type=Path, default=Path('models'), help='where the model goes')
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    card = publish(given.run, yaml.safe_load(given.draft.read_text()), given.folder)
    print(f'{given.folder / card.name}.yaml: {card.weights.file}, {card.onnx.file}')


if __name__ == '__main__':
    main()
