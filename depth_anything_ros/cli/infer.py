# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros infer`: depth of one image from files."""

from __future__ import annotations

from pathlib import Path

from depth_anything_ros.cli.model_argument import add_model_arguments, make_estimator
from depth_anything_ros.cli.progress import note
from depth_anything_ros.cli.settings_argument import add_settings_argument
from depth_anything_ros.core.errors import ConfigError, InvalidInput, RecordingError

HELP = 'Depth of one image from files, with or without a sparse or low-resolution metric prompt.'
EPILOG = """
prompts (--prompt), at the image's size or lower:
  .npy .npz   float metres, NaN or 0 where nothing was measured (an .npz holds one array, or one named depth)
  .png        16 bits, times --prompt-scale (default 0.001: millimetres)

outputs (--output), by extension; several may be given:
  .npy        float32 metres, NaN unknown
  .png        16 bits, millimetres, 0 unknown (beyond 65.535 m too)
  .ply        coloured cloud in the camera's optical frame
  .jpg        picture, near red to far blue

examples:
  depth_anything_ros infer room.jpg --prompt tof.png --camera 615,615,320,240 --output depth.npy cloud.ply view.jpg
  depth_anything_ros infer road.png --prompt lidar.npz --kind lidar --camera rig.yaml --output depth.png
  depth_anything_ros infer dome.jpg --prompt range.png --camera equirectangular --output cloud.ply
  depth_anything_ros infer large.jpg --prompt tof.png --output depth.npy --set estimator.tiling.tile_px=768
"""
ENDINGS = ('.npy', '.png', '.ply', '.jpg')
STAMP_NS = 1_000_000_000  # a file has no time; everything is of one moment
KINDS = ('lidar', 'radar', 'tof', 'stereo')


def add_arguments(parser) -> None:
    parser.add_argument('image', type=Path)
    parser.add_argument('--prompt', type=Path, help='sparse or low-resolution depth, .npy, .npz or 16-bit .png')
    parser.add_argument(
        '--prompt-scale', type=float, metavar='S', help='metres per unit of the prompt (.png: 0.001, .npy: 1)'
    )
    parser.add_argument('--kind', choices=KINDS, help="what measured it (default: lidar at the image's size, else tof)")
    parser.add_argument(
        '--camera', help='fx,fy,cx,cy in pixels, equirectangular, or a calibration YAML (default: a 60 degree guess)'
    )
    add_model_arguments(parser)
    add_settings_argument(parser)
    parser.add_argument('--output', type=Path, nargs='+', required=True, metavar='OUT')


def run(args) -> int:
    from depth_anything_ros.cli.camera_argument import camera_of
    from depth_anything_ros.core.frames import Observation
    from depth_anything_ros.evaluation.source import ASSUMED_FOV_DEG, assumed_camera, read_image

    _check_outputs(args.output)
    image_rgb = read_image(args.image)
    height, width = image_rgb.shape[:2]
    if args.camera:
        camera = camera_of(args.camera, width, height)
    else:
        camera = assumed_camera(width, height)
        note(f'no --camera: a horizontal field of view of {ASSUMED_FOV_DEG:g} degrees is assumed')
    prompts = () if args.prompt is None else (_prompt(args, width, height),)
    observation = Observation(image_rgb, camera, STAMP_NS, depth_prompts=prompts, camera_known=bool(args.camera))
    if camera.is_distorted and not camera.is_equirectangular:
        observation = _rectified(observation)
        note('the lens distorts: depth and pictures are of the rectified image')
    estimator = make_estimator(args, args.set)
    frame = estimator.estimate(observation)
    for path in args.output:
        _write(path, frame, observation.image_rgb)
        print(path)
    facts = ', '.join(f'{key} {value}' for key, value in frame.report.items())
    note(f'{frame.mode.value}; {frame.prompt.stats.count} returns; {sum(frame.timings_ms.values()):.0f} ms; {facts}')
    return 0


