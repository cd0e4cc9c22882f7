# SPDX-License-Identifier: Apache-2.0
"""Image bytes to arrays and back: colour to 8-bit RGB, depth to metres; row padding and byte order honoured.

Encodings are those of sensor_msgs/image_encodings. Depth units and invalid values have their one home here:
32FC1 is metres with NaN = unknown, 16UC1 is millimetres with 0 = unknown (REP 118).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from depth_anything_ros.core.camera import MAX_SIDE_PX
from depth_anything_ros.core.errors import InvalidInput


class _Layout(NamedTuple):
    channels: int
    sample_bytes: int
    conversion: str  # name of the cv2 conversion to RGB; empty: it is RGB already


# OpenCV names a Bayer pattern by the second row's second and third pixel: ROS's rggb is OpenCV's BG
_BAYER = {'rggb': 'BG', 'bggr': 'RG', 'gbrg': 'GR', 'grbg': 'GB'}
_LAYOUTS = {
    **{f'rgb{bits}': _Layout(3, bits // 8, '') for bits in (8, 16)},
    **{f'bgr{bits}': _Layout(3, bits // 8, 'COLOR_BGR2RGB') for bits in (8, 16)},
    **{f'rgba{bits}': _Layout(4, bits // 8, 'COLOR_RGBA2RGB') for bits in (8, 16)},
    **{f'bgra{bits}': _Layout(4, bits // 8, 'COLOR_BGRA2RGB') for bits in (8, 16)},
    **{f'mono{bits}': _Layout(1, bits // 8, 'COLOR_GRAY2RGB') for bits in (8, 16)},
    '8UC1': _Layout(1, 1, 'COLOR_GRAY2RGB'),
    '8UC3': _Layout(3, 1, 'COLOR_BGR2RGB'),
    '8UC4': _Layout(4, 1, 'COLOR_BGRA2RGB'),
    **{name: _Layout(2, 1, 'COLOR_YUV2RGB_UYVY') for name in ('yuv422', 'uyvy')},
    **{name: _Layout(2, 1, 'COLOR_YUV2RGB_YUY2') for name in ('yuv422_yuy2', 'yuyv')},
    **{
        f'bayer_{ros}{bits}': _Layout(1, bits // 8, f'COLOR_Bayer{opencv}2RGB')
        for bits in (8, 16)
        for ros, opencv in _BAYER.items()
    },
}
IMAGE_ENCODINGS = tuple(_LAYOUTS)
DEPTH_ENCODINGS = {'32FC1': np.dtype(np.float32), '16UC1': np.dtype(np.uint16), 'mono16': np.dtype(np.uint16)}
_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_JPEG_MAGIC = b'\xff\xd8\xff'


def decode_image(data, height: int, width: int, step: int, encoding: str, is_bigendian=False) -> np.ndarray:
    """Raw image bytes (any buffer) -> (H, W, 3) uint8 RGB.

    rgb8 without row padding is a view of `data`, not a copy: don't write to it. 16-bit samples keep their high byte
    (full range >> 8; cv_bridge's 255 / 65535 differs by one grey level at most), so a 12-bit camera that doesn't
    shift its samples up comes out dark. YUV is BT.601 limited range, Bayer is interpolated bilinearly.
    Raises InvalidInput on an encoding that isn't in IMAGE_ENCODINGS or a size that disagrees with step or data.
    """
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        raise InvalidInput(f'image encoding: expected one of {", ".join(IMAGE_ENCODINGS)}; got {encoding!r}')
    if 'YUV' in layout.conversion and width % 2:
        raise InvalidInput(f'{encoding} image: expected an even width (two pixels share their colour), got {width}')
    rows = _rows(data, height, width, step, layout.channels * layout.sample_bytes, encoding)
    if layout.sample_bytes == 2:
        rows = rows[:, 0 if is_bigendian else 1 :: 2]
    return _to_rgb(rows.reshape(height, width, layout.channels), layout)


def decode_compressed(data, format: str = 'jpeg') -> np.ndarray:
    """JPEG or PNG bytes -> (H, W, 3) uint8 RGB; `format` as in sensor_msgs/CompressedImage.

    The file's own signature decides on the codec. `format` matters where image_transport publishes something else
    than a plain picture: 'compressed rgb8' (channels stored the other way round) and Bayer mosaics.
    EXIF orientation is ignored: camera_info describes the pixels as stored.
    Raises InvalidInput on anything else than JPEG or PNG, truncated or corrupt data, and absurd sizes.
    """
    import cv2

    raw = _complete_picture(data, format)
    encoding = format.partition(';')[0].strip()
    mosaic = encoding in _LAYOUTS and encoding.startswith('bayer')
    flags = cv2.IMREAD_UNCHANGED if mosaic else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = _imdecode(raw, flags, format)
    if mosaic and pixels.ndim == 2:
        pixels = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
        return _to_rgb(pixels[..., None], _LAYOUTS[encoding])
    return pixels if 'compressed rgb' in format else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def decode_depth(data, height: int, width: int, step: int, encoding: str, is_bigendian=False) -> np.ndarray:
    """Raw depth image bytes -> (H, W) float32 metres, NaN = unknown (0 mm; NaN, infinite, zero or negative metres).

    encoding: 16UC1 or mono16 (millimetres), 32FC1 (metres). Raises InvalidInput as `decode_image` does.
    """
    dtype = DEPTH_ENCODINGS.get(encoding)
    if dtype is None:
        raise InvalidInput(f'depth encoding: expected one of {", ".join(DEPTH_ENCODINGS)}; got {encoding!r}')
    rows = _rows(data, height, width, step, dtype.itemsize, encoding)
    return _metres(rows.view(dtype.newbyteorder('>' if is_bigendian else '<')))


def decode_compressed_depth(data, format: str) -> np.ndarray:
    """PNG depth of image_transport -> (H, W) float32 metres, NaN = unknown.

    Two transports are understood. '16UC1; png compressed' is a plain 16-bit PNG of millimetres. '...; compressedDepth
    png' puts a 12-byte header (int32 format, float32 A, float32 B, little-endian) before the PNG; for 32FC1 the PNG
    holds quantised inverse depth q and depth = A / (q - B), q = 0 unknown (compressed_depth_image_transport).
    Raises InvalidInput on other transports (jpeg is lossy, rvl is not read), truncated data and 8-bit pictures.
    """
    import cv2

    if 'rvl' in format.lower():
        raise InvalidInput(f"compressed depth: expected png, got {format!r}: set the publisher's format to png")
    raw = bytes(data)
    header_bytes = 12 if raw[12:20] == _PNG_MAGIC else 0
    raw = _complete_picture(raw[header_bytes:], format)
    values = _imdecode(raw, cv2.IMREAD_UNCHANGED, format)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise InvalidInput(
            f'compressed depth {format!r}: expected a 16-bit single-channel png, got {values.shape} {values.dtype}'
        )
    if not format.startswith('32FC1'):
        return _metres(values)
    if header_bytes == 0:
        raise InvalidInput(f'compressed depth {format!r}: expected the 12-byte header of quantisation, got a bare png')
    _, quant_a, quant_b = struct.unpack('<iff', bytes(data[:12]))
    with np.errstate(divide='ignore', invalid='ignore'):
        depth_m = np.float32(quant_a) / (values.astype(np.float32) - np.float32(quant_b))
    depth_m[values == 0] = np.nan
    return _known(depth_m)


def encode_depth(depth_m: np.ndarray, encoding: str = '32FC1', out: np.ndarray | None = None) -> np.ndarray:
    """(H, W) float32 metres -> contiguous (H, W): '32FC1' float32 metres, NaN unknown; '16UC1' uint16 mm, 0 unknown.

    Infinite, zero and negative depths are unknown. 16UC1 rounds to the nearest millimetre; what it can't hold
    (beyond 65.535 m) becomes unknown instead of wrapping around. `out`: a buffer of that shape and type to fill.
    Raises InvalidInput on an encoding, shape or buffer that doesn't fit.
    """
    if encoding not in ('32FC1', '16UC1'):
        raise InvalidInput(f'depth encoding: expected 32FC1 or 16UC1, got {encoding!r}')
    if depth_m.ndim != 2 or depth_m.dtype != np.float32:
        raise InvalidInput(f'depth: expected (H, W) float32, got {depth_m.shape} {depth_m.dtype}')
    dtype = DEPTH_ENCODINGS[encoding]
    if out is None:
        out = np.empty(depth_m.shape, dtype)
    elif out.shape != depth_m.shape or out.dtype != dtype or not out.flags.c_contiguous:
        raise InvalidInput(f'out: expected contiguous {depth_m.shape} {dtype}, got {out.shape} {out.dtype}')
    if encoding == '32FC1':
        return _known(depth_m, out)
    with np.errstate(invalid='ignore', over='ignore'):
        millimetres = np.rint(depth_m * np.float32(1000))
        fits = (millimetres > 0) & (millimetres <= 65535)
        np.copyto(out, millimetres, casting='unsafe')  # what doesn't fit has no meaning here and is zeroed below
    return np.multiply(out, fits, out=out)


def _rows(data, height: int, width: int, step: int, pixel_bytes: int, encoding: str) -> np.ndarray:
    """A view (H, width * pixel_bytes) uint8 of the rows without their padding. Raises InvalidInput."""
    size = f'{width}x{height} {encoding}'
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise InvalidInput(f'image: expected 1 to {MAX_SIDE_PX} px a side, got {size}')
    if step < width * pixel_bytes:
        raise InvalidInput(f'{size} image: expected a step of at least {width * pixel_bytes} bytes, got {step}')
    buffer = np.frombuffer(data, np.uint8)
    # bytes after the last row are left alone: V4L2 drivers hand over buffers rounded up to whole pages
    if len(buffer) < height * step:
        raise InvalidInput(f'{size} image, step {step}: expected {height * step} bytes of data, got {len(buffer)}')
    return buffer[: height * step].reshape(height, step)[:, : width * pixel_bytes]


def _to_rgb(pixels: np.ndarray, layout: _Layout) -> np.ndarray:
    """(H, W, C) uint8 in the order of `layout` -> (H, W, 3) RGB, contiguous."""
    if not layout.conversion:
        return np.ascontiguousarray(pixels)
    import cv2

    return cv2.cvtColor(pixels[..., 0] if layout.channels == 1 else pixels, getattr(cv2, layout.conversion))


def _metres(values: np.ndarray) -> np.ndarray:
    """uint16 millimetres or float32 metres of any byte order -> float32 metres, NaN = unknown."""
    return _known(np.divide(values, 1000, dtype=np.float32) if values.dtype.kind == 'u' else values.astype(np.float32))


def _known(depth_m: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """A copy of `depth_m` with NaN where it isn't positive and finite."""
    import cv2

    if out is None:
        out = np.empty(depth_m.shape, np.float32)
    if depth_m.size and depth_m.min() > 0 and depth_m.max() < np.inf:  # NaN is neither
        np.copyto(out, depth_m)
        return out
    out.fill(np.nan)
    known = (depth_m > 0) & (depth_m < np.inf)
    cv2.copyTo(depth_m, known.view(np.uint8), out)  # eight times faster than numpy's masked assignment
    return out


def _complete_picture(data, format: str) -> bytes:
    """The bytes of a JPEG or PNG that has its end and a sane size: decoders fill a truncated picture with grey."""
    raw = bytes(data)
    who = f'compressed image {format!r}, {len(raw)} bytes'
    tail = raw.rstrip(b'\0')[-64:]  # cameras pad motion JPEG with zeros
    if raw.startswith(_JPEG_MAGIC):
        width, height, complete = *_jpeg_size(raw), b'\xff\xd9' in tail
    elif raw.startswith(_PNG_MAGIC):
        width, height = struct.unpack('>II', raw[16:24]) if len(raw) >= 24 else (0, 0)
        complete = b'IEND' in tail
    else:
        raise InvalidInput(f'{who}: expected jpeg or png, got data that starts with {raw[:8].hex() or "nothing"}')
    if not complete:
        raise InvalidInput(f'{who}: expected the end of the picture, got truncated data')
    if not (0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX):
        raise InvalidInput(f'{who}: expected 1 to {MAX_SIDE_PX} px a side, got {width}x{height}')
    return raw


def _jpeg_size(raw: bytes) -> tuple[int, int]:
    """(width, height) of the first frame header (ITU T.81, B.2.2); (0, 0) where there is none."""
    at = 2
    while at + 9 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack('>HH', raw[at + 5 : at + 9])
            return width, height
        # a fill byte stands alone; every other segment carries its length
        at += 1 if marker == 0xFF else 2 + int.from_bytes(raw[at + 2 : at + 4], 'big')
    return 0, 0


def _imdecode(raw: bytes, flags: int, format: str) -> np.ndarray:
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error as error:
        raise InvalidInput(f'compressed image {format!r}: OpenCV cannot decode it: {error.err}') from error
    if pixels is None:
        raise InvalidInput(f'compressed image {format!r}: expected a readable picture, got {len(raw)} corrupt bytes')
    return pixels
