# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest

from depth_anything_ros.core.errors import InvalidInput
from depth_anything_ros.core.frames import RangeKind
from depth_anything_ros.core.pointcloud import DATATYPES, read_points, time_offsets_ns, to_point_set

CODES = {code: number for number, code in DATATYPES.items()}
STAMP_NS = 1_700_000_000_123_456_789
XYZ = np.array([[1, 2, 3], [-4, 5, -6], [7, -8, 9], [10, 11, 12], [-13, 14, 15], [16, 17, -18]], np.float32)


def cloud(columns, *, offsets=None, point_step=None, height=1, row_padding=0, big_endian=False):
    """Columns in order -> the arguments of read_points, packed as a driver would."""
    names, values = list(columns), [np.asarray(column) for column in columns.values()]
    if offsets is None:
        offsets = np.cumsum([0, *(v.itemsize for v in values[:-1])]).tolist()
    point_step = point_step or offsets[-1] + values[-1].itemsize
    order = '>' if big_endian else '<'
    formats = [v.dtype.newbyteorder(order) for v in values]
    layout = np.dtype({'names': names, 'formats': formats, 'offsets': offsets, 'itemsize': point_step})
    width = len(values[0]) // height
    rows = np.full((height, width * point_step + row_padding), 0xCD, np.uint8)
    records = np.ndarray((height, width), layout, rows, strides=(rows.shape[1], point_step))
    for name, value in zip(names, values, strict=True):
        records[name] = value.reshape(height, width)
    fields = [
        SimpleNamespace(name=name, offset=at, datatype=CODES[value.dtype.str[1:]], count=1)
        for name, at, value in zip(names, offsets, values, strict=True)
    ]
    return dict(
        data=rows.tobytes(),
        fields=fields,
        point_step=point_step,
        row_step=rows.shape[1],
        height=height,
        width=width,
        is_bigendian=big_endian,
        stamp_ns=STAMP_NS,
    )


def xyz_columns(xyz=XYZ, dtype=np.float32, **more):
    return {name: xyz[:, axis].astype(dtype) for axis, name in enumerate('xyz')} | more


RING = np.arange(6)
LAYOUTS = {
    'packed': {},
    'padded points': dict(offsets=[4, 8, 12, 20], point_step=32),
    'fields in another order': dict(offsets=[12, 4, 8, 1], point_step=16),
    'unaligned': dict(offsets=[1, 5, 9, 13], point_step=15),
    'organised': dict(height=2),
    'organised with padded rows': dict(height=3, row_padding=7),
    'big-endian': dict(big_endian=True),
    'big-endian, organised, padded': dict(height=2, row_padding=16, point_step=24, big_endian=True),
}


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS)
def test_any_layout_of_the_bytes_gives_the_same_points_in_order(layout):
    points = read_points(**cloud(xyz_columns(ring=RING.astype(np.uint16)), **layout))
    assert points.xyz_m.dtype == np.float32 and points.xyz_m.flags.c_contiguous
    assert np.array_equal(points.xyz_m, XYZ)
    assert points.ring.dtype == np.uint16 and np.array_equal(points.ring, RING)
    assert (points.not_finite, points.at_origin, points.warnings) == (0, 0, ())


def test_double_precision_points_become_single_precision():
    points = read_points(**cloud(xyz_columns(dtype=np.float64, intensity=XYZ[:, 0].astype(np.uint8))))
    assert points.xyz_m.dtype == np.float32 and np.array_equal(points.xyz_m, XYZ)
    assert points.intensity.dtype == np.float32


