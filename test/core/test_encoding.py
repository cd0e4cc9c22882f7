# SPDX-License-Identifier: Apache-2.0
import struct

import cv2
import numpy as np
import pytest

from depth_anything_ros.core.encoding import (
    IMAGE_ENCODINGS,
    decode_compressed,
    decode_compressed_depth,
    decode_depth,
    decode_image,
    encode_depth,
)
from depth_anything_ros.core.errors import InvalidInput

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = RGB[..., :1]


def padded(rows: np.ndarray, padding: int) -> tuple[bytes, int]:
    """Rows (H, bytes) with `padding` bytes of rubbish behind each -> (data, step)."""
    step = rows.shape[1] + padding
    data = np.full((len(rows), step), 0xAB, np.uint8)
    data[:, : rows.shape[1]] = rows
    return data.tobytes(), step


def decoded(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> np.ndarray:
    """Send an (H, W, C) array of 8 or 16 bits through decode_image."""
    stored = pixels.astype(pixels.dtype.newbyteorder('>' if big_endian else '<'))
    height, width = pixels.shape[:2]
    data, step = padded(np.frombuffer(stored.tobytes(), np.uint8).reshape(height, -1), padding)
    return decode_image(data, height, width, step, encoding, big_endian)


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'pixels', 'expected'),
    [
        ('rgb8', RGB, RGB),
        ('bgr8', RGB[..., ::-1], RGB),
        ('8UC3', RGB[..., ::-1], RGB),
        ('rgba8', np.dstack([RGB, 255 - GREY]), RGB),
        ('bgra8', np.dstack([RGB[..., ::-1], 255 - GREY]), RGB),
        ('8UC4', np.dstack([RGB[..., ::-1], 255 - GREY]), RGB),
        ('mono8', GREY, np.repeat(GREY, 3, axis=2)),
        ('8UC1', GREY, np.repeat(GREY, 3, axis=2)),
    ],
)
def test_eight_bit_encodings_become_rgb_whatever_the_row_padding(encoding, pixels, expected, padding):
    image = decoded(pixels, encoding, padding)
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    assert np.array_equal(image, expected)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 6])
def test_sixteen_bit_samples_keep_their_high_byte_in_either_byte_order(big_endian, padding):
    wide = np.random.default_rng(1).integers(0, 65536, (6, 8, 3), dtype=np.uint16)
    assert np.array_equal(decoded(wide, 'rgb16', padding, big_endian), wide >> 8)
    grey = np.repeat(wide[..., :1] >> 8, 3, axis=2)
    assert np.array_equal(decoded(wide[..., :1], 'mono16', padding, big_endian), grey)


def test_unpadded_rgb8_is_a_view_of_the_message():
    data = bytearray(RGB.tobytes())
    image = decode_image(data, 6, 8, 24, 'rgb8')
    assert np.shares_memory(image, np.frombuffer(data, np.uint8))


def test_bytes_behind_the_last_row_are_ignored():
    assert np.array_equal(decode_image(RGB.tobytes() + bytes(100), 6, 8, 24, 'rgb8'), RGB)


def mosaic(pattern: str, image_rgb: np.ndarray) -> np.ndarray:
    """What a sensor with this colour filter array sees of an image; `pattern` reads left to right, top to bottom."""
    raw = np.empty(image_rgb.shape[:2], image_rgb.dtype)
    for at, colour in enumerate(pattern):
        row, column = divmod(at, 2)
        raw[row::2, column::2] = image_rgb[row::2, column::2, 'rgb'.index(colour)]
    return raw[..., None]


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('padding', [0, 3])
def test_each_bayer_pattern_gives_back_the_colours_it_was_made_of(pattern, padding):
    flat = np.broadcast_to(np.uint8([200, 120, 40]), (8, 10, 3))
    assert np.array_equal(decoded(mosaic(pattern, flat), f'bayer_{pattern}8', padding), flat)
    wide = flat.astype(np.uint16) << 8 | 77
    assert np.array_equal(decoded(mosaic(pattern, wide), f'bayer_{pattern}16', big_endian=True), flat)


