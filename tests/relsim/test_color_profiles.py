from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from analogen.relsim.color_profiles import to_srgb
from analogen.relsim.images import as_rgb, read_image
from analogen.relsim.world.subject_image import Picture, read_subject_image

LOGO = Path(__file__).parent / "data" / "logo_p3.png"  # (200, 60, 40) in Display P3
SRGB = (219, 37, 13)


def profile(path: Path = LOGO) -> bytes:
    with Image.open(path) as image:
        return bytes(image.info["icc_profile"])


def near(color: object, expected: tuple[int, ...]) -> bool:
    return bool(np.abs(np.array(color)[:3] - np.array(expected)).max() <= 2)


def test_references_and_art_are_converted() -> None:
    with Image.open(LOGO) as raw:
        place = np.argwhere((np.asarray(raw.convert("RGB")) == (200, 60, 40)).all(axis=-1))[500]
    assert near(np.asarray(read_image(LOGO).image)[tuple(place)], SRGB)
    art = read_subject_image(LOGO)
    assert isinstance(art, Picture)
    colors = art.rgba[art.rgba[..., 3] == 255][:, :3]
    assert (np.abs(colors.astype(int) - SRGB).max(axis=1) <= 2).mean() > 0.3
    with Image.open(LOGO) as raw:
        assert near(np.asarray(as_rgb(raw))[tuple(place)], SRGB)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_each_mode_is_converted_and_keeps_its_transparency(mode: str) -> None:
    image = Image.new("RGB", (9, 9), (200, 60, 40))
    if mode == "RGBA":
        image.putalpha(100)
    image = image.convert(mode) if mode != "P" else image.quantize(4)
    image.info["icc_profile"] = profile()
    found = to_srgb(image)
    assert near(found.convert("RGB").getpixel((4, 4)), SRGB)
    assert found.has_transparency_data == (mode == "RGBA")
    if mode == "RGBA":
        assert found.getpixel((4, 4))[3] == 100
    assert "icc_profile" not in found.info


def test_grey_and_print_colours_are_converted_by_profiles_of_their_kind() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for mode, data in (("L", profile()), ("CMYK", profile()), ("RGB", lab)):
        image = Image.new(mode, (4, 4), 90 if mode == "L" else (10, 20, 30, 40)[: len(mode)])
        image.info["icc_profile"] = data
        assert to_srgb(image) is image  # a profile of another kind says nothing


def test_srgb_and_no_profile_change_nothing() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    assert to_srgb(image) is image
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert to_srgb(image) is image


@pytest.mark.parametrize("data", [b"", b"x" * 50, b"\0" * 500, b"acsp" * 200, bytes(8_000_000), "text", None])
def test_a_profile_that_cannot_be_used_is_passed_over(data: object) -> None:
    image = Image.new("RGB", (4, 4), (1, 2, 3))
    image.info["icc_profile"] = data
    assert to_srgb(image) is image


def test_a_truncated_profile_is_passed_over(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(buffer, "PNG", icc_profile=profile()[:300])
    (tmp_path / "cut.png").write_bytes(buffer.getvalue())
    assert read_image(tmp_path / "cut.png").image.getpixel((1, 1)) == (1, 2, 3)


def test_a_turned_picture_is_both_turned_and_converted(tmp_path: Path) -> None:
    image = Image.new("RGB", (9, 5), (200, 60, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", quality=95, exif=exif, icc_profile=profile())
    found = read_image(tmp_path / "turned.jpg")
    assert found.image.size == (5, 9)
    assert near(found.image.getpixel((2, 4)), SRGB)