def _check_outputs(paths: list[Path]) -> None:
    for path in paths:
        if path.suffix not in ENDINGS:
            raise ConfigError(f'--output: expected a name ending in {", ".join(ENDINGS)}; got {path}')
        if not path.absolute().parent.is_dir():
            raise ConfigError(f'--output: there is no folder {path.absolute().parent}')


def _prompt(args, width: int, height: int):
    """The prompt's file -> DepthPrompt."""
    import numpy as np

    from depth_anything_ros.core.frames import DepthPrompt, RangeKind
    from depth_anything_ros.evaluation.source import read_depth_png

    path, scale = args.prompt, args.prompt_scale
    if scale is not None and not (0 < scale < float('inf')):
        raise ConfigError(f'--prompt-scale: expected metres per unit above 0, got {scale}')
    if path.suffix == '.png':
        depth_m = read_depth_png(path, 0.001 if scale is None else scale)
    elif path.suffix in ('.npy', '.npz'):
        values = _array(path)
        with np.errstate(invalid='ignore'):
            depth_m = np.where(np.isfinite(values) & (values > 0), values, np.nan) * (scale or 1.0)
    else:
        raise ConfigError(f'--prompt: expected .npy, .npz or .png, got {path}')
    if depth_m.ndim != 2 or depth_m.shape[0] > height or depth_m.shape[1] > width or not depth_m.size:
        raise InvalidInput(
            f'{path}: expected depth (rows, columns) of at most {height}x{width} as the image, got {depth_m.shape}'
        )
    full = depth_m.shape == (height, width)
    kind = RangeKind(args.kind or ('lidar' if full else 'tof'))
    return DepthPrompt(depth_m.astype(np.float32), STAMP_NS, kind)


def _array(path: Path):
    """The array of a .npy, or the only one (or the one named depth) of a .npz."""
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RecordingError(f'{path}: expected a {path.suffix} of numbers, cannot be read ({error})') from error
    if isinstance(loaded, np.ndarray):
        values = loaded
    else:
        with loaded:
            names = list(loaded.files)
            name = 'depth' if 'depth' in names else names[0] if len(names) == 1 else None
            if name is None:
                raise RecordingError(f'{path}: expected one array or one named depth, got {", ".join(names) or "none"}')
            values = loaded[name]
    if values.dtype.kind not in 'fiu':
        raise RecordingError(f'{path}: expected numbers, got {values.dtype}')
    return values


def _rectified(observation):
    """The observation of the pinhole camera; prompts, aligned to the distorted image, become returns in space."""
    import dataclasses

    import numpy as np

    from depth_anything_ros.evaluation.holdout import sweep_at
    from depth_anything_ros.pipeline.rectification import Rectifier

    rectifier = Rectifier(observation.camera)
    sweeps = []
    for prompt in observation.depth_prompts:
        v, u = np.nonzero(np.isfinite(prompt.depth_m))
        camera = observation.camera.resized(*prompt.depth_m.shape[::-1])
        sweeps.append(sweep_at(v, u, prompt.depth_m, camera, prompt.stamp_ns, kind=prompt.kind))
    return dataclasses.replace(
        observation,
        image_rgb=rectifier.apply(observation.image_rgb),
        camera=rectifier.camera,
        seen=rectifier.seen,
        sweeps=tuple(sweeps),
        depth_prompts=(),
    )


def _write(path: Path, frame, image_rgb) -> None:
    import cv2
    import numpy as np

    if path.suffix == '.npy':
        np.save(path, frame.depth_m)
    elif path.suffix == '.ply':
        from depth_anything_ros.evaluation.ply import write_ply

        write_ply(path, frame.depth_m, frame.camera, image_rgb)
    else:
        from depth_anything_ros.core.encoding import encode_depth
        from depth_anything_ros.evaluation.pictures import depth_picture

        if path.suffix == '.png':
            picture = encode_depth(frame.depth_m, '16UC1')
        else:
            picture = depth_picture(frame.depth_m)[:, :, ::-1]
        if not cv2.imwrite(str(path), picture):
            raise RecordingError(f'{path}: cannot be written')
