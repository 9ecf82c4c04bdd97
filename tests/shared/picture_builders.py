"""Builders of picture files: by Pillow, and PNG, TIFF, JPEG and ICO by hand, so that any field can be wrong."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

NamedFiles = Iterator[tuple[str, bytes]]
# By name: Pillow's format, options of `save`, and the suffix.
FORMATS: dict[str, tuple[str, dict[str, object], str]] = {
    "png": ("PNG", {}, "png"),
    "jpeg": ("JPEG", {"quality": 80}, "jpg"),
    "progressive": ("JPEG", {"progressive": True}, "jpg"),
    "gif": ("GIF", {}, "gif"),
    "webp": ("WEBP", {}, "webp"),
    "webp-lossless": ("WEBP", {"lossless": True}, "webp"),
    "bmp": ("BMP", {}, "bmp"),
    "tiff": ("TIFF", {}, "tif"),
    "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}, "tif"),
    "tiff-deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}, "tiff"),
    "tiff-jpeg": ("TIFF", {"compression": "jpeg"}, "tif"),
    "ppm": ("PPM", {}, "ppm"),
    "ico": ("ICO", {}, "ico"),
    "jp2": ("JPEG2000", {}, "jp2"),
    "avif": ("AVIF", {}, "avif"),
}
MODES = (
    "1",
    "L",
    "P",
    "RGB",
    "RGBA",
    "RGBX",
    "RGBa",
    "LA",
    "La",
    "PA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "I;16",
)


def sample_picture(side: int = 40) -> Image.Image:
    """A picture with edges and tones."""
    y, x = np.mgrid[0:side, 0:side]
    noise = np.random.default_rng(0).integers(0, 40, (side, side, 3))
    tones = np.stack([x * 5 % 256, y * 5 % 256, (x + y) * 3 % 256], axis=2)
    return Image.fromarray(((tones + noise) % 256).astype(np.uint8))


def encode(image: Image.Image, kind: str, **more: object) -> bytes:
    """An encoded picture. kind: key of FORMATS; more: further options of `save`."""
    buffer = io.BytesIO()
    name, options, _ = FORMATS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.save(buffer, name, **{**options, **more})
    return buffer.getvalue()


@cache
def sample_files() -> dict[str, bytes]:
    """A valid file of each format that this Pillow can write."""
    found = {}
    for kind in FORMATS:
        try:
            found[kind] = encode(sample_picture(), kind)
        except (OSError, KeyError, ValueError):
            continue
    return found


# PNG, with any field as given.
def chunk(kind: bytes, body: bytes, length: int | None = None, checksum: int | None = None) -> bytes:
    length = len(body) if length is None else length
    checksum = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", length) + kind + body + struct.pack(">I", checksum)


def header(width: int, height: int, bits: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))


SIGNATURE, END = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")


def png(width: int, height: int, rows: bytes, *, bits: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    packed = zlib.compress(rows, 1)
    return SIGNATURE + header(width, height, bits, colour) + extra + chunk(b"IDAT", packed) + END


@cache
def compressed_zeros(size: int) -> bytes:
    """A zlib stream of `size` zero bytes, built without keeping them in memory."""
    packer, found, block = zlib.compressobj(1), [], bytes(1 << 20)
    for _ in range(size >> 20):
        found.append(packer.compress(block))
    return b"".join([*found, packer.compress(bytes(size & 0xFFFFF)), packer.flush()])


# TIFF, with any field as given: classic, little-endian, one strip.
def tiff(entries: list[tuple[int, int, int, bytes]], after: bytes = b"", following: int = 0) -> bytes:
    """A TIFF file. entries: tag, type, count, and the four bytes of value or offset."""
    body = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    directory = struct.pack("<H", len(entries)) + body + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8) + directory + after


def gray_tiff(width: int, height: int, bits: int = 8, samples: int = 1, sample_format: int = 1, **tags: int) -> bytes:
    data = bytes(range(256)) * 8
    values = {
        256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 0, 277: samples, 278: height, 279: len(data),
        339: sample_format, **{int(name[1:]): value for name, value in tags.items()},
    }  # fmt: skip
    offset = 8 + 2 + 12 * len(values) + 4
    values[273] = values[273] or offset
    entries = [(tag, 4, 1, struct.pack("<I", value & 0xFFFFFFFF)) for tag, value in sorted(values.items())]
    return tiff(entries, data)


def jpeg_with(*segments: bytes) -> bytes:
    """A valid JPEG with further segments at its start."""
    plain = encode(sample_picture(), "jpeg")
    return plain[:2] + b"".join(segments) + plain[2:]


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def ico(inside: bytes, side: int) -> bytes:
    """An ICO file with one picture; side: the one in its directory."""
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(inside), 22) + inside


SQUARE_SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="5" height="5"/></svg>'
ENTITY_BOMB = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a0 "ha">' + "".join(
    f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12)
) + ']><svg xmlns="http://www.w3.org/2000/svg"><text>&a12;</text></svg>'  # fmt: skip
