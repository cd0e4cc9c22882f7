# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from wall_scene import view

from depth_anything_ros.mapping import files
from depth_anything_ros.mapping.files import MapFileError, read_mesh, write_mesh
from depth_anything_ros.mapping.mesh import Mesh

pytest.importorskip('trimesh', reason='trimesh is not installed (extra: mapping)')


def triangle() -> Mesh:
    vertices_m = np.array([[0, 0, 1], [1, 0, 2], [0, 1, 3]], np.float32)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    return Mesh(vertices_m, np.array([[0, 1, 2]], np.int32), np.tile(np.float32([[0, 0, 1]]), (3, 1)), colours)


@pytest.mark.parametrize('suffix', files.MESH_FORMATS)
def test_a_mesh_comes_back_with_its_places_and_colours(tmp_path, suffix):
    path = tmp_path / 'sub' / f'map{suffix}'
    write_mesh(path, triangle(), 'map')
    back = read_mesh(path)
    expected = triangle().vertices_m
    if suffix == '.glb':
        expected = expected[:, [0, 2, 1]] * (1, 1, -1)  # its format has y up
    order = np.lexsort(back.vertices_m.T)
    assert np.allclose(back.vertices_m[order], expected[np.lexsort(expected.T)], atol=1e-5)
    assert sorted(map(tuple, back.rgb.tolist())) == sorted(map(tuple, triangle().rgb.tolist()))
    assert os.listdir(path.parent) == [path.name], 'no scratch file is left'


def test_an_unknown_format_and_an_empty_map_are_refused(tmp_path):
    with pytest.raises(MapFileError, match=r'\.ply, \.obj, \.glb'):
        write_mesh(tmp_path / 'map.stl', triangle())
    with pytest.raises(MapFileError, match='no surface yet'):
        write_mesh(tmp_path / 'map.ply', Mesh.none())


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_files import triangle
from depth_anything_ros.mapping.files import MapFileError, write_mesh
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
write_mesh(Path({path!r}), triangle())
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # as a full disk: writing stops in the middle of the file
try:
    write_mesh(Path({path!r}), triangle())
except MapFileError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / 'map.ply'
    script = FULL_DISK.format(tests=os.path.dirname(__file__), path=str(path))
    done = subprocess.run([sys.executable, '-c', script], text=True, capture_output=True, timeout=120)
    assert 'cannot be written' in done.stdout and 'untouched' in done.stdout, done.stderr
    assert len(read_mesh(path).triangles) == 1
    assert os.listdir(tmp_path) == ['map.ply']


def test_a_full_file_system_is_told_and_the_old_map_stays(scene, tmp_path):
    """A real file system of 256 kB, where the user may mount one."""
    place = tmp_path / 'small'
    place.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'none', place], capture_output=True).returncode:
        pytest.skip('this user may not mount a small file system')
    try:
        room = scene()
        room.integrate(view(room.config))
        room.save(place / 'room.map')
        before = (place / 'room.map').read_bytes()
        (place / 'ballast').write_bytes(os.urandom(256 * 1024 - len(before) - 8192))
        with pytest.raises(MapFileError, match='No space left on device; the file from before is untouched'):
            room.save(place / 'room.map')
        assert (place / 'room.map').read_bytes() == before
    finally:
        subprocess.run(['umount', place], check=True)


def test_a_read_only_place_is_told(tmp_path):
    write_mesh(tmp_path / 'map.ply', triangle())
    folder = tmp_path / 'map.ply'  # a file where a folder should be fails for root too, unlike permissions
    with pytest.raises(MapFileError, match='cannot be written'):
        write_mesh(folder / 'inner.ply', triangle())
    if os.geteuid() != 0:
        os.chmod(tmp_path, 0o555)
        try:
            with pytest.raises(MapFileError, match='Permission denied; the file from before is untouched'):
                write_mesh(tmp_path / 'map.ply', triangle())
        finally:
            os.chmod(tmp_path, 0o755)
    assert len(read_mesh(tmp_path / 'map.ply').triangles) == 1


def test_a_map_survives_a_restart(scene, tmp_path):
    before = scene()
    for _ in range(3):
        before.integrate(view(before.config))
    before.save(tmp_path / 'room.map')
    after = scene()
    after.load(tmp_path / 'room.map')
    assert len(after.mesh().triangles) == len(before.mesh().triangles)
    assert np.abs(np.sort(after.mesh().vertices_m[:, 2]) - np.sort(before.mesh().vertices_m[:, 2])).max() < 2e-4
    after.integrate(view(after.config))  # and goes on
    assert after.status()['blocks'] == before.status()['blocks']


def test_a_map_of_other_voxels_or_another_frame_is_refused_and_the_one_at_hand_kept(scene, tmp_path):
    fine = scene(tsdf={'voxel_size_m': 0.02})
    fine.integrate(view(fine.config))
    fine.save(tmp_path / 'fine.map')
    room = scene()
    room.integrate(view(room.config))
    with pytest.raises(MapFileError, match=r'voxel_size_m 0\.04, this one has 0\.02'):
        room.load(tmp_path / 'fine.map')
    with pytest.raises(MapFileError, match='frame_id odom, this one has map'):
        scene(frame_id='odom', tsdf={'voxel_size_m': 0.02}).load(tmp_path / 'fine.map')
    assert not room.mesh().empty


@pytest.mark.parametrize('damage', ['cut', 'flipped', 'not a map', 'missing'])
def test_a_damaged_map_is_refused_in_one_line(scene, tmp_path, damage):
    path = tmp_path / 'room.map'
    room = scene()
    room.integrate(view(room.config))
    room.save(path)
    data = bytearray(path.read_bytes())
    if damage == 'cut':
        path.write_bytes(data[: len(data) // 2])
    elif damage == 'flipped':
        with zipfile.ZipFile(path) as archive:
            inside = archive.infolist()[1]
        data[inside.header_offset + 200 : inside.header_offset + 260] = bytes(60)
        path.write_bytes(data)
    elif damage == 'not a map':
        path.write_text('hello')
    else:
        path.unlink()
    with pytest.raises(MapFileError) as failure:
        room.load(path)
    assert 'room.map' in str(failure.value) and '\n' not in str(failure.value)
    assert not room.mesh().empty