@pytest.mark.parametrize('dtype', ['i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'f4'])
@pytest.mark.parametrize('name', ['ring', 'channel', 'line'])
def test_rings_of_any_type_and_name_are_read(name, dtype):
    assert np.array_equal(read_points(**cloud(xyz_columns(**{name: RING.astype(dtype)}))).ring, RING)


def test_rings_that_cannot_be_are_dropped_with_a_warning():
    points = read_points(**cloud(xyz_columns(ring=RING.astype(np.int32) - 1)))
    assert points.ring is None and points.warnings == ('rings dropped: expected 0 to 65535, got -1 to 4',)


def test_missing_returns_are_dropped_and_counted_with_everything_that_belongs_to_them():
    xyz = XYZ.copy()
    xyz[1] = 0
    xyz[2, 1] = np.nan
    xyz[4] = [np.inf, -np.inf, 1]
    columns = xyz_columns(
        xyz,
        intensity=RING.astype(np.float32),
        ring=RING.astype(np.uint8),
        t=(RING * 1000).astype(np.uint32),
        doppler=RING.astype(np.float32),
        rcs=-RING.astype(np.float32),
    )
    points = read_points(**cloud(columns))
    kept = [0, 3, 5]
    assert np.array_equal(points.xyz_m, XYZ[kept])
    assert (points.at_origin, points.not_finite) == (1, 2)
    for values, factor in ((points.intensity, 1), (points.ring, 1), (points.velocity_mps, 1), (points.rcs_dbsm, -1)):
        assert values.tolist() == [k * factor for k in kept]
    assert points.time_offset_ns.tolist() == [0, 3000, 5000]


def test_a_cloud_whose_returns_are_all_missing_is_empty():
    points = read_points(**cloud(xyz_columns(np.full((6, 3), np.nan, np.float32), t=RING.astype(np.uint32))))
    assert points.xyz_m.shape == (0, 3) and points.not_finite == 6
    assert len(points.time_offset_ns) == 0


@pytest.mark.parametrize(('height', 'width'), [(1, 0), (0, 0), (0, 5)])
def test_an_empty_cloud_is_no_error_even_without_fields(height, width):
    points = read_points(b'', [], 0, 0, height, width)
    assert points.xyz_m.shape == (0, 3)


@pytest.mark.parametrize('name', ['doppler', 'Doppler', 'velocity', 'radial_speed', 'v_r'])
@pytest.mark.parametrize('rcs', ['rcs', 'RCS', 'rcs_dbsm'])
def test_radar_fields_are_found_under_the_names_drivers_give_them(name, rcs):
    columns = xyz_columns(**{name: RING.astype(np.float32) - 2, rcs: RING.astype(np.float64) / 2})
    points = read_points(**cloud(columns))
    assert np.array_equal(points.velocity_mps, RING - 2) and np.array_equal(points.rcs_dbsm, RING / 2)


OFFSETS_NS = np.array([-50_000_000, 0, 1_000, 20_000_000, 99_999_000, 999_000_000])
ABSOLUTE_NS = STAMP_NS + OFFSETS_NS
DRIVERS = {
    'ouster t, uint32 ns': ((OFFSETS_NS[1:]).astype(np.uint32), OFFSETS_NS[1:], 0),
    'int32 ns': (OFFSETS_NS.astype(np.int32), OFFSETS_NS, 0),
    'velodyne time, float32 s': ((OFFSETS_NS / 1e9).astype(np.float32), OFFSETS_NS, 40),
    'float64 s': (OFFSETS_NS / 1e9, OFFSETS_NS, 1),
    'float32 ns': (OFFSETS_NS.astype(np.float32), OFFSETS_NS, 40),
    'hesai timestamp, float64 absolute s': (ABSOLUTE_NS / 1e9, OFFSETS_NS, 250),
    'livox timestamp, float64 absolute ns': (ABSOLUTE_NS.astype(np.float64), OFFSETS_NS, 150),
    'int64 absolute ns': (ABSOLUTE_NS, OFFSETS_NS, 0),
    'uint64 absolute ns': (ABSOLUTE_NS.astype(np.uint64), OFFSETS_NS, 0),
}


@pytest.mark.parametrize(('values', 'expected', 'error_ns'), DRIVERS.values(), ids=DRIVERS)
def test_the_unit_of_per_point_times_is_found_by_type_and_magnitude(values, expected, error_ns):
    offsets, warning = time_offsets_ns(values, STAMP_NS)
    assert warning == '' and offsets.dtype == np.int64
    assert np.abs(offsets - expected).max() <= error_ns


@pytest.mark.parametrize('name', ['t', 'time', 'timestamp', 'time_stamp', 'offset_time'])
@pytest.mark.parametrize('big_endian', [False, True])
def test_times_are_found_under_the_names_drivers_give_them(name, big_endian):
    columns = xyz_columns(**{name: ABSOLUTE_NS / 1e9})
    points = read_points(**cloud(columns, big_endian=big_endian))
    assert np.abs(points.time_offset_ns - OFFSETS_NS).max() <= 250


@pytest.mark.parametrize(
    'values',
    [
        (ABSOLUTE_NS + 37_000_000_000) / 1e9,  # TAI against UTC
        np.float32([0.0, 0.05, 1.5]),
        np.uint32([0, 2_000_000_000]),
        np.float64([0.0, np.nan]),
        np.float32([0.0, np.inf]),
    ],
    ids=['other clock', 'seconds', 'nanoseconds', 'nan', 'inf'],
)
def test_implausible_times_are_dropped_with_a_warning_and_the_points_stay(values):
    offsets, warning = time_offsets_ns(values, STAMP_NS)
    assert offsets is None and 'per-point times dropped' in warning
    points = read_points(**cloud(xyz_columns(XYZ[: len(values)], time=values)))
    assert len(points.xyz_m) == len(values) and points.time_offset_ns is None and points.warnings == (warning,)


def changed(**changes):
    return cloud(xyz_columns()) | changes


def fields_with(**changes):
    fields = cloud(xyz_columns())['fields']
    fields[1] = SimpleNamespace(**(vars(fields[1]) | changes))
    return fields


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (changed(fields=[]), 'expected the fields x, y, z; got none'),
        (changed(fields=fields_with(name='Y')), 'expected the fields x, y, z; got x, Y, z'),
        (changed(fields=fields_with(count=3)), "field 'y': expected single floats, got count 3"),
        (changed(fields=fields_with(count=0)), "field 'y': expected single floats, got count 0"),
        (changed(fields=fields_with(datatype=5)), "field 'y': expected single floats, got count 1 of datatype 5"),
        (changed(fields=fields_with(datatype=99)), 'datatype 99'),
        (changed(fields=fields_with(offset=9)), "field 'y': expected it to end within the point_step of 12 bytes"),
        (changed(point_step=0), 'point_step of 0 bytes'),
        (changed(data=bytes(71)), 'expected 72 bytes, got 71'),
        (changed(height=3, width=2, row_step=23), 'row_step of at least 24, got 23'),
        (changed(height=3, width=2, row_step=25), 'expected 74 bytes, got 72'),
        (changed(width=1_000_000_000), 'expected 12000000000 bytes, got 72'),
        (changed(height=1_000_000_000, width=4_000_000_000, row_step=4_000_000_000 * 12), 'got 72'),
    ],
)
def test_clouds_that_contradict_themselves_are_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        read_points(**arguments)


