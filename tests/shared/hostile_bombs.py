"""Hostile pictures that ask for far more memory or time than their size: bombs, loops, many pages and scans."""

from __future__ import annotations

import struct

from picture_builders import (
    END,
    SIGNATURE,
    NamedFiles,
    chunk,
    compressed_zeros,
    encode,
    gray_tiff,
    header,
    ico,
    png,
    sample_files,
)
from PIL import Image


def bombs() -> NamedFiles:
    for width, height in ((8001, 8001), (30000, 30000), (2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (64_000_001, 1)):
        yield (
            f"bomb-png-{width}x{height}.png",
            SIGNATURE + header(width, height) + chunk(b"IDAT", b"x\x9c") + END,
        )
    row = 12_500 // 8 + 1
    whole = SIGNATURE + header(12_500, 12_500, 1, 0) + chunk(b"IDAT", compressed_zeros(12_500 * row)) + END
    yield "bomb-png-whole.png", whole
    yield (
        "bomb-png-endless-rows.png",
        SIGNATURE + header(8, 8) + chunk(b"IDAT", compressed_zeros(64 << 20)) + END,
    )
    yield (
        "full-16-bit.png",
        SIGNATURE + header(7900, 7900, 16, 0) + chunk(b"IDAT", compressed_zeros(7900 * (2 * 7900 + 1))) + END,
    )
    text = compressed_zeros(64 << 20)
    for name, extra in {
        "ztxt": chunk(b"zTXt", b"Comment\0\0" + text),
        "itxt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + text),
        "iccp": chunk(b"iCCP", b"profile\0\0" + text),
    }.items():
        yield f"bomb-{name}.png", png(2, 2, bytes(14), extra=extra)
    yield "bomb-many-texts.png", png(2, 2, bytes(14), extra=chunk(b"tEXt", b"a\0" + b"b" * 50) * 30_000)
    frames = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    yield "bomb-frames.png", png(2, 2, bytes(14), extra=frames)
    plain = sample_files()
    # Wrong sizes in the headers of other formats.
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
    yield "bomb-sides.tif", gray_tiff(1_000_000, 1_000_000)
    yield "bomb-strip.tif", gray_tiff(100, 100, t279=0xFFFFFFF0)
    yield "bomb-samples.tif", gray_tiff(5000, 5000, samples=60000)
    yield "bomb-bits.tif", gray_tiff(100, 100, bits=0xFFFF)
    yield "loop.tif", b"II*\0" + struct.pack("<IHI", 8, 0, 8)
    one = gray_tiff(8, 8)
    yield "loop-of-sound-pages.tif", one[: 8 + 2 + 120] + struct.pack("<I", 8) + one[8 + 2 + 120 + 4 :]
    pages = 40_000
    yield "bomb-pages.tif", _tiff_with_pages(pages)
    jpeg = bytearray(plain["jpeg"])
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 65500, 65500)
    yield "bomb-sides.jpg", bytes(jpeg)
    jpeg[place : place + 4] = struct.pack(">HH", 8000, 7900)
    yield "full-sides-little-data.jpg", bytes(jpeg)
    jpeg[place : place + 4] = struct.pack(">HH", 0, 40)
    yield "no-height.jpg", bytes(jpeg)
    yield "bomb-scans.jpg", _jpeg_with_scans(3000)
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


def _tiff_with_pages(count: int) -> bytes:
    """A TIFF with many pages that all share one small strip."""
    parts, place = [], 8
    tags = ((256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, 64))
    size = 2 + 12 * len(tags) + 4
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    for number in range(count):
        following = place + size * (number + 1) if number + 1 < count else 0
        parts.append(struct.pack("<H", len(tags)) + body + struct.pack("<I", following))
    return b"II*\0" + struct.pack("<I", 8) + b"".join(parts)


def _jpeg_with_scans(count: int) -> bytes:
    """A progressive JPEG of nearly the largest size whose scan is repeated; each covers all of its blocks."""
    data = encode(Image.new("L", (16, 16), 90), "progressive")
    start = data.index(b"\xff\xc2") + 5
    data = data[:start] + struct.pack(">HH", 7900, 7900) + data[start + 4 :]
    scan = data.rindex(b"\xff\xda")
    return data[:scan] + data[scan:-2] * count + data[-2:]