def packed_yuv(image_rgb: np.ndarray, order: str) -> np.ndarray:
    """ITU-R BT.601, limited range, chroma shared by two pixels; order 'uyvy' or 'yuyv'."""
    r, g, b = (image_rgb[..., i].astype(float) for i in range(3))
    y = 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255
    u = 128 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255
    v = 128 + (112.0 * r - 93.786 * g - 18.214 * b) / 255
    height, width = y.shape
    packed = np.empty((height, width // 2, 4))
    luma, chroma = (1, 0) if order == 'uyvy' else (0, 1)
    packed[..., luma::2] = y.reshape(height, -1, 2)
    packed[..., chroma] = u[:, ::2]
    packed[..., chroma + 2] = v[:, ::2]
    return np.rint(packed).astype(np.uint8).reshape(height, width, 2)


@pytest.mark.parametrize(
    ('encoding', 'order'), [('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv')]
)
def test_packed_yuv_keeps_colour_and_the_order_of_neighbours(encoding, order):
    colours = np.zeros((4, 8, 3), np.uint8)
    colours[:, :4] = [200, 60, 30]
    colours[:, 4:] = [20, 90, 220]
    colours[:, 1::2] //= 2  # neighbours of one hue that differ in brightness: their order must survive
    colours[:, 1::2] += np.uint8(64)
    image = decoded(packed_yuv(colours, order), encoding, padding=4).astype(int)
    assert np.abs(image[:, ::2] - colours[:, ::2]).max() <= 3
    brightness = image.sum(axis=2)
    assert (np.sign(np.diff(brightness, axis=1)) == np.sign(np.diff(colours.astype(int).sum(axis=2), axis=1))).all()


@pytest.mark.parametrize(
    ('height', 'width', 'step', 'encoding', 'data', 'message'),
    [
        (6, 8, 24, 'rgb9', RGB, r"expected one of rgb8.*got 'rgb9'"),
        (6, 8, 24, '16UC1', RGB, 'expected one of'),
        (6, 8, 23, 'rgb8', RGB, 'step of at least 24 bytes, got 23'),
        (6, 8, 24, 'rgb8', RGB[:5], 'expected 144 bytes of data, got 120'),
        (0, 8, 24, 'rgb8', RGB, 'got 8x0'),
        (6, 0, 24, 'rgb8', RGB, 'got 0x6'),
        (6, 4_000_000_000, 4_000_000_000 * 3, 'rgb8', RGB, '1 to 16384 px a side'),
        (6, 8, 4_000_000_000, 'rgb8', RGB, 'bytes of data, got 144'),
        (6, 7, 14, 'yuyv', RGB, 'even width'),
        (6, 8, 24, 'rgb8', b'', 'got 0'),
    ],
)
def test_images_that_contradict_themselves_are_refused_with_both_numbers(height, width, step, encoding, data, message):
    with pytest.raises(InvalidInput, match=message):
        decode_image(bytes(data), height, width, step, encoding)


def test_every_encoding_the_error_lists_can_be_decoded():
    for encoding in IMAGE_ENCODINGS:
        assert decode_image(bytes(8 * 8 * 8), 8, 8, 64, encoding).shape == (8, 8, 3)


SMOOTH = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 256, (48, 64, 3), dtype=np.uint8), (0, 0), 4)


def encoded(extension: str, image: np.ndarray) -> bytes:
    return cv2.imencode(extension, image)[1].tobytes()


def test_png_is_exact_and_jpeg_is_close():
    bgr = SMOOTH[..., ::-1]
    assert np.array_equal(decode_compressed(encoded('.png', bgr), 'png'), SMOOTH)
    assert np.abs(decode_compressed(encoded('.jpg', bgr), 'rgb8; jpeg compressed bgr8').astype(int) - SMOOTH).max() < 12


def test_a_grey_jpeg_and_a_sixteen_bit_png_become_eight_bit_rgb():
    grey = decode_compressed(encoded('.jpg', SMOOTH[..., 0]), 'mono8; jpeg compressed mono8')
    assert grey.shape == (48, 64, 3) and np.array_equal(grey[..., 0], grey[..., 2])
    wide = SMOOTH[..., ::-1].astype(np.uint16) << 8
    assert np.array_equal(decode_compressed(encoded('.png', wide), 'png'), SMOOTH)


def test_a_picture_compressed_with_swapped_channels_says_so_in_its_format():
    assert np.array_equal(decode_compressed(encoded('.png', SMOOTH), 'rgb8; png compressed rgb8'), SMOOTH)


def test_a_compressed_bayer_mosaic_is_interpolated():
    flat = np.broadcast_to(np.uint8([200, 120, 40]), (8, 10, 3))
    data = encoded('.png', mosaic('gbrg', flat)[..., 0])
    assert np.array_equal(decode_compressed(data, 'bayer_gbrg8; png compressed '), flat)


