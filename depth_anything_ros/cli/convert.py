# SPDX-License-Identifier: Apache-2.0
"""`depth_anything_ros convert`: public data layouts into recordings."""

from __future__ import annotations

from pathlib import Path

from depth_anything_ros.cli.progress import progress_bar
from depth_anything_ros.core.errors import ConfigError

HELP = 'Turn a public data layout into a rosbag2 recording with images, camera_info, points or depth, and transforms.'
EPILOG = """
layouts:
  kitti   a KITTI raw drive (2011_09_26_drive_0001_sync, calib_*.txt in the folder above), a date folder with one
          drive, or a flat folder with image_02/*.png, velodyne/*.bin and calib.json; rings are told from the files
  tum     a TUM RGB-D sequence (rgb.txt, depth.txt, groundtruth.txt); --camera for other than its default intrinsics
  folder  images/*.png|jpg with depth/*.png (16-bit mm) and/or points/*.npy|bin|ply; needs --calibration

examples:
  depth_anything_ros convert kitti 2011_09_26/ --output drive.mcap
  depth_anything_ros convert tum rgbd_dataset_freiburg3_long_office_household --output office.mcap --jpeg 90
  depth_anything_ros convert folder my_run/ --calibration rig.yaml --rate 20 --output my_run.mcap
"""


def add_arguments(parser) -> None:
    parser.add_argument('layout', choices=('kitti', 'tum', 'folder'))
    parser.add_argument('source', type=Path)
    parser.add_argument('--output', type=Path, required=True, help='name.mcap, name.db3, or a folder to be made')
    parser.add_argument('--jpeg', type=int, metavar='Q', help='store images as JPEG of this quality (default: raw)')
    parser.add_argument('--camera', help='tum: intrinsics, fx,fy,cx,cy or a calibration file')
    parser.add_argument('--calibration', type=Path, help='folder: calibration YAML')
    parser.add_argument('--rate', type=float, default=10.0, help='folder: images per second where names say nothing')


def run(args) -> int:
    from depth_anything_ros.evaluation.conversion import write_bag

    source = _source(args)
    with progress_bar('frames') as bar:
        task = bar.add_task('writing', total=len(source.frames))
        for count in write_bag(source, args.output, args.jpeg):
            bar.update(task, completed=count)
    size_mb = sum(f.stat().st_size for f in ([args.output] if args.output.is_file() else args.output.iterdir())) / 1e6
    print(f'{args.output}: {len(source.frames)} images, {size_mb:.1f} MB')
    return 0


def _source(args):
    if args.layout == 'kitti':
        from depth_anything_ros.evaluation.kitti import read_kitti

        return read_kitti(args.source)
    if args.layout == 'tum':
        from depth_anything_ros.cli.camera_argument import camera_of
        from depth_anything_ros.evaluation.source import read_image
        from depth_anything_ros.evaluation.tum import first_image, read_tum

        if args.camera is None:
            return read_tum(args.source)
        height, width = read_image(first_image(args.source)).shape[:2]
        return read_tum(args.source, camera_of(args.camera, width, height))
    if args.calibration is None:
        raise ConfigError('convert folder: expected --calibration FILE (a folder of images has none)')
    if not args.rate > 0:
        raise ConfigError(f'--rate: expected images per second above 0, got {args.rate}')
    from depth_anything_ros.evaluation.folder import read_folder

    return read_folder(args.source, args.calibration, args.rate)
