# SPDX-License-Identifier: Apache-2.0
"""depth_anything_ros build-engine: an exported graph to a TensorRT engine that gives what the model gives."""

from __future__ import annotations

from pathlib import Path

HELP = 'Build a TensorRT engine from an exported model, compare it with the model, and install it with a manifest.'
EPILOG = """
MODEL_OR_ONNX is a model whose card names an ONNX graph (depth_anything_ros export makes one), or the path of a graph
with its card beside it. The engine goes to the cache folder, where the node looks for it, unless --output says
otherwise; one that gives other depth than the model (AbsRel drift of 1 % or more on --frames) is not installed.

The ordinary TensorRT builds only on the machine that will run the engine. TensorRT-RTX builds without a GPU too: with
--build-only, as when a Docker image is made, the engine is compared when it first starts on a GPU.

Examples: depth_anything_ros build-engine prompt_depth_small
          depth_anything_ros build-engine prompt_depth_small --plan-size 416x736 --frames drive.mcap
          depth_anything_ros build-engine depth_anything_v2_small_518x518.onnx --build-only --output engines/v2.plan
"""


def add_arguments(parser) -> None:
    parser.add_argument('model', metavar='MODEL_OR_ONNX', help='name of a model, its card, or an ONNX file')
    parser.add_argument(
        '--plan-size',
        '--size',
        default='',
        metavar='HxW',
        help='size of the images where the graph takes any (default: 352x480)',
    )
    parser.add_argument(
        '--precision',
        choices=('auto', 'fp16', 'fp32'),
        default='auto',
        help='auto: fp16, with ever more layers in fp32 where it drifts; fp16: the same, but never all of them',
    )
    parser.add_argument(
        '--keep-fp32',
        action='append',
        default=[],
        metavar='PATTERN',
        help="layers that stay in single precision, by the name of their weights: 'heads.*' (may be repeated)",
    )
    parser.add_argument(
        '--frames',
        type=Path,
        metavar='PATH',
        help='what it is compared on: a recording, or a folder of images with prompts (name.jpg, name.npz with'
        " depth_m and camera); default: the package's own",
    )
    parser.add_argument(
        '--build-only', action='store_true', help='without a GPU: compared at its first start on one instead'
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
    parser.add_argument('--plan-folder', default='', metavar='FOLDER', help='where it goes instead of the cache folder')
    parser.add_argument('--output', type=Path, metavar='FILE', help='where it goes, by its full name')


def run(args) -> int:
    from depth_anything_ros.cli.frames_argument import frames_of
    from depth_anything_ros.cli.progress import note
    from depth_anything_ros.engines.options import EngineOptions
    from depth_anything_ros.engines.plan_install import build_and_install, steps
    from depth_anything_ros.engines.plan_site import plan_site
    from depth_anything_ros.engines.tensorrt_api import find_tensorrt, machine_of

    options = EngineOptions(args.precision, plan_folder=args.plan_folder, plan_size=args.plan_size)
    card = _card(args.model)
    tensorrt, cuda = find_tensorrt(args.tensorrt), _gpu(args.build_only)
    site = plan_site(card, tensorrt, machine_of(tensorrt, cuda), options, args.output)
    settings = steps(args.precision, site.size, args.keep_fp32, args.workspace)
    frames = None if args.frames is None else frames_of(args.frames)
    with _progress() as show:
        manifest = build_and_install(site, settings, cuda, frames, show)
    (height, width), size_mb = manifest.size, site.plan.stat().st_size / 1e6
    print(
        f'{site.plan}: {size_mb:.1f} MB, {manifest.arithmetic}, {width}x{height}, {tensorrt.flavour}'
        f' {tensorrt.version}, {site.machine.gpu_name or "for any GPU that this TensorRT knows"}'
    )
    if manifest.parity is None:
        note('Not compared with the model yet: that takes a GPU and is done when the engine first starts on one.')
    else:
        print(f'{manifest.parity}')
    return 0


def _gpu(build_only: bool):
    """The GPU to compare on, or None. Raises EngineError where there is none and it was not left out."""
    from depth_anything_ros.core.errors import EngineError
    from depth_anything_ros.engines.cuda_memory import find_cuda

    if build_only:
        return None
    try:
        return find_cuda()
    except EngineError as error:
        raise EngineError(
            f'{error}, so the engine cannot be compared with the model: --build-only leaves that to its first start'
        ) from error


def _card(model: str):
    """Of a model, a card, or a graph with its card beside it. Raises CheckpointError."""
    from depth_anything_ros.core.errors import CheckpointError
    from depth_anything_ros.networks.card import load_card

    if not model.endswith('.onnx'):
        return load_card(model)
    graph = Path(model)
    if not graph.is_file():
        raise CheckpointError(f'{graph}: there is no such graph')
    for path in sorted(graph.parent.glob('*.yaml')):
        try:
            card = load_card(str(path))
        except CheckpointError:  # some other YAML
            continue
        if card.onnx is not None and card.path_of(card.onnx).resolve() == graph.resolve():
            return card
    raise CheckpointError(
        f'{graph}: no card beside it names it, so nothing says what its depth means: give the model instead, or make'
        ' the graph with depth_anything_ros export, which writes one'
    )


def _progress():
    """A context that gives TensorRT's on_progress: one bar a phase, gone when it is done."""
    from contextlib import contextmanager

    from depth_anything_ros.cli.progress import progress_bar

    @contextmanager
    def shown():
        tasks = {}
        with progress_bar() as bar:

            def show(phase: str, step: int, steps: int) -> bool:
                if phase not in tasks:
                    tasks[phase] = bar.add_task(phase, total=steps)
                bar.update(tasks[phase], completed=step, visible=step < steps)
                return True

            yield show
            for task in tasks.values():  # TensorRT does not report the last step of every phase
                bar.update(task, visible=False)

    return shown()