def test_exif_orientation_does_not_turn_the_image_away_from_its_camera_info():
    plain = encoded('.jpg', SMOOTH)
    tiff = b'MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'  # one entry: orientation 6
    segment = b'Exif\0\0' + tiff
    turned = plain[:2] + b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment + plain[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (64, 48, 3)  # the trap is real
    assert np.array_equal(decode_compressed(turned), decode_compressed(plain))


def test_zeros_behind_a_motion_jpeg_frame_do_no_harm():
    data = encoded('.jpg', SMOOTH)
    assert np.array_equal(decode_compressed(data + bytes(3000)), decode_compressed(data))


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
@pytest.mark.parametrize('fraction', [0.05, 0.5, 0.97])
def test_truncated_pictures_are_refused_instead_of_filled_with_grey(extension, fraction):
    data = encoded(extension, SMOOTH)
    with pytest.raises(InvalidInput, match='truncated'):
        decode_compressed(data[: int(len(data) * fraction)], 'jpeg')


def test_the_end_of_a_thumbnail_is_not_taken_for_the_end_of_a_truncated_jpeg():
    plain = encoded('.jpg', SMOOTH)
    thumbnail = b'Exif\0\0' + encoded('.jpg', SMOOTH[::4, ::4])
    data = plain[:2] + b'\xff\xe1' + struct.pack('>H', len(thumbnail) + 2) + thumbnail + plain[2:]
    assert decode_compressed(data).shape == SMOOTH.shape
    with pytest.raises(InvalidInput, match='truncated'):
        decode_compressed(data[:-200])


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'expected jpeg or png'),
        (b'GIF89a' + bytes(100), 'expected jpeg or png'),
        (b'\x89PNG\r\n\x1a\n' + bytes(8) + struct.pack('>II', 60000, 60000) + bytes(40) + b'IEND', '60000x60000'),
        (b'\xff\xd8\xff\xc0\0\x11\x08' + struct.pack('>HH', 65000, 65000) + bytes(9) + b'\xff\xd9', '65000x65000'),
        (b'\xff\xd8\xff\xff\xff\xff\xff\xd9', 'got 0x0'),
        (encoded('.jpg', SMOOTH)[:40] + b'\xff\xd9', 'got 0x0'),
    ],
)
def test_pictures_that_cannot_be_are_refused_before_they_are_decoded(data, message):
    with pytest.raises(InvalidInput, match=message):
        decode_compressed(data, 'jpeg')


def test_a_corrupt_png_is_refused():
    data = bytearray(encoded('.png', SMOOTH))
    data[60:-40] = bytes(len(data) - 100)
    with pytest.raises(InvalidInput, match='compressed image'):
        decode_compressed(bytes(data), 'png')


MM = np.array([[0, 1, 999, 1000], [1234, 30000, 65534, 65535]], np.uint16)
METRES = np.array([[np.nan, 0.001, 0.999, 1.0], [1.234, 30.0, 65.534, 65.535]], np.float32)


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('padding', [0, 3])
def test_depth_of_either_type_becomes_metres_with_nan_for_unknown(big_endian, padding):
    order = '>' if big_endian else '<'
    for values, encoding in ((MM, '16UC1'), (MM, 'mono16'), (METRES, '32FC1')):
        stored = values.astype(values.dtype.newbyteorder(order)).tobytes()
        data, step = padded(np.frombuffer(stored, np.uint8).reshape(2, -1), padding)
        depth_m = decode_depth(data, 2, 4, step, encoding, big_endian)
        assert depth_m.dtype == np.float32 and depth_m.dtype.isnative and depth_m.flags.c_contiguous
        assert np.array_equal(depth_m, METRES, equal_nan=True)


def test_metres_that_are_no_distance_are_unknown():
    data = np.float32([[np.inf, -np.inf, np.nan, 0, -0.0, -2, 1e-30, 3e38]])
    depth_m = decode_depth(data.tobytes(), 1, 8, 32, '32FC1')
    assert np.array_equal(np.isnan(depth_m), [[True] * 6 + [False] * 2])


@pytest.mark.parametrize(
    ('encoding', 'step', 'message'),
    [('8UC1', 8, "expected one of 32FC1, 16UC1, mono16; got '8UC1'"), ('16UC1', 7, 'at least 8 bytes, got 7')],
)
def test_depth_images_of_other_encodings_or_sizes_are_refused(encoding, step, message):
    with pytest.raises(InvalidInput, match=message):
        decode_depth(MM.tobytes(), 2, 4, step, encoding)


def test_png_depth_is_read_with_and_without_the_transport_header():
    png = encoded('.png', MM)
    for data, format in (
        (png, '16UC1; png compressed '),
        (png, 'png'),
        (struct.pack('<iff', 0, 0, 0) + png, '16UC1; compressedDepth png'),
        (struct.pack('<iff', 0, 0, 0) + png, '16UC1; compressedDepth'),
    ):
        assert np.array_equal(decode_compressed_depth(data, format), METRES, equal_nan=True)


