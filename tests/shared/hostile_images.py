"""Broken, strange and hostile pictures, some three hundred, all made here: `python hostile_images.py FOLDER`.

Nothing is fetched and nothing is random beyond fixed seeds. None is over a few MB; several ask for far more memory or
time than that when they are decoded. `survives` in `hostile_run.py` says what has to hold for each of them.
"""

from __future__ import annotations

import base64
import gzip
import io
import pickle
import struct
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

Named = Iterator[tuple[str, bytes]]
# Encoder, its options, suffix.
KINDS: dict[str, tuple[str, dict[str, object], str]] = {
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


def photograph(side: int = 40) -> Image.Image:
    """Something with edges and tones in it."""
    y, x = np.mgrid[0:side, 0:side]
    noise = np.random.default_rng(0).integers(0, 40, (side, side, 3))
    tones = np.stack([x * 5 % 256, y * 5 % 256, (x + y) * 3 % 256], axis=2)
    return Image.fromarray(((tones + noise) % 256).astype(np.uint8))


def saved(image: Image.Image, kind: str, **more: object) -> bytes:
    buffer = io.BytesIO()
    name, options, _ = KINDS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image.save(buffer, name, **{**options, **more})
    return buffer.getvalue()


@cache
def available() -> dict[str, bytes]:
    """One sound picture of each kind that this Pillow writes."""
    found = {}
    for kind in KINDS:
        try:
            found[kind] = saved(photograph(), kind)
        except (OSError, KeyError, ValueError):
            continue
    return found


# PNG by hand.
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
def zeros_packed(size: int) -> bytes:
    """A zlib stream of `size` zero bytes, without holding them."""
    packer, found, block = zlib.compressobj(1), [], bytes(1 << 20)
    for _ in range(size >> 20):
        found.append(packer.compress(block))
    return b"".join([*found, packer.compress(bytes(size & 0xFFFFF)), packer.flush()])


# TIFF by hand: classic, little-endian, one strip.
def tiff(entries: list[tuple[int, int, int, bytes]], after: bytes = b"", following: int = 0) -> bytes:
    """entries: tag, type, count and the four bytes of value or offset."""
    body = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    directory = struct.pack("<H", len(entries)) + body + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8) + directory + after


def grey_tiff(width: int, height: int, bits: int = 8, samples: int = 1, sample_format: int = 1, **tags: int) -> bytes:
    data = bytes(range(256)) * 8
    values = {
        256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 0, 277: samples, 278: height, 279: len(data),
        339: sample_format, **{int(name[1:]): value for name, value in tags.items()},
    }  # fmt: skip
    place = 8 + 2 + 12 * len(values) + 4
    values[273] = values[273] or place
    entries = [(tag, 4, 1, struct.pack("<I", value & 0xFFFFFFFF)) for tag, value in sorted(values.items())]
    return tiff(entries, data)


def cut_short() -> Named:
    for kind, data in available().items():
        suffix = KINDS[kind][2]
        stages = {"1B": 1, "4B": 4, "12B": 12, "30B": 30}
        stages |= {f"{share}pc": len(data) * share // 100 for share in (20, 50, 80, 97)}
        for stage, length in stages.items():
            yield f"cut-{kind}-{stage}.{suffix}", data[:length]


def flipped() -> Named:
    for number, (kind, data) in enumerate(available().items()):
        for seed in range(3):
            rng = np.random.default_rng([number, seed])
            changed = bytearray(data)
            # The first kind of damage falls on headers, the others anywhere.
            reach = min(len(data), 80) if seed == 0 else len(data)
            for place in rng.integers(0, reach, 3 + 6 * seed):
                changed[place] = rng.integers(0, 256)
            yield f"flipped-{kind}-{seed}.{KINDS[kind][2]}", bytes(changed)


def modes() -> Named:
    rgba = photograph().convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
    for mode in MODES:
        try:
            if mode in ("RGBa", "La"):
                image = (rgba if mode == "RGBa" else rgba.convert("LA")).convert(mode)
            elif mode == "PA":
                image = rgba.convert("P").convert("PA")
            elif mode == "LAB":
                image = Image.frombytes("LAB", (40, 40), photograph().tobytes())
            elif mode == "I;16":
                image = Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40)
            else:
                image = (rgba if mode in ("RGBA", "LA") else photograph()).convert(mode)
        except ValueError:
            continue
        for kind in ("png", "jpeg", "gif", "webp", "bmp", "tiff", "ppm", "jp2", "ico"):
            try:
                data = saved(image, kind)
            except (OSError, ValueError, KeyError):
                continue
            yield f"mode-{mode.replace(';', '-')}-{kind}.{KINDS[kind][2]}", data


