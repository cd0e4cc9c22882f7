# SPDX-License-Identifier: Apache-2.0
"""depth_anything_ros export: a model's weights to an ONNX graph, with its parity against torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

HELP = 'Export a model to ONNX and show that it gives what torch gives, or leave nothing behind.'
EPILOG = """
Without --output the graph goes beside the card, which then names it.

Example: depth_anything_ros export prompt_depth_small --output prompt_depth_small.onnx
"""


def add_arguments(parser) -> None:
    parser.add_argument('model', help='name of a model, or the path of its card')
    parser.add_argument('--output', type=Path, metavar='FILE', help='where to write the graph')


def run(args) -> int:
    from depth_anything_ros.core.errors import MissingExtra
    from depth_anything_ros.networks.card import find_card, load_card, save_card, weight_file

    try:
        from depth_anything_ros.networks.export import TOLERANCE, export_onnx
        from depth_anything_ros.networks.loading import load_network
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name, 'torch', 'export') from error

    card = load_card(args.model)
    output = args.output or card.folder / f'{card.name}.onnx'
    output.parent.mkdir(parents=True, exist_ok=True)
    parities = export_onnx(load_network(card), output)
    print(
        f'{"image":>12} {"returns":>8} {"depth":>10} {"sigma":>10}   largest relative difference, torch / ONNX Runtime'
    )
    for parity in parities:
        size = f'{parity.width}x{parity.height}'
        print(f'{size:>12} {parity.returns:>8} {parity.depth:>10.2e} {parity.sigma:>10.2e}')
    size_mb = output.stat().st_size / 1e6
    print(f'{output}: {size_mb:.1f} MB, within {TOLERANCE:g} of torch, any size in multiples of 32 px')
    if args.output is None:
        save_card(dataclasses.replace(card, onnx=weight_file(output)), find_card(args.model))
    return 0