def test_an_extra_field_that_cannot_be_used_is_left_out_with_a_warning():
    arguments = cloud(xyz_columns(intensity=XYZ[:, 0]))
    arguments['fields'][3].count = 4
    points = read_points(**arguments)
    assert points.intensity is None and "field 'intensity' not used" in points.warnings[0]
    assert np.array_equal(points.xyz_m, XYZ)


def test_the_row_step_of_an_unorganised_cloud_does_not_matter():
    assert np.array_equal(read_points(**changed(row_step=0)).xyz_m, XYZ)


def test_a_point_set_has_what_the_cloud_had():
    columns = xyz_columns(
        t=(RING * 1000).astype(np.uint32), ring=RING.astype(np.uint16), velocity=XYZ[:, 0], rcs=XYZ[:, 1]
    )
    points = to_point_set(read_points(**cloud(columns)), 'radar', STAMP_NS, RangeKind.RADAR)
    assert (points.frame_id, points.stamp_ns, points.kind, len(points)) == ('radar', STAMP_NS, RangeKind.RADAR, 6)
    assert points.time_offset_ns.tolist() == (RING * 1000).tolist() and points.ring.tolist() == RING.tolist()
    assert np.array_equal(points.velocity_mps, XYZ[:, 0]) and np.array_equal(points.rcs_dbsm, XYZ[:, 1])


def test_a_real_velodyne_sweep_is_read_whole(shared_data):
    raw = (shared_data('kitti_raw_seq') / 'velodyne' / '0000000000.bin').read_bytes()
    expected = np.frombuffer(raw, '<f4').reshape(-1, 4)
    fields = [SimpleNamespace(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(('x', 'y', 'z', 'i'))]
    points = read_points(raw, fields, 16, len(raw), 1, len(expected))
    assert len(points.xyz_m) > 100_000
    assert np.array_equal(points.xyz_m, expected[:, :3])