def orientations() -> Named:
    for value in (*range(10), 255, 65535):
        exif = Image.Exif()
        exif[0x0112] = value
        yield f"exif-orientation-{value}.jpg", saved(photograph(), "jpeg", exif=exif)
    for name, kind, value in (("text", 2, b"up\0\0"), ("fraction", 5, b"\0\0\0\0"), ("float", 11, b"\xff" * 4)):
        body = b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHI", 0x0112, kind, 1) + value + bytes(4)
        yield f"exif-orientation-{name}.jpg", saved(photograph(), "jpeg", exif=body)
    yield "exif-orientation-png.png", saved(photograph(), "png", exif=b"Exif\0\0II*\0" + b"\xff" * 40)


def jpeg_with(*segments: bytes) -> bytes:
    plain = saved(photograph(), "jpeg")
    return plain[:2] + b"".join(segments) + plain[2:]


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def about_pictures() -> Named:
    """EXIF, profiles, comments."""
    exif = b"Exif\0\0"
    loop = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8, 8)
    counts = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 0xFFFFFFFF, 0xFFFFFFF0, 0)
    yield "exif-giant.jpg", jpeg_with(segment(0xE1, exif + b"II*\0\x08\0\0\0" + b"\xaa" * 65000))
    yield "exif-many-giants.jpg", jpeg_with(*[segment(0xE1, exif + b"\x55" * 65000)] * 30)
    yield "exif-loop.jpg", jpeg_with(segment(0xE1, exif + loop))
    yield "exif-counts.jpg", jpeg_with(segment(0xE1, exif + counts))
    yield "exif-empty.jpg", jpeg_with(segment(0xE1, exif))
    yield "exif-no-tiff.jpg", jpeg_with(segment(0xE1, exif + b"nothing of the kind"))
    yield "exif-big-endian-cut.jpg", jpeg_with(segment(0xE1, exif + b"MM\0*\0\0\0\x08\0\x09"))
    yield "exif-offset-far.jpg", jpeg_with(segment(0xE1, exif + b"II*\0\xff\xff\xff\x7f"))
    yield "exif-giant.png", saved(photograph(), "png", exif=exif + b"II*\0\x08\0\0\0" + bytes(3_000_000))
    yield "exif-giant.webp", saved(photograph(), "webp", exif=exif + b"II*\0\x08\0\0\0" + b"\xff" * 300_000)
    yield "xmp-entities.jpg", jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + LAUGHS.encode()))
    yield (
        "xmp-entities.png",
        SIGNATURE
        + header(1, 1)
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LAUGHS.encode())
        + chunk(b"IDAT", zlib.compress(bytes(4)))
        + END,
    )
    yield "profile-broken.jpg", jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\1" + b"\xff" * 3000))
    yield "profile-parts-missing.jpg", jpeg_with(segment(0xE2, b"ICC_PROFILE\0\7\3" + b"\0" * 300))
    yield "profile-giant.png", saved(photograph(), "png", icc_profile=bytes(8_000_000))
    yield "iptc-broken.jpg", jpeg_with(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4" + b"\xff" * 30))
    yield "comments-many.jpg", jpeg_with(*[segment(0xFE, b"x" * 20)] * 20_000)
    yield "mpf-broken.jpg", jpeg_with(segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + b"\xff" * 60))
    yield "adobe-transform.jpg", jpeg_with(segment(0xEE, b"Adobe\0\x64\0\0\0\0\x07"))


