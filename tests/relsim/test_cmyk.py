"""Pictures in the colours of print, CMYK, come out in sRGB: by their profile, or by Pillow's plain conversion."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.color_profiles import to_srgb
from analogen.relsim.images import read_image
from analogen.relsim.world.subject_image import Picture, read_subject_image

INK = (26, 204, 153, 51)  # 0 to 255; plain conversion makes (183, 41, 82) of it
PLAIN = (183, 41, 82)
BY_PROFILE = (0, 119, 0)  # CIE L*a*b* (43, -50, 50) in sRGB, to within the steps of the grid
FORMATS = {"print.jpg": {"quality": 100, "subsampling": 0}, "print.tif": {}}


def cmyk_profile(lab: tuple[float, float, float]) -> bytes:
    """A printer's profile, version 2, on whose paper every mix of inks has one colour, and no ink at all is white.

    It is absurd on purpose: no plain conversion comes near. Its table has two steps for each ink.
    """

    def encoded(values: tuple[float, float, float]) -> bytes:
        lightness, a, b = values
        return struct.pack(">3H", round(lightness * 652.8), round((a + 128) * 256), round((b + 128) * 256))

    nodes = itertools.product((0, 1), repeat=4)
    table = b"".join(encoded(lab if any(node) else (100, 0, 0)) for node in nodes)
    ramp = struct.pack(">2H", 0, 65535)
    matrix = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    steep = struct.pack(">16H", 0, *[65535] * 15)  # any ink counts as full
    lut = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + struct.pack(">2H", 16, 2) + steep * 4 + table + ramp * 3
    text = b"made by a test\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0" + text, b"wtpt": white, b"A2B0": lut, b"A2B1": lut}
    directory, data, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        directory += name + struct.pack(">2I", offset + len(data), len(content))
        data += content
    size = 128 + len(directory) + len(data)
    illuminant = struct.pack(">3i", 63190, 65536, 54061)
    header = struct.pack(">I4sI4s4s4s12s4s", size, b"test", 0x02400000, b"prtr", b"CMYK", b"Lab ", bytes(12), b"acsp")
    return header.ljust(68, b"\0") + illuminant + bytes(48) + directory + data


def painted(path: Path, profile: bytes | None) -> Path:
    """A page without ink, with a square of one mix of inks in its middle."""
    image = Image.new("CMYK", (64, 64), (0, 0, 0, 0))
    image.paste(INK, (16, 16, 48, 48))
    image.save(path, icc_profile=profile, **FORMATS[path.name])
    return path


def near(color: object, expected: tuple[int, ...], by: int = 6) -> bool:
    return bool(np.abs(np.array(color)[:3].astype(int) - np.array(expected)).max() <= by)


@pytest.mark.parametrize("name", FORMATS)
def test_references_and_art_are_converted_by_the_profile(tmp_path: Path, name: str) -> None:
    path = painted(tmp_path / name, cmyk_profile((43, -50, 50)))
    image = read_image(path).image
    assert image.mode == "RGB"
    assert near(image.getpixel((32, 32)), BY_PROFILE)
    assert near(image.getpixel((4, 4)), (255, 255, 255))
    art = read_subject_image(path)
    assert isinstance(art, Picture)
    opaque = art.rgba[art.rgba[..., 3] == 255]
    assert len(opaque) > 600
    assert near(np.median(opaque, axis=0), BY_PROFILE)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("profile", [None, cmyk_profile((43, -50, 50))[:300]], ids=["none", "truncated"])
def test_without_a_profile_that_can_be_used_the_conversion_is_plain(
    tmp_path: Path, name: str, profile: bytes | None
) -> None:
    image = read_image(painted(tmp_path / name, profile)).image
    assert near(image.getpixel((32, 32)), PLAIN)
    assert near(image.getpixel((4, 4)), (255, 255, 255))


GHOSTSCRIPT = Path("/usr/share/color/icc/ghostscript/default_cmyk.icc")


@pytest.mark.skipif(not GHOSTSCRIPT.exists(), reason="needs a printer's profile: apt-get install libgs-common")
def test_a_printers_profile_gives_its_colours() -> None:
    """SWOP-like inks: full cyan on paper is a dull blue, not the screen's (0, 255, 255)."""
    image = Image.new("CMYK", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 0))
    image.info["icc_profile"] = GHOSTSCRIPT.read_bytes()
    found = to_srgb(image)
    red, green, blue = found.getpixel((0, 0))
    assert red < 80
    assert 130 < green < 190
    assert 190 < blue < 250
    assert near(found.getpixel((1, 0)), (255, 255, 255))
