"""Tests of `analogen gallery`: the commands, refusals in one line, and hostile file names."""

from __future__ import annotations

import html.parser
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from gallery_rows import DIM, open_gallery
from PIL import Image

from analogen.cli import main
from analogen.relsim.encoder import load_encoder
from analogen.relsim.gallery import indexing
from analogen.relsim.gallery.html_page import PageImage, write_page
from analogen.relsim.gallery.store import FORMAT, Gallery, GalleryInfo
from analogen.relsim.mini.encoder import MiniEncoder


def run(*arguments: str | Path) -> int:
    return main(["gallery", *map(str, arguments)])


@pytest.fixture
def filled(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run("add", folder, "--gallery", tmp_path / "g") == 2
    capsys.readouterr()
    return tmp_path / "g"


def test_everyday_commands(filled: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", folder, "--gallery", filled, "--format", "json") == 2
    report = json.loads(capsys.readouterr().out)
    assert (report["unchanged"], report["rows"], len(report["refused"])) == (12, 12, 1)
    assert "broken.jpg" in report["refused"][0]["reason"]

    page = tmp_path / "page.html"
    arguments = ("--reference", folder / "02.png", "--gallery", filled, "--top-k", 3)
    assert run("search", *arguments, "--html", page, "--format", "json") == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert results[0]["path"] == str(folder / "02.png")
    assert results[0]["score"] > 0.99
    assert len(results) == 3
    assert page.read_text().count("<figure>") == 4
    assert run("search", "--relation", "{subject} in a ring", "--negative", folder / "02.png", "--gallery", filled) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10

    assert run("info", "--gallery", filled, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 12
    for suffix in ("jsonl", "npz", "parquet"):
        assert run("export", tmp_path / f"rows.{suffix}", "--gallery", filled) == 0
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    with np.load(tmp_path / "rows.npz") as arrays:
        assert list(arrays["path"]) == [line["path"] for line in lines]
        assert arrays["relation"].shape == (12, 384)
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 12

    (folder / "00.png").unlink()
    assert run("info", "--gallery", filled) == 0
    assert "1 of them gone" in capsys.readouterr().out
    assert run("remove", "--gone", "--gallery", filled) == 0
    assert run("remove", folder / "inner", "--gallery", filled, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"gallery": str(filled), "removed": 6, "rows": 5}
    assert run("groups", "--gallery", filled, "--threshold", "0.1", "--html", page, "--format", "json") == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert groups[0]["size"] == 5
    assert "{subject}" in groups[0]["caption"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "--gallery", "G"), "the query is empty"),
        (("search", "--relation", "x", "--gallery", "gone"), "holds no gallery"),
        (("search", "--relation", " ", "--gallery", "G"), "expected 1 to 1000"),
        (("search", "--relation", "x", "--gallery", "G", "--top-k", "0"), "--top-k is 0"),
        (("search", "--relation", "x", "--gallery", "G", "--weight", "2"), "--weight is 2.0"),
        (("search", "--relation", "x", "--unlike-looks", "--gallery", "G"), "needs the looks of a picture"),
        (("add", "empty", "--gallery", "G"), "holds no pictures"),
        (("add", "pictures", "--gallery", "G", "--encoder", "gone"), "unknown encoder 'gone'"),
        (("remove", "--gallery", "G"), "nothing to remove was named"),
        (("export", "rows.txt", "--gallery", "G"), "ends in .jsonl, .npz or .parquet"),
        (("groups", "--gallery", "G", "--threshold", "7"), "expected a cosine between 0 and 1"),
        (("index", "--gallery", "G"), "below 4096 an index slows searches"),
        (("info", "--gallery", "pictures"), "holds no gallery"),
        (("add", "pictures", "--gallery", "pictures"), "is a folder with other things in it"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: tuple[str, ...],
    message: str,
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert run(*(str(filled) if one == "G" else one for one in arguments)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("analogen: ")
    assert message in line


def test_gallery_of_another_encoder_or_of_a_newer_version_is_refused(
    filled: Path, tmp_path: Path, tiny_encoder_folder: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", folder, "--gallery", filled, "--encoder", tiny_encoder_folder) == 2
    assert "is a gallery of the encoder 'mini'" in capsys.readouterr().err
    old = tmp_path / "old"
    Gallery.create(old, GalleryInfo("mini", DIM, 112, "0123"))
    assert run("search", "--relation", "x", "--gallery", old) == 2
    assert "was made with other weights of the encoder 'mini'" in capsys.readouterr().err
    Gallery.create(tmp_path / "newer", GalleryInfo("mini", DIM, 112, format=FORMAT + 1))
    assert run("info", "--gallery", tmp_path / "newer") == 2
    assert f"is a gallery of format {FORMAT + 1}, this version reads up to {FORMAT}" in capsys.readouterr().err


def test_help_does_not_import_the_table_library() -> None:
    code = """
import sys
from analogen.cli import main
for name in ("add", "search", "groups"):
    assert main(["gallery", name, "--help"]) == 0
assert not {"torch", "lancedb", "pyarrow"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True)


def test_missing_library_is_reported_with_its_extra(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["lancedb"] = None
from analogen.cli import main
sys.exit(main(["gallery", "info", "--gallery", sys.argv[1]]))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'pip install "analogen[gallery]"' in done.stderr


def test_gallery_can_be_copied_as_a_folder(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "copy")
    assert len(Gallery.open(tmp_path / "copy")) == 12
    assert load_encoder("mini") is not None


def test_hostile_file_names_stay_text_on_the_page(encoder: MiniEncoder, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    names = ["<script>alert(1)<", 'it\'s "quoted" & more', "a\nb", "% _ ' ; DROP TABLE pictures; --"]
    for name in names:
        Image.new("RGB", (70, 70), "navy").save(folder / f"{name.replace('/', '')}.png")
    gallery = open_gallery(tmp_path, encoder)
    assert indexing.add(gallery, [folder], encoder).added == 4
    assert indexing.add(gallery, [folder], encoder).unchanged == 4
    loaded = gallery.load()
    page = write_page("<b>", "&", [], [("<i>", [PageImage(b"", str(path), "<u>") for path in loaded.rows["path"]])])

    class Tags(html.parser.HTMLParser):
        found: set[str] = set()  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.found.add(tag)

    Tags().feed(page)
    assert not Tags.found & {"script", "b2", "i2", "u"}
    assert "&lt;script&gt;alert(1)&lt;" in page
    assert gallery.remove([str(path) for path in loaded.rows["path"]]) == 4
    assert len(gallery) == 0


def test_a_name_with_line_breaks_stays_on_its_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "odd"
    place.mkdir()
    shutil.copyfile(folder / "02.png", place / "two\nlines\x1b[31m.png")
    gallery = tmp_path / "h"
    assert run("add", place, "--gallery", gallery) == 0
    capsys.readouterr()
    assert run("search", "--reference", folder / "02.png", "--gallery", gallery) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("two lines\\x1b[31m.png")
    assert run("search", "--reference", folder / "02.png", "--path", "*TWO*", "--gallery", gallery) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
