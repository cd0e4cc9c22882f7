# SPDX-License-Identifier: Apache-2.0
"""depth_anything_ros export: a model's weights to an ONNX graph, with its parity against torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

HELP = 'Export a model to ONNX and show that it gives what torch gives, or leave nothing behind.'
EPILOG = """
The sparse-prompt network becomes one graph for images of any size, any number of them at a time; without --output it
goes beside the card, which then names it. The graph of every other model has the size of its images built in (--size);
without --output it goes to the model's weights. It and every graph in half precision get a card of their own beside
them, which says what they are: give --model that card.

Examples: depth_anything_ros export prompt_depth_small --output prompt_depth_small.onnx
          depth_anything_ros export depth_anything_v2_small --size 480x640 --precision fp16 --batch dynamic
"""


def add_arguments(parser) -> None:
    parser.add_argument('model', help='name of a model, or the path of its card')
    parser.add_argument('--size', metavar='HxW', help="height and width of the camera's images, 480x640 say")
    parser.add_argument(
        '--precision',
        choices=('fp32', 'fp16'),
        default='fp32',
        help='what the graph computes in (default: %(default)s; engines for a GPU halve it by themselves)',
    )
    parser.add_argument(
        '--batch',
        metavar='N',
        help="images a run takes, or 'dynamic' for any number (default: 1 with --size, dynamic without)",
    )
    parser.add_argument(
        '--fuse-attention',
        action='store_true',
        help='for ONNX Runtime alone, which is faster then: TensorRT cannot read such a graph',
    )
    parser.add_argument('--output', type=Path, metavar='FILE', help='where to write the graph')


def run(args) -> int:
    from depth_anything_ros.core.errors import ConfigError, MissingExtra
    from depth_anything_ros.engines.arrays import check_size
    from depth_anything_ros.engines.options import parse_size
    from depth_anything_ros.networks.card import SPARSE_PROMPT, find_card, load_card, save_card, weight_file

    try:
        from depth_anything_ros.networks.export import ExportSettings, export_onnx
        from depth_anything_ros.networks.loading import load_network
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name, 'torch', 'export') from error

    card = load_card(args.model)
    if (card.network == SPARSE_PROMPT) != (args.size is None):
        why = 'takes images of any size: leave it out' if args.size else "expected HxW, the size of the camera's images"
        raise ConfigError(f'--size: {card.name} {why}' if args.size else f'--size: {why}, for {card.name}')
    size = parse_size(args.size, '--size') if args.size else None
    if size:
        check_size(card, *size)
    tag = (f'_{size[0]}x{size[1]}' if size else '') + ('_fp16' if args.precision == 'fp16' else '')
    tag += '_fused' if args.fuse_attention else ''
    output = args.output or card.path_of(card.weights).parent / f'{card.name}{tag}.onnx'
    own = output.with_suffix('.yaml') if tag else find_card(args.model)
    if tag and own.exists() and load_card(str(own)).name != card.name:
        raise ConfigError(f'--output: {own} is the card of another model; give another name')
    settings = ExportSettings(size, args.precision, _batch(args.batch), args.fuse_attention)  # refused before all else
    network = load_network(card)
    output.parent.mkdir(parents=True, exist_ok=True)
    _print_parities(export_onnx(network, output, **vars(settings)), output)
    if size is not None:
        sized = f'(1, {size[0]}, {size[1]}'
        inputs = {name: text.replace('(1, H, W', sized) for name, text in card.inputs.items()}
        outputs = {name: text.replace('(1, H, W', sized) for name, text in card.outputs.items()}
        card = dataclasses.replace(card, inputs=inputs, outputs=outputs)
    if tag or args.output is None:
        save_card(dataclasses.replace(card, onnx=weight_file(output)), own)
        print(f'{own}: its card')
    return 0


def _batch(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isdigit() else text


def _print_parities(parities, output: Path):
    half = parities[0].precision == 'fp16'
    print(
        f'{"image":>12} {"returns":>8} {"images":>6} {"depth":>10} {"sigma":>10}'
        f'   {"mean" if half else "largest"} relative difference, torch / ONNX Runtime'
    )
    for parity in parities:
        size = f'{parity.width}x{parity.height}'
        print(f'{size:>12} {parity.returns:>8} {parity.batch:>6} {parity.depth:>10.2e} {parity.sigma:>10.2e}')
    sizes = {(parity.width, parity.height) for parity in parities}
    built_in = 'any size in multiples of 32 px' if len(sizes) > 1 else 'for images of {}x{} px'.format(*sizes.pop())
    files = [output, output.with_name(f'{output.name}.data')]
    size_mb = sum(file.stat().st_size for file in files if file.exists()) / 1e6
    print(f'{output}: {size_mb:.1f} MB, within {parities[0].allowed:g} of torch, {built_in}')