def bombs() -> Named:
    for width, height in ((8001, 8001), (30000, 30000), (2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (64_000_001, 1)):
        yield f"bomb-png-{width}x{height}.png", SIGNATURE + header(width, height) + chunk(b"IDAT", b"x\x9c") + END
    row = 12_500 // 8 + 1
    whole = SIGNATURE + header(12_500, 12_500, 1, 0) + chunk(b"IDAT", zeros_packed(12_500 * row)) + END
    yield "bomb-png-whole.png", whole
    yield "bomb-png-endless-rows.png", SIGNATURE + header(8, 8) + chunk(b"IDAT", zeros_packed(64 << 20)) + END
    yield (
        "full-16-bit.png",
        SIGNATURE + header(7900, 7900, 16, 0) + chunk(b"IDAT", zeros_packed(7900 * (2 * 7900 + 1))) + END,
    )
    text = zeros_packed(64 << 20)
    for name, extra in {
        "ztxt": chunk(b"zTXt", b"Comment\0\0" + text),
        "itxt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + text),
        "iccp": chunk(b"iCCP", b"profile\0\0" + text),
    }.items():
        yield f"bomb-{name}.png", png(2, 2, bytes(14), extra=extra)
    yield "bomb-many-texts.png", png(2, 2, bytes(14), extra=chunk(b"tEXt", b"a\0" + b"b" * 50) * 30_000)
    frames = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    yield "bomb-frames.png", png(2, 2, bytes(14), extra=frames)
    plain = available()
    # Sides in the headers of other formats.
    bmp = bytearray(plain["bmp"])
    bmp[18:26] = struct.pack("<ii", 60000, 60000)
    yield "bomb-sides.bmp", bytes(bmp)
    bmp[18:26] = struct.pack("<ii", -(2**31), -(2**31))
    yield "negative-sides.bmp", bytes(bmp)
    gif = bytearray(plain["gif"])
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    yield "bomb-screen.gif", bytes(gif)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x44\x01\0"
    yield "bomb-frame-beyond-screen.gif", b"GIF89a\1\0\1\0\x80\0\0" + b"\0\0\0\xff\xff\xff" + frame + b"\x3b"
    frame = b"\x2c" + struct.pack("<HHHHB", 65000, 65000, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    yield "bomb-frame-far-out.gif", b"GIF89a\1\0\1\0\x80\0\0" + b"\0\0\0\xff\xff\xff" + frame + b"\x3b"
    small = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    yield "bomb-frames.gif", b"GIF89a\1\0\1\0\x80\0\0" + b"\0\0\0\xff\xff\xff" + small * 150_000 + b"\x3b"
    yield "bomb-sides.tif", grey_tiff(1_000_000, 1_000_000)
    yield "bomb-strip.tif", grey_tiff(100, 100, t279=0xFFFFFFF0)
    yield "bomb-samples.tif", grey_tiff(5000, 5000, samples=60000)
    yield "bomb-bits.tif", grey_tiff(100, 100, bits=0xFFFF)
    yield "loop.tif", b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    one = grey_tiff(8, 8)
    yield "loop-of-sound-pages.tif", one[: 8 + 2 + 120] + struct.pack("<I", 8) + one[8 + 2 + 120 + 4 :]
    pages = 40_000
    yield "bomb-pages.tif", _many_pages(pages)
    jpeg = bytearray(plain["jpeg"])
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 65500, 65500)
    yield "bomb-sides.jpg", bytes(jpeg)
    jpeg[place : place + 4] = struct.pack(">HH", 8000, 7900)
    yield "full-sides-little-data.jpg", bytes(jpeg)
    jpeg[place : place + 4] = struct.pack(">HH", 0, 40)
    yield "no-height.jpg", bytes(jpeg)
    yield "bomb-scans.jpg", _many_scans(3000)
    yield "bomb-sides.ppm", b"P6\n99999999 99999999\n255\n" + bytes(30)
    yield "bomb-sides-text.ppm", b"P3\n99999 99999 255\n" + b"1 " * 90
    yield "bomb-comment.ppm", b"P6\n#" + b"x" * 3_000_000 + b"\n2 2\n255\n" + bytes(12)
    yield "bomb-number.ppm", b"P6\n" + b"9" * 200_000 + b" 2\n255\n"
    webp = b"VP8X" + struct.pack("<IB", 10, 2) + bytes(3) + b"\xff\xff\xff" * 2
    yield "bomb-canvas.webp", b"RIFF" + struct.pack("<I", 4 + len(webp)) + b"WEBP" + webp
    jp2 = bytearray(plain.get("jp2", b""))
    if b"ihdr" in jp2:
        place = jp2.index(b"ihdr") + 4
        jp2[place : place + 8] = struct.pack(">II", 7000, 7000)
        yield "bomb-lying-box.jp2", bytes(jp2)
        jp2[place : place + 8] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
        yield "bomb-sides.jp2", bytes(jp2)
        jp2 = bytearray(plain["jp2"])
        place = jp2.index(b"\xff\x51") + 6
        jp2[place : place + 8] = struct.pack(">II", 100_000, 100_000)
        yield "bomb-lying-code.jp2", bytes(jp2)
    yield "bomb-inside.ico", ico(whole, 16)
    yield "large-inside.ico", ico(png(1, 1, bytes(4)), 255)
    yield "nested.ico", ico(ico(plain["png"], 16), 16)
    yield "directory-of-many.ico", b"\0\0\1\0\xff\xff" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 9, 9) * 65535
    yield "far-offset.ico", b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, 2**32 - 1, 2**32 - 1)


