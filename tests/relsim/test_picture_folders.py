"""Promises of folders: whatever looks like a picture is read or listed with its reason."""

from __future__ import annotations

import base64
import os
import zlib
from pathlib import Path

import pytest
from PIL import Image

from analogen.relsim import image_formats
from analogen.relsim.images import read_image
from analogen.relsim.picture_folders import picture_files, scan_pictures
from analogen.relsim.world.cutouts import CutOuts
from analogen.relsim.world.grounds import Grounds
from analogen.relsim.world.subject_image import read_subject_image

# 64 x 48 pixels, white with a red rectangle at (8, 8, 30, 40).
HEIC = zlib.decompress(base64.b85decode(
    "c-muNV30{GsVvAy%}izhg51nBLl8SRGck>Ufw49>wIq=N0u(b+a*CjAhJwuG5(YG&l$nzcHpIn&fe{FSfN>#&27+uLR?f`KO9S&jqM|@fDif5KQI>27V"
    ")7MamgK^f{LL&VDge@VGYgXQfpi&AnKL6ZNN56Bk=zG{KYxGxU|`^9P5|nVaA4$N{Qn=MfElEM8HD6^F*zgxCAFLw8PQ}GC^WK8d-Y`5&K(>X1`0qSW)Q)"
    "km;_YL=E8We_&_Jn65-_hoT9wsoC=^QF9TZxP)H=RxF8kkGY2TvNX|(tfU-f3H-OS0!1VwB{|_J<hy@BVD>6ZX%p4pXKuRLBAQu+Mz;I)2WMXD*0kVs8Qx"
    "ZXeoUXyRUbunJ!Ll#w(vA9f^Pfe>S2C<zJJDH1a_<SR8DBlQI8R@S|9x)JAC3P$cU(PA&p+_>qv(10j>780cIS6E&JC{CU_8)jygsRDb#VGDcctP$R_&~"
    "ittRXA#D0he{%2O}J+U&??hXLO#d>Q"
))  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    (place / "inner").mkdir(parents=True)
    image = Image.new("RGB", (80, 60), "teal")
    image.save(place / "a.png")
    image.save(place / "inner" / "nameless", "JPEG")
    (place / "b.HEIC").write_bytes(HEIC)
    (place / "c.psd").write_bytes(b"8BPS\0\x01")
    (place / "d.NEF").write_bytes(b"II*\0 a raw file is a TIFF inside")
    (place / "e.svg").write_text("<svg/>")
    (place / "f.jpg").symlink_to(place / "gone.jpg")
    (place / "notes.txt").write_text("no picture, and none expected")
    (place / "model.bin").write_bytes(bytes(64))
    (place / ".hidden.png").write_bytes(b"")
    return place


def no_heif(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(image_formats, "reads_heif", lambda: False)
    patch.delitem(Image.OPEN, "HEIF", raising=False)


def test_every_picture_is_read_or_listed_with_its_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_heif(monkeypatch)
    found = scan_pictures(folder)
    assert [path.name for path in found.paths] == ["a.png", "nameless"]
    reasons = {Path(row["path"]).name: row["reason"] for row in found.left_out}
    assert set(reasons) == {"b.HEIC", "c.psd", "d.NEF", "e.svg", "f.jpg"}
    assert 'pip install "analogen[heif]"' in reasons["b.HEIC"]
    assert all("export it as PNG or JPEG" in reasons[name] for name in ("b.HEIC", "c.psd", "d.NEF", "e.svg"))
    assert "a link to a file that is not there" in reasons["f.jpg"]


def test_heic_is_read_where_a_decoder_is_installed(folder: Path) -> None:
    pytest.importorskip("pi_heif", reason='HEIC needs pi-heif: pip install "analogen[heif]"')
    assert "b.HEIC" in [path.name for path in scan_pictures(folder).paths]
    picture = read_image(folder / "b.HEIC")
    assert picture.image.size == (64, 48)
    red, green, blue = picture.image.getpixel((20, 24))  # type: ignore[misc]
    assert red > 150 > 100 > max(green, blue)
    assert picture.notes == ()
    assert read_subject_image(folder / "b.HEIC").pixels(64).shape == (64, 64, 4)


def test_a_named_heic_is_told_the_way_out_whatever_its_suffix(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_heif(monkeypatch)
    (folder / "phone.jpg").write_bytes(HEIC)
    for name in ("b.HEIC", "phone.jpg"):
        with pytest.raises(ValueError, match=r"is an HEIC picture, which needs pi-heif: pip install"):
            read_image(folder / name)
        with pytest.raises(ValueError, match=r"needs pi-heif"):
            read_subject_image(folder / name)


def test_avif_that_pillow_cannot_read_is_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_formats, "reads_avif", lambda: False)
    (folder / "g.avif").write_bytes(b"\0\0\0\x20ftypavif")
    assert any(row["path"].endswith("g.avif") for row in scan_pictures(folder).left_out)


def test_a_raw_file_is_refused_and_not_read_as_its_thumbnail(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "thumb.tif")
    (folder / "thumb.tif").rename(folder / "thumb.nef")
    with pytest.raises(ValueError, match="camera's raw file"):
        read_image(folder / "thumb.nef")


def test_folders_that_cannot_be_entered_are_listed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    assert any("link to a folder" in row["reason"] for row in scan_pictures(folder).left_out)
    if os.geteuid():
        (folder / "locked").mkdir(mode=0)
        assert any("cannot be opened" in row["reason"] for row in scan_pictures(folder).left_out)


def test_a_folder_of_nothing_readable_says_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_heif(monkeypatch)
    for name in ("a.heic", "b.heic"):
        (tmp_path / name).write_bytes(HEIC)
    with pytest.raises(ValueError, match=r"holds no pictures that can be read: a\.heic is an HEIC.*1 more"):
        picture_files(tmp_path)


def test_cutouts_and_grounds_list_what_they_do_not_use(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    thing = Image.new("RGBA", (40, 40))
    thing.paste((255, 0, 0, 255), (10, 10, 30, 30))
    thing.save(tmp_path / "red.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.jpg")
    (tmp_path / "c.psd").write_bytes(b"8BPS\0\x01")
    assert {path.name for path, _ in CutOuts.from_folder(tmp_path).skipped} == {"clear.png", "photo.jpg", "c.psd"}
    assert [path.name for path, _ in Grounds.from_folder(tmp_path).skipped] == ["c.psd"]
