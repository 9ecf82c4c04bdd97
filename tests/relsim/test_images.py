from __future__ import annotations

import contextlib
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim import images
from analogen.relsim.images import read_image


def gradient(width: int = 32, height: int = 16) -> np.ndarray:
    """(height, width) in [0, 1], dark to light from left to right."""
    return np.tile(np.linspace(0, 1, width), (height, 1))


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def write_png(path: Path, width: int, height: int, bits: int = 8, rows: bytes = b"") -> Path:
    """A colour PNG with this header, whatever its rows hold."""
    data = b"\x89PNG\r\n\x1a\n"
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    for body in (header, b"IDAT" + zlib.compress(rows), b"IEND"):
        data += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(data)
    return path


def test_sixteen_bit_grey_keeps_its_tones(tmp_path: Path) -> None:
    values = (gradient() * 65535).astype(np.uint16)
    for name in ("deep.png", "deep.tif"):
        picture = read_image(save(tmp_path / name, Image.fromarray(values)))
        assert picture.image.mode == "RGB"
        assert np.abs(np.asarray(picture.image)[..., 0] - gradient() * 255).max() <= 1


def test_sixteen_bit_colour_png_keeps_its_tones(tmp_path: Path) -> None:
    values = (gradient() * 65535).astype(">u2")[..., None].repeat(3, axis=2)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    path = write_png(tmp_path / "deep.png", 32, 16, bits=16, rows=rows)
    assert np.abs(np.asarray(read_image(path).image)[..., 0] - gradient() * 255).max() <= 1


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (-3.0, 900.0)])
def test_float_picture_uses_its_range(tmp_path: Path, low: float, high: float) -> None:
    values = (low + gradient() * (high - low)).astype(np.float32)
    picture = read_image(save(tmp_path / "float.tif", Image.fromarray(values)))
    assert np.abs(np.asarray(picture.image)[..., 1] - gradient() * 255).max() <= 1


def test_not_a_number_becomes_black(tmp_path: Path) -> None:
    values = gradient().astype(np.float32)
    values[3, 4] = np.nan
    assert read_image(save(tmp_path / "nan.tif", Image.fromarray(values))).image.getpixel((4, 3)) == (0, 0, 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_parts_lie_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 8))
    path = tmp_path / f"{mode}.png"
    if mode == "PA":
        save(path, image.quantize(4))
    else:
        save(path, image.convert(mode))
    seen = read_image(path).image
    assert seen.getpixel((1, 4)) == (255, 255, 255)
    assert seen.getpixel((6, 4)) != (255, 255, 255)


def test_transparent_colour_of_a_palette_lies_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 10, 200, 30])
    image.paste(1, (4, 0, 8, 8))
    seen = read_image(save(tmp_path / "palette.gif", image, transparency=0)).image
    assert seen.getpixel((0, 0)) == (255, 255, 255)
    assert seen.getpixel((6, 6)) == (10, 200, 30)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_every_common_colour_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("picture.jpg" if mode in ("CMYK", "YCbCr") else "picture.png")
    picture = read_image(save(path, Image.new("RGB", (9, 7), "white").convert(mode)))
    assert picture.image.mode == "RGB"
    assert picture.image.size == (9, 7)
    assert min(picture.image.getpixel((4, 3))) > 250


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = Image.new("RGB", (40, 20), "black")
    upright.paste("white", (0, 0, 20, 10))  # the light quarter belongs to the upper left
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(turn[orientation]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    seen = read_image(save(tmp_path / "phone.png", stored, exif=exif)).image
    assert seen.size == (40, 20)
    assert seen.getpixel((5, 5)) == (255, 255, 255)
    assert seen.getpixel((35, 15)) == (0, 0, 0)


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving.webp", "pages.tif"])
def test_first_frame_is_used_and_said(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    path = save(tmp_path / name, frames[0], save_all=True, append_images=frames[1:])
    picture = read_image(path)
    assert picture.notes == ("has 3 frames: the first is used",)
    assert picture.image.getpixel((4, 4))[0] > 240


def test_plain_picture_has_no_notes(picture: Path) -> None:
    assert read_image(picture).notes == ()


@pytest.mark.parametrize(("width", "height"), [(8001, 8001), (60000, 60000), (2**31 - 1, 2**31 - 1)])
def test_size_cap_is_checked_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    monkeypatch.setattr(images, "_decode", lambda _: pytest.fail("decoded"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"64 megapixels"):
            read_image(write_png(tmp_path / "huge.png", width, height))


def test_pillow_settings_stay_as_they_were(picture: Path) -> None:
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    read_image(picture)
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_file_size_cap(picture: Path) -> None:
    with pytest.raises(ValueError, match="at most"):
        images.open_checked(picture, max_bytes=100)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_picture_without_pixels_is_refused(tmp_path: Path, width: int, height: int) -> None:
    with pytest.raises(ValueError, match="has no pixels"):
        read_image(write_png(tmp_path / "nothing.png", width, height))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "gif"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_truncated_picture_is_refused_in_one_line(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    path = save(tmp_path / f"cut.{suffix}", Image.fromarray(noise))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ValueError, match=r"cut\.\w+: ") as refusal:
        read_image(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_picture_never_raises_anything_else(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / f"damaged.{('png', 'jpg', 'webp', 'gif', 'tif')[seed % 5]}"
    save(path, Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)))
    data = bytearray(path.read_bytes())
    for place in rng.integers(0, len(data), 12):
        data[place] = rng.integers(0, 256)
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        assert read_image(path).image.mode == "RGB"


def test_folder_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_image(tmp_path / "missing.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(ValueError, match="is empty"):
        read_image(tmp_path / "empty.png")
    for name, content in {
        "notes.txt": b"hello",
        "drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "zero": bytes(900),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="is not a picture"):
            read_image(tmp_path / name)


def test_large_jpeg_is_read_smaller_where_less_will_do(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    large = Image.fromarray(pixels).resize((1800, 1200), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    for ending, expected in (("jpg", (300, 450)), ("png", (1200, 1800))):
        path = save(tmp_path / f"large.{ending}", large, exif=exif)
        with path.open("rb") as file:
            picture = images.read_image_from(file, path, min_px=400)
        assert picture.size == (1200, 1800)
        assert picture.image.size == expected
        whole = read_image(path)
        assert whole.image.size == whole.size == (1200, 1800)
        difference = np.asarray(whole.image.resize(expected, Image.Resampling.BOX), float) - np.asarray(picture.image)
        assert np.abs(difference).mean() < 2
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "large.jpg").read_bytes()[:-2000])
    with cut.open("rb") as file, pytest.raises(ValueError, match="damaged or truncated"):
        images.read_image_from(file, cut, min_px=400)