def ico(inside: bytes, side: int) -> bytes:
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(inside), 22) + inside


def _many_pages(count: int) -> bytes:
    """A TIFF whose pages all share one little strip."""
    parts, place = [], 8
    tags = ((256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, 64))
    size = 2 + 12 * len(tags) + 4
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    for number in range(count):
        following = place + size * (number + 1) if number + 1 < count else 0
        parts.append(struct.pack("<H", len(tags)) + body + struct.pack("<I", following))
    return b"II*\0" + struct.pack("<I", 8) + b"".join(parts)


def _many_scans(count: int) -> bytes:
    """A progressive JPEG of nearly the largest sides, whose one small scan is repeated: each repetition goes through
    all of its blocks."""
    data = saved(Image.new("L", (16, 16), 90), "progressive")
    start = data.index(b"\xff\xc2") + 5
    data = data[:start] + struct.pack(">HH", 7900, 7900) + data[start + 4 :]
    scan = data.rindex(b"\xff\xda")
    return data[:scan] + data[scan:-2] * count + data[-2:]


def wrong_headers() -> Named:
    plain = available()
    others = {"png": "jpg", "jpeg": "png", "gif": "webp", "webp": "gif", "bmp": "tif", "tiff": "bmp", "ppm": "png",
              "ico": "jpg", "jp2": "png", "avif": "jpg"}  # fmt: skip
    for kind, suffix in others.items():
        if kind in plain:
            yield f"named-wrongly-{kind}.{suffix}", plain[kind]
    heads = {
        "png": SIGNATURE, "jpg": b"\xff\xd8\xff\xe0", "gif": b"GIF89a", "webp": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        "bmp": b"BM", "tif": b"II*\0", "ico": b"\0\0\1\0", "jp2": b"\0\0\0\x0cjP  \r\n\x87\n", "ppm": b"P6 ",
        "avif": b"\0\0\0\x20ftypavif",
    }  # fmt: skip
    noise = np.random.default_rng(9).bytes(3000)
    for suffix, head in heads.items():
        yield f"head-then-noise.{suffix}", head + noise
        yield f"head-then-zeros.{suffix}", head + bytes(3000)
    yield "empty.png", b""
    yield "one-byte.jpg", b"\xff"
    yield "zeros.png", bytes(1 << 20)
    yield "newline.gif", b"\n"
    yield "text.png", b"not a picture at all"
    yield "page.jpg", b"<!doctype html><html><body>404 Not Found</body></html>"
    yield "script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
    yield "script.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    yield "document.pdf.png", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    yield "program.png", b"\x7fELF\2\1\1" + bytes(200)
    yield "packed.png", gzip.compress(plain["png"])
    yield "pickle.png", pickle.dumps({"a": list(range(50))})
    yield "drawing.svg.png", SQUARE.encode()
    yield "wmf.png", b"\xd7\xcd\xc6\x9a" + bytes(60)
    yield "psd.png", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(400)


