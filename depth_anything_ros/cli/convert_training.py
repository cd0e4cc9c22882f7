# SPDX-License-Identifier: Apache-2.0
"""depth_anything_ros convert-training: public data sets become shards to train on."""

from __future__ import annotations

from pathlib import Path

HELP = 'Turn a public data set with dense or semi-dense depth into shards to train on.'
EPILOG = """
kinds, and what FOLDER holds (docs/training.md says more):
  nyuv2             nyu_depth_v2_labeled.mat, or SCENE/rgb_N.jpg + SCENE/sync_depth_N.png
  kitti_completion  train/DRIVE/proj_depth/groundtruth with KITTI raw's images and calibration
  arkitscenes       Training/VIDEO/{wide,highres_depth} with lowres_wide_intrinsics of the raw download
  scannetpp[_dslr]  data/SCENE/iphone/{rgb,render_depth,colmap} (dslr/resized_images) made by its toolkit
  hypersim          ai_VVV_NNN scenes and metadata_camera_parameters.csv
  tum               a sequence (rgb.txt, depth.txt), or several

A run that was killed goes on when the same command is given again. OUT/held_out gets every tenth scene, or, of fewer
than ten scenes, every tenth shard (of fewer than ten none), for validation. Mind the licences: most of them allow no
checkpoint to be shipped.

examples:
  depth_anything_ros convert-training kitti_completion KITTI OUT --workers 4
  depth_anything_ros convert-training tum rgbd_dataset_freiburg3_long_office_household OUT --every 10
  depth_anything_ros train models/training/prompt_depth_small.yaml --output RUN --shards OUT
"""


def add_arguments(parser) -> None:
    from depth_anything_ros.training.public.catalogue import LAYOUTS

    parser.add_argument('kind', metavar='KIND', choices=LAYOUTS, help=f'one of {", ".join(LAYOUTS)}')
    parser.add_argument('folder', type=Path, metavar='FOLDER', help='the data set as downloaded')
    parser.add_argument('output', type=Path, metavar='OUT', help='folder of the shards')
    parser.add_argument('--side', type=int, default=240, metavar='PX', help='shorter side; 0: as it is (default: 240)')
    parser.add_argument(
        '--every', type=int, default=1, metavar='N', help='take every Nth frame of a scene (default: 1)'
    )
    parser.add_argument('--per-shard', type=int, default=32, metavar='N', help='frames a shard at most (default: 32)')
    parser.add_argument('--workers', type=int, default=1, help='processes (default: 1)')


def run(args) -> int:
    from depth_anything_ros.cli.progress import note, progress_bar
    from depth_anything_ros.core.errors import InvalidInput
    from depth_anything_ros.training.public.catalogue import open_layout
    from depth_anything_ros.training.public.conversion import Conversion, convert, missing, planned

    if args.workers < 1:
        raise InvalidInput(f'--workers: expected 1 or more, got {args.workers}')
    conversion = Conversion(args.kind, args.output, args.side, args.every, args.per_shard)
    dataset = open_layout(args.kind, args.folder)
    warning = dataset.terms.warning()
    if warning:
        note(f'warning: {warning}')
    plan = planned(dataset, conversion)
    total = sum(len(shard.frames) for shard in plan)
    with progress_bar('frames') as bar:
        done = total - sum(len(shard.frames) for shard in missing(plan))
        task = bar.add_task(f'converting {args.kind}', total=total, completed=done)
        for frames in convert(dataset, conversion, args.workers):
            bar.update(task, advance=frames)
    print(f'{args.output}: {total} frames of {dataset.terms.dataset}, {dataset.terms.licence}')
    return 0
