"""Valid but unusual pictures, and pictures with wrong fields: modes, EXIF, profiles, headers, PNG, TIFF, animations."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zlib

import numpy as np
from picture_builders import (
    END,
    ENTITY_BOMB,
    FORMATS,
    MODES,
    SIGNATURE,
    SQUARE_SVG,
    NamedFiles,
    chunk,
    encode,
    gray_tiff,
    header,
    jpeg_with,
    png,
    sample_files,
    sample_picture,
    segment,
    tiff,
)
from PIL import Image


def modes() -> NamedFiles:
    rgba = sample_picture().convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
    for mode in MODES:
        try:
            if mode in ("RGBa", "La"):
                image = (rgba if mode == "RGBa" else rgba.convert("LA")).convert(mode)
            elif mode == "PA":
                image = rgba.convert("P").convert("PA")
            elif mode == "LAB":
                image = Image.frombytes("LAB", (40, 40), sample_picture().tobytes())
            elif mode == "I;16":
                image = Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40)
            else:
                image = (rgba if mode in ("RGBA", "LA") else sample_picture()).convert(mode)
        except ValueError:
            continue
        for kind in ("png", "jpeg", "gif", "webp", "bmp", "tiff", "ppm", "jp2", "ico"):
            try:
                data = encode(image, kind)
            except (OSError, ValueError, KeyError):
                continue
            yield f"mode-{mode.replace(';', '-')}-{kind}.{FORMATS[kind][2]}", data


def orientations() -> NamedFiles:
    for value in (*range(10), 255, 65535):
        exif = Image.Exif()
        exif[0x0112] = value
        yield f"exif-orientation-{value}.jpg", encode(sample_picture(), "jpeg", exif=exif)
    for name, kind, value in (("text", 2, b"up\0\0"), ("fraction", 5, b"\0\0\0\0"), ("float", 11, b"\xff" * 4)):
        body = b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHI", 0x0112, kind, 1) + value + bytes(4)
        yield f"exif-orientation-{name}.jpg", encode(sample_picture(), "jpeg", exif=body)
    yield "exif-orientation-png.png", encode(sample_picture(), "png", exif=b"Exif\0\0II*\0" + b"\xff" * 40)


def metadata_blocks() -> NamedFiles:
    """EXIF, profiles and comments."""
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
    yield "exif-giant.png", encode(sample_picture(), "png", exif=exif + b"II*\0\x08\0\0\0" + bytes(3_000_000))
    yield "exif-giant.webp", encode(sample_picture(), "webp", exif=exif + b"II*\0\x08\0\0\0" + b"\xff" * 300_000)
    yield (
        "xmp-entities.jpg",
        jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + ENTITY_BOMB.encode())),
    )
    yield (
        "xmp-entities.png",
        SIGNATURE
        + header(1, 1)
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + ENTITY_BOMB.encode())
        + chunk(b"IDAT", zlib.compress(bytes(4)))
        + END,
    )
    yield "profile-broken.jpg", jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\1" + b"\xff" * 3000))
    yield "profile-parts-missing.jpg", jpeg_with(segment(0xE2, b"ICC_PROFILE\0\7\3" + b"\0" * 300))
    yield "profile-giant.png", encode(sample_picture(), "png", icc_profile=bytes(8_000_000))
    yield "iptc-broken.jpg", jpeg_with(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4" + b"\xff" * 30))
    yield "comments-many.jpg", jpeg_with(*[segment(0xFE, b"x" * 20)] * 20_000)
    yield "mpf-broken.jpg", jpeg_with(segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + b"\xff" * 60))
    yield "adobe-transform.jpg", jpeg_with(segment(0xEE, b"Adobe\0\x64\0\0\0\0\x07"))


def wrong_headers() -> NamedFiles:
    plain = sample_files()
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
    yield "drawing.svg.png", SQUARE_SVG.encode()
    yield "wmf.png", b"\xd7\xcd\xc6\x9a" + bytes(60)
    yield "psd.png", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(400)


def unusual_png() -> NamedFiles:
    line = b"\0" + bytes(range(24))
    rows = line * 8
    body = chunk(b"IDAT", zlib.compress(rows))
    yield (
        "png-bad-checksum.png",
        SIGNATURE + header(8, 8) + chunk(b"IDAT", zlib.compress(rows), checksum=7) + END,
    )
    yield "png-bad-header-checksum.png", SIGNATURE + header(8, 8)[:-4] + bytes(4) + body + END
    yield (
        "png-long-chunk.png",
        SIGNATURE + header(8, 8) + chunk(b"IDAT", zlib.compress(rows), length=2**31 - 1) + END,
    )
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
    yield (
        "png-grey-transparency.png",
        png(8, 8, (b"\0" + b"\x0f" * 8) * 8, colour=0, extra=chunk(b"tRNS", b"\0\x0f")),
    )
    yield "png-short-transparency.png", png(8, 8, rows, extra=chunk(b"tRNS", b"\0"))
    yield "png-one-bit-transparency.png", png(8, 8, b"\0\xaa" * 8, bits=1, colour=0, extra=chunk(b"tRNS", b"\0\1"))
    yield "png-16-bit-rgb.png", png(4, 4, (b"\0" + bytes(range(24))) * 4, bits=16)
    yield "png-16-bit-rgba.png", png(4, 4, (b"\0" + bytes(range(32))) * 4, bits=16, colour=6)
    yield "png-16-bit-grey-alpha.png", png(4, 4, (b"\0" + bytes(range(16))) * 4, bits=16, colour=4)
    yield (
        "png-16-bit-grey-transparency.png",
        png(4, 4, (b"\0" + bytes(range(8))) * 4, bits=16, colour=0, extra=chunk(b"tRNS", b"\0\1")),
    )
    yield (
        "png-interlaced-cut.png",
        SIGNATURE + header(64, 64, interlace=1) + chunk(b"IDAT", zlib.compress(rows)) + END,
    )
    yield "png-no-width.png", SIGNATURE + header(0, 8) + body + END
    yield "png-no-height.png", SIGNATURE + header(8, 0) + body + END
    yield "png-odd-gamma.png", png(8, 8, rows, extra=chunk(b"gAMA", bytes(4)) + chunk(b"pHYs", b"\xff" * 9))
    yield "png-bad-frames.png", png(8, 8, rows, extra=chunk(b"acTL", b"\0\0\0\2") + chunk(b"fcTL", bytes(5)))
    yield "png-frame-outside.png", png(
        8, 8, rows,
        extra=chunk(b"acTL", struct.pack(">II", 2, 0))
        + chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 9000, 9000, 5, 5, 1, 1, 0, 0)),
    )  # fmt: skip


def unusual_others() -> NamedFiles:
    plain = sample_files()
    for sample_format, bits in ((3, 16), (3, 32), (3, 64), (2, 8), (2, 16), (2, 32), (1, 32), (1, 1), (1, 4), (1, 7)):
        yield f"tiff-format-{sample_format}-bits-{bits}.tif", gray_tiff(8, 8, bits=bits, sample_format=sample_format)
    values = np.linspace(-9, 9, 64).astype(np.float32).reshape(8, 8)
    values[0, :4] = np.nan, np.inf, -np.inf, 3e38
    yield "tiff-not-numbers.tif", encode(Image.fromarray(values), "tiff")
    yield "tiff-only-not-numbers.tif", encode(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "tiff")
    yield "tiff-negative.tif", encode(Image.fromarray(np.arange(-32, 32, dtype=np.int32).reshape(8, 8) * 9999), "tiff")
    yield "tiff-no-width.tif", gray_tiff(0, 8)
    yield "tiff-no-samples.tif", gray_tiff(8, 8, samples=0)
    yield "tiff-no-rows.tif", gray_tiff(8, 8, t278=0)
    yield "tiff-unknown-packing.tif", gray_tiff(8, 8, t259=32000)
    yield "tiff-unknown-colours.tif", gray_tiff(8, 8, t262=77)
    yield "tiff-far-strip.tif", gray_tiff(8, 8, t273=0xFFFFFFF0)
    yield "tiff-tile-of-nothing.tif", gray_tiff(8, 8, t322=0, t323=0, t324=10, t325=10)
    yield "tiff-planes.tif", gray_tiff(8, 8, samples=3, t284=2, t262=2)
    yield "tiff-turned.tif", gray_tiff(8, 8, t274=6)
    yield "tiff-turned-wrongly.tif", gray_tiff(8, 8, t274=600)
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
    cmyk = sample_picture().convert("CMYK")
    yield "cmyk.jpg", encode(cmyk, "jpeg")
    yield "cmyk.tif", encode(cmyk, "tiff")
    yield "cmyk-wrong-profile.jpg", encode(cmyk, "jpeg", icc_profile=b"\0" * 500)
    for width, height in ((1, 1), (1, 9000), (9000, 1), (3, 65000)):
        yield f"sides-{width}x{height}.png", encode(Image.new("RGB", (width, height), "teal"), "png")
        yield f"sides-{width}x{height}.jpg", encode(Image.new("RGB", (width, height), "teal"), "jpeg")
    yield "clear.png", encode(Image.new("RGBA", (30, 30)), "png")
    yield "white.png", encode(Image.new("RGB", (30, 30), "white"), "png")


def animated() -> NamedFiles:
    frames = [sample_picture().rotate(angle) for angle in (0, 30, 60, 90)]
    more: dict[str, object] = {"save_all": True, "append_images": frames[1:]}
    for kind in ("png", "gif", "webp", "tiff", "avif"):
        try:
            data = encode(frames[0], kind, **more)
        except (OSError, KeyError, ValueError):
            continue
        yield f"animated-{kind}.{FORMATS[kind][2]}", data
        yield f"animated-{kind}-cut.{FORMATS[kind][2]}", data[: len(data) * 2 // 3]
    for disposal in range(4):
        yield (
            f"animated-disposal-{disposal}.gif",
            encode(frames[0], "gif", disposal=disposal, loop=0, duration=0, **more),
        )
    clear = [Image.new("RGBA", (20, 20)), sample_picture(20).convert("RGBA")]
    yield "animated-clear-first.png", encode(clear[0], "png", save_all=True, append_images=clear[1:])
    yield (
        "animated-hidden-first.png",
        encode(clear[1], "png", save_all=True, append_images=clear[:1] * 2, default_image=True),
    )
    buffer = io.BytesIO()
    frames[0].save(buffer, "MPO", save_all=True, append_images=frames[1:2])
    yield "two-views.mpo.jpg", buffer.getvalue()
    yield "two-views-cut.mpo.jpg", buffer.getvalue()[: len(buffer.getvalue()) * 2 // 3]
    yield "no-frames.gif", b"GIF89a\x08\0\x08\0\x80\0\0" + b"\0\0\0\xff\xff\xff" + b"\x3b"
    yield "endless-block.gif", b"GIF89a\x08\0\x08\0\x80\0\0\0\0\0\xff\xff\xff" + b"\x21\xfe" + b"\xff" * 2000
    yield "long-comment.gif", b"GIF89a\x08\0\x08\0\0\0\0\x21\xfe" + (b"\xff" + b"c" * 255) * 9000 + b"\0\x3b"