def strange_png() -> Named:
    line = b"\0" + bytes(range(24))
    rows = line * 8
    body = chunk(b"IDAT", zlib.compress(rows))
    yield "png-bad-checksum.png", SIGNATURE + header(8, 8) + chunk(b"IDAT", zlib.compress(rows), checksum=7) + END
    yield "png-bad-header-checksum.png", SIGNATURE + header(8, 8)[:-4] + bytes(4) + body + END
    yield "png-long-chunk.png", SIGNATURE + header(8, 8) + chunk(b"IDAT", zlib.compress(rows), length=2**31 - 1) + END
    yield "png-longest-chunk.png", SIGNATURE + header(8, 8) + chunk(b"tEXt", b"a\0b", length=2**32 - 1) + END
    yield "png-two-headers.png", SIGNATURE + header(8, 8) + header(4000, 4000) + body + END
    yield "png-two-headers-bomb.png", SIGNATURE + header(8, 8) + header(60000, 60000) + body + END
    yield "png-header-late.png", SIGNATURE + body + header(8, 8) + END
    yield "png-no-data.png", SIGNATURE + header(8, 8) + END
    yield "png-no-end.png", SIGNATURE + header(8, 8) + body
    yield "png-header-short.png", SIGNATURE + chunk(b"IHDR", b"\0\0\0\x08") + body + END
    yield "png-bad-filter.png", png(8, 8, (b"\x09" + bytes(24)) * 8)
    yield "png-bad-bits.png", png(8, 8, rows, bits=7)
    yield "png-bad-colour.png", png(8, 8, rows, colour=5)
    yield "png-no-palette.png", png(8, 8, (b"\0" + bytes(8)) * 8, colour=3)
    yield "png-short-palette.png", png(8, 8, (b"\0" + b"\xff" * 8) * 8, colour=3, extra=chunk(b"PLTE", b"abc"))
    yield "png-odd-palette.png", png(8, 8, (b"\0" + bytes(8)) * 8, colour=3, extra=chunk(b"PLTE", b"abcd"))
    yield (
        "png-long-transparency.png",
        png(8, 8, (b"\0" + bytes(8)) * 8, colour=3, extra=chunk(b"PLTE", b"abc") + chunk(b"tRNS", bytes(4000))),
    )
    yield "png-palette-transparency.png", png(
        8, 8, (b"\0" + b"\0\1\2\3" * 2) * 8, colour=3,
        extra=chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\0\x40\x80\xff"),
    )  # fmt: skip
    yield "png-grey-transparency.png", png(8, 8, (b"\0" + b"\x0f" * 8) * 8, colour=0, extra=chunk(b"tRNS", b"\0\x0f"))
    yield "png-short-transparency.png", png(8, 8, rows, extra=chunk(b"tRNS", b"\0"))
    yield "png-one-bit-transparency.png", png(8, 8, b"\0\xaa" * 8, bits=1, colour=0, extra=chunk(b"tRNS", b"\0\1"))
    yield "png-16-bit-rgb.png", png(4, 4, (b"\0" + bytes(range(24))) * 4, bits=16)
    yield "png-16-bit-rgba.png", png(4, 4, (b"\0" + bytes(range(32))) * 4, bits=16, colour=6)
    yield "png-16-bit-grey-alpha.png", png(4, 4, (b"\0" + bytes(range(16))) * 4, bits=16, colour=4)
    yield (
        "png-16-bit-grey-transparency.png",
        png(4, 4, (b"\0" + bytes(range(8))) * 4, bits=16, colour=0, extra=chunk(b"tRNS", b"\0\1")),
    )
    yield "png-interlaced-cut.png", SIGNATURE + header(64, 64, interlace=1) + chunk(b"IDAT", zlib.compress(rows)) + END
    yield "png-no-width.png", SIGNATURE + header(0, 8) + body + END
    yield "png-no-height.png", SIGNATURE + header(8, 0) + body + END
    yield "png-odd-gamma.png", png(8, 8, rows, extra=chunk(b"gAMA", bytes(4)) + chunk(b"pHYs", b"\xff" * 9))
    yield "png-bad-frames.png", png(8, 8, rows, extra=chunk(b"acTL", b"\0\0\0\2") + chunk(b"fcTL", bytes(5)))
    yield "png-frame-outside.png", png(
        8, 8, rows,
        extra=chunk(b"acTL", struct.pack(">II", 2, 0))
        + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 9000, 9000, 5, 5, 1, 1, 0, 0)),
    )  # fmt: skip