def test_quantised_inverse_depth_comes_back_within_its_quantisation():
    # as compressed_depth_image_transport writes it with its defaults: depth_quantization 100, depth_max 10
    depth_m = np.random.default_rng(3).uniform(0.3, 9.9, (40, 50)).astype(np.float32)
    quant_a = 100.0 * (100.0 + 1.0)
    quant_b = 1.0 - quant_a / 10.0
    stored = (quant_a / depth_m + quant_b).astype(np.uint16)
    stored[0, :7] = 0
    data = struct.pack('<iff', 0, quant_a, quant_b) + encoded('.png', stored)
    back_m = decode_compressed_depth(data, '32FC1; compressedDepth png')
    assert np.isnan(back_m[0, :7]).all() and np.isnan(back_m).sum() == 7
    # truncation to one count of inverse depth: dz = z^2 / A
    assert (np.abs(back_m - depth_m)[1:] <= 1.05 * depth_m[1:] ** 2 / quant_a).all()


@pytest.mark.parametrize(
    ('data', 'format', 'message'),
    [
        (encoded('.png', MM), '16UC1; compressedDepth rvl', 'expected png'),
        (encoded('.jpg', SMOOTH), '16UC1; jpeg compressed', '16-bit single-channel'),
        (encoded('.png', SMOOTH), '16UC1; png compressed', '16-bit single-channel'),
        (encoded('.png', MM), '32FC1; compressedDepth png', '12-byte header'),
        (bytes(12) + encoded('.png', MM)[:-12], '16UC1; compressedDepth png', 'truncated'),
        (bytes(12), '16UC1; compressedDepth png', 'expected jpeg or png'),
        (b'', '16UC1; compressedDepth png', 'expected jpeg or png'),
    ],
)
def test_compressed_depth_of_other_kinds_is_refused(data, format, message):
    with pytest.raises(InvalidInput, match=message):
        decode_compressed_depth(data, format)


def test_depth_survives_encoding_and_decoding():
    for encoding in ('32FC1', '16UC1'):
        stored = encode_depth(METRES, encoding)
        assert stored.flags.c_contiguous
        assert np.array_equal(decode_depth(stored.tobytes(), 2, 4, stored.strides[0], encoding), METRES, equal_nan=True)
    assert np.array_equal(encode_depth(METRES, '16UC1'), MM)


def test_millimetres_are_rounded_and_never_wrap_around():
    depth_m = np.float32([[0.0004, 0.0006, 1.2344, 1.2346, 65.5354, 65.536, 70.0, 131.072, 1e10, 1e38]])
    assert encode_depth(depth_m, '16UC1').tolist() == [[0, 1, 1234, 1235, 65535, 0, 0, 0, 0, 0]]


def test_no_distance_is_written_as_unknown():
    depth_m = np.float32([[np.nan, np.inf, -np.inf, 0, -1, 2]])
    assert encode_depth(depth_m, '16UC1').tolist() == [[0, 0, 0, 0, 0, 2000]]
    assert np.array_equal(encode_depth(depth_m, '32FC1'), np.float32([[np.nan] * 5 + [2]]), equal_nan=True)
    assert np.isinf(depth_m[0, 1])  # the input is left as it was


@pytest.mark.parametrize(('encoding', 'dtype'), [('32FC1', np.float32), ('16UC1', np.uint16)])
def test_a_given_buffer_is_filled_and_returned(encoding, dtype):
    out = np.full((2, 4), 7, dtype)
    assert encode_depth(METRES, encoding, out) is out
    assert np.array_equal(out, encode_depth(METRES, encoding), equal_nan=True)
    with pytest.raises(InvalidInput, match='out: expected contiguous'):
        encode_depth(METRES, encoding, np.empty((4, 2), dtype))


def test_encoding_depth_of_another_type_or_shape_is_refused():
    with pytest.raises(InvalidInput, match='float64'):
        encode_depth(METRES.astype(np.float64))
    with pytest.raises(InvalidInput, match="got '8UC1'"):
        encode_depth(METRES, '8UC1')


@pytest.mark.parametrize('odd', [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-40])
def test_one_pixel_without_a_distance_does_not_spoil_the_others(odd):
    depth_m = np.linspace(1, 9, 12, dtype=np.float32).reshape(3, 4)
    whole = encode_depth(depth_m)
    assert np.array_equal(whole, depth_m) and whole is not depth_m
    depth_m[1, 2] = odd
    expected = depth_m.copy()
    expected[1, 2] = odd if odd > 0 and odd < np.inf else np.nan
    assert np.array_equal(encode_depth(depth_m), expected, equal_nan=True)
