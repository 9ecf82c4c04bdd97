"""Formats of pictures: which are read, and for each other one what it is and what to do about it."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from PIL import Image, features

# Without EPS and PDF, for which Pillow would start Ghostscript, and without rare formats.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "JPEG2000", "PPM", "ICO")
SUFFIXES = frozenset({
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff", ".jp2",
    ".ppm", ".pgm", ".ico",
})  # fmt: skip
HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
EXPECTED = "expected a PNG, JPEG, WebP, AVIF, GIF, TIFF or BMP picture"
_EXPORT = "export it as PNG or JPEG"
_RAW = f"is a camera's raw file, which is not read: {_EXPORT}"
_OTHERS = {
    **dict.fromkeys((".psd", ".psb"), "a Photoshop file"), ".xcf": "a GIMP file", ".kra": "a Krita file",
    ".ai": "an Illustrator file", ".eps": "an EPS drawing", **dict.fromkeys((".svg", ".svgz"), "an SVG drawing"),
    ".jxl": "a JPEG XL picture", ".exr": "an OpenEXR picture", ".hdr": "a Radiance picture", ".tga": "a TGA picture",
}  # fmt: skip
_RAWS = (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw")
PICTURE_SUFFIXES = SUFFIXES | HEIF_SUFFIXES | _OTHERS.keys() | set(_RAWS)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_NO_HEIF = f'is an HEIC picture, which needs pi-heif: pip install "analogen[heif]", or {_EXPORT}'
_NO_AVIF = f"is an AVIF picture, which this Pillow does not read: pip install -U pillow, or {_EXPORT}"


@cache
def reads_heif() -> bool:
    """Whether HEIC files can be read: by pi-heif or pillow-heif, which is registered with Pillow at the first call."""
    for name in ("pi_heif", "pillow_heif"):
        try:
            importlib.import_module(name).register_heif_opener(thumbnails=False)
        except ImportError:
            continue
        return True
    return False


def reads_avif() -> bool:
    """Whether this Pillow reads AVIF."""
    return bool(features.check("avif"))


def readable_formats() -> list[str]:
    """Names of FORMATS that Pillow can open here."""
    Image.init()
    reads_heif()
    return [name for name in FORMATS if name in Image.OPEN]


def why_not_by_name(name: str) -> str | None:
    """Why a file with a picture's suffix cannot be read, None if it can be tried."""
    suffix = Path(name).suffix.lower()
    if suffix in HEIF_SUFFIXES:
        return None if reads_heif() else _NO_HEIF
    if suffix == ".avif":
        return None if reads_avif() else _NO_AVIF
    if suffix in _RAWS:
        return _RAW
    return f"is {_OTHERS[suffix]}, which is not read: {_EXPORT}" if suffix in _OTHERS else None


def is_raw(name: str) -> bool:
    """Whether a file is a camera's raw file by its name. Many are TIFF inside, and Pillow would read a thumbnail."""
    return Path(name).suffix.lower() in _RAWS


def why_not_by_content(head: bytes) -> str | None:
    """Why a file with these first bytes (16 or more) is not read although it is a picture; None if that is unknown."""
    kind = sniffed_format(head)
    if kind == "HEIF" and not reads_heif():
        return _NO_HEIF
    if kind == "AVIF" and not reads_avif():
        return _NO_AVIF
    suffix = {"PSD": ".psd", "JXL": ".jxl"}.get(kind or "")
    if suffix is None and b"<svg" in head.lower():
        suffix = ".svg"
    return None if suffix is None else why_not_by_name(suffix.replace(".", "x.", 1))


def sniffed_format(head: bytes) -> str | None:
    """The format of a picture by its first 16 bytes, None if they are of no picture that is certain."""
    for start, name in (
        (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF87a", "GIF"), (b"GIF89a", "GIF"),
        (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"\0\0\0\x0cjP  ", "JPEG2000"), (b"8BPS\0\x01", "PSD"),
        (b"\0\0\0\x0cJXL ", "JXL"),
    ):  # fmt: skip
        if head.startswith(start):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        if head[8:12] in (b"avif", b"avis"):
            return "AVIF"
        return "HEIF" if head[8:12] in _HEIF_BRANDS else None
    return None