def strange_others() -> Named:
    plain = available()
    for sample_format, bits in ((3, 16), (3, 32), (3, 64), (2, 8), (2, 16), (2, 32), (1, 32), (1, 1), (1, 4), (1, 7)):
        yield f"tiff-format-{sample_format}-bits-{bits}.tif", grey_tiff(8, 8, bits=bits, sample_format=sample_format)
    values = np.linspace(-9, 9, 64).astype(np.float32).reshape(8, 8)
    values[0, :4] = np.nan, np.inf, -np.inf, 3e38
    yield "tiff-not-numbers.tif", saved(Image.fromarray(values), "tiff")
    yield "tiff-only-not-numbers.tif", saved(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "tiff")
    yield "tiff-negative.tif", saved(Image.fromarray(np.arange(-32, 32, dtype=np.int32).reshape(8, 8) * 9999), "tiff")
    yield "tiff-no-width.tif", grey_tiff(0, 8)
    yield "tiff-no-samples.tif", grey_tiff(8, 8, samples=0)
    yield "tiff-no-rows.tif", grey_tiff(8, 8, t278=0)
    yield "tiff-unknown-packing.tif", grey_tiff(8, 8, t259=32000)
    yield "tiff-unknown-colours.tif", grey_tiff(8, 8, t262=77)
    yield "tiff-far-strip.tif", grey_tiff(8, 8, t273=0xFFFFFFF0)
    yield "tiff-tile-of-nothing.tif", grey_tiff(8, 8, t322=0, t323=0, t324=10, t325=10)
    yield "tiff-planes.tif", grey_tiff(8, 8, samples=3, t284=2, t262=2)
    yield "tiff-turned.tif", grey_tiff(8, 8, t274=6)
    yield "tiff-turned-wrongly.tif", grey_tiff(8, 8, t274=600)
    yield "tiff-no-tags.tif", tiff([])
    yield "tiff-many-tags.tif", b"II*\0" + struct.pack("<IH", 8, 65535) + b"\1" * 5000
    yield "tiff-count.tif", tiff([(256, 4, 0xFFFFFFFF, bytes(4)), (257, 4, 1, b"\x08\0\0\0")])
    yield "tiff-big.tif", b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63)
    yield "tiff-big-endian.tif", b"MM\0*\0\0\0\x08\0\1" + b"\xff" * 12
    for name, text in {
        "negative": b"P6\n-4 4\n255\n", "no-maximum": b"P6\n4 4\n0\n", "maximum": b"P6\n4 4\n65536\n",
        "letters": b"P6\nfour 4\n255\n", "no-end": b"P6\n4", "short-text": b"P3\n4 4\n255\n1 2 3",
        "over-maximum": b"P2\n2 2\n9\n1 2 3 99", "binary-bits": b"P4\n9 3\n", "float": b"Pf\n2 2\n-1.0\n" + bytes(16),
        "float-scale": b"PF\n2 2\nnan\n" + bytes(48), "pam": b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 4\nMAXVAL 255\nENDHDR\n",
        "deep": b"P5\n2 2\n65535\n" + bytes(8),
    }.items():  # fmt: skip
        yield f"ppm-{name}.ppm", text + (bytes(60) if name in ("negative", "no-maximum", "maximum") else b"")
    bmp = plain["bmp"]
    for name, place, value in (
        ("bits", 28, 77), ("packing", 30, 1), ("packing-unknown", 30, 99), ("colours", 46, 2**31), ("header", 14, 3),
        ("offset", 10, 2**31), ("planes", 26, 9),
    ):  # fmt: skip
        yield f"bmp-{name}.bmp", bmp[:place] + struct.pack("<I", value) + bmp[place + 4 :]
    yield "bmp-flipped.bmp", bmp[:22] + struct.pack("<i", -40) + bmp[26:]
    cmyk = photograph().convert("CMYK")
    yield "cmyk.jpg", saved(cmyk, "jpeg")
    yield "cmyk.tif", saved(cmyk, "tiff")
    yield "cmyk-wrong-profile.jpg", saved(cmyk, "jpeg", icc_profile=b"\0" * 500)
    for width, height in ((1, 1), (1, 9000), (9000, 1), (3, 65000)):
        yield f"sides-{width}x{height}.png", saved(Image.new("RGB", (width, height), "teal"), "png")
        yield f"sides-{width}x{height}.jpg", saved(Image.new("RGB", (width, height), "teal"), "jpeg")
    yield "clear.png", saved(Image.new("RGBA", (30, 30)), "png")
    yield "white.png", saved(Image.new("RGB", (30, 30), "white"), "png")


