"""Tests of uploaded cut-outs: ZIPs and files become a folder of art, and what cannot be used is told in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from analogen import UserError
from analogen.demos import own_art_uploads
from analogen.demos.own_art_uploads import open_set, save_art


def cutout(path: Path, color: str = "red") -> Path:
    image = Image.new("RGBA", (40, 40))
    image.paste(color, (8, 8, 32, 32))
    image.save(path)
    return path


def packed(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return path


def test_files_and_zips_become_one_folder_named_by_its_files(tmp_path: Path) -> None:
    fox = cutout(tmp_path / "red_fox.png")
    data = cutout(tmp_path / "other.png", "blue").read_bytes()
    archive = packed(tmp_path / "art.zip", {"set/blue bird.png": data, "set/": b"", "__MACOSX/._x.png": b"?"})
    found = save_art([fox, archive], tmp_path / "kept")
    assert found.names == ("blue bird", "red fox")
    assert found.refused == ()
    assert open_set(tmp_path / "kept", found.name) == found
    assert save_art([archive, fox], tmp_path / "kept").name == found.name


def test_entries_stay_inside_and_those_of_one_name_are_both_kept(tmp_path: Path) -> None:
    data = cutout(tmp_path / "x.png").read_bytes()
    other = cutout(tmp_path / "y.png", "blue").read_bytes()
    archive = packed(tmp_path / "art.zip", {"../../out.png": data, "a/fox.png": data, "b/fox.png": other})
    found = save_art([archive], tmp_path / "kept")
    assert found.names == ("fox", "out")
    assert len(list((tmp_path / "kept" / found.name).glob("*.png"))) == 3
    assert not (tmp_path / "out.png").exists()


def test_what_cannot_be_drawn_is_left_out_and_told(tmp_path: Path) -> None:
    good, bad = cutout(tmp_path / "good.png"), tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:60])
    found = save_art([good, bad], tmp_path / "kept")
    assert found.names == ("good",)
    (line,) = found.refused
    assert line.startswith("bad.png: ")
    assert str(tmp_path) not in line


@pytest.mark.parametrize("name", ["../x", "", "0" * 20, "/etc"])
def test_pages_can_name_kept_sets_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="there is no art"):
        open_set(tmp_path, name)


def test_uploads_over_the_limits_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = cutout(tmp_path / "good.png")
    text, broken = tmp_path / "x.txt", tmp_path / "broken.zip"
    text.write_text("x")
    broken.write_bytes(b"PK\3\4")
    empty = packed(tmp_path / "empty.zip", {"readme.txt": b"x"})
    bomb = packed(tmp_path / "bomb.zip", {"a.png": bytes(2000)})
    monkeypatch.setattr(own_art_uploads, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(own_art_uploads, "MAX_FILES", 2)
    for paths, words in (
        ([text], "is no PNG, WebP, SVG or ZIP"), ([broken], "cannot be unpacked"), ([empty], "no PNG, WebP or SVG"),
        ([bomb], "a.png in it is over"), ([good] * 3, "more than 2 files"), ([], "no PNG, WebP or SVG"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=words) as refused:
            save_art(paths, tmp_path / "kept")
        assert "\n" not in str(refused.value)
        assert str(tmp_path) not in str(refused.value)
    assert [path for path in (tmp_path / "kept").iterdir() if path.is_dir()] == []
