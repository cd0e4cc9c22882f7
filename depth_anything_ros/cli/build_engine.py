# SPDX-License-Identifier: Apache-2.0
"""depth_anything_ros build-engine: an exported graph to a TensorRT engine with its manifest."""

from __future__ import annotations

from pathlib import Path

HELP = 'Build a TensorRT engine from an exported model, with a manifest that says what it was made from and for.'
EPILOG = """
MODEL_OR_ONNX is a model whose card names an ONNX graph (depth_anything_ros export makes one), or a graph's path.
The engine goes beside the graph unless --output says otherwise. TensorRT-RTX builds without a GPU, the ordinary
TensorRT only on the machine that will run the engine.

Example: depth_anything_ros build-engine prompt_depth_small --size 480x640 --precision fp16
"""


def add_arguments(parser) -> None:
    parser.add_argument('model', metavar='MODEL_OR_ONNX', help='name of a model, its card, or an ONNX file')
    parser.add_argument('--size', default='480x640', metavar='HxW', help='size of the images (default: %(default)s)')
    parser.add_argument('--precision', choices=('fp16', 'fp32'), default='fp16', help='default: %(default)s')
    parser.add_argument(
        '--keep-fp32',
        action='append',
        default=[],
        metavar='PATTERN',
        help="layers that stay in single precision, by the name of their weights: 'heads.*' (may be repeated)",
    )
    parser.add_argument(
        '--workspace', type=int, default=0, metavar='MB', help="limit of working memory (0: TensorRT's)"
    )
    parser.add_argument(
        '--tensorrt',
        choices=('auto', 'tensorrt', 'tensorrt_rtx'),
        default='auto',
        help='which one builds (default: the one that is installed)',
    )
    parser.add_argument('--output', type=Path, metavar='FILE', help='where the engine goes')


def run(args) -> int:
    from depth_anything_ros.cli.progress import note, progress_bar
    from depth_anything_ros.engines.plan_builder import PlanSettings, build_plan
    from depth_anything_ros.engines.tensorrt_api import find_tensorrt, machine_of

    height, width = _size(args.size)
    settings = PlanSettings(height, width, args.precision, tuple(args.keep_fp32), args.workspace)
    model, graph = _graph(args.model)
    tensorrt = find_tensorrt(args.tensorrt)
    machine = machine_of(tensorrt)
    output = args.output or graph.with_name(f'{graph.stem}_{height}x{width}_{args.precision}.{tensorrt.flavour}.plan')
    with progress_bar() as bar:
        tasks = {}

        def show(phase: str, step: int, steps: int) -> bool:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=steps)
            bar.update(tasks[phase], completed=step, visible=step < steps)
            return True

        manifest = build_plan(graph, output, tensorrt, machine, settings, model, show)
    size_mb = output.stat().st_size / 1e6
    print(
        f'{output}: {size_mb:.1f} MB, {manifest.precision}, {width}x{height}, {tensorrt.flavour} {tensorrt.version},'
        f' {machine.gpu_name or "for any GPU that this TensorRT knows"}'
    )
    if manifest.parity is None:
        note('Not compared with torch: running an engine takes a GPU.')
    return 0


def _size(text: str) -> tuple[int, int]:
    from depth_anything_ros.core.errors import ConfigError

    height, _, width = text.lower().partition('x')
    if not (height.isdigit() and width.isdigit()):
        raise ConfigError(f'--size: expected HxW, 480x640 say; got {text!r}')
    return int(height), int(width)


def _graph(model: str) -> tuple[str, Path]:
    """(name, ONNX file) of a model, a card or a graph."""
    from depth_anything_ros.core.errors import CheckpointError
    from depth_anything_ros.networks.card import load_card, verified_path
    from depth_anything_ros.networks.weight_store import how_to_get_a_graph

    if model.endswith('.onnx'):
        return Path(model).stem, Path(model)
    card = load_card(model)
    if card.onnx is None:
        raise CheckpointError(f'{card.name}: {how_to_get_a_graph(card)}')
    return card.name, verified_path(card, card.onnx)