def animated() -> Named:
    frames = [photograph().rotate(angle) for angle in (0, 30, 60, 90)]
    more: dict[str, object] = {"save_all": True, "append_images": frames[1:]}
    for kind in ("png", "gif", "webp", "tiff", "avif"):
        try:
            data = saved(frames[0], kind, **more)
        except (OSError, KeyError, ValueError):
            continue
        yield f"animated-{kind}.{KINDS[kind][2]}", data
        yield f"animated-{kind}-cut.{KINDS[kind][2]}", data[: len(data) * 2 // 3]
    for disposal in range(4):
        yield (
            f"animated-disposal-{disposal}.gif",
            saved(frames[0], "gif", disposal=disposal, loop=0, duration=0, **more),
        )
    clear = [Image.new("RGBA", (20, 20)), photograph(20).convert("RGBA")]
    yield "animated-clear-first.png", saved(clear[0], "png", save_all=True, append_images=clear[1:])
    yield (
        "animated-hidden-first.png",
        saved(clear[1], "png", save_all=True, append_images=clear[:1] * 2, default_image=True),
    )
    buffer = io.BytesIO()
    frames[0].save(buffer, "MPO", save_all=True, append_images=frames[1:2])
    yield "two-views.mpo.jpg", buffer.getvalue()
    yield "two-views-cut.mpo.jpg", buffer.getvalue()[: len(buffer.getvalue()) * 2 // 3]
    yield "no-frames.gif", b"GIF89a\x08\0\x08\0\x80\0\0" + b"\0\0\0\xff\xff\xff" + b"\x3b"
    yield "endless-block.gif", b"GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff" + b"\x21\xfe" + b"\xff" * 2000
    yield "long-comment.gif", b"GIF89a\x08\0\x08\0\0\0\0\x21\xfe" + (b"\xff" + b"c" * 255) * 9000 + b"\0\x3b"


def polyglots() -> Named:
    plain = available()
    zipped = b"PK\3\4\x14\0\0\0\0\0" + bytes(40) + b"PK\5\6" + bytes(18)
    yield "polyglot-png-zip.png", plain["png"] + zipped
    yield "polyglot-jpeg-zip.jpg", plain["jpeg"] + zipped
    yield "polyglot-gif-script.gif", b"GIF89a/*\0\0\0\0" + plain["gif"][13:] + b"*/=1;alert(1)"
    yield "polyglot-jpeg-php.jpg", jpeg_with(segment(0xFE, b"<?php system($_GET['c']); ?>"))
    yield "polyglot-png-page.png", png(2, 2, bytes(14), extra=chunk(b"tEXt", b"x\0<script>alert(1)</script>"))
    yield "polyglot-png-twice.png", plain["png"] * 2
    yield "polyglot-png-jpeg.png", plain["png"] + plain["jpeg"]
    yield "polyglot-pdf-jpeg.jpg", b"%PDF-1.4\n" + plain["jpeg"]
    yield "polyglot-mz-bmp.bmp", b"MZ" + plain["bmp"][2:]
    yield "polyglot-tiff-zip.tif", plain["tiff"] + zipped
    yield "polyglot-webp-tail.webp", plain["webp"] + b"\0" * 1_000_000
    yield "polyglot-png-tail.png", plain["png"] + np.random.default_rng(3).bytes(1_000_000)
    yield "polyglot-shell.png", b"#!/bin/sh\ntouch sprung\n" + plain["png"]


SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="5" height="5"/></svg>'
LAUGHS = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a0 "ha">' + "".join(
    f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12)
) + ']><svg xmlns="http://www.w3.org/2000/svg"><text>&a12;</text></svg>'  # fmt: skip


