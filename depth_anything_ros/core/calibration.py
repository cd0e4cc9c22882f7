# SPDX-License-Identifier: Apache-2.0
"""Cameras and the transforms between sensors, from a YAML file.

The file (angles in degrees, lengths in metres; unknown keys are errors):

    cameras:
      front:
        width: 1242
        height: 375
        K: [721.5, 0, 609.6, 0, 721.5, 172.9, 0, 0, 1]   # or fx: fy: cx: cy:
        distortion_model: plumb_bob                      # optional; as in sensor_msgs/CameraInfo, or equirectangular
        coefficients: [-0.28, 0.07, 0.0, 0.0, 0.0]       # optional
        frame_id: front_optical                          # optional: the camera's name
    extrinsics:                                          # parent_from_child, like /tf
      - {parent: base_link, child: velodyne, translation: [0, 0, 1.7], quaternion: [0, 0, 0, 1]}   # x y z w
      - {parent: base_link, child: front_optical, translation: [1.1, 0, 1.6], rpy_deg: [-90, 0, -90]}
      - {parent: base_link, child: radar, matrix: [[1, 0, 0, 3.6], [0, 1, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1]]}

rpy_deg: roll, pitch, yaw about the parent's fixed axes, R = Rz(yaw) Ry(pitch) Rx(roll), as in URDF.
A camera_info file as camera_calibration writes it (image_width, camera_matrix, ...) loads too, as one camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from depth_anything_ros.core.camera import EQUIRECTANGULAR, CameraModel
from depth_anything_ros.core.camera_info import camera_from_info
from depth_anything_ros.core.errors import CalibrationError, DepthError
from depth_anything_ros.core.transform import RigidTransform

_CAMERA_KEYS = ('width', 'height', 'K', 'fx', 'fy', 'cx', 'cy', 'distortion_model', 'coefficients', 'frame_id')
_EXTRINSIC_KEYS = ('parent', 'child', 'translation', 'quaternion', 'rpy_deg', 'matrix')


@dataclass(frozen=True, eq=False)
class Calibration:
    """Cameras by name, and rigid transforms that form trees of frames.

    Raises CalibrationError when a frame can be reached on two ways, so that no answer depends on the order.
    """

    cameras: dict[str, CameraModel] = field(default_factory=dict)
    transforms: tuple[RigidTransform, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, 'transforms', tuple(self.transforms))
        root = {frame: frame for frame in self.frames}
        for transform in self.transforms:
            target, source = root[transform.target], root[transform.source]
            if target == source:
                raise CalibrationError(
                    f'transform {transform.name}: expected a tree, but {transform.target!r} and {transform.source!r}'
                    ' are connected already; remove one of the ways'
                )
            root = {frame: target if of == source else of for frame, of in root.items()}

    @property
    def frames(self) -> tuple[str, ...]:
        """Every frame that a transform names, in order of appearance."""
        return tuple(dict.fromkeys(frame for t in self.transforms for frame in (t.target, t.source)))

    def camera(self, name: str = '') -> CameraModel:
        """The camera of that name, or the only one. Raises CalibrationError."""
        if not name and len(self.cameras) == 1:
            return next(iter(self.cameras.values()))
        if name not in self.cameras:
            raise CalibrationError(f'camera {name!r}: expected one of {", ".join(self.cameras) or "none"}')
        return self.cameras[name]

    def transform(self, target: str, source: str) -> RigidTransform:
        """target_from_source, chained through the tree. Raises CalibrationError for frames that aren't connected."""
        for frame in (target, source):
            if frame not in self.frames:
                raise CalibrationError(f'frame {frame!r}: expected one of {", ".join(self.frames) or "none"}')
        found = {target: RigidTransform.identity(target, target)}
        edges = (*self.transforms, *(transform.inverse() for transform in self.transforms))
        while source not in found:
            step = next((e for e in edges if e.target in found and e.source not in found), None)
            if step is None:
                raise CalibrationError(f'no transform connects {target!r} with {source!r}; add it to the extrinsics')
            found[step.source] = found[step.target] @ step
        return found[source]

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """From either YAML layout of the module's docstring. Raises CalibrationError naming file, key and value."""
        content = _read_yaml(path)
        try:
            if 'image_width' in content:
                camera = _camera_of_info(content)
                return cls({camera.frame_id: camera})
            _only(content, ('cameras', 'extrinsics'), 'the file')
            cameras = _mapping(content, 'cameras') if 'cameras' in content else {}  # extrinsics alone are of use
            extrinsics = content.get('extrinsics') or []
            if not isinstance(extrinsics, list):
                raise CalibrationError(f'extrinsics: expected a list, got {extrinsics!r}')
            return cls(
                {str(name): _camera(str(name), _mapping(cameras, name, 'cameras.')) for name in cameras},
                tuple(_extrinsic(f'extrinsics[{index}]', entry) for index, entry in enumerate(extrinsics)),
            )
        except DepthError as error:
            raise CalibrationError(f'{path}: {error}') from error

    def save(self, path: str | Path) -> None:
        """Write the YAML that `load` reads."""
        import yaml

        content = {
            'cameras': {name: _camera_entry(camera) for name, camera in self.cameras.items()},
            'extrinsics': [
                {
                    'parent': transform.target,
                    'child': transform.source,
                    'translation': transform.translation_m.tolist(),
                    'quaternion': transform.quaternion_xyzw().tolist(),
                }
                for transform in self.transforms
            ],
        }
        Path(path).write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=None), encoding='utf-8')


def load_camera_info(path: str | Path, rectified: bool = False) -> CameraModel:
    """The camera of a camera_info YAML file (camera_calibration_parsers); its frame is camera_name.

    rectified: of the rectified image (projection_matrix, no distortion). Raises CalibrationError.
    """
    content = _read_yaml(path)
    try:
        return _camera_of_info(content, rectified)
    except DepthError as error:
        raise CalibrationError(f'{path}: {error}') from error


