# SPDX-License-Identifier: Apache-2.0
"""depth_anything_ros export: a model's weights to an ONNX graph, with its parity against torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

HELP = 'Export a model to ONNX and show that it gives what torch gives, or leave nothing behind.'
EPILOG = """
The sparse-prompt network becomes one graph for images of any size; without --output it goes beside the card, which
then names it. The graph of every other model has the size of its images built in (--size); without --output it goes to
the model's weights, with a card beside it that says the size: give --model that card.

Examples: depth_anything_ros export prompt_depth_small --output prompt_depth_small.onnx
          depth_anything_ros export depth_anything_v2_small --size 480x640
"""


def add_arguments(parser) -> None:
    parser.add_argument('model', help='name of a model, or the path of its card')
    parser.add_argument('--size', metavar='HxW', help="height and width of the camera's images, 480x640 say")
    parser.add_argument('--output', type=Path, metavar='FILE', help='where to write the graph')


def run(args) -> int:
    from depth_anything_ros.core.errors import ConfigError, MissingExtra
    from depth_anything_ros.engines.arrays import check_size
    from depth_anything_ros.networks.card import SPARSE_PROMPT, find_card, load_card, save_card, weight_file

    try:
        from depth_anything_ros.networks.export import export_onnx
        from depth_anything_ros.networks.loading import load_network
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name, 'torch', 'export') from error

    card = load_card(args.model)
    if (card.network == SPARSE_PROMPT) != (args.size is None):
        why = 'takes images of any size: leave it out' if args.size else "expected HxW, the size of the camera's images"
        raise ConfigError(f'--size: {card.name} {why}' if args.size else f'--size: {why}, for {card.name}')
    size = args.size and _size(args.size)
    if size:
        check_size(card, *size)
    network = load_network(card)
    if size is None:
        output, own = args.output or card.folder / f'{card.name}.onnx', find_card(args.model)
    else:
        folder = card.path_of(card.weights).parent
        output = args.output or folder / f'{card.name}_{size[0]}x{size[1]}.onnx'
        own = output.with_suffix('.yaml')
        if own.exists() and load_card(str(own)).name != card.name:
            raise ConfigError(f'--output: {own} is the card of another model; give another name')
    output.parent.mkdir(parents=True, exist_ok=True)
    _print_parities(export_onnx(network, output, size), output)
    if size is not None:
        sized = f'(1, {size[0]}, {size[1]}'
        inputs = {name: text.replace('(1, H, W', sized) for name, text in card.inputs.items()}
        outputs = {name: text.replace('(1, H, W', sized) for name, text in card.outputs.items()}
        card = dataclasses.replace(card, inputs=inputs, outputs=outputs)
    if size is not None or args.output is None:
        save_card(dataclasses.replace(card, onnx=weight_file(output)), own)
        print(f'{own}: its card')
    return 0


def _print_parities(parities, output: Path):
    from depth_anything_ros.networks.export import TOLERANCE

    print(
        f'{"image":>12} {"returns":>8} {"depth":>10} {"sigma":>10}   largest relative difference, torch / ONNX Runtime'
    )
    for parity in parities:
        size = f'{parity.width}x{parity.height}'
        print(f'{size:>12} {parity.returns:>8} {parity.depth:>10.2e} {parity.sigma:>10.2e}')
    sizes = {(parity.width, parity.height) for parity in parities}
    built_in = 'any size in multiples of 32 px' if len(sizes) > 1 else 'for images of {}x{} px'.format(*sizes.pop())
    files = [output, output.with_name(f'{output.name}.data')]
    size_mb = sum(file.stat().st_size for file in files if file.exists()) / 1e6
    print(f'{output}: {size_mb:.1f} MB, within {TOLERANCE:g} of torch, {built_in}')


def _size(text: str) -> tuple[int, int]:
    from depth_anything_ros.core.errors import ConfigError

    height, _, width = text.lower().partition('x')
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise ConfigError(f'--size: expected HxW, 480x640 say; got {text!r}')
    return int(height), int(width)