def drawings() -> Named:
    """SVGs, as subjects of one's own."""

    def svg(inside: str, about: str = 'viewBox="0 0 90 90"') -> bytes:
        link = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {link} {about}>{inside}</svg>'.encode()

    rect = '<rect width="50" height="50"/>'
    outside = (
        '<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">&e;</svg>'
    )
    tens = [rect, *(f"<use href='#g{n}'/>" * 10 for n in range(8))]
    uses = "".join(f"<g id='g{n}'>{inside}</g>" for n, inside in enumerate(tens))
    bomb = SIGNATURE + header(12_500, 12_500, 1, 0) + chunk(b"IDAT", zeros_packed(12_500 * 1563)) + END
    embedded = base64.b64encode(bomb).decode()
    yield "svg-sound.svg", svg(rect)
    yield "svg-laughs.svg", LAUGHS.encode()
    yield "svg-outside-entity.svg", outside.encode()
    yield "svg-script.svg", svg(f"<script>while(1){{}}</script>{rect}")
    yield "svg-onload.svg", svg(rect, 'viewBox="0 0 90 90" onload="alert(1)"')
    yield "svg-page-inside.svg", svg('<foreignObject width="9" height="9"><body/></foreignObject>' + rect)
    yield "svg-file-inside.svg", svg('<image href="file:///etc/passwd" width="9" height="9"/>' + rect)
    yield "svg-address-inside.svg", svg('<image href="http://127.0.0.1:9/x.png" width="9" height="9"/>' + rect)
    yield "svg-bomb-inside.svg", svg(f'<image href="data:image/png;base64,{embedded}" width="9" height="9"/>')
    yield "svg-drawing-inside.svg", svg('<image href="data:image/svg+xml;base64,PHN2Zy8+" width="9" height="9"/>')
    yield "svg-uses.svg", svg(f"<defs>{uses}</defs><use href='#g8'/>")
    yield "svg-uses-itself.svg", svg("<g id='a'><use href='#b'/></g><g id='b'><use href='#a'/></g>")
    yield "svg-deep.svg", svg("<g>" * 5000 + rect + "</g>" * 5000)
    yield "svg-many.svg", svg(rect * 40_000)
    yield "svg-layers.svg", svg(f"<g opacity='.9'>{rect}</g>" * 5000)
    yield (
        "svg-filter.svg",
        svg(
            "<filter id='f'><feTurbulence baseFrequency='.9' numOctaves='9999'/></filter>"
            "<rect width='90' height='90' filter='url(#f)'/>"
        ),
    )
    yield (
        "svg-blur.svg",
        svg(
            "<filter id='f'><feGaussianBlur stdDeviation='1e9'/></filter>"
            "<rect width='90' height='90' filter='url(#f)'/>"
        ),
    )
    yield "svg-pattern.svg", svg("<pattern id='p' width='1' height='1'><rect fill='url(#p)'/></pattern>" + rect)
    yield "svg-mask-itself.svg", svg("<mask id='m'><g mask='url(#m)'>" + rect + "</g></mask>" + rect)
    yield "svg-dashes.svg", svg("<path d='M0 0H1e9' stroke='red' stroke-dasharray='1e-9'/>")
    yield "svg-huge-box.svg", svg(rect, 'viewBox="0 0 1e300 1e300"')
    yield "svg-nan-box.svg", svg(rect, 'viewBox="nan nan nan nan"')
    yield "svg-inf-size.svg", svg(rect, 'width="1e999" height="1e999"')
    yield "svg-no-size.svg", svg(rect, 'width="0" height="0"')
    yield "svg-negative-size.svg", svg(rect, 'viewBox="0 0 -9 -9"')
    yield "svg-thin.svg", svg(rect, 'viewBox="0 0 1000000 0.00001"')
    yield "svg-nothing.svg", svg("")
    yield "svg-invisible.svg", svg(rect.replace("/>", " opacity='0'/>"))
    yield "svg-long-path.svg", svg(f"<path d='M0 0{'L1 1' * 300_000}'/>")
    yield "svg-huge-numbers.svg", svg("<path d='M-1e38 -1e38L1e38 1e38L1e308 0Z' stroke='red'/>" + rect)
    yield "svg-style-import.svg", svg("<style>@import url(http://127.0.0.1:9/x.css);</style>" + rect)
    yield "svg-not-closed.svg", svg(rect)[:-7]
    yield "svg-utf16.svg", SQUARE.encode("utf-16")
    yield "svg-wrong-encoding.svg", b'<?xml version="1.0" encoding="utf-99"?>' + SQUARE.encode()
    yield "svg-zero-bytes.svg", SQUARE.replace("rect", "re\0ct").encode()
    yield "svg-not-text.svg", b"\xff\xfe\xfd" + SQUARE.encode()
    yield "svg-packed.svg", gzip.compress(SQUARE.encode())
    yield "svg-empty.svg", b""
    yield "svg-other-root.svg", b"<html xmlns='http://www.w3.org/1999/xhtml'/>"


GROUPS: tuple[Callable[[], Named], ...] = (
    cut_short, flipped, modes, orientations, about_pictures, bombs, wrong_headers, strange_png, strange_others,
    animated, polyglots, drawings,
)  # fmt: skip


def write_all(folder: Path) -> list[Path]:
    """Writes every file into the folder; sorted by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for group in GROUPS:
        for name, data in group():
            path = folder / name
            assert not path.exists(), f"two are called {name}"
            path.write_bytes(data)
            paths.append(path)
    return sorted(paths)


if __name__ == "__main__":
    made = write_all(Path(sys.argv[1]))
    print(f"{len(made)} files, {sum(path.stat().st_size for path in made) / 2**20:.1f} MiB")