def _read_yaml(path: str | Path) -> dict:
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
    except OSError as error:
        raise CalibrationError(f'{path}: expected a calibration file: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CalibrationError(f'{path}: expected YAML: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict):
        raise CalibrationError(f'{path}: expected cameras and extrinsics, got {type(content).__name__}')
    return content


def _camera_of_info(content: Mapping, rectified: bool = False) -> CameraModel:
    def data(key: str, count: int | None) -> np.ndarray:
        return _numbers(_mapping(content, key), 'data', count, f'{key}.')

    width, height = (_whole(content, key) for key in ('image_width', 'image_height'))
    name = str(content.get('camera_name') or 'camera_optical_frame')
    model = str(content.get('distortion_model') or '')
    d = data('distortion_coefficients', None) if 'distortion_coefficients' in content else ()
    p = data('projection_matrix', 12) if 'projection_matrix' in content else ()
    k = data('camera_matrix', 9)
    return camera_from_info(width, height, model, d, k, p, frame_id=name, rectified=rectified)


def _camera(name: str, entry: Mapping) -> CameraModel:
    where = f'cameras.{name}.'
    _only(entry, _CAMERA_KEYS, where[:-1])
    width, height = _whole(entry, 'width', where), _whole(entry, 'height', where)
    frame_id = str(entry.get('frame_id', name))
    model = str(entry.get('distortion_model', ''))
    singles = ('fx', 'fy', 'cx', 'cy')
    if model == EQUIRECTANGULAR:
        useless = [key for key in (*singles, 'K', 'coefficients') if key in entry]
        if useless:
            raise CalibrationError(f'{where}{useless[0]}: a panorama follows from its size alone; remove it')
        return CameraModel.equirectangular(width, height, frame_id)
    if 'K' in entry:
        both = [key for key in singles if key in entry]
        if both:
            raise CalibrationError(f'{where}{both[0]}: expected either K or fx, fy, cx, cy; got both')
        k = _numbers(entry, 'K', 9, where)
    else:
        fx, fy, cx, cy = (_numbers(entry, key, 1, where)[0] for key in singles)
        k = (fx, 0, cx, 0, fy, cy, 0, 0, 1)
    d = _numbers(entry, 'coefficients', None, where) if 'coefficients' in entry else ()
    return camera_from_info(width, height, model, d, k, frame_id=frame_id)


def _camera_entry(camera: CameraModel) -> dict[str, Any]:
    entry = {'width': camera.width, 'height': camera.height}
    if not camera.is_equirectangular:
        entry.update({key: float(getattr(camera, key)) for key in ('fx', 'fy', 'cx', 'cy')})
    entry['distortion_model'] = camera.distortion_model
    if camera.coefficients:
        entry['coefficients'] = list(camera.coefficients)
    return entry | {'frame_id': camera.frame_id}


def _extrinsic(where: str, entry: Any) -> RigidTransform:
    if not isinstance(entry, dict):
        raise CalibrationError(f'{where}: expected parent, child, translation and a rotation; got {entry!r}')
    _only(entry, _EXTRINSIC_KEYS, where)
    where += '.'
    parent, child = (_text(entry, key, where) for key in ('parent', 'child'))
    rotations = [key for key in ('quaternion', 'rpy_deg', 'matrix') if key in entry]
    if len(rotations) != 1:
        raise CalibrationError(f'{where}quaternion: expected one of quaternion, rpy_deg, matrix; got {rotations}')
    if rotations == ['matrix']:
        if 'translation' in entry:
            raise CalibrationError(f'{where}translation: the matrix holds it already; remove one')
        return RigidTransform(parent, child, _numbers(entry, 'matrix', 16, where).reshape(4, 4))
    translation = _numbers(entry, 'translation', 3, where)
    if rotations == ['quaternion']:
        return RigidTransform.from_quaternion(parent, child, translation, _numbers(entry, 'quaternion', 4, where))
    matrix = np.eye(4)
    matrix[:3, :3] = _rotation_rpy(np.radians(_numbers(entry, 'rpy_deg', 3, where)))
    matrix[:3, 3] = translation
    return RigidTransform(parent, child, matrix)


def _rotation_rpy(rpy_rad: np.ndarray) -> np.ndarray:
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy_rad), np.sin(rpy_rad)
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return yaw @ pitch @ roll


def _only(entry: Mapping, allowed: tuple[str, ...], where: str) -> None:
    for key in entry:
        if key not in allowed:
            raise CalibrationError(f'{where}: unknown key {key!r}; expected {", ".join(allowed)}')


def _mapping(entry: Mapping, key: Any, where: str = '') -> Mapping:
    value = entry.get(key)
    if not isinstance(value, dict):
        raise CalibrationError(f'{where}{key}: expected keys and values, got {value!r}')
    return value


def _numbers(entry: Mapping, key: str, count: int | None, where: str = '') -> np.ndarray:
    """The finite numbers under `key`, flat; nested lists are flattened."""
    value = entry.get(key)
    try:
        numbers = np.asarray(value, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    if not np.isfinite(numbers).all() or (count is not None and numbers.size != count):
        expected = 'a finite number' if count == 1 else f'{count or "a list of"} finite numbers'
        raise CalibrationError(f'{where}{key}: expected {expected}, got {value!r}')
    return numbers


def _whole(entry: Mapping, key: str, where: str = '') -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise CalibrationError(f'{where}{key}: expected a whole number of pixels, got {value!r}')
    return value


def _text(entry: Mapping, key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise CalibrationError(f'{where}{key}: expected a frame name, got {value!r}')
    return value
