# SPDX-License-Identifier: Apache-2.0
"""KITTI depth completion: FOLDER holds train/ as unpacked, the drives themselves, or is val_selection_cropped.

Layout and units from the benchmark's devkit readme (Uhrig et al. 2017): DRIVE/proj_depth/groundtruth/image_02 and
image_03, 16-bit PNGs of 256 counts a metre, 0 for none. Its images come with KITTI raw and are found as
DRIVE/image_02/data/N.png beside proj_depth, or as DATE/DRIVE/image_02/data/N.png in FOLDER or above it; P_rect_02 and
P_rect_03 of calib_cam_to_cam.txt in the drive's or its date's folder give the camera. val_selection_cropped has
image/, groundtruth_depth/ and intrinsics/ (nine numbers, row by row).

velodyne_raw is left aside: prompts are simulated from the truth, which stems from eleven of these sweeps. Where
FOLDER has train/ and val/, only train/ is read.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

from depth_anything_ros.core.camera import CameraModel
from depth_anything_ros.core.errors import CalibrationError, RecordingError
from depth_anything_ros.training.public.files import existing, folders, numbers, read_colour, read_depth, sample_of
from depth_anything_ros.training.public.frames import PublicDataset, PublicFrame, Terms
from depth_anything_ros.training.shards import Sample

TERMS = Terms(
    'KITTI depth completion', 'CC BY-NC-SA 3.0', 'www.cvlibs.net/datasets/kitti/eval_depth.php', may_ship=False
)
PER_METRE = 256
TRUTH, CALIBRATION = 'proj_depth/groundtruth', 'calib_cam_to_cam.txt'
CAMERAS = ('image_02', 'image_03')


def open_kitti_completion(folder: str | Path) -> PublicDataset:
    """Raises RecordingError or CalibrationError naming what is missing."""
    folder = existing(folder, 'KITTI depth completion')
    if (folder / 'groundtruth_depth').is_dir():
        return PublicDataset(TERMS, tuple(_selected(folder)))
    places = [folder / 'train', folder]
    drives = next((found for place in places if (found := sorted(place.glob(f'*/{TRUTH}')))), [])
    if not drives:
        raise RecordingError(f'{folder}: expected [train/]DRIVE/{TRUTH}/image_02/*.png or groundtruth_depth/*.png')
    frames = [frame for truth in drives for frame in _drive(truth.parents[1], folder)]
    return PublicDataset(TERMS, tuple(frames))


def _drive(drive: Path, folder: Path) -> list[PublicFrame]:
    date = drive.name[:10]
    raw = [drive, *(place / date / drive.name for place in (folder, folder.parent, drive.parent))]
    frames = []
    for camera in (path.name for path in folders(drive / TRUTH) if path.name in CAMERAS):
        images = next((found for place in raw if (found := place / camera / 'data').is_dir()), None)
        if images is None:
            raise RecordingError(f'{drive}: expected {camera}/data/*.png of KITTI raw in it or in {raw[1]}')
        calibration = _calibration(images.parents[1], drive)
        for depth in sorted((drive / TRUTH / camera).glob('*.png')):
            image = images / depth.name
            if not image.exists():
                raise RecordingError(f'{depth}: expected its image, {image}')
            read = partial(_read, image, depth, calibration, f'P_rect_{camera[-2:]}')
            frames.append(PublicFrame(drive.name, f'{camera}/{depth.stem}', read))
    return frames


def _calibration(*drives: Path) -> Path:
    places = [place / CALIBRATION for drive in drives for place in (drive, drive.parent)]
    found = next((path for path in places if path.exists()), None)
    if found is None:
        raise CalibrationError(f'{drives[0]}: expected {CALIBRATION} of its date in it or in {drives[0].parent}')
    return found


def _read(image: Path, depth: Path, calibration: Path, key: str) -> Sample:
    colour = read_colour(image)
    fx, _, cx, _, _, fy, cy, *_ = _projection(calibration, key)
    camera = CameraModel(colour.shape[1], colour.shape[0], fx, fy, cx, cy)
    return sample_of(colour, read_depth(depth, PER_METRE), camera, depth)


@cache
def _projection(path: Path, key: str) -> tuple[float, ...]:
    for line in path.read_text().splitlines():
        name, _, rest = line.partition(':')
        if name.strip() == key and len(rest.split()) == 12:
            return tuple(float(word) for word in rest.split())
    raise CalibrationError(f'{path}: expected a line {key}: and twelve numbers')


def _selected(folder: Path) -> list[PublicFrame]:
    frames = []
    for depth in sorted((folder / 'groundtruth_depth').glob('*.png')):
        name = depth.name.replace('_groundtruth_depth_', '_image_')
        image, intrinsics = folder / 'image' / name, (folder / 'intrinsics' / name).with_suffix('.txt')
        for path in (image, intrinsics):
            if not path.exists():
                raise RecordingError(f'{depth}: expected {path}')
        read = partial(_read_selected, image, depth, intrinsics)
        frames.append(PublicFrame(depth.name.partition('_sync')[0], Path(name).stem, read))
    return frames


def _read_selected(image: Path, depth: Path, intrinsics: Path) -> Sample:
    colour = read_colour(image)
    fx, _, cx, _, fy, cy, *_ = numbers(intrinsics, 9, 'a 3x3 matrix')
    camera = CameraModel(colour.shape[1], colour.shape[0], fx, fy, cx, cy)
    return sample_of(colour, read_depth(depth, PER_METRE), camera, depth)
